package readwritesplit_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// reusing has prepared statements be reused.
func reusing(c *readwritesplit.Config) { c.ReusePreparedStatements = 3 }

// shut closes a statement.
func shut(id uint32) pt.Step {
	return pt.Send(protocol.ComStmtClose, string(binary.LittleEndian.AppendUint32(nil, id)))
}

// inserts executes one with an int.
func inserts(id, n uint32) pt.Step { return pt.Script(execute(id, bindInt, n), pt.ExpectOK()) }

// once prepares, executes and closes an INSERT, which gets this id.
func once(id uint32) pt.Step { return pt.Script(prepare("INSERT ?", id), inserts(id, 5), shut(id)) }

// ran is what db1 notes of an execution of an INSERT with an int, by a server's id.
func ran(id, n uint32) []string { return []string{noted(id, bindInt, n), "executed INSERT ?"} }

func all(notes ...[]string) (joined []string) {
	for _, n := range notes {
		joined = append(joined, n...)
	}
	return joined
}

// TestReuse: a text that was prepared before is not prepared again, at no server that has it, and has a new id each time.
func TestReuse(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	c.Run(t, once(1), once(2), once(3))
	k.db1.expect(all([]string{"prepare INSERT ?"}, ran(101, 5), ran(101, 5), ran(101, 5))...)
	for id := uint32(4); id < 8; id++ {
		c.Run(t, prepare("SELECT 1", id), execute(id, nil), row, shut(id))
	}
	if a, b := k.db2.times("prepare SELECT 1"), k.db3.times("prepare SELECT 1"); a != 1 || b != 1 {
		t.Errorf("the replicas have prepared a statement %d and %d times", a, b)
	}
	c.Run(t, execute(3, bindInt, 5), pt.ExpectError(protocol.ErUnknownStmtHandler))
	t.Run("not unless it is set", func(t *testing.T) {
		k := newCluster(t, nil)
		k.Session().Run(t, once(1), once(2), do("INSERT 3"))
		k.db1.expect(all([]string{"prepare INSERT ?"}, ran(101, 5), []string{"close 101 ", "prepare INSERT ?"}, ran(102, 5),
			[]string{"close 102 ", "INSERT 3"})...)
	})
}

// row reads one row of whatever.
func row(c *pt.Conn) error {
	rows, err := c.ReadRows()
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%d rows", len(rows))
	}
	return err
}

// TestReuseTwoOpen: statements of the same text that are open at the same time have a handle each, and both are kept.
func TestReuseTwoOpen(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	c.Run(t, prepare("INSERT ?", 1), inserts(1, 1), prepare("INSERT ?", 2), inserts(2, 2), inserts(1, 3), shut(1), inserts(2, 4))
	k.db1.expect(all([]string{"prepare INSERT ?"}, ran(101, 1), []string{"prepare INSERT ?"}, ran(102, 2), ran(101, 3), ran(102, 4))...)
	c.Run(t, prepare("INSERT ?", 3), inserts(3, 5), inserts(2, 6), shut(3), shut(2))
	c.Run(t, prepare("INSERT ?", 4), inserts(4, 7), prepare("INSERT ?", 5), inserts(5, 8))
	k.db1.expect(all(ran(101, 5), ran(102, 6), ran(102, 7), ran(101, 8))...)
}

// TestReuseTypes: types that a closed statement has bound are not those of the next one.
func TestReuseTypes(t *testing.T) {
	wrong := pt.ReplyError(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute")
	k := newCluster(t, reusing)
	c := k.Session()
	c.Run(t, once(1), prepare("INSERT ?", 2))
	k.forget()
	k.db1.on(noted(102, nil, 6), wrong)
	c.Run(t, execute(2, nil, 6), pt.ExpectError(1210))
	k.db1.expect("close 101 ", "prepare INSERT ?", noted(102, nil, 6))
	c.Run(t, inserts(2, 7), execute(2, nil, 8), pt.ExpectOK(), shut(2), prepare("INSERT ?", 3), inserts(3, 9), execute(3, nil, 10), pt.ExpectOK())
	k.db1.expect(all(ran(102, 7), []string{noted(102, nil, 8), "executed INSERT ?"}, ran(102, 9),
		[]string{noted(102, nil, 10), "executed INSERT ?"})...)
	t.Run("bound at another server", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		text := []byte{0xfd, 0x00} // which an int is not
		c.Run(t, prepare("SELECT ?", 1), execute(1, bindInt, 1), rows("db3"), execute(1, bindInt, 2), rows("db2"), shut(1))
		k.forget()
		c.Run(t, prepare("SELECT ?", 2), pt.Send(protocol.ComStmtExecute, string(execution(2, 0, text))+"\x00\x01\xfd\x00\x01a"), rows("db3"))
		c.Run(t, pt.Send(protocol.ComStmtExecute, string(execution(2, 0, nil))+"\x00\x00\x01b"), rows("db2"))
		k.db3.expect("execute 301 00010000000001fd000161", "executed SELECT ?")
		k.db2.expect("execute 201 00010000000001fd000162", "executed SELECT ?")
	})
}

// TestReuseCursor: what a statement has left at a server when it is closed, the next one does not find.
func TestReuseCursor(t *testing.T) {
	open := func(id uint32) pt.Step {
		return func(c *pt.Conn) error {
			err := pt.Send(protocol.ComStmtExecute, string(execution(id, 1, nil)))(c)
			if err == nil {
				err = pt.ExpectRows()(c)
			}
			return err
		}
	}
	fetch := func(id uint32) pt.Step {
		return func(c *pt.Conn) error {
			err := pt.Send(protocol.ComStmtFetch, string(binary.LittleEndian.AppendUint32(nil, id))+"\x01\x00\x00\x00")(c)
			for range 2 {
				if err == nil {
					_, err = c.ReadPayload()
				}
			}
			return err
		}
	}
	reset := func(id uint32) pt.Step {
		return pt.Script(pt.Send(protocol.ComStmtReset, string(binary.LittleEndian.AppendUint32(nil, id))), pt.ExpectOK())
	}
	ahead := func(id uint32) pt.Step {
		return pt.Send(protocol.ComStmtSendLongData, string(binary.LittleEndian.AppendUint32(nil, id))+"\x00\x00abc")
	}
	blob := func(id uint32) pt.Step {
		return pt.Script(pt.Send(protocol.ComStmtExecute, string(execution(id, 0, nil))+"\x00\x01\xfc\x00"), pt.ExpectOK())
	}
	const read, write = "SELECT 1 -- weir route to primary", "INSERT ?"
	var k *cluster
	fail := func(*pt.Conn) error {
		k.db1.on("executed "+read, pt.ReplyError(1205, "HY000", "Lock wait timeout exceeded"))
		return nil
	}
	for name, what := range map[string]struct {
		text string
		step pt.Step
		kept bool
	}{
		"open cursor":            {read, open(1), false},
		"cursor at its end":      {read, pt.Script(open(1), fetch(1)), true},
		"cursor that is reset":   {read, pt.Script(open(1), reset(1)), true},
		"cursor that is over":    {read, pt.Script(open(1), execute(1, nil), row), true},
		"cursor and a failure":   {read, pt.Script(open(1), do("INSERT 1"), fail, execute(1, nil), pt.ExpectError(1205)), false},
		"values":                 {write, ahead(1), false},
		"values that are used":   {write, pt.Script(ahead(1), blob(1)), true},
		"values that are reset":  {write, pt.Script(ahead(1), reset(1)), true},
		"values after execution": {write, pt.Script(inserts(1, 5), ahead(1)), false},
	} {
		t.Run(name, func(t *testing.T) {
			k = newCluster(t, reusing)
			c := k.Session()
			c.Run(t, prepare(what.text, 1), what.step, do("INSERT 0"))
			k.forget()
			c.Run(t, shut(1), prepare(what.text, 2), do("INSERT 0"))
			want := []string{"INSERT 0"}
			if !what.kept {
				want = []string{"close 101 ", "prepare " + what.text, "INSERT 0"}
			}
			k.db1.expect(want...)
		})
	}
	t.Run("at one server of two", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, prepare("SELECT 1", 1), execute(1, nil), rows("db3"), open(1), shut(1), prepare("SELECT 1", 2))
		c.Run(t, ask("SELECT 0", "db3"), ask("SELECT 0", "db2"))
		k.db2.expect("prepare SELECT 1", "execute 201 0101000000", "close 201 ", "SELECT 0")
		c.Run(t, execute(2, nil), rows("db3"), execute(2, nil), rows("db2"))
		k.db3.expect("prepare SELECT 1", noted(301, nil), "executed SELECT 1", "SELECT 0", noted(301, nil), "executed SELECT 1")
	})
	t.Run("reset of another", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, prepare(read, 1), shut(1), prepare(read, 2), open(2), prepare(read, 3))
		k.forget()
		c.Run(t, reset(3), fetch(2))
		k.db1.expect("reset 102 ", "fetch 101 01000000")
	})
}

// TestReuseLast: the statement prepared last is one that was answered from memory, too.
func TestReuseLast(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	c.Run(t, once(1), prepare("INSERT 2", 2))
	k.forget()
	c.Run(t, prepare("INSERT ?", 3), inserts(0xffffffff, 7))
	k.db1.expect(ran(101, 7)...)
}

// TestReuseHint: the hint in a text holds for each statement of it.
func TestReuseHint(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	const text = "SELECT 1 -- weir route to server db3"
	for id := uint32(1); id < 4; id++ {
		c.Run(t, prepare(text, id), execute(id, nil), rows("db3"), execute(id, nil), rows("db3"), shut(id))
	}
	if n := k.db3.times("prepare " + text); n != 1 {
		t.Errorf("it was prepared %d times", n)
	}
}

// TestReuseLimit: the statement that was not used for longest gives way, and is closed where it is prepared once the client
// has closed it.
func TestReuseLimit(t *testing.T) {
	k := newCluster(t, reusing) // 3
	c := k.Session()
	for i := range 3 {
		c.Run(t, prepare(fmt.Sprintf("INSERT %d", i), uint32(i+1)), shut(uint32(i+1)))
	}
	c.Run(t, prepare("INSERT 0", 4), shut(4))
	k.forget()
	c.Run(t, prepare("INSERT 3", 5), do("INSERT")) // closing has no answer to wait for
	k.db1.expect("prepare INSERT 3", "close 102 ", "INSERT")
	c.Run(t, prepare("INSERT 0", 6), prepare("INSERT 2", 7), do("INSERT"))
	k.db1.expect("INSERT")
	t.Run("closed last is used last", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, prepare("INSERT 1", 1), prepare("INSERT 2", 2), shut(2), shut(1), prepare("INSERT 3", 3))
		k.forget()
		c.Run(t, prepare("INSERT 4", 4), do("INSERT"))
		k.db1.expect("prepare INSERT 4", "close 102 ", "INSERT")
	})
	t.Run("of those that are open", func(t *testing.T) {
		c.Run(t, prepare("INSERT 5", 8), do("INSERT")) // 5, 6, 7 and 8 are open, and 5 is the oldest
		k.db1.expect("prepare INSERT 5", "INSERT")
		c.Run(t, execute(5, nil), pt.ExpectOK(), shut(5), shut(6), shut(7), shut(8), do("INSERT"))
		k.db1.expect(noted(104, nil), "executed INSERT 3", "close 104 ", "INSERT")
		c.Run(t, prepare("INSERT 0", 9), prepare("INSERT 2", 10), prepare("INSERT 5", 11), do("INSERT"))
		k.db1.expect("INSERT")
	})
}
