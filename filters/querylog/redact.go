package querylog

import (
	"regexp"
	"sync"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// verb is a place in the pattern of an error message where the server puts something in.
var verb = regexp.MustCompile(`'?%[-+0-9.]*l*[a-zA-Z]'?`)

// redacted are the messages of errors as they are before the server puts names and values into them.
var redacted = sync.OnceValue(func() map[uint16]string {
	all := make(map[uint16]string, len(mysql.MySQLErrName))
	for code, pattern := range mysql.MySQLErrName {
		all[code] = verb.ReplaceAllString(pattern, "?")
	}
	return all
})

// redact returns what may be said of an error without telling values. Servers quote them ("Duplicate entry 'x'"), and
// a message that a stored program has made up may be nothing else, so that only what the code stands for is left:
// nothing where that is not known.
func redact(code uint16) string { return redacted()[code] }
