package readwritesplit_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// prepare prepares a statement, which must get this id.
func prepare(text string, id uint32) pt.Step {
	return func(c *pt.Conn) error {
		if err := pt.Send(protocol.ComStmtPrepare, text)(c); err != nil {
			return err
		}
		got, err := prepared(c)
		if err == nil && got != id {
			err = fmt.Errorf("%s has the id %d, not %d", text, got, id)
		}
		return err
	}
}

// prepared reads the reply to a COM_STMT_PREPARE.
func prepared(c *pt.Conn) (id uint32, err error) {
	payload, err := c.ReadPayload()
	if err != nil {
		return 0, err
	}
	if len(payload) < 9 || payload[0] != 0 {
		return 0, fmt.Errorf("answer to COM_STMT_PREPARE is %x", payload)
	}
	for _, n := range []int{int(payload[7]), int(payload[5])} {
		if n > 0 && !c.Caps.Has(protocol.ClientDeprecateEOF) {
			n++
		}
		for range n {
			if _, err := c.ReadPayload(); err != nil {
				return 0, err
			}
		}
	}
	return binary.LittleEndian.Uint32(payload[1:]), nil
}

// bindInt binds one parameter as an int.
var bindInt = []byte{0x03, 0x00}

// execute executes a statement with ints, bound where types are given, and does not wait.
func execute(id uint32, types []byte, values ...uint32) pt.Step {
	return pt.Send(protocol.ComStmtExecute, string(execution(id, 0, types, values...)))
}

func execution(id uint32, flags byte, types []byte, values ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = append(b, flags, 1, 0, 0, 0)
	if len(values) == 0 {
		return b
	}
	b = append(b, make([]byte, (len(values)+7)/8)...)
	if types != nil {
		b = append(append(b, 1), types...)
	} else {
		b = append(b, 0)
	}
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// noted is how a fake notes an execution.
func noted(id uint32, types []byte, values ...uint32) string {
	return fmt.Sprintf("execute %d %x", id, execution(id, 0, types, values...)[4:])
}

func rows(server string) pt.Step { return pt.ExpectRows([]string{server}) }

// TestPrepared: the client's ids are Weir's, servers prepare a statement when it is first run there, and types that were
// bound at one are sent to the other.
func TestPrepared(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, prepare("SELECT ?", 1), prepare("INSERT ?", 2))
	k.db2.expect("prepare SELECT ?")
	k.db1.expect("prepare INSERT ?")
	k.db3.expect()
	c.Run(t, execute(1, bindInt, 5), rows("db3"), execute(1, nil, 6), rows("db2"), execute(1, nil, 7), rows("db3"))
	k.db3.expect("prepare SELECT ?", noted(301, bindInt, 5), "executed SELECT ?", noted(301, nil, 7), "executed SELECT ?")
	k.db2.expect(noted(201, bindInt, 6), "executed SELECT ?")
	c.Run(t, execute(2, bindInt, 8), pt.ExpectOK(), execute(2, nil, 9), pt.ExpectOK())
	k.db1.expect(noted(101, bindInt, 8), "executed INSERT ?", noted(101, nil, 9), "executed INSERT ?")
	t.Run("types change", func(t *testing.T) {
		long := []byte{0x03, 0x80} // unsigned
		c.Run(t, execute(1, long, 5), rows("db2"), execute(1, nil, 6), rows("db3"), execute(1, nil, 7), rows("db2"))
		k.db2.expect(noted(201, long, 5), "executed SELECT ?", noted(201, nil, 7), "executed SELECT ?")
		k.db3.expect(noted(301, long, 6), "executed SELECT ?")
	})
	t.Run("within a transaction", func(t *testing.T) {
		c.Run(t, do("BEGIN"), execute(1, nil, 1), rows("db1"), do("COMMIT"))
		k.db1.expect("BEGIN", "prepare SELECT ?", noted(102, []byte{0x03, 0x80}, 1), "executed SELECT ?", "COMMIT")
	})
	t.Run("the one prepared last", func(t *testing.T) {
		k.forget()
		c.Run(t, prepare("INSERT 3", 3), execute(0xffffffff, nil), pt.ExpectOK())
		k.db1.expect("prepare INSERT 3", noted(103, nil), "executed INSERT 3")
	})
	t.Run("closed", func(t *testing.T) {
		k.forget()
		c.Run(t, pt.Send(protocol.ComStmtClose, "\x01\x00\x00\x00"), do("INSERT 1"), ask("SELECT 2", "db3"), ask("SELECT 3", "db2"))
		k.db1.expect("close 102 ", "INSERT 1")
		k.db2.expect("close 201 ", "SELECT 3")
		k.db3.expect("close 301 ", "SELECT 2")
		c.Run(t, execute(1, nil, 1), pt.ExpectError(protocol.ErUnknownStmtHandler,
			"Unknown prepared statement handler (1) given to COM_STMT_EXECUTE"))
	})
}

// TestUnknownStatement: what the client was not given, no server is asked for.
func TestUnknownStatement(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	unknown := pt.ExpectError(protocol.ErUnknownStmtHandler)
	c.Run(t, prepare("SELECT ?", 1))
	k.forget()
	c.Run(t,
		execute(201, bindInt, 1), unknown, // the server's own
		execute(0, nil), unknown,
		pt.Send(protocol.ComStmtFetch, "\x09\x00\x00\x00\x01\x00\x00\x00"), unknown,
		pt.Send(protocol.ComStmtReset, "\x09\x00\x00\x00"), unknown,
		pt.Send(protocol.ComStmtClose, "\x09\x00\x00\x00"),
		pt.Send(protocol.ComStmtSendLongData, "\x09\x00\x00\x00\x00\x00abc"),
		pt.Send(protocol.ComStmtClose, ""), pt.Send(protocol.ComStmtExecute, ""), unknown, ask("SELECT 1", "db3"))
	k.db1.expect()
	k.db2.expect()
	k.db3.expect("SELECT 1")
}

// TestPreparedReset: wherever a statement is prepared, it is reset, and the client gets one answer.
func TestPreparedReset(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, prepare("SELECT ?", 1), execute(1, bindInt, 5), rows("db3"), do("INSERT 1"))
	k.forget()
	c.Run(t, pt.Send(protocol.ComStmtReset, "\x01\x00\x00\x00"), pt.ExpectOK())
	k.db2.expect("reset 201 ")
	k.db3.expect("reset 301 ")
	k.db1.expect()
}

// TestLongData: what is sent ahead and the execution that uses it reach one server.
func TestLongData(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	ahead := pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc")
	blob := []byte{0xfc, 0x00}
	run := pt.Send(protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01"+string(blob))
	c.Run(t, prepare("SELECT ?", 1), ahead, ahead, ask("SELECT 2", "db2"), run, rows("db3"))
	k.db3.expect("prepare SELECT ?", "long 301 0000616263", "long 301 0000616263", "execute 301 00010000000001fc00", "executed SELECT ?")
	c.Run(t, execute(1, bindInt, 5), rows("db3"))
	t.Run("its server is lost", func(t *testing.T) {
		c.Run(t, ahead, do("INSERT 1"))
		k.db2.die() // whose turn it was
		k.AwaitLog("lost while idle")
		c.Run(t, run, lost())
	})
}

// TestCursor: rows are fetched from the server that has the cursor.
func TestCursor(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	open := pt.Script(pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
	fetch := func(server string) pt.Step {
		return func(c *pt.Conn) error {
			if err := pt.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00")(c); err != nil {
				return err
			}
			row, err := c.ReadPayload()
			if err == nil && !strings.Contains(string(row), server) {
				err = fmt.Errorf("fetched %q, not from %s", row, server)
			}
			if err == nil {
				_, err = c.ReadPayload()
			}
			return err
		}
	}
	c.Run(t, prepare("SELECT 1", 1), open)
	for range 3 {
		c.Run(t, ask("SELECT 2", "db2"), fetch("db3"), ask("SELECT 3", "db3"), fetch("db3"), do("INSERT 4"), fetch("db3"))
	}
	k.db3.die()
	k.AwaitLog("lost while idle")
	c.Run(t, pt.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00"), lost())
}

// TestCursorClosed: an execution closes the cursor of the one before, at another server, too, unless its rows are at an end.
func TestCursorClosed(t *testing.T) {
	open := pt.Script(pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
	fetch := pt.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00")
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, prepare("SELECT 1", 1), open, execute(1, nil), rows("db2"), ask("SELECT 2", "db3"), fetch, pt.ExpectError(1421))
	k.db3.expect("prepare SELECT 1", "execute 301 0101000000", "close 301 ", "SELECT 2", "prepare SELECT 1", "fetch 302 01000000")
	t.Run("at an end", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		end := func(c *pt.Conn) error { // a row, and the end
			for range 2 {
				if _, err := c.ReadPayload(); err != nil {
					return err
				}
			}
			return nil
		}
		c.Run(t, prepare("SELECT 1", 1), open, fetch, end, execute(1, nil), rows("db2"))
		k.db3.expect("prepare SELECT 1", "execute 301 0101000000", "fetch 301 01000000")
	})
}

// TestPrepareFails: a statement that one server refuses is not prepared, and one that a replica refuses later is
// executed elsewhere.
func TestPrepareFails(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	k.db2.on("prepare SELECT nonsense", pt.ReplyError(1054, "42S22", "Unknown column"))
	c.Run(t, pt.Send(protocol.ComStmtPrepare, "SELECT nonsense"), pt.ExpectError(1054), execute(0xffffffff, nil),
		pt.ExpectError(protocol.ErUnknownStmtHandler))
	k.db2.on("prepare SELECT late", pt.ReplyError(1146, "42S02", "Table doesn't exist"))
	c.Run(t, prepare("SELECT late", 1), execute(1, nil), rows("db3"), execute(1, nil), rows("db3"))
}

// TestPrepareRetried: a server that is lost while it prepares is no matter, and one that is lost later neither.
func TestPrepareRetried(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	k.db2.on("prepare SELECT ?", pt.Close())
	c.Run(t, prepare("SELECT ?", 1))
	k.db2.on("prepare SELECT ?")
	k.db3.expect("prepare SELECT ?")
	c.Run(t, execute(1, bindInt, 5), rows("db2"))
	k.db3.die()
	k.AwaitLog("lost while idle")
	k.db3.rise()
	k.forget()
	c.Run(t, execute(1, nil, 6), rows("db3"))
	k.db3.expect("prepare SELECT ?", noted(301, bindInt, 6), "executed SELECT ?")
	k.db2.on("executed SELECT ?", pt.Close()) // in the middle of an execution
	c.Run(t, execute(1, nil, 7), rows("db3"))
}

// TestParametersDiffer: a server that reads a statement otherwise does not execute it.
func TestParametersDiffer(t *testing.T) {
	k := newCluster(t, nil)
	k.db3.on("prepare SELECT ?", pt.Reply([]byte{0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
	c := k.Session()
	c.Run(t, prepare("SELECT ?", 1), execute(1, bindInt, 5), rows("db2"))
	k.db3.expect("prepare SELECT ?")
}
