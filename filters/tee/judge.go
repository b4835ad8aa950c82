package tee

import (
	"bytes"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A verdict says what becomes of a command.
type verdict uint8

const (
	leave verdict = iota // it is not to be copied, or means nothing to the branch
	skip                 // it is counted and not copied: it would do harm, or none would know what it does
	take
)

// judge decides about c. sl is the prepared statement that it names.
func (l *link) judge(c *pipeline.Command) (v verdict, sl *slot) {
	switch c.Com() {
	case protocol.ComQuery, protocol.ComStmtPrepare:
		return l.judgeText(c), nil
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute, protocol.ComStmtFetch, protocol.ComStmtReset,
		protocol.ComStmtSendLongData, protocol.ComStmtClose:
		if sl = l.slotOf(c); sl == nil && !(l.over && l.f.selection.AllText()) {
			return leave, nil // it was not copied, or the main servers do not know it either
		}
		return take, sl
	case protocol.ComInitDB, protocol.ComFieldList, protocol.ComCreateDB, protocol.ComDropDB, protocol.ComRefresh,
		protocol.ComPing, protocol.ComSetOption:
		return take, nil
	case protocol.ComQuit, protocol.ComChangeUser, protocol.ComResetConnection: // the branch ends, and another begins
		return leave, nil
	}
	return skip, nil // of the server and not of the session, as COM_PROCESS_KILL and COM_BINLOG_DUMP, or unknown
}

func (l *link) judgeText(c *pipeline.Command) verdict {
	text, _ := c.Text()
	st := l.s.Statement(c)
	switch {
	case ofTheServer(st, text):
		return skip
	case l.f.selection.Text(text), keepsState(st.Class) && l.f.excluded.Text(text):
		return take
	}
	return leave
}

// ofTheServer reports whether a statement does to a server what it should not do to another: killing what has that number
// there, or shutting it down.
func ofTheServer(st *pipeline.Statement, text []byte) bool {
	switch st.Class {
	case sqlscan.Kill:
		return true
	case sqlscan.Admin:
		return st.Operation == "SHUTDOWN" || st.Operation == "RESTART"
	case sqlscan.Unknown, sqlscan.Many, sqlscan.Compound, sqlscan.Prepare, sqlscan.Execute, sqlscan.Begin: // may hold one of those
		return hasWord(text, "kill") || hasWord(text, "shutdown") || hasWord(text, "restart")
	case sqlscan.Set: // SET STATEMENT ... FOR, which only the branch's server may know
		return hasWord(text, "statement") && (hasWord(text, "kill") || hasWord(text, "shutdown"))
	}
	return false
}

// hasWord reports whether a word in lower case is somewhere in text, in whatever case, and not as a part of another one.
func hasWord(text []byte, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		end := i + len(word)
		if text[i]|0x20 == word[0] && bytes.EqualFold(text[i:end], []byte(word)) &&
			(i == 0 || !inName(text[i-1])) && (end == len(text) || !inName(text[end])) {
			return true
		}
	}
	return false
}

// keepsState reports whether statements of a class are copied though match says nothing of them: without them what is
// copied would run in another transaction, schema or mode.
func keepsState(class sqlscan.Class) bool {
	switch class {
	case sqlscan.Begin, sqlscan.Commit, sqlscan.Rollback, sqlscan.Savepoint, sqlscan.XA, sqlscan.Set, sqlscan.Use,
		sqlscan.Lock, sqlscan.Unlock:
		return true
	}
	return false
}

// Errors by which a statement fails that would have succeeded at another moment.
// https://mariadb.com/kb/en/mariadb-error-code-reference/
const (
	erCheckRead          = 1020 // the row has changed since the transaction's snapshot
	erLockWaitTimeout    = 1205
	erLockDeadlock       = 1213
	erQueryInterrupted   = 1317 // by KILL QUERY
	erXARBDeadlock       = 1614
	erStatementTimeout   = 1969 // MariaDB's max_statement_time
	erQueryTimeout       = 3024 // MySQL's max_execution_time
	erConnectionKilled   = 1927
	erLockAborted        = 1689 // NOWAIT
	erLockNoWait         = 3572 // NOWAIT, in MySQL
	erServerShutdownCode = protocol.ErServerShutdown
)

// momentary reports whether an error is one of those.
func momentary(code uint16) bool {
	switch code {
	case erCheckRead, erLockWaitTimeout, erLockDeadlock, erQueryInterrupted, erXARBDeadlock, erStatementTimeout,
		erQueryTimeout, erConnectionKilled, erLockAborted, erLockNoWait, erServerShutdownCode:
		return true
	}
	return false
}

// rollsBack reports whether an error ends the whole transaction.
func rollsBack(code uint16) bool { return code == erLockDeadlock || code == erXARBDeadlock }
