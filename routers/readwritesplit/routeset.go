package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// sessionStatement is where a statement goes that changes the session. All servers get it, unless they might make
// different things of it: then the primary alone does, and what depends on it stays there.
func (p *policy) sessionStatement(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	if effects&sqlscan.Uncertain != 0 {
		return decision{why: effectWhy(sqlscan.Uncertain), marks: marksBound}
	}
	switch st.Class {
	case sqlscan.Set:
		return p.set(c, st, effects, sit)
	case sqlscan.Prepare:
		if effects&^sqlscan.UserVariable != 0 || effects != 0 && sit.variables != variablesEverywhere {
			return decision{why: "its text is known there alone"}
		}
	case sqlscan.Deallocate:
		if text := sit.texts.named(preparedName(st.Canonical)); text != nil && text.primary {
			return decision{why: "it was prepared there alone"}
		}
	}
	return decision{target: toAll, why: whySession}
}

// set is where a SET goes.
//
// SET GLOBAL is the primary's alone: a server's settings are its operator's business, and which replicas a session uses
// is chance. Who wants to change them all connects to each, or says which by a hint.
func (p *policy) set(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	switch {
	case st.Operation == "SET PASSWORD", st.Operation == "SET DEFAULT ROLE", st.Operation == "SET RESOURCE GROUP":
		return decision{why: "it changes an account, or one server's thread"}
	case effects&sqlscan.Global != 0:
		return decision{why: "it changes the settings of a server", marks: sit.setMarks(c, st, true)}
	case nextTransaction(st):
		return decision{why: "it is about the next transaction", marks: marksNext}
	case containsFold(st.Canonical, "gtid_next"), containsFold(st.Canonical, "gtid_seq_no"):
		return decision{why: "it is about what is written next", marks: marksBound}
	case oneShot(st.Canonical):
		return decision{why: "the next statement there uses it up", marks: marksBound}
	case sit.sameEverywhere(st, effects):
		return decision{target: toAll, why: whySession}
	}
	d := decision{why: "its value may differ from server to server", marks: sit.setMarks(c, st, false)}
	if effects&^(ordinary|sqlscan.FoundRows) == 0 && effects&sqlscan.FoundRows != 0 && d.marks == marksVariables {
		return decision{target: toLast, why: "it asks about the statement before", marks: marksVariablesLast}
	}
	return d
}

// oneShot reports whether a SET may be about a variable that the next statement uses up, so that to set it again later, at
// a new connection, is to do something else.
func oneShot(canonical string) bool {
	const name, last = "insert_id", "last_"
	if containsFold(canonical, "rand_seed") {
		return true
	}
	for i := 0; i+len(name) <= len(canonical); i++ {
		if strings.EqualFold(canonical[i:i+len(name)], name) && (i < len(last) || !strings.EqualFold(canonical[i-len(last):i], last)) {
			return true
		}
	}
	return false
}

// ordinary are the effects of a SET whose values are the same on all servers.
const ordinary = sqlscan.SetsVariable | sqlscan.UserVariable | sqlscan.SystemVariable | sqlscan.ImplicitCommit

// sameEverywhere reports whether a SET sets the same on all servers.
func (sit *situation) sameEverywhere(st *pipeline.Statement, effects sqlscan.Effects) bool {
	if effects&^ordinary != 0 || strings.Contains(st.Canonical, "SELECT ") || strings.Contains(st.Canonical, "VALUE FOR ") {
		return false
	}
	return effects&sqlscan.UserVariable == 0 || sit.variables == variablesEverywhere
}

// setMarks are the marks of a SET that goes to one server: it sets user variables alone, or more of the session. One
// that sets global variables may set nothing of the session.
func (sit *situation) setMarks(c *pipeline.Command, st *pipeline.Statement, global bool) (m marks) {
	text, ok := c.Text()
	if !ok || st.Class != sqlscan.Set {
		if global && !strings.Contains(st.Canonical, ",") {
			return 0
		}
		return marksBound
	}
	all, ok := sqlscan.Assignments(text, sit.reads())
	if !ok {
		return marksBound
	}
	for _, a := range all {
		switch a.Scope {
		case "global", "persist", "persist_only":
		case "user":
			m |= marksVariables
		default:
			return marksBound
		}
	}
	return m
}

// nextVariables are those that, with two @ and without a scope, are set for the next transaction alone.
// https://dev.mysql.com/doc/refman/8.4/en/set-transaction.html
var nextVariables = [...]string{
	"@@transaction_isolation", "@@tx_isolation", "@@transaction_read_only", "@@tx_read_only",
}

// nextTransaction reports whether a SET is about the next transaction alone.
func nextTransaction(st *pipeline.Statement) bool {
	if strings.HasPrefix(st.Canonical, "SET TRANSACTION") {
		return st.Operation == "SET TRANSACTION"
	}
	if !strings.Contains(st.Canonical, "@@") {
		return false
	}
	for _, name := range nextVariables {
		for i := 0; i+len(name) < len(st.Canonical); i++ {
			if !strings.EqualFold(st.Canonical[i:i+len(name)], name) {
				continue
			}
			rest := strings.TrimLeft(st.Canonical[i+len(name):], " ")
			if strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, ":=") {
				return true
			}
		}
	}
	return false
}

// noteAutoNull keeps up with whether WHERE id IS NULL means the row that was inserted last, as old ODBC drivers have it: the
// primary alone knows that one. What cannot be made out may mean that.
// https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_sql_auto_is_null
func (sit *situation) noteAutoNull(c *pipeline.Command, st *pipeline.Statement) {
	if !containsFold(st.Canonical, "sql_auto_is_null") {
		return
	}
	text, ok := c.Text()
	all, known := sqlscan.Assignments(text, sit.reads())
	if !ok || !known {
		sit.autoNull = true
		return
	}
	for _, a := range all {
		if a.Name != "sql_auto_is_null" || a.Scope != "session" {
			continue
		}
		switch strings.ToUpper(a.Value) {
		case "0", "OFF", "FALSE":
			sit.autoNull = false
		default:
			sit.autoNull = true
		}
	}
}

// noteIsolation keeps up with whether transactions are serializable. What cannot be made out may be.
func (sit *situation) noteIsolation(c *pipeline.Command, st *pipeline.Statement) {
	if !containsFold(st.Canonical, "isolation") {
		return
	}
	text, ok := c.Text()
	all, known := sqlscan.Assignments(text, sit.reads())
	if !ok || !known {
		sit.serializable = true
		return
	}
	for _, a := range all {
		switch a.Name {
		case "transaction isolation", "transaction_isolation", "tx_isolation":
		default:
			continue
		}
		if a.Scope != "session" {
			continue
		}
		switch strings.ToUpper(a.Value) {
		case "READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "READ UNCOMMITTED", "READ COMMITTED",
			"REPEATABLE READ", "0", "1", "2":
			sit.serializable = false
		default:
			sit.serializable = true
		}
	}
}
