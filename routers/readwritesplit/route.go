package readwritesplit

import (
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A target is where a command goes.
type target uint8

const (
	toPrimary target = iota
	toReplica        // one of those that serve reads: replicas, and the primary where primary_reads has it join them
	toAll            // a session command: every server the session uses, now or later, in order
	toLast           // where the last command went that did not go to all; the primary if there was none
	toServer         // the one a hint names
	toNone           // nowhere: Weir answers
)

var targetNames = [...]string{
	toPrimary: "primary", toReplica: "replica", toAll: "all servers", toLast: "the server used last", toServer: "server",
	toNone: "no server",
}

// String says where it is in words.
func (t target) String() string { return targetNames[t] }

// A decision says where a command goes. It is made without allocating, and may be kept.
type decision struct {
	target target
	server string // the name of it, toServer
	why    string // a constant, for people
	// commit is set where a read-only transaction is open elsewhere, which the statement ends: it is to be committed
	// where it is, before the statement goes to its target.
	commit bool
	// beside is set where a read-only transaction is open elsewhere, which the statement has no part in: it goes to the
	// primary, and the transaction stays open where it is.
	beside bool
	// move is set where an optimistic transaction is open elsewhere: it is to go on at the primary first.
	move  bool
	marks marks
	// maxLag is how far behind a hint lets the replica be, toReplica. 0 is as far as the settings do.
	maxLag time.Duration
}

// marks are what becomes of the session once the command is sent.
type marks uint8

const (
	// marksBound has all that follows go to the primary: it alone knows the session's state from here on.
	marksBound marks = 1 << iota
	// marksVariables says that a user variable is set on the primary alone, marksVariablesLast that it is on the server
	// used last.
	marksVariables
	marksVariablesLast
	// marksNext is SET TRANSACTION for the next one.
	marksNext
	// marksOptimistic has the transaction that the statement begins be an optimistic one.
	marksOptimistic
)

// A policy is what the settings say of where commands go.
type policy struct {
	userVariables   string // "all": what reads them may go anywhere; "primary": it goes to the primary
	strictMulti     bool   // after several statements at once, the session stays with the primary
	strictCalls     bool   // likewise after CALL, and what else may run anything
	strictTemporary bool   // a primary that holds temporary tables is not exchanged for another
	primaryReads    bool   // toReplica includes the primary
	optimistic      bool   // transactions begin on a replica
	// servers are the names that hints may use. A hint to another is as if it were not there. Nil knows them all.
	servers []string
}

// decide says where c goes. st is what is known of its statement, or of the prepared statement that it executes, nil
// where nothing is; flags are those of c's own text: where they have Hinted, its hints are noted in sit, for before and
// for keepHint. A COM_STMT_SEND_LONG_DATA goes where its statement would be executed. For a COM_STMT_PREPARE, the target
// is where it should be prepared first: nothing else happens there.
func (p *policy) decide(c *pipeline.Command, st *pipeline.Statement, flags sqlscan.Flags, sit *situation) decision {
	sit.noted.clear()
	sit.readImmediate(c, st)
	switch com := c.Com(); com {
	case protocol.ComQuery, protocol.ComStmtPrepare:
		if flags&sqlscan.Hinted != 0 {
			sit.noted.read(c, sit.reads())
		}
		d := p.statement(c, st, sit.hint(p), sit)
		if com == protocol.ComStmtPrepare {
			return prepareFirst(d, sit)
		}
		return d
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		sit.noted.own = sit.prepared.of(c)
		return p.statement(c, st, sit.hint(p), sit)
	case protocol.ComStmtSendLongData:
		if st == nil {
			return p.command(com, sit)
		}
		sit.noted.own = sit.prepared.of(c)
		d := p.statement(c, st, sit.hint(p), sit)
		d.marks, d.commit = 0, false // nothing is executed yet
		return d
	default:
		return p.command(com, sit)
	}
}

// prepareFirst is where a statement is prepared first that, executed, would be decided so.
func prepareFirst(d decision, sit *situation) decision {
	d.marks, d.commit, d.move, d.beside = 0, false, false, false
	switch {
	case sit.apart():
		d.target = toLast // nothing else is to be sent elsewhere meanwhile
	case d.target == toAll, d.target == toLast:
		d.target = toPrimary
	}
	return d
}

// command is where a command goes that has no statement.
func (p *policy) command(com byte, sit *situation) decision {
	switch com {
	case protocol.ComInitDB, protocol.ComChangeUser, protocol.ComResetConnection, protocol.ComSetOption:
		return decision{target: toAll, why: "it changes the session"}
	case protocol.ComPing:
		return decision{target: toAll, why: "it asks whether the session's servers are there"}
	case protocol.ComQuit:
		return decision{target: toAll, why: "it ends the session"}
	case protocol.ComStmtSendLongData, protocol.ComStmtClose, protocol.ComStmtReset:
		return decision{target: toAll, why: "it is about a statement that is prepared on several servers"}
	case protocol.ComStmtFetch:
		return decision{target: toLast, why: "the cursor is there"}
	case protocol.ComStatistics, protocol.ComProcessInfo, protocol.ComProcessKill:
		if sit.apart() {
			return decision{target: toLast, why: whyReadOnly}
		}
	case protocol.ComFieldList:
		if sit.apart() {
			return decision{target: toLast, why: whyReadOnly}
		}
		if why := sit.primaryWhy(); why != "" {
			return decision{why: why}
		}
		return decision{target: toReplica, why: "it reads a table's columns"}
	}
	return decision{why: "it is about one server, or not known", commit: sit.apart() && !sit.optimistic, move: sit.movable()}
}
