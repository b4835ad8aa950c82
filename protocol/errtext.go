package protocol

import (
	"regexp"
	"sync"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// errVerb is a place in the pattern of an error message where the server puts something in.
var errVerb = regexp.MustCompile(`'?%[-+0-9.]*l*[a-zA-Z]'?`)

var errTexts = sync.OnceValue(func() map[uint16]string {
	all := make(map[uint16]string, len(mysql.MySQLErrName))
	for code, pattern := range mysql.MySQLErrName {
		all[code] = errVerb.ReplaceAllString(pattern, "?")
	}
	return all
})

// ErrText returns what may be said of an error without telling values: its message with ? where the server puts something
// in, which may be a password that stands near a mistake. It is empty for a code that is not known.
func ErrText(code uint16) string { return errTexts()[code] }
