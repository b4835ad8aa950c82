package readwritesplit_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// inserted answers an INSERT within a transaction.
func inserted(rows uint64) pt.Step {
	return pt.ReplyOK(protocol.OK{AffectedRows: rows, Status: inTransaction})
}

// transaction begins one at db1, with three answers.
func transaction(k *cluster) pt.Step {
	k.db2.on("SELECT 2", pt.ReplyRows([]string{"server"}, []string{"db1"})) // the same data, wherever
	return pt.Script(do("INSERT 0", "SET @x = 5", "BEGIN", "INSERT 1"), ask("SELECT 2", "db1"))
}

// TestReplay: a transaction whose server is lost is run again at the next primary, and the client notices nothing.
func TestReplay(t *testing.T) {
	again := []string{"SET @x = 5", "BEGIN", "INSERT 1", "SELECT 2"}
	t.Run("idle", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, transaction(k))
		k.db1.die()
		k.in(down, primary, replica)
		k.forget()
		c.Run(t, do("INSERT 3", "COMMIT", "INSERT 4"), ask("SELECT 5", "db3"))
		k.db2.expect(append(again, "INSERT 3", "COMMIT", "INSERT 4")...)
		if got := k.count("replayed_transactions"); got != 1 {
			t.Errorf("%d transactions were run again", got)
		}
	})
	for name, fault := range map[string]pt.Step{
		"closed": pt.Close(), "1053": goAway(protocol.ErServerShutdown),
		"read-only": pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "--read-only"),
	} {
		t.Run("in flight, "+name, func(t *testing.T) {
			k := newCluster(t, replaying)
			c := k.Session()
			c.Run(t, transaction(k))
			k.db1.on("INSERT 3", func(c *pt.Conn) error {
				k.in(replica, primary, replica)
				return fault(c)
			})
			k.forget()
			c.Run(t, do("INSERT 3", "COMMIT"))
			k.db1.expect("INSERT 3")
			k.db2.expect(append(again, "INSERT 3", "COMMIT")...)
		})
	}
	t.Run("waits for a primary", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, transaction(k))
		k.db1.die()
		k.in(down, replica, replica)
		k.forget()
		c.Run(t, pt.Query("INSERT 3"))
		k.delayed(t)
		k.in(down, primary, replica)
		c.Run(t, pt.ExpectOK(), do("COMMIT"))
		k.db2.expect(append(again, "INSERT 3", "COMMIT")...)
	})
	t.Run("lost again while it is run", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db3.on("SELECT 2", pt.ReplyRows([]string{"server"}, []string{"db1"}))
		c := k.Session()
		c.Run(t, transaction(k))
		k.db2.on("INSERT 1", func(c *pt.Conn) error {
			k.in(down, down, primary)
			return pt.Close()(c)
		})
		k.db1.die()
		k.in(down, primary, replica)
		k.forget()
		c.Run(t, do("INSERT 3", "COMMIT"))
		k.db2.expect("SET @x = 5", "BEGIN", "INSERT 1")
		k.db3.expect(append(again, "INSERT 3", "COMMIT")...)
	})
	t.Run("where the server has not missed it", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db1.misses = false
		c := k.Session()
		c.Run(t, transaction(k))
		k.db1.on("INSERT 3", func(c *pt.Conn) error {
			k.db1.on("INSERT 3") // once
			return pt.Close()(c)
		})
		k.forget()
		c.Run(t, do("INSERT 3", "COMMIT"))
		k.db1.expect("INSERT 3", "KILL 7", "SET @x = 5", "BEGIN", "INSERT 1", "SELECT 2", "INSERT 3", "COMMIT")
	})
	t.Run("prepared", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("BEGIN"), prepare("INSERT ?", 1), execute(1, bindInt, 5), pt.ExpectOK(), execute(1, nil, 6), pt.ExpectOK())
		k.db1.die()
		k.in(down, primary, replica)
		k.forget()
		c.Run(t, execute(1, nil, 7), pt.ExpectOK(), do("COMMIT"))
		k.db2.expect("BEGIN", "prepare INSERT ?", noted(201, bindInt, 5), "executed INSERT ?", noted(201, nil, 6), "executed INSERT ?",
			noted(201, nil, 7), "executed INSERT ?", "COMMIT")
	})
	t.Run("read-only", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db1.on("SELECT 1", pt.ReplyRows([]string{"server"}, []string{"db2"}))
		c := k.Session()
		c.Run(t, do("START TRANSACTION READ ONLY"), ask("SELECT 1", "db2"))
		k.db2.die()
		k.AwaitLog("lost while idle")
		c.Run(t, ask("SELECT 2", "db1"), do("COMMIT"), ask("SELECT 3", "db3"))
		k.db1.expect("START TRANSACTION READ ONLY", "SELECT 1", "SELECT 2", "COMMIT")
	})
}

// restarted is what a client is told whose transaction could not be run again; its session goes on.
func restarted() pt.Step {
	return pt.Script(pt.ExpectError(protocol.ErLockDeadlock), do("BEGIN", "INSERT 8", "COMMIT"), ask("SELECT 9", "db3"))
}

// TestReplayRefused: a transaction that cannot go on as it went is over, and the client is told.
func TestReplayRefused(t *testing.T) {
	fall := func(k *cluster) {
		k.db1.die()
		k.in(down, primary, replica)
		k.forget()
	}
	t.Run("other rows", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("BEGIN"), ask("SELECT 2", "db1"), do("INSERT 3"))
		fall(k)
		c.Run(t, pt.Query("INSERT 4"), restarted())
		k.db2.expect("BEGIN", "SELECT 2", ended("ROLLBACK"), "BEGIN", "INSERT 8", "COMMIT")
	})
	t.Run("other rows affected", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db2.on("INSERT 1", inserted(7))
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		fall(k)
		c.Run(t, pt.Query("INSERT 4"), restarted())
	})
	t.Run("an error", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db2.on("INSERT 1", pt.ReplyError(1062, "23000", "Duplicate entry"))
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		fall(k)
		c.Run(t, pt.Query("INSERT 4"), restarted())
	})
	t.Run("too large", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.TransactionReplayMaxSize = 100
		})
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT '"+strings.Repeat("x", 100)+"'"))
		fall(k)
		c.Run(t, pt.Query("INSERT 4"), restarted())
		k.db2.expect("BEGIN", "INSERT 8", "COMMIT")
		if got := k.count("large_transactions"); got != 1 {
			t.Errorf("%d transactions were too large", got)
		}
		c.Run(t, do("BEGIN", "INSERT 1")) // the next one is not
		k.forget()
		k.db2.die()
		k.in(down, down, primary)
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db3.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	})
	t.Run("values sent ahead", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("BEGIN"), prepare("INSERT ?", 1), pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc"),
			pt.Send(protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfc\x00"), pt.ExpectOK())
		fall(k)
		c.Run(t, pt.Query("INSERT 4"), restarted())
		k.db2.expect("BEGIN", "INSERT 8", "COMMIT")
	})
	t.Run("too often", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.TransactionReplayAttempts = 2
		})
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		k.db1.on("INSERT 4", pt.Close())
		k.forget()
		c.Run(t, pt.Query("INSERT 4"), pt.ExpectError(protocol.ErLockDeadlock))
		k.db1.expect("INSERT 4", "BEGIN", "INSERT 1", "INSERT 4", "BEGIN", "INSERT 1", "INSERT 4")
	})
}

// TestCommitInFlight: whether it has been carried out, nobody knows. It is not sent again, and the session ends.
func TestCommitInFlight(t *testing.T) {
	for _, end := range []string{"COMMIT", "CREATE TABLE x (a INT)", "INSERT 3; COMMIT", "CALL p()", "LOCK TABLES t READ", "BEGIN"} {
		t.Run(end, func(t *testing.T) {
			k := newCluster(t, replaying)
			c := k.Session()
			c.Run(t, transaction(k))
			k.db1.on(end, func(c *pt.Conn) error {
				k.in(replica, primary, replica)
				return pt.Close()(c)
			})
			k.forget()
			c.Run(t, pt.Query(end), lost())
			k.db1.expect(end)
			k.db2.expect()
			k.db3.expect()
		})
	}
	t.Run("not in flight yet", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, transaction(k))
		k.db1.die()
		k.AwaitLog("lost while idle")
		k.in(down, primary, replica)
		k.forget()
		c.Run(t, do("COMMIT"))
		k.db2.expect("SET @x = 5", "BEGIN", "INSERT 1", "SELECT 2", "COMMIT")
	})
}

// TestReplayOnDeadlock: a transaction that its server has rolled back is run again where the settings say so.
func TestReplayOnDeadlock(t *testing.T) {
	deadlock := func(k *cluster) pt.Step {
		return func(c *pt.Conn) error {
			k.db1.on("INSERT 2") // once
			return pt.ReplyError(protocol.ErLockDeadlock, "40001", "Deadlock found")(c)
		}
	}
	for _, on := range []bool{false, true} {
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.TransactionReplayOnDeadlock = on
		})
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		k.db1.on("INSERT 2", deadlock(k))
		k.forget()
		if !on {
			c.Run(t, pt.Query("INSERT 2"), pt.ExpectError(protocol.ErLockDeadlock), do("ROLLBACK"))
			k.db1.expect("INSERT 2", "COM_PING", "ROLLBACK")
			continue
		}
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db1.expect("INSERT 2", "BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	}
}

// TestReplayFailedBegin: what follows a BEGIN that failed is not run again as if that had begun a transaction.
func TestReplayFailedBegin(t *testing.T) {
	k := newCluster(t, replaying)
	c := k.Session()
	misspelt := pt.ReplyError(1064, "42000", "You have an error in your SQL syntax")
	for _, f := range k.fakes {
		f.on("START TRANSACTION garbage", misspelt)
	}
	c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("START TRANSACTION garbage"), pt.ExpectError(1064), do("INSERT 2"))
	k.db1.die()
	k.in(down, primary, replica)
	k.forget()
	c.Run(t, pt.Query("INSERT 3"), deadlock())
	if n := k.db2.times("INSERT 2"); n != 0 {
		t.Error("a write was run again outside of its transaction")
	}
}
