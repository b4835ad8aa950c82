package readwritesplit_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
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

// TestFailedBegin: a statement that fails may have begun a transaction, which an error does not tell of. The server is asked.
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
			k.db1.on("COM_PING", pt.ReplyOK(protocol.OK{Status: inTransaction}))
			k.db1.on("SELECT 2", inside)
			k.db1.on("SELECT 3", inside)
			c := k.Session()
			c.Run(t, pt.Query(statement), pt.ExpectError(1054), ask("SELECT 2", "db1"), ask("SELECT 3", "db1"), do("COMMIT"))
			c.Run(t, ask("SELECT 4", "db2"))
		})
	}
}

// TestFailedWithoutBegin: an error alone keeps nobody with the primary, nor ends a session with it.
func TestFailedWithoutBegin(t *testing.T) {
	k := newCluster(t, nil)
	k.db1.on("SELCT 1", pt.ReplyError(1064, "42000", "You have an error in your SQL syntax"))
	c := k.Session()
	c.Run(t, pt.Query("SELCT 1"), pt.ExpectError(1064), ask("SELECT 2", "db2"))
	k.db1.expect("SELCT 1", "COM_PING")
	c.Run(t, pt.Query("SELCT 1"), pt.ExpectError(1064), do("INSERT 1"))
	k.db1.die()
	k.AwaitLog("lost while idle")
	c.Run(t, ask("SELECT 3", "db3"))
}

// TestLastInsertIDOfPromoted: a replica that becomes primary knows what LAST_INSERT_ID() was, also where it has been used before.
func TestLastInsertIDOfPromoted(t *testing.T) {
	k := newCluster(t, nil)
	counting(k)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), do(counter))
	k.db1.die()
	k.in(down, primary, replica)
	k.forget()
	c.Run(t, ask("SELECT LAST_INSERT_ID()", "db2"))
	k.db2.expect("SET LAST_INSERT_ID = 43", "SELECT LAST_INSERT_ID()")
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

// session opens one with a default schema.
func (k *cluster) sessionIn(t *testing.T, schema string) *pt.Conn {
	t.Helper()
	c := k.Dial()
	c.Run(t, func(c *pt.Conn) error {
		login := protocol.Login{Capabilities: pt.MariaDB().Capabilities&^protocol.ClientSessionTrack | protocol.ClientConnectWithDB, User: pipelinetest.User, Schema: schema}
		return pt.LoginAs(login, pipelinetest.Password)(c)
	})
	return c
}

// TestResetSchema: after a reset, the default schema is what it was, on servers too that had not been told of it.
func TestResetSchema(t *testing.T) {
	k := newCluster(t, nil)
	c := k.sessionIn(t, "a")
	c.Run(t, do("INSERT 1"), ask("SELECT 1", "db2"), do("USE b"), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	k.forget()
	c.Run(t, ask("SELECT 2", "db3"), ask("SELECT 3", "db2"))
	if n := k.db2.loggedIn(); n != 2 {
		t.Errorf("db2 has been logged in to %d times: it is in the schema that was left", n)
	}
}

// TestNoHomeAtReplica: a session that stays with one server stays with the primary, whichever it has used before.
func TestNoHomeAtReplica(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 1 })
	c := k.Session()
	c.Run(t, ask("SELECT 0", "db2"), do("SET @a = 1", "SET @b = 1"), ask("SELECT 1", "db1"), do("INSERT 1"))
	k.db1.expect("SET @a = 1", "SET @b = 1", "SELECT 1", "INSERT 1")
}

// TestBoundThroughSwitchover: a session that is bound to a primary ends when another server becomes it: it could not write
// any more. Until it learns of that, nothing of it goes elsewhere.
func TestBoundThroughSwitchover(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), do("CREATE TEMPORARY TABLE t (i int)"))
	k.forget()
	k.in(replica, primary, replica)
	pipelinetest.Eventually(t, func() bool { return ask("SELECT 2", "db1")(c) != nil },
		func() string { return "the session goes on at a server that is no primary" })
	k.db2.expect()
	k.Session().Run(t, do("INSERT 1"))
	k.db2.expect("INSERT 1")
}

// TestNoPrimaryToConnect: a read that must wait for the primary does not do so by trying to connect all the time.
func TestNoPrimaryToConnect(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) {
		c.CausalReads, c.DelayedRetry = "session", 100*time.Millisecond
	})
	k.db1.wrote("0-1-5")
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	late := pt.ReplyRows([]string{"MASTER_GTID_WAIT"}, []string{"-1"})
	for _, f := range []*fake{k.db2, k.db3} {
		f.on("SELECT CAST(MASTER_GTID_WAIT(_latin1'0-1-5',10.000) AS BINARY) LIMIT 1", late)
	}
	k.db1.die()
	c.Run(t, pt.Query("SELECT 2"), fails)
	if n := k.count("retried_statements"); n > 10 {
		t.Errorf("tried %d times", n)
	}
}

// TestFetchInTransaction: a cursor that was opened on a replica is read there also while a transaction is open on the
// primary, which goes on.
func TestFetchInTransaction(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, prepare("SELECT 1", 1), pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows(), do("BEGIN", "INSERT 1"))
	k.forget()
	c.Run(t, pt.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00"), func(c *pt.Conn) error {
		for range 2 {
			if _, err := c.ReadPayload(); err != nil {
				return err
			}
		}
		return nil
	}, ask("SELECT 2", "db1"), do("COMMIT"))
	k.db1.expect("SELECT 2", "COMMIT")
}

// TestPreparedLate: what a replica cannot prepare yet, the primary runs.
func TestPreparedLate(t *testing.T) {
	k := newCluster(t, nil)
	unknown := pt.ReplyError(1146, "42S02", "Table 'a.t' doesn't exist")
	k.db2.on("prepare SELECT 1", unknown)
	k.db3.on("prepare SELECT 1", unknown)
	c := k.Session()
	c.Run(t, do("BEGIN"), prepare("SELECT 1", 1), do("COMMIT"), execute(1, nil), rows("db1"))
}

// TestCallAtReadOnly: what consists of several statements is not run again where the server refuses one of them.
func TestCallAtReadOnly(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
	k.db1.on("CALL p()", pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "The server is running with --read-only"))
	k.Session().Run(t, pt.Query("CALL p()"), pt.ExpectError(protocol.ErOptionPreventsStatement), do("INSERT 1"))
	k.db1.expect("CALL p()", "COM_PING", "INSERT 1")
}

// TestKillWithLostServer: a session is killed although one of its servers does not know it any more.
func TestKillWithLostServer(t *testing.T) {
	k := newCluster(t, nil)
	victim, killer := k.Session(), k.Session()
	victim.Run(t, ask("SELECT 1", "db2"), do("INSERT 1"))
	k.db2.on("KILL 7", pt.ReplyError(protocol.ErNoSuchThread, "HY000", "Unknown thread id: 7"))
	killer.Run(t, do(fmt.Sprintf("KILL %d", victim.Greeting.ConnectionID)))
	victim.Run(t, pt.Silence())
	t.Run("refused", func(t *testing.T) {
		k := newCluster(t, nil)
		victim, killer := k.Session(), k.Session()
		victim.Run(t, do("INSERT 1"))
		k.db1.on("KILL 7", pt.ReplyError(1095, "HY000", "You are not owner of thread 7"))
		killer.Run(t, pt.Query(fmt.Sprintf("KILL %d", victim.Greeting.ConnectionID)), pt.ExpectError(1095))
		victim.Run(t, do("INSERT 2"))
	})
}

// TestHintedFunction: a function that a hint sends to replicas may write, where the primary serves for them.
func TestHintedFunction(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
	statement := "SELECT f() /* weir route to replica */"
	k.in(primary, down, down)
	k.db1.on(statement, func(c *pt.Conn) error {
		k.in(down, primary, down)
		return pt.Close()(c)
	})
	k.Session().Run(t, pt.Query(statement), lost())
	k.db2.expect()
}
