package readwritesplit

import (
	"bytes"

	"github.com/weirproxy/weir/protocol"
)

// held are the errors that are not passed on to the client, since the statement may be tried elsewhere.
type held uint8

const (
	heldAway     held = 1 << iota // the server, or its connection, is about to end
	heldReadOnly                  // the server does not take writes any more, and has not carried this one out
	heldUnready                   // the server does not take statements, and has not carried this one out
	heldDeadlock                  // the server has rolled the transaction back
)

// has reports whether an error is one of them.
func (h held) has(code uint16, state, message []byte) bool {
	switch {
	case goingAway(code):
		return h&heldAway != 0
	case readOnly(code, message):
		return h&heldReadOnly != 0
	case unready(code, message):
		return h&heldUnready != 0
	}
	return h&heldDeadlock != 0 && string(state[:2]) == "40"
}

// goingAway reports whether an error says that nothing more can be expected of the server. That a connection was killed is
// not meant: somebody did not want the statement to go on.
// https://mariadb.com/kb/en/mariadb-error-code-reference/
func goingAway(code uint16) bool {
	switch code {
	case protocol.ErServerShutdown, protocol.ErNormalShutdown:
		return true
	}
	return false
}

// readOnly reports whether an error says that the server is read-only. Its code is that of many options.
func readOnly(code uint16, message []byte) bool {
	return code == protocol.ErOptionPreventsStatement &&
		(bytes.Contains(message, []byte("read-only")) || bytes.Contains(message, []byte("read_only")))
}

// unready reports whether an error is that of a node which is not in its Galera cluster: "WSREP has not yet prepared node for
// application use". It takes connections all the same.
// https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_on
func unready(code uint16, message []byte) bool {
	return code == protocol.ErUnknownCom && bytes.HasPrefix(message, []byte("WSREP"))
}

// refusal reports whether an error is a server's that is read-only, or not ready: it has not carried out the statement.
func refusal(e *protocol.SQLError) bool {
	return readOnly(e.Code, []byte(e.Message)) || unready(e.Code, []byte(e.Message))
}

// refusals are the errors for which another server gets a command outside of transactions: m has not carried it out. A new
// primary will take it, or another replica. What consists of several statements may have carried out the first ones.
func (x *session) refusals(m *member, j *job) held {
	switch {
	case x.trx != nil, j.only != nil, j.c.Part != protocol.Whole, x.irreplaceable(m), mayBegin(j.st) && !x.mayRetry(j):
		return 0
	case j.c.Com() == protocol.ComStmtBulkExecute: // MariaDB commits the rows of an UPDATE one by one
		return 0
	case x.r.config.DelayedRetry > 0:
		return heldReadOnly | heldUnready
	case !j.depends(m):
		return heldUnready
	}
	return 0
}
