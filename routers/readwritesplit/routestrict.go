package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// strict are the marks of what goes to the primary and may leave the session in a state that no other server knows.
func (p *policy) strict(st *pipeline.Statement) marks {
	several := st.Statements > 1
	switch {
	case several && (p.strictMulti || begins(st.Canonical, sessionWords[:])):
		return marksBound
	case !p.strictCalls:
	case st.Class == sqlscan.Call, st.Class == sqlscan.Compound, st.Class == sqlscan.Execute,
		several && begins(st.Canonical, callWords[:]):
		return marksBound
	}
	return 0
}

var (
	// sessionWords begin the statements whose effect on the session cannot be followed where they are among others.
	sessionWords = [...]string{
		"SET ", "USE ", "PREPARE ", "DEALLOCATE ", "DROP PREPARE ", "LOCK ", "FLUSH ", "BACKUP ", "XA ", "HANDLER ",
		"CREATE TEMPORARY ", "CREATE OR REPLACE TEMPORARY ",
	}
	callWords = [...]string{"CALL ", "EXECUTE ", "BEGIN NOT "}
)

// begins reports whether one of the statements of a canonical text begins with one of the words.
func begins(canonical string, words []string) bool {
	for rest := canonical; ; {
		for _, word := range words {
			if strings.HasPrefix(rest, word) {
				return true
			}
		}
		_, after, ok := strings.Cut(rest, ";")
		if !ok {
			return false
		}
		rest = strings.TrimLeft(after, " ")
	}
}
