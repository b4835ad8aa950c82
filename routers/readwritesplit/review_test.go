package readwritesplit_test

import (
	"encoding/binary"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// replaying has transactions be run again.
func replaying(c *readwritesplit.Config) { c.DelayedRetry, c.TransactionReplay = patience, true }

const inTransaction = protocol.StatusAutocommit | protocol.StatusInTrans

// fails reads an error of any kind.
func fails(c *pt.Conn) error {
	payload, err := c.ReadPayload()
	if err == nil && payload[0] != 0xff {
		err = pt.ExpectError(0)(c)
	}
	return err
}

// TestReplayOfTwo: what one transaction has committed is not run again with the next, which began without an end in between.
func TestReplayOfTwo(t *testing.T) {
	fall := func(k *cluster) {
		k.db1.die()
		k.in(down, primary, replica)
		k.forget()
	}
	t.Run("begin", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1", "BEGIN", "INSERT 2"))
		fall(k)
		c.Run(t, do("INSERT 3", "COMMIT"))
		k.db2.expect("BEGIN", "INSERT 2", "INSERT 3", "COMMIT")
	})
	for _, again := range []string{"COMMIT AND CHAIN", "INSERT 2; COMMIT; BEGIN", "CALL p()", "EXECUTE s"} {
		t.Run(again, func(t *testing.T) {
			k := newCluster(t, replaying)
			k.db1.on(again, pt.ReplyOK(protocol.OK{Status: inTransaction}))
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1", again))
			fall(k)
			c.Run(t, pt.Query("INSERT 3"), fails)
			if n := k.db2.times("INSERT 1"); n != 0 {
				t.Error("a write that may be committed was run again")
			}
		})
	}
	t.Run("execution in flight", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db1.on("EXECUTE s", pt.Close())
		c := k.Session()
		c.Run(t, do("PREPARE s FROM 'COMMIT'", "BEGIN", "INSERT 1"))
		k.in(replica, primary, replica)
		c.Run(t, pt.Query("EXECUTE s"), fails)
		if n := k.db2.times("INSERT 1"); n != 0 {
			t.Error("a transaction that may be committed was run again")
		}
	})
	t.Run("set transaction", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"), ask("SELECT 1", "db1"))
		fall(k)
		c.Run(t, pt.Query("SELECT 2"), fails)
		if n := k.db2.times("BEGIN"); n != 0 {
			t.Error("a transaction was run again without its isolation level")
		}
	})
}

// TestSetTransactionLost: what SET TRANSACTION has said is not forgotten silently.
func TestSetTransactionLost(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
	k.db1.die()
	k.in(down, primary, replica)
	c.Run(t, pt.Query("BEGIN"), lost())
}

// TestTransactionElsewhere: a transaction that a replica has begun by itself, as its settings say, keeps nothing there
// that is the primary's.
func TestTransactionElsewhere(t *testing.T) {
	k := newCluster(t, nil)
	manual := func(c *pt.Conn) error { // autocommit is off at the server
		all := pt.Rows(c.Caps, []string{"server"}, []string{"here"})
		binary.LittleEndian.PutUint16(all[len(all)-1][3:], protocol.StatusInTrans)
		return pt.Reply(all...)(c)
	}
	k.db2.on("SELECT 1", manual)
	k.db3.on("SELECT 1", manual)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "here"), do("INSERT 2"))
	k.db1.expect("INSERT 2")
}

// TestFailedBegin: a statement that fails may have begun a transaction, which an error does not tell of.
func TestFailedBegin(t *testing.T) {
	for _, statement := range []string{"BEGIN; INSERT 1; SELECT nothing", "CALL p()"} {
		t.Run(statement, func(t *testing.T) {
			k := newCluster(t, nil)
			k.db1.on(statement, pt.ReplyError(1054, "42S22", "Unknown column"))
			inside := func(c *pt.Conn) error {
				all := pt.Rows(c.Caps, []string{"server"}, []string{"db1"})
				binary.LittleEndian.PutUint16(all[len(all)-1][3:], inTransaction)
				return pt.Reply(all...)(c)
			}
			k.db1.on("SELECT 2", inside)
			k.db1.on("SELECT 3", inside)
			c := k.Session()
			c.Run(t, pt.Query(statement), pt.ExpectError(1054), ask("SELECT 2", "db1"), ask("SELECT 3", "db1"), do("COMMIT"))
			c.Run(t, ask("SELECT 4", "db2"))
		})
	}
}

// TestLastInsertIDOfPromoted: a replica that becomes primary knows what LAST_INSERT_ID() was, also where it has been used before.
func TestLastInsertIDOfPromoted(t *testing.T) {
	k := newCluster(t, nil)
	k.db1.on("INSERT 1", pt.ReplyOK(protocol.OK{LastInsertID: 42, Status: protocol.StatusAutocommit}))
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), do("INSERT 1"))
	k.db1.die()
	k.in(down, primary, replica)
	k.forget()
	c.Run(t, ask("SELECT LAST_INSERT_ID()", "db2"))
	k.db2.expect("SET LAST_INSERT_ID = 42", "SELECT LAST_INSERT_ID()")
}

// TestTracked: what the client wants to be told of does not overrule what the router does, on servers used later.
func TestTracked(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.CausalReads = "session" })
	c := k.Session()
	c.Run(t, do("INSERT 1", "SET session_track_system_variables='autocommit'"))
	k.forget()
	c.Run(t, ask("SELECT 2", "db2"))
	got := k.db2.takes()
	if len(got) != 3 || got[0] != "SET session_track_system_variables='autocommit'" {
		t.Errorf("db2 has got %q", got)
	}
}
