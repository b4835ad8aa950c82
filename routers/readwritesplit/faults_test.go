package readwritesplit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// goAway is what servers say before they close a connection.
func goAway(code uint16) pt.Step {
	return pt.Script(pt.ReplyError(code, "08S01", "Server shutdown in progress"), pt.Close())
}

// halfRows sends the beginning of a reply and closes the connection.
func halfRows(c *pt.Conn) error {
	rows := pt.Rows(c.Caps, []string{"server"}, []string{"half"})
	return pt.Script(pt.Reply(rows[:len(rows)-1]...), pt.Close())(c)
}

// TestLostRead: a read that delivered nothing is tried elsewhere, once at each server.
func TestLostRead(t *testing.T) {
	for name, fault := range map[string]pt.Step{
		"closed": pt.Close(), "reset": pt.Reset(), "1053": goAway(protocol.ErServerShutdown),
		"1077": goAway(protocol.ErNormalShutdown),
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			k.db2.on("SELECT 1", fault)
			c := k.Session()
			c.Run(t, do("INSERT 0", "SET @x = 5"), ask("SELECT 1", "db3"))
			k.db1.expect("INSERT 0", "SET @x = 5")
			k.db2.expect("SET @x = 5", "SELECT 1")
			k.db3.expect("SET @x = 5", "SELECT 1")
			if got := k.count("retried_statements"); got != 1 {
				t.Errorf("%d statements were tried again", got)
			}
			k.db3.on("SELECT 1", fault)
			c.Run(t, ask("SELECT 1", "db1")) // the primary at last
			k.db1.on("SELECT 1", fault)
			c.Run(t, pt.Query("SELECT 1"), lost())
		})
	}
	t.Run("no retries", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.RetryReads = false })
		k.db2.on("SELECT 1", pt.Close())
		k.Session().Run(t, pt.Query("SELECT 1"), lost())
		k.db3.expect()
		k.db1.expect()
	})
	t.Run("killed by somebody", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on("SELECT 1", pt.ReplyError(protocol.ErConnectionKilled, "70100", "Connection was killed"))
		k.Session().Run(t, pt.Query("SELECT 1"), pt.ExpectError(protocol.ErConnectionKilled, "Connection was killed"))
		k.db3.expect()
		k.db1.expect()
	})
	t.Run("an error of the statement's own", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on("SELECT nonsense", pt.ReplyError(1054, "42S22", "Unknown column"))
		k.Session().Run(t, pt.Query("SELECT nonsense"), pt.ExpectError(1054), ask("SELECT 1", "db3"))
	})
}

// TestLostInReply: what was delivered cannot be taken back.
func TestLostInReply(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.on("SELECT 1", halfRows)
	c := k.Session()
	c.Run(t, pt.Query("SELECT 1"))
	if rows, err := c.ReadRows(); err == nil {
		t.Fatalf("the client gets %v", rows)
	}
	c.Run(t, pt.ExpectClosed())
	k.db3.expect()
	k.db1.expect()
	k.AwaitLog("in the middle of a reply")
}

// TestLostIdle: a connection that is lost while nothing runs on it is opened again when it is needed.
func TestLostIdle(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 1", "SET @x = 5"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
	k.forget()
	for _, f := range k.fakes {
		f.die()
		f.rise()
	}
	k.unlinked(t)
	c.Run(t, do("INSERT 4"), ask("SELECT 5", "db2"), ask("SELECT 6", "db3"))
	k.db1.expect("SET @x = 5", "INSERT 4")
	k.db2.expect("SET @x = 5", "SELECT 5")
	k.db3.expect("SET @x = 5", "SELECT 6")
}

// TestLostWrite: what may have been carried out is not sent again, whatever the settings are.
func TestLostWrite(t *testing.T) {
	for _, statement := range []string{
		"INSERT 1", "COMMIT", "CALL p()", "SELECT f()", "SELECT 1; SELECT 2", "FROBNICATE", "SET GLOBAL x = 1", "SELECT 1 FOR UPDATE",
	} {
		t.Run(statement, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) {
				c.DelayedRetry, c.TransactionReplay, c.TransactionReplayOnDeadlock = patience, true, true
			})
			k.db1.on(statement, pt.Close())
			k.Session().Run(t, pt.Query(statement), lost())
			k.db1.expect(statement)
			k.db2.expect()
			k.db3.expect()
			if got := k.count("retried_statements"); got != 0 {
				t.Errorf("%d statements were tried again", got)
			}
		})
	}
}

// TestLostTransaction: without transaction_replay, a session ends with the server its transaction is open at.
func TestLostTransaction(t *testing.T) {
	for _, begin := range []string{"BEGIN", "START TRANSACTION READ ONLY"} {
		t.Run(begin, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
			c := k.Session()
			c.Run(t, do(begin), pt.Query("SELECT 1"))
			if _, err := c.ReadRows(); err != nil {
				t.Fatal(err)
			}
			at := k.db1
			if begin != "BEGIN" {
				at = k.db2
			}
			at.on("SELECT 2", pt.Close())
			k.forget()
			c.Run(t, pt.Query("SELECT 2"), lost())
			k.AwaitLog("a transaction was open there")
			at.expect("SELECT 2")
			k.db3.expect()
		})
	}
	t.Run("idle", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		c := k.Session()
		c.Run(t, do("BEGIN"))
		k.db1.die()
		k.db1.rise()
		k.AwaitLog("lost while idle")
		k.forget()
		c.Run(t, pt.Query("INSERT 1"), lost())
		k.db1.expect()
	})
}

// TestLostState: a session that has something at the primary that no other server has ends with it.
func TestLostState(t *testing.T) {
	for statement, reason := range map[string]string{
		"SELECT GET_LOCK('a', 1)":             "locks by name are held there",
		"LOCK TABLES t READ":                  "locks on tables are held there",
		"CREATE TEMPORARY TABLE x (a INT)":    "temporary tables are there",
		"SELECT @x := 1":                      "user variables are known there alone",
		"SET sql_mode = (SELECT 1 FROM t)":    "the session's state is known there alone",
		"SET @x = UUID()":                     "user variables are known there alone",
		"PREPARE s FROM 'SELECT f()'":         "", // prepared everywhere
		"DROP TEMPORARY TABLE IF EXISTS x":    "",
		"SET SESSION sql_mode = 'ANSI'":       "",
		"CREATE TABLE x (a INT)":              "",
		"SELECT GET_LOCK('a', 1), 'x' FROM t": "locks by name are held there",
	} {
		t.Run(statement, func(t *testing.T) {
			k := newCluster(t, nil)
			c := k.Session()
			c.Run(t, pt.Query(statement), func(c *pt.Conn) error {
				if statement[:6] == "SELECT" {
					_, err := c.ReadRows()
					return err
				}
				return pt.ExpectOK()(c)
			})
			c.Run(t, do("INSERT 1"))
			k.db1.die()
			k.db1.rise()
			k.AwaitLog("lost while idle")
			if reason == "" {
				c.Run(t, do("INSERT 2"))
				return
			}
			c.Run(t, pt.Query("INSERT 2"), lost())
			k.AwaitLog(reason)
		})
	}
	t.Run("at once", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, ask("SELECT @x := 1", "db1"), ask("SELECT 1", "db2"))
		k.db1.die()
		k.db1.rise()
		k.AwaitLog("lost while idle")
		c.Run(t, pt.Query("SELECT 1"), lost()) // which does not need the primary
	})
	t.Run("temporary tables, not strict", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.StrictTemporaryTables = false })
		c := k.Session()
		c.Run(t, do("CREATE TEMPORARY TABLE x (a INT)"))
		k.db1.die()
		k.db1.rise()
		k.AwaitLog("lost while idle")
		c.Run(t, do("INSERT 2"))
	})
}

// TestDelayedRetry: a statement that was not sent waits for a primary, and is sent to it once.
func TestDelayedRetry(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
	c := k.Session()
	c.Run(t, do("INSERT 1", "SET @x = 5"))
	k.db1.die()
	k.in(down, replica, replica)
	k.forget()
	c.Run(t, pt.Query("INSERT 2"))
	k.delayed(t)
	k.in(down, replica, primary)
	c.Run(t, pt.ExpectOK(), do("INSERT 3"), ask("SELECT 4", "db2"))
	k.db3.expect("SET @x = 5", "INSERT 2", "INSERT 3")
	k.db2.expect("SET @x = 5", "SELECT 4")
	t.Run("a primary that does not take connections", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		c := k.Session()
		c.Run(t, ask("SELECT 1", "db2"))
		k.db1.die()
		c.Run(t, pt.Query("INSERT 2"))
		k.delayed(t)
		k.db1.rise()
		c.Run(t, pt.ExpectOK())
		k.db1.expect("INSERT 2")
	})
	t.Run("all are gone", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		c := k.Session()
		k.in(down, down, down)
		c.Run(t, pt.Query("SELECT 2"))
		k.delayed(t)
		k.in(down, replica, down)
		c.Run(t, pt.ExpectRows([]string{"db2"}))
	})
	t.Run("in vain", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = time.Millisecond })
		c := k.Session()
		k.in(down, replica, replica)
		c.Run(t, pt.Query("INSERT 1"), lost())
	})
	t.Run("the client has gone", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		c := k.Session()
		k.in(down, replica, replica)
		c.Run(t, pt.Query("INSERT 1"))
		k.delayed(t)
		_ = c.Close()
		k.AwaitLog("session ended")
		k.in(primary, replica, replica)
		k.Session().Run(t, do("INSERT 2"))
		k.db1.expect("INSERT 2")
	})
}

// TestPrimaryLoss: what becomes of sessions while there is no primary.
func TestPrimaryLoss(t *testing.T) {
	with := func(t *testing.T, setting string) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, func(c *readwritesplit.Config) { c.OnPrimaryLoss = setting })
		c := k.Session()
		c.Run(t, do("INSERT 1"))
		k.db1.die()
		k.in(down, replica, replica)
		return k, c
	}
	t.Run("close", func(t *testing.T) {
		_, c := with(t, "close")
		c.Seq = 1 // unasked: the client will take it for the answer to its next command
		c.Run(t, lost())
	})
	t.Run("close, at the login", func(t *testing.T) {
		k, _ := with(t, "close")
		c := k.Dial()
		if err := pt.Login(pipelinetest.User, pipelinetest.Password)(c); err == nil || !strings.Contains(err.Error(), "1429 (08001): Can't connect: no server is known to be the primary") {
			t.Error(err)
		}
		k.in(down, primary, replica)
		k.Session().Run(t, do("INSERT 2"))
	})
	t.Run("close_on_write", func(t *testing.T) {
		_, c := with(t, "close_on_write")
		c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), do("SET @x = 1"), pt.Query("INSERT 2"), lost())
	})
	t.Run("read_only", func(t *testing.T) {
		k, c := with(t, "read_only")
		refused := pt.Script(pt.Query("INSERT 2"), pt.ExpectError(protocol.ErOptionPreventsStatement))
		c.Run(t, ask("SELECT 1", "db2"), refused, ask("SELECT 2", "db3"), refused, pt.Query("BEGIN"),
			pt.ExpectError(protocol.ErOptionPreventsStatement), ask("SELECT 3", "db2"))
		k.in(down, primary, replica)
		c.Run(t, do("BEGIN", "INSERT 3", "COMMIT"), ask("SELECT 4", "db3"))
		if n := k.db2.times("INSERT 3"); n != 1 {
			t.Errorf("the new primary has got it %d times", n)
		}
	})
	t.Run("a new primary", func(t *testing.T) {
		k, c := with(t, "close_on_write")
		k.in(down, replica, primary)
		c.Run(t, do("INSERT 2"), ask("SELECT 3", "db2"))
		k.db3.expect("INSERT 2")
	})
}

// TestSwitchover: a primary becomes a replica and a replica primary, while a session goes on with its connections.
func TestSwitchover(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
	k.in(replica, primary, replica)
	k.forget()
	c.Run(t, do("INSERT 4"), pt.Query("SELECT 5"))
	if rows, err := c.ReadRows(); err != nil || rows[0][0] == "db2" {
		t.Errorf("read from %v, %v", rows, err)
	}
	k.db2.expect("INSERT 4")
	t.Run("a transaction stays where it began", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		k.in(replica, primary, replica)
		c.Run(t, do("INSERT 2", "COMMIT", "INSERT 3"))
		k.db1.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
		k.db2.expect("INSERT 3")
	})
}

// TestOutOfService: servers that an operator takes out are not used, but for what is open there.
func TestOutOfService(t *testing.T) {
	for _, service := range []pipeline.Service{pipeline.Draining, pipeline.InMaintenance} {
		t.Run(service.String(), func(t *testing.T) {
			k := newCluster(t, nil)
			c, busy := k.Session(), k.Session()
			c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"))
			busy.Run(t, do("START TRANSACTION READ ONLY"), ask("SELECT 3", "db2"))
			k.Servers[1].SetService(service)
			c.Run(t, ask("SELECT 1", "db3"), ask("SELECT 2", "db3"))
			busy.Run(t, ask("SELECT 4", "db2"), do("COMMIT"), ask("SELECT 5", "db3"))
			k.Servers[1].SetService(pipeline.InService)
			c.Run(t, ask("SELECT 1", "db2"))
		})
	}
}
