package pipeline

import "github.com/weirproxy/weir/protocol"

// noStatement is a COM_STMT_CLOSE of a statement that no server has: their ids begin with 1. It has no answer that would have
// to be waited for, and unlike COM_PING, which makes ROW_COUNT() 0, it leaves everything as it was.
var noStatement = []byte{5, 0, 0, 0, protocol.ComStmtClose, 0, 0, 0, 0}

// Used reports whether an expendable link is serving a command, or has served one since it was last asked. It may be called on
// the session's worker at any time.
func (l *Link) Used() bool {
	used := l.serving || l.used
	l.used = false
	return used
}

// KeepAlive has the wait_timeout of an expendable link's server begin anew. It does not wait: that the server is lost is
// noticed as with any idle link. It is called on the session's worker, where Used has just been false: a command that is being
// sent would be torn apart.
func (l *Link) KeepAlive() {
	n := l.conn.WriteNow(noStatement)
	if n == 0 {
		return
	}
	l.traffic().sent += uint64(n)
	if n < len(noStatement) { // the next command would be taken for the rest of it
		l.Sever()
	}
}
