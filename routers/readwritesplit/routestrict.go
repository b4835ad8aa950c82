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
	// endWords begin the statements that may end a transaction, or begin another.
	endWords = [...]string{
		"COMMIT", "ROLLBACK", "BEGIN", "START ", "SET ", "XA ", "LOCK ", "UNLOCK ", "FLUSH ", "CALL ", "EXECUTE ",
	}
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

// apart is where a statement goes while a transaction is open elsewhere than on the primary, a read-only one as a rule.
// All that belongs to it goes there: what it must not do, the server refuses. It does not refuse DDL, which ends the
// transaction. That, and what else has to go to the primary, has the transaction committed first, or later reads there would
// go on seeing what it saw.
func (p *policy) apart(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	there := decision{target: toLast, why: whyReadOnly, marks: variableMarks(st, effects, marksVariablesLast)}
	switch {
	case st.Statements > 1 && (effects&sqlscan.ImplicitCommit != 0 || begins(st.Canonical, endWords[:])):
		return decision{why: "it may end the transaction, and go on"}
	case st.Statements == 1 && endsApart(st, effects):
		return decision{why: classWhy[st.Class]}
	case st.Class != sqlscan.Write && asksPrimary(st.Canonical, effects): // writes are refused
		return beside(st, effects, sit)
	case st.Statements > 1:
		return there
	}
	switch st.Class {
	case sqlscan.Set, sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate:
		d := p.sessionStatement(c, st, effects, sit)
		switch d.marks {
		case marksNext: // it is refused within a transaction
			return there
		case marksVariables:
			there.marks = marksVariablesLast
			return there
		}
		return d
	}
	return there
}

// endsApart reports whether a statement ends a read-only transaction and then does what is the primary's.
func endsApart(st *pipeline.Statement, effects sqlscan.Effects) bool {
	switch st.Class {
	case sqlscan.Schema:
		return effects&sqlscan.ImplicitCommit != 0 // what makes temporary tables does not: it is refused
	case sqlscan.Begin:
		return effects&sqlscan.ReadOnly == 0
	case sqlscan.Lock, sqlscan.Admin:
		return true
	}
	return false
}
