package readwritesplit

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A situation is what a decision depends on beside the statement: the state of one session, as its servers have told
// it. It is kept by value, and not copied once it is in use.
type situation struct {
	session *pipeline.Session // nil in tests, where mode is how texts read
	mode    sqlscan.Mode

	open       bool // a transaction is
	readOnly   bool // it, to the server's own word
	elsewhere  bool // it is not on the primary
	optimistic bool // nor is it to stay elsewhere when it does more than to read
	wary       bool // such a one could not go on at the primary: the next one begins there
	lastBeside bool // what toLast means is not the primary
	manual     bool // autocommit is off: the next statement opens a transaction
	next       bool // SET TRANSACTION waits for the next one, on the primary

	serializable bool // transactions are
	autoNull     bool // WHERE id IS NULL means the row that was inserted last
	bonds        bonds
	locks        int  // by GET_LOCK
	granted      bool // the reply to what calls lock functions was one row of one column, and that was 1
	handlers     int
	variables    variables
	temporary    temporaryTables
	texts        textStatements
	immediate    textStatement // what the command that was last decided executes by EXECUTE IMMEDIATE, if that is known
	hints        *hintStack
	prepared     preparedHints
	noted        noted // what the hints say of the command that was last decided
}

// bonds are what keeps a session with the primary.
type bonds uint8

const (
	boundSession  bonds = 1 << iota // it alone knows the session's state
	boundTables                     // LOCK TABLES
	boundFlush                      // FLUSH TABLES WITH READ LOCK
	boundInstance                   // LOCK INSTANCE FOR BACKUP
	boundBackup                     // BACKUP STAGE, BACKUP LOCK
	boundXA                         // XA START
	boundLocks                      // GET_LOCK
	boundHandlers                   // HANDLER ... OPEN
)

// variables is where the session's user variables are known.
type variables uint8

const (
	variablesEverywhere variables = iota
	variablesPrimary              // some are to the primary alone
	variablesLast                 // some are to the server used last, which is none
)

// newSituation is the situation of a session whose chain has just been opened.
func newSituation(s *pipeline.Session) situation {
	sit := situation{session: s}
	if status := s.Status(); status != 0 { // 0 is that of a session that has not heard of a server yet
		sit.note(status)
	}
	return sit
}

// reads is how texts read now.
func (sit *situation) reads() sqlscan.Mode {
	if sit.session != nil {
		return sit.session.Mode()
	}
	return sit.mode
}

// note takes over the status flags of the server that a session's transaction would be on.
func (sit *situation) note(status uint16) {
	sit.wary = sit.wary && !(sit.open && status&protocol.StatusInTrans == 0)
	sit.open = status&protocol.StatusInTrans != 0
	sit.readOnly = status&protocol.StatusInTransReadonly != 0
	sit.manual = status&protocol.StatusAutocommit == 0
	sit.elsewhere = sit.open && sit.lastBeside
	sit.optimistic = sit.optimistic && sit.elsewhere
}

// inTransaction reports whether a transaction is open.
func (sit *situation) inTransaction() bool { return sit.open }

// apart reports whether a transaction is open that is not on the primary.
func (sit *situation) apart() bool { return sit.open && sit.elsewhere }

// lost forgets the transaction: the server it was open on is gone.
func (sit *situation) lost() {
	sit.open, sit.readOnly, sit.elsewhere, sit.optimistic = false, false, false, false
}

// primaryWhy says what keeps even reads with the primary, "" if nothing does.
func (sit *situation) primaryWhy() string {
	switch {
	case sit.open:
		return "a transaction is open"
	case sit.manual:
		return "autocommit is off: it opens a transaction"
	}
	return sit.stayWhy()
}

// stayWhy is primaryWhy but for transactions.
func (sit *situation) stayWhy() string {
	switch {
	case sit.bonds != 0:
		return boundWhy(sit.bonds)
	case sit.temporary.any():
		return "temporary tables are there"
	case sit.next:
		return "SET TRANSACTION for the next one was sent there"
	case sit.serializable:
		return "transactions are serializable"
	case sit.autoNull:
		return "sql_auto_is_null is on: the row that was inserted last is known there"
	}
	return ""
}

// boundWhy says what binds a session.
func boundWhy(b bonds) string {
	switch {
	case b&(boundTables|boundFlush|boundInstance|boundBackup) != 0:
		return "locks on tables are held there"
	case b&boundLocks != 0:
		return "locks by name are held there"
	case b&boundXA != 0:
		return "a distributed transaction is open there"
	case b&boundHandlers != 0:
		return "a handler is open there"
	}
	return "the session's state is known there alone"
}

// bound reports whether the session would lose something with its connection to the primary, transactions aside.
func (sit *situation) bound() bool { return sit.temporary.any() || sit.held(&policy{}) != "" }

// held says what the session would lose with its connection to the primary, "" if nothing: transactions are not meant.
func (sit *situation) held(p *policy) string {
	switch {
	case sit.bonds != 0:
		return boundWhy(sit.bonds)
	case p.strictTemporary && sit.temporary.any():
		return "temporary tables are there"
	case sit.variables == variablesPrimary:
		return "user variables are known there alone"
	case sit.texts.onPrimary():
		return "statements are prepared there alone"
	case sit.next:
		return "SET TRANSACTION for the next one was sent there"
	}
	return ""
}

// before is to be called when c is about to be sent as d says.
func (sit *situation) before(c *pipeline.Command, _ *pipeline.Statement, d decision) {
	if c.Com() == protocol.ComStmtPrepare {
		return
	}
	sit.noted.apply(sit)
	if d.beside {
		return
	}
	switch d.target {
	case toPrimary:
		sit.lastBeside = false
	case toReplica, toServer:
		sit.lastBeside = true
	case toAll, toLast, toNone:
	}
	if d.commit {
		sit.lost()
	}
	sit.optimistic = sit.movable() || d.marks&marksOptimistic != 0
	if d.marks == 0 {
		return
	}
	if d.marks&marksBound != 0 {
		sit.bonds |= boundSession
	}
	if d.marks&marksVariables != 0 && sit.variables == variablesEverywhere {
		sit.variables = variablesPrimary
	}
	if d.marks&marksVariablesLast != 0 {
		switch {
		case !sit.lastBeside:
			sit.variables = variablesPrimary
		case sit.variables == variablesEverywhere:
			sit.variables = variablesLast
		}
	}
	sit.next = sit.next || d.marks&marksNext != 0
}

// after is to be called when c has been answered. status is what the last packet of the reply said, of the server that
// d.target means; where the command went to all, of the one whose reply the client got. failed says that it was an
// error, which has none.
func (sit *situation) after(c *pipeline.Command, st *pipeline.Statement, d decision, status uint16, failed bool) {
	switch c.Com() {
	case protocol.ComStmtPrepare:
		return
	case protocol.ComChangeUser, protocol.ComResetConnection:
		if !failed {
			*sit = situation{session: sit.session, mode: sit.mode}
			sit.note(status)
		}
		return
	case protocol.ComInitDB:
		sit.temporary.forgetNames()
		return
	}
	if !c.Executes() {
		st = nil
	}
	if d.beside { // its server has no part in the transaction
		if st != nil && !failed {
			st, effects, _ := sit.executed(st)
			sit.learnBonds(st, effects)
		}
		return
	}
	if st != nil && !failed {
		sit.consume(st, d)
	}
	switch {
	case !failed:
		sit.follow(st, d, status)
	case st != nil && st.Class == sqlscan.Prepare: // there is none by that name any more
		sit.texts.deallocate(preparedName(st.Canonical))
	}
	if failed && d.target == toPrimary && c.Executes() && mayBegin(st) {
		sit.open, sit.elsewhere = true, false // it may be: the next reply tells
	}
	if st == nil || failed || st.Effects == 0 && (st.Class == sqlscan.Read || st.Class == sqlscan.Write) {
		return
	}
	st, effects, _ := sit.executed(st)
	sit.learn(c, st, effects, d)
	if d.target == toPrimary {
		sit.learnBonds(st, effects)
	}
}

// mayBegin reports whether a statement may have begun a transaction before it failed, which the error does not tell.
func mayBegin(st *pipeline.Statement) bool {
	if st == nil {
		return true
	}
	switch st.Class {
	case sqlscan.Call, sqlscan.Compound, sqlscan.Many, sqlscan.Execute, sqlscan.Unknown:
		return true
	}
	return false
}

// consume has what waited for the next transaction be over, once there may have been one: a statement that uses no table
// is none, to some servers.
func (sit *situation) consume(st *pipeline.Statement, d decision) {
	if !sit.next || d.target != toPrimary || d.marks&marksNext != 0 {
		return
	}
	switch st.Class {
	case sqlscan.Begin, sqlscan.Show, sqlscan.Set:
	case sqlscan.Read:
		sit.next = st.Summary == st.Operation
	default:
		sit.next = false
	}
}

// follow follows transactions by a server's status flags.
func (sit *situation) follow(st *pipeline.Statement, d decision, status uint16) {
	switch {
	case d.target == toNone:
	case d.target != toAll:
		sit.note(status)
	default: // it may be from a server that has no part in the transaction
		manual := status&protocol.StatusAutocommit == 0
		if sit.manual && !manual && st != nil && st.Effects&sqlscan.ImplicitCommit != 0 {
			sit.lost()
		}
		sit.manual = manual
	}
}

// learn keeps up with what a statement that has been carried out makes of the session on all its servers.
func (sit *situation) learn(c *pipeline.Command, st *pipeline.Statement, effects sqlscan.Effects, d decision) {
	switch st.Class {
	case sqlscan.Set:
		if effects&sqlscan.Global == 0 && d.marks&marksNext == 0 {
			sit.noteIsolation(c, st)
			sit.noteAutoNull(c, st)
		}
	case sqlscan.Use:
		sit.temporary.forgetNames()
	case sqlscan.Prepare:
		sit.texts.prepare(c, st, sit.reads(), d.target != toAll)
	case sqlscan.Deallocate:
		sit.texts.deallocate(preparedName(st.Canonical))
	}
}

// learnBonds keeps up with what a statement that the primary has carried out makes of the session there.
func (sit *situation) learnBonds(st *pipeline.Statement, effects sqlscan.Effects) {
	if effects&sqlscan.LockFunction != 0 {
		sit.learnLocks(st.Canonical)
	}
	switch st.Class {
	case sqlscan.Begin:
		sit.bonds &^= boundTables
	case sqlscan.Lock:
		sit.bonds |= lockBond(st.Canonical)
	case sqlscan.Unlock:
		sit.bonds &^= unlockBonds(st.Canonical)
	case sqlscan.Handler:
		sit.learnHandlers(st.Canonical)
	case sqlscan.XA:
		switch st.Operation {
		case "XA START", "XA BEGIN":
			sit.bonds |= boundXA
		case "XA COMMIT", "XA ROLLBACK":
			sit.bonds &^= boundXA
		}
	}
	if effects&sqlscan.Temporary != 0 || st.Operation == "DROP TABLE" && st.Statements == 1 {
		sit.temporary.learn(st)
	}
}
