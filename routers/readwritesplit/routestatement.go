package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

const (
	whyReadOnly = "a read-only transaction is open there"
	whySession  = "it changes the session"
)

// classWhy says why statements of a class go to the primary.
var classWhy = [sqlscan.NumClasses]string{
	sqlscan.Unknown:   "nothing is known of it",
	sqlscan.Write:     "it writes",
	sqlscan.Schema:    "it changes schemas or accounts",
	sqlscan.Commit:    "it ends a transaction",
	sqlscan.Rollback:  "it ends a transaction",
	sqlscan.Begin:     "it begins a transaction",
	sqlscan.Savepoint: "it belongs to a transaction",
	sqlscan.XA:        "it belongs to a distributed transaction",
	sqlscan.Execute:   "nothing is known of what it executes",
	sqlscan.Call:      "a procedure may do anything",
	sqlscan.Lock:      "it locks",
	sqlscan.Unlock:    "it unlocks",
	sqlscan.Kill:      "the connection it ends is the primary's",
	sqlscan.Handler:   "an open handler stays where it is",
	sqlscan.Admin:     "it is about one server",
	sqlscan.Compound:  "a compound statement may do anything",
	sqlscan.Many:      "it is several statements",
}

// statement is where a statement goes. Of an EXECUTE, it is what it executes, where that is known.
func (p *policy) statement(c *pipeline.Command, st *pipeline.Statement, h hint, sit *situation) decision {
	if st == nil {
		return decision{why: classWhy[sqlscan.Unknown]}
	}
	st, effects, where := sit.executed(st)
	var d decision
	switch {
	case where == toPrimary:
		d = decision{why: "it was prepared there alone"}
		if sit.apart() && sit.readOnly && !sit.optimistic {
			d.target = toNone
		}
	case sit.movable():
		d = p.onward(c, st, effects, sit)
	case sit.apart() && sit.readOnly:
		d = p.apart(c, st, effects, sit)
	default:
		d = p.together(c, st, effects, sit)
	}
	if d.target == toPrimary && !d.beside {
		d.marks |= p.strict(st)
		d.move = sit.movable() && !d.commit
		d.commit = d.commit || sit.apart() && !sit.optimistic
	}
	if h.set {
		return h.over(d, st, effects, sit)
	}
	return d
}

// together is where a statement goes while no transaction is open elsewhere than on the primary.
func (p *policy) together(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	if st.Statements > 1 {
		return decision{why: classWhy[sqlscan.Many], marks: variableMarks(st, effects, marksVariables)}
	}
	switch st.Class {
	case sqlscan.Read, sqlscan.Show:
		if why := sit.primaryWhy(); why != "" {
			if p.mayBegin(sit) && sit.manual {
				return p.onlyRead(st, effects, sit, decision{
					target: toReplica, why: "it begins a transaction, which only reads so far", marks: marksOptimistic,
				})
			}
			return decision{why: why, marks: variableMarks(st, effects, marksVariables)}
		}
		if st.Class == sqlscan.Show {
			return p.show(st, effects, sit)
		}
		return p.read(st, effects, sit)
	case sqlscan.Set, sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate:
		return p.sessionStatement(c, st, effects, sit)
	case sqlscan.Begin:
		return p.begin(effects, sit)
	default:
		return decision{why: classWhy[st.Class], marks: variableMarks(st, effects, marksVariables)}
	}
}

// variableMarks are marks where a statement sets user variables. What is named in a CALL may be a parameter that the
// procedure sets; so may what an EXECUTE uses, and who knows what a compound statement does with it.
func variableMarks(st *pipeline.Statement, effects sqlscan.Effects, m marks) marks {
	switch {
	case effects&(sqlscan.SetsVariable|sqlscan.IntoVariable) != 0:
		return m
	case effects&sqlscan.UserVariable == 0:
		return 0
	}
	switch st.Class {
	case sqlscan.Call, sqlscan.Execute, sqlscan.Compound, sqlscan.Many:
		return m
	}
	return 0
}

// begin is where a transaction begins. A read-only one may stay on a replica to its end.
func (p *policy) begin(effects sqlscan.Effects, sit *situation) decision {
	switch {
	case effects&(sqlscan.ReadOnly|sqlscan.Uncertain|sqlscan.Snapshot) == 0 && p.mayBegin(sit):
		return decision{target: toReplica, why: "it begins a transaction, which only reads so far", marks: marksOptimistic}
	case effects&sqlscan.ReadOnly == 0, effects&sqlscan.Uncertain != 0:
		return decision{why: "it begins a transaction"}
	case sit.open:
		return decision{why: "it ends a transaction that is open there"}
	case sit.variables != variablesEverywhere:
		return decision{why: "user variables are known to one server alone"}
	}
	if why := sit.stayWhy(); why != "" {
		return decision{why: why}
	}
	return decision{target: toReplica, why: "it begins a read-only transaction"}
}

// harmless are the effects that a read may have on a replica. All others, those yet to be invented too, are the
// primary's.
const harmless = sqlscan.UserVariable | sqlscan.SystemVariable | sqlscan.FoundRows | sqlscan.Volatile

// read is where a read goes while nothing keeps it from going to a replica but itself.
func (p *policy) read(st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	if strings.IndexByte(st.Summary, '.') >= 0 && tellsOfServer(st.Summary) && effectWhy(effects) == "" {
		return decision{why: "it asks about one server"}
	}
	if effects == 0 {
		return decision{target: toReplica, why: "it only reads"}
	}
	if effects&sqlscan.FoundRows != 0 && effects&^(harmless|sqlscan.SetsVariable|sqlscan.IntoVariable) == 0 &&
		!strings.Contains(st.Canonical, "SQL_CALC_FOUND_ROWS") {
		return decision{
			target: toLast, why: "it asks about the statement before", marks: variableMarks(st, effects, marksVariablesLast),
		}
	}
	if why := effectWhy(effects); why != "" {
		return decision{why: why, marks: variableMarks(st, effects, marksVariables)}
	}
	if effects&sqlscan.UserVariable != 0 {
		switch {
		case p.userVariables == "primary":
			return decision{why: "it reads a user variable"}
		case sit.variables == variablesPrimary:
			return decision{why: "it reads a user variable that may be known to the primary alone"}
		case sit.variables == variablesLast:
			return decision{target: toLast, why: "it reads a user variable that may be known there alone"}
		}
	}
	if effects&sqlscan.Volatile != 0 && ofServer(st.Canonical, effects) {
		return decision{why: "it asks for what differs from server to server"}
	}
	return decision{target: toReplica, why: "it only reads"}
}

// tellsOfServer reports whether a statement with this summary names tables that tell what a server does or has set.
func tellsOfServer(summary string) bool {
	for rest := summary; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return false
		}
		schema, table := rest[:dot], rest[dot+1:]
		rest = table
		switch {
		case endsFold(schema, "performance_schema"):
			return true
		case !endsFold(schema, "information_schema"):
			continue
		}
		for _, name := range [...]string{"processlist", "innodb_", "global_", "session_"} {
			if len(table) >= len(name) && strings.EqualFold(table[:len(name)], name) {
				return true
			}
		}
	}
}

// endsFold reports whether s ends with the name.
func endsFold(s, name string) bool {
	return len(s) >= len(name) && strings.EqualFold(s[len(s)-len(name):], name)
}

// effectWhy says why a read with these effects is the primary's, "" if it is not.
func effectWhy(effects sqlscan.Effects) string {
	switch bad := effects &^ harmless; {
	case bad == 0:
		return ""
	case bad&sqlscan.Uncertain != 0:
		return "it may do more than can be seen, or servers differ in reading it"
	case bad&sqlscan.ForUpdate != 0:
		return "it locks rows"
	case bad&sqlscan.StoredFunction != 0:
		return "a stored or loaded function may do anything"
	case bad&sqlscan.Sequence != 0:
		return "it uses a sequence"
	case bad&sqlscan.LockFunction != 0:
		return "it is about locks by name, or waits for replication"
	case bad&sqlscan.LastInsertID != 0:
		return "LAST_INSERT_ID() is known to the primary"
	case bad&sqlscan.IntoFile != 0:
		return "it writes a file"
	case bad&(sqlscan.SetsVariable|sqlscan.IntoVariable) != 0:
		return "it sets a user variable"
	case bad&sqlscan.ReplicationInfo != 0:
		return "it asks about replication"
	}
	return "it does more than to read"
}

// ofServer reports whether a volatile read asks for what is one server's own. Random numbers are nobody's.
func ofServer(canonical string, effects sqlscan.Effects) bool {
	if effects&sqlscan.SystemVariable != 0 {
		return true
	}
	for _, name := range [...]string{
		"connection_id", "load_file", "binlog_gtid_pos", "ps_current_thread_id", "ps_thread_id", "wsrep_",
	} {
		if containsFold(canonical, name) {
			return true
		}
	}
	return false
}

// show is where a SHOW, a DESCRIBE or an EXPLAIN goes.
func (p *policy) show(st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	switch st.Operation {
	case "SHOW VARIABLES", "SHOW PROCESSLIST", "SHOW ENGINE", "SHOW EXPLAIN", "SHOW ANALYZE":
		return decision{why: "it asks about one server"}
	case "SHOW STATUS", "SHOW PROFILE", "SHOW PROFILES":
		switch {
		case effectWhy(effects) != "":
		case strings.HasPrefix(st.Canonical, "SHOW GLOBAL"):
			return decision{why: "it asks about one server"}
		default:
			return decision{target: toLast, why: "it asks about the statement before"}
		}
	case "EXPLAIN", "DESC", "ANALYZE":
		if explainsWrite(st.Canonical) {
			return decision{why: "servers that are read-only refuse to explain what writes"}
		}
		if strings.Contains(st.Canonical, "FOR CONNECTION") {
			return decision{why: "it asks about one server"}
		}
	}
	return p.read(st, effects, sit)
}

// explainsWrite reports whether an EXPLAIN's canonical text may have a statement in it that writes.
func explainsWrite(canonical string) bool {
	for _, word := range [...]string{" INSERT", " UPDATE", " DELETE", " REPLACE"} {
		if strings.Contains(canonical, word) {
			return true
		}
	}
	return false
}

// containsFold reports whether s has the name in it, which is in lower case.
func containsFold(s, name string) bool {
	_, _, found := cutFold(s, name)
	return found
}

// cutFold is strings.Cut around the name, which is in lower case.
func cutFold(s, name string) (before, after string, found bool) {
	for i := 0; i+len(name) <= len(s); i++ {
		if s[i]|0x20 == name[0] && strings.EqualFold(s[i:i+len(name)], name) {
			return s[:i], s[i+len(name):], true
		}
	}
	return s, "", false
}
