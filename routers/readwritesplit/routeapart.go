package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// apart is where a statement goes while a transaction is open elsewhere than on the primary, a read-only one as a rule.
// All that belongs to it goes there: what it must not do, the server refuses. It does not refuse DDL, which ends the
// transaction. That, and what else ends it and is the primary's, has the transaction committed first, or later reads there
// would go on seeing what it saw. Nothing else has: what is the primary's and does not end it goes there beside the
// transaction, or is refused.
func (p *policy) apart(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	there := decision{target: toLast, why: whyReadOnly, marks: variableMarks(st, effects, marksVariablesLast)}
	switch {
	case st.Statements > 1:
		return apartSeveral(st, effects, sit, there)
	case endsApart(st.Class, st.Canonical, effects):
		return decision{why: classWhy[st.Class], commit: true}
	case st.Class != sqlscan.Write && asksPrimary(st.Canonical, effects): // writes are refused
		return beside(st, effects, sit)
	}
	switch st.Class {
	case sqlscan.Set, sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate:
		return p.apartSession(c, st, effects, sit, there)
	case sqlscan.Admin:
		return decision{why: classWhy[st.Class], beside: true}
	case sqlscan.Lock:
		return decision{target: toNone, why: classWhy[st.Class]}
	}
	return there
}

// apartSession is where a session command goes.
func (p *policy) apartSession(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation, there decision) decision {
	d := p.sessionStatement(c, st, effects, sit)
	if d.target != toPrimary {
		return d
	}
	switch {
	case d.marks == marksNext: // it is refused within a transaction
		return there
	case effects&sqlscan.ImplicitCommit != 0 && st.Operation != "SET": // it is about accounts
		d.commit = true
		return d
	case d.marks == marksVariables && effects&sqlscan.Global == 0:
		there.marks = marksVariablesLast
		return there
	case d.marks == 0 && st.Class == sqlscan.Set && (effects&sqlscan.UserVariable == 0 || sit.variables != variablesLast):
		d.beside = true // it changes nothing of the session
		return d
	}
	return decision{target: toNone, why: d.why}
}

// endsApart reports whether a statement ends a read-only transaction and then does what is the primary's.
func endsApart(class sqlscan.Class, canonical string, effects sqlscan.Effects) bool {
	switch class {
	case sqlscan.Schema: // what makes temporary tables does not end it: it is refused
		return effects&sqlscan.ImplicitCommit != 0
	case sqlscan.Begin:
		return effects&sqlscan.ReadOnly == 0
	case sqlscan.Lock:
		return effects&sqlscan.ImplicitCommit != 0 || strings.HasPrefix(canonical, "BACKUP")
	case sqlscan.Admin:
		return effects&sqlscan.ImplicitCommit != 0
	}
	return false
}

const (
	whySeveral = "it is several statements, the first of which ends the transaction"
	whyMixed   = "it is several statements that no one server may run as they are meant"
)

// apartSeveral is where several statements at once go. A server that finds the first to end the transaction carries the
// others out on their own. Else they are the replica's, if it may run all that it will come to: where it refuses one, it does
// not go on.
func apartSeveral(st *pipeline.Statement, effects sqlscan.Effects, sit *situation, there decision) decision {
	mixed := decision{target: toNone, why: whyMixed}
	if effects&sqlscan.Uncertain != 0 {
		return mixed
	}
	open := true
	for i, text := range sqlscan.Split([]byte(st.Canonical), sit.reads()) {
		d := sqlscan.Describe(text, sit.reads())
		if i == 0 && (endsApart(d.Class, string(text), d.Effects) || plainEnd(d)) {
			return decision{why: whySeveral, commit: true}
		}
		switch d.Class {
		case sqlscan.Write:
			if open { // which is refused
				return there
			}
			return mixed
		case sqlscan.Set:
			if !setsUserVariables(text, sit.reads()) {
				return mixed
			}
		case sqlscan.Commit, sqlscan.Rollback:
			open = open && d.Effects&sqlscan.Chain != 0
			continue
		case sqlscan.Read, sqlscan.Show, sqlscan.Savepoint:
		default:
			return mixed
		}
		switch {
		case asksPrimary(string(text), d.Effects):
			return decision{target: toNone, why: whyTorn}
		case !open && d.Effects&^(harmless|sqlscan.SetsVariable|sqlscan.IntoVariable) != 0:
			return mixed
		}
	}
	return there
}

// plainEnd reports whether a statement ends a transaction, and nothing else.
func plainEnd(d sqlscan.Description) bool {
	return (d.Class == sqlscan.Commit || d.Class == sqlscan.Rollback) && d.Effects&(sqlscan.Chain|sqlscan.Release) == 0
}

// setsUserVariables reports whether a SET sets nothing else.
func setsUserVariables(text []byte, mode sqlscan.Mode) bool {
	all, ok := sqlscan.Assignments(text, mode)
	for _, a := range all {
		ok = ok && a.Scope == "user"
	}
	return ok
}
