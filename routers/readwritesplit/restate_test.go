package readwritesplit_test

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

const inReadOnly = inTransaction | protocol.StatusInTransReadonly

// tells sends a command, whose reply must have these status flags in each of its OK and EOF packets.
func tells(status uint16, com byte, rest string) pt.Step {
	return func(c *pt.Conn) error {
		if err := pt.Send(com, rest)(c); err != nil {
			return err
		}
		got, err := c.ReadStatus(com)
		for _, flags := range got {
			if flags != status {
				return fmt.Errorf("%s %q is answered with the flags %#x, not %#x", protocol.CommandName(com), rest, got, status)
			}
		}
		return err
	}
}

// fetchOne is a COM_STMT_FETCH of the first statement.
const fetchOne = "\x01\x00\x00\x00\x01\x00\x00\x00"

// openCursor executes the first statement with a cursor, while no transaction is open.
func openCursor() pt.Step {
	return tells(protocol.StatusAutocommit|protocol.StatusCursorExists, protocol.ComStmtExecute, string(execution(1, 1, nil)))
}

// TestFlagsBeside: replies of other servers than the transaction's say that it is open, in each of their packets.
func TestFlagsBeside(t *testing.T) {
	for _, eof := range []protocol.Capability{0, protocol.ClientDeprecateEOF} {
		k := newCluster(t, nil)
		c := without(k, eof)
		const lock = "SELECT GET_LOCK('a', 0)"
		c.Run(t, prepare("SELECT 1", 1), openCursor(), prepare(lock, 2))
		k.forget()
		c.Run(t, do(beginReading, "SET @a = 1"),
			tells(inReadOnly, protocol.ComQuery, "SELECT LAST_INSERT_ID()"),
			tells(inReadOnly, protocol.ComQuery, "SET GLOBAL max_connections = 5"),
			tells(inReadOnly, protocol.ComStmtExecute, string(execution(2, 0, nil))),
			tells(inReadOnly|protocol.StatusLastRowSent, protocol.ComStmtFetch, fetchOne),
			tells(inReadOnly, protocol.ComStmtReset, "\x02\x00\x00\x00"), do("COMMIT"),
			tells(protocol.StatusAutocommit, protocol.ComQuery, "SET GLOBAL max_connections = 5"))
		k.db1.expect("SET @a = 1", "SELECT LAST_INSERT_ID()", "SET GLOBAL max_connections = 5", noted(101, nil),
			"executed "+lock, "reset 101 ", "SET GLOBAL max_connections = 5")
		k.db2.expect(beginReading, "SET @a = 1", "COMMIT")
		k.db3.expect("SET @a = 1", "fetch 301 01000000")
	}
}

// TestFlagsBesideOnly: of what a reply says beside, nothing is lost.
func TestFlagsBesideOnly(t *testing.T) {
	for _, caps := range []protocol.Capability{0, protocol.ClientSessionTrack} {
		k := newCluster(t, func(c *readwritesplit.Config) { c.CausalReads = "session" })
		c := without(k, caps)
		const set = "SET GLOBAL max_connections = 5"
		about := protocol.StatusNoIndexUsed | protocol.StatusSessionStateChange
		ok := protocol.OK{
			AffectedRows: 70_000, LastInsertID: 300, Warnings: 3, Info: []byte("done"),
			Status: protocol.StatusAutocommit | about, SessionState: written(pt.MariaDB(), "0-1-7"),
		}
		k.db1.on(set, pt.ReplyOK(ok))
		if ok.Status |= inReadOnly; caps != 0 {
			ok.Status &^= protocol.StatusSessionStateChange
			ok.SessionState = nil
		}
		c.Run(t, do(beginReading), pt.Query(set), pt.Expect(ok.Append(nil, c.Caps)), do("COMMIT"))
	}
}

// TestFlagsAtPrimary: rows of a replica's cursor say that the primary's transaction is open.
func TestFlagsAtPrimary(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	const fetched = protocol.StatusLastRowSent
	c.Run(t, prepare("SELECT 1", 1), openCursor(), do("BEGIN"), tells(inTransaction|fetched, protocol.ComStmtFetch, fetchOne), do("COMMIT"),
		tells(protocol.StatusAutocommit|fetched, protocol.ComStmtFetch, fetchOne))
	t.Run("autocommit that the replica has not heard of", func(t *testing.T) {
		const off = "CALL turn_autocommit_off()"
		k.db1.on(off, pt.ReplyOK(protocol.OK{}))
		c.Run(t, do(off), tells(fetched, protocol.ComStmtFetch, fetchOne), ask("SELECT 2", "db1"))
	})
}

// TestFlagsOfOwnAnswers: neither does what Weir answers by itself say of a transaction that it is open when it is not.
func TestFlagsOfOwnAnswers(t *testing.T) {
	t.Run("reset of a statement", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { replaying(c); c.TransactionReplayAttempts = 1 })
		k.db2.on("INSERT 2", pt.ReplyError(1062, "23000", "Duplicate entry"))
		c := k.Session()
		const reset = "\x01\x00\x00\x00"
		c.Run(t, prepare("SELECT ?", 1), do("BEGIN", "INSERT 2"), tells(inTransaction, protocol.ComStmtReset, reset))
		k.db1.die()
		k.in(down, primary, replica)
		c.Run(t, pt.Query("INSERT 3"), deadlock(), tells(protocol.StatusAutocommit, protocol.ComStmtReset, reset))
	})
	t.Run("reset of the connection", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		k.db1.on("COM_RESET_CONNECTION", pt.Close())
		c.Run(t, do("BEGIN"), tells(protocol.StatusAutocommit, protocol.ComResetConnection, ""), ask("SELECT 1", "db2"))
	})
}
