package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestReplayTextExecute: an EXECUTE is part of a transaction as what it executes would be, where that is known.
func TestReplayTextExecute(t *testing.T) {
	prepare := "PREPARE s FROM 'INSERT INTO t VALUES (?)'"
	t.Run("idle", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("INSERT 0", prepare, "SET @i = 5", "BEGIN", "EXECUTE s USING @i", "SET @i = 6", "EXECUTE s USING @i"))
		failOver(k)
		k.forget()
		c.Run(t, do("EXECUTE s USING @i", "COMMIT"))
		k.db2.expect(prepare, "SET @i = 5", "BEGIN", "EXECUTE s USING @i", "SET @i = 6", "EXECUTE s USING @i", "EXECUTE s USING @i", "COMMIT")
	})
	t.Run("in flight", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("INSERT 0", prepare, "BEGIN", "INSERT 1"))
		k.db1.on("EXECUTE s USING @i", func(c *pt.Conn) error {
			k.in(replica, primary, replica)
			return pt.Close()(c)
		})
		k.forget()
		c.Run(t, do("EXECUTE s USING @i", "COMMIT"))
		k.db2.expect(prepare, "BEGIN", "INSERT 1", "EXECUTE s USING @i", "COMMIT")
	})
	t.Run("prepared within", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("INSERT 0", "BEGIN", prepare, "EXECUTE s USING @i", "DEALLOCATE PREPARE s"))
		failOver(k)
		k.forget()
		c.Run(t, do("COMMIT"))
		k.db2.expect("BEGIN", prepare, "EXECUTE s USING @i", "DEALLOCATE PREPARE s", "COMMIT")
	})
	for _, inner := range []string{"COMMIT", "CREATE TABLE x (a INT)", "CALL p()", "SET @n = (SELECT 1)"} {
		t.Run(inner, func(t *testing.T) {
			k := newCluster(t, replaying)
			c := k.Session()
			c.Run(t, do("INSERT 0", "PREPARE e FROM '"+inner+"'", "BEGIN", "INSERT 1"))
			k.db1.on("EXECUTE e", func(c *pt.Conn) error {
				k.in(replica, primary, replica)
				return pt.Close()(c)
			})
			k.forget()
			c.Run(t, pt.Query("EXECUTE e"), lost())
			k.db2.expect()
		})
	}
	t.Run("insert ids", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			c.TransactionReplay, c.TransactionReplayChecksum = true, "no_insert_id"
		})
		c := k.Session()
		c.Run(t, do("INSERT 0", "PREPARE l FROM 'SELECT LAST_INSERT_ID()'", "BEGIN", "INSERT 1"), pt.Query("EXECUTE l"), pt.ExpectOK())
		k.db2.on("EXECUTE l", pt.ReplyOK(protocol.OK{AffectedRows: 1, Status: inTransaction}))
		failOver(k)
		c.Run(t, do("COMMIT"))
	})
}

// TestOptimisticTextExecute: nor does it keep an optimistic transaction from the primary.
func TestOptimisticTextExecute(t *testing.T) {
	k, c := optimists(t)
	c.Run(t, do("PREPARE s FROM 'SELECT a FROM t'", "BEGIN", "EXECUTE s", "INSERT 1", "COMMIT"))
	k.db1.expect("PREPARE s FROM 'SELECT a FROM t'", "BEGIN", "EXECUTE s", "INSERT 1", "COMMIT")
	if n := k.db2.times("EXECUTE s") + k.db3.times("EXECUTE s"); n != 1 {
		t.Errorf("it has been executed %d times at a replica", n)
	}
}

// TestAfterDeadlock: whether an error has ended the transaction, the server is asked. What comes next may be carried out for
// good, so that its loss is not a transaction's that was rolled back.
func TestAfterDeadlock(t *testing.T) {
	for _, over := range []bool{true, false} {
		for _, code := range []uint16{protocol.ErLockDeadlock, protocol.ErLockWaitTimeout} {
			k := newCluster(t, replaying)
			k.db1.on("INSERT 2", pt.ReplyError(code, map[bool]string{true: "40001", false: "HY000"}[code == protocol.ErLockDeadlock], "over"))
			if over {
				k.db1.on("COM_PING", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
			}
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("INSERT 2"), pt.ExpectError(code))
			k.db1.on("INSERT 3", func(c *pt.Conn) error {
				k.in(down, primary, replica)
				return pt.Close()(c)
			})
			c.Run(t, pt.Query("INSERT 3"))
			if over {
				c.Run(t, lost())
			} else { // INSERT 2 does not fail there
				c.Run(t, pt.ExpectError(protocol.ErLockDeadlock), do("INSERT 4"))
			}
		}
	}
}
