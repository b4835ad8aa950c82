package readwritesplit

import (
	"errors"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// An optimistic transaction begins on a replica although it may come to write, since many never do. Before its first
// statement that does more than to read, it is rolled back there and run again at the primary, where all that it has read
// must be as it was.

const whyOptimistic = "a transaction is open there, which only reads so far"

// movable reports whether an optimistic transaction is open on a replica.
func (sit *situation) movable() bool { return sit.apart() && sit.optimistic }

// settle has a transaction that could have been elsewhere, an optimistic or a read-only one, be an ordinary one: it is open at
// the primary.
func (sit *situation) settle() { sit.optimistic, sit.elsewhere, sit.lastBeside = false, false, false }

// mayBegin reports whether a transaction may begin optimistically.
func (p *policy) mayBegin(sit *situation) bool {
	return p.optimistic && !sit.wary && (!sit.open || sit.movable()) && sit.variables == variablesEverywhere && sit.stayWhy() == ""
}

// onward is where a statement goes while an optimistic transaction is open on a replica: what goes to the primary has the
// transaction moved there. So does what ends it, as a rule: whether it does the primary knows. A CREATE TABLE that is
// misspelt does not, nor does an UNLOCK TABLES that unlocks nothing.
func (p *policy) onward(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	there := decision{target: toLast, why: whyOptimistic}
	if st.Statements > 1 {
		return decision{why: classWhy[sqlscan.Many], marks: variableMarks(st, effects, marksVariables)}
	}
	switch st.Class {
	case sqlscan.Read, sqlscan.Show:
		return p.onlyRead(st, effects, sit, there)
	case sqlscan.Commit, sqlscan.Rollback:
		if effects&(sqlscan.Chain|sqlscan.Release) == 0 {
			return there
		}
	case sqlscan.Savepoint:
		return there
	case sqlscan.Set, sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate:
		if d := p.sessionStatement(c, st, effects, sit); d.target != toLast {
			return d
		}
	case sqlscan.Begin:
		if plainBegin(st, effects) {
			d := p.begin(effects, sit)
			d.commit = true
			return d
		}
	}
	return decision{why: classWhy[st.Class], marks: variableMarks(st, effects, marksVariables)}
}

// plainBegin reports whether a statement that begins a transaction cannot be misspelt, and so ends one that is open.
func plainBegin(st *pipeline.Statement, effects sqlscan.Effects) bool {
	switch st.Canonical {
	case "BEGIN", "BEGIN WORK", "START TRANSACTION", "START TRANSACTION READ ONLY", "START TRANSACTION READ WRITE":
		return effects&sqlscan.Uncertain == 0
	}
	return false
}

// onlyRead is otherwise, for a read that reads what any server has, and has again later. Others go to the primary.
func (p *policy) onlyRead(st *pipeline.Statement, effects sqlscan.Effects, sit *situation, otherwise decision) decision {
	d := p.read
	if st.Class == sqlscan.Show {
		d = p.show
	}
	switch to := d(st, effects, sit); {
	case to.target == toPrimary:
		return to
	case to.target == toReplica && effects&sqlscan.Volatile == 0 && !readsClock(st.Canonical):
		return otherwise
	}
	return decision{why: "it would not read the same again", marks: variableMarks(st, effects, marksVariables)}
}

// readsClock reports whether a statement may ask for the time, which is another one when it is run again.
func readsClock(canonical string) bool {
	for _, name := range [...]string{
		"now(", "sysdate", "current_time", "current_date", "curtime", "curdate", "localtime", "unix_timestamp(", "utc_",
	} {
		if containsFold(canonical, name) {
			return true
		}
	}
	return false
}

// errMoves is why an optimistic transaction is run again at the primary.
var errMoves = errors.New("the transaction does more than to read")

// moves reports whether an optimistic transaction must be at the primary before the command is served: it does more than to
// read, or cannot be kept to be run again.
func (x *session) moves(j *job) bool {
	switch {
	case j.d.move:
		return true
	case passing(j.c):
		return false
	case j.d.target == toAll && (j.stmt != nil || len(j.c.Data) > maxKept || len(x.history.entries) >= x.r.config.MaxHistory):
		return true // it may bind the session to its server
	}
	return x.replay.unkept(x, j) != ""
}

// move has the optimistic transaction go on at the primary. What it returns is as of replayed.
func (x *session) move(j *job) error {
	m := x.trx
	if err := x.endElsewhere("ROLLBACK"); err != nil {
		return err
	}
	switch {
	case x.replay.spoilt != "":
		return x.rolledBack(j, x.replay.spoilt, errMoves)
	case j.only == m && j.c.Com() != protocol.ComStmtFetch:
		return x.rolledBack(j, "values were sent ahead to a replica", errMoves)
	}
	x.replay.attempts-- // those are counted that faults make necessary
	return x.again(j, m, errMoves)
}
