package readwritesplit_test

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// killQuery kills the statement of a session, and kill the session.
func killQuery(victim *pt.Conn) pt.Step { return pt.Query(killText("KILL QUERY", victim)) }

func kill(victim *pt.Conn) pt.Step { return pt.Query(killText("KILL", victim)) }

func killText(verb string, victim *pt.Conn) string {
	return fmt.Sprintf("%s %d", verb, victim.Greeting.ConnectionID)
}

// killed is what a client is told whose statement was killed.
func killed() pt.Step {
	return pt.ExpectError(protocol.ErQueryInterrupted, "Query execution was interrupted")
}

// denied is what one is told who may not kill.
func denied() pt.Step { return pt.ExpectError(protocol.ErKillDenied) }

// other logs in as somebody else.
func (k *cluster) other(t *testing.T) *pt.Conn {
	t.Helper()
	c := k.Dial()
	c.Run(t, pt.Login("other", "2nd"))
	return c
}

// endless waits for as long as it takes.
func endless(c *readwritesplit.Config) {
	c.DelayedRetry, c.TransactionReplay, c.TransactionReplayTimeout, c.OnPrimaryLoss = patience, true, patience, "read_only"
}

// TestKillWaiting: a statement that waits in the router is killed, is not executed, and the session goes on.
func TestKillWaiting(t *testing.T) {
	t.Run("for a primary", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		k.in(down, replica, replica)
		victim.Run(t, pt.Query("INSERT 1"))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.in(down, primary, replica)
		victim.Run(t, do("INSERT 2"))
		k.db1.expect()
		k.db2.expect("INSERT 2")
	})
	t.Run("for a primary that takes no connections", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		k.db1.die()
		victim.Run(t, pt.Query("INSERT 1"))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.db1.rise()
		victim.Run(t, do("INSERT 2"))
		k.db1.expect("INSERT 2")
	})
	t.Run("for a greeting", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		k.db1.die()
		ln, err := net.Listen("tcp", k.db1.srv.Addr)
		if err != nil {
			t.Fatal(err)
		}
		dialed := make(chan struct{}, 1)
		k.db1.srv = pt.Serve(t, ln, func(int) []pt.Step {
			dialed <- struct{}{}
			return []pt.Step{pt.Silence()}
		})
		victim.Run(t, pt.Query("INSERT 1"))
		<-dialed
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed(), ask("SELECT 2", "db2"))
	})
	t.Run("prepared", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		victim.Run(t, prepare("INSERT ?", 1))
		k.in(down, replica, replica)
		victim.Run(t, execute(1, bindInt, 5))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.in(primary, replica, replica)
		victim.Run(t, execute(1, bindInt, 6), pt.ExpectOK())
	})
	t.Run("without an answer", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		victim.Run(t, prepare("INSERT ?", 1))
		k.in(down, replica, replica)
		victim.Run(t, pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc"))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		k.in(primary, replica, replica)
		victim.Run(t, pt.Query("INSERT 1"), killed(), do("INSERT 2"))
	})
}

// blocked has a server not answer a statement before somebody kills it there.
func blocked(t *testing.T, f *fake, statement string) (running <-chan struct{}) {
	t.Helper()
	begun, end := make(chan struct{}, 1), make(chan struct{})
	kill := sync.OnceFunc(func() { close(end) })
	t.Cleanup(kill)
	f.on(statement, func(c *pt.Conn) error {
		begun <- struct{}{}
		<-end
		return pt.ReplyError(protocol.ErQueryInterrupted, "70100", "Query execution was interrupted")(c)
	})
	f.on(fmt.Sprintf("KILL QUERY %d", f.greeting.ConnectionID), func(c *pt.Conn) error {
		kill()
		return pt.ReplyOK(protocol.OK{})(c)
	})
	return begun
}

// TestKillCausalRead: who kills a read that waits at a replica for what it must see does not want it from the primary.
func TestKillCausalRead(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			k := clusterOf(t, d.greeting, causal("session", "wait"))
			victim := k.Session()
			k.db1.wrote(d.gtid)
			victim.Run(t, do("INSERT 1"))
			k.forget()
			waits := blocked(t, k.db2, d.wait)
			victim.Run(t, pt.Query("SELECT 1"))
			<-waits
			k.Session().Run(t, killQuery(victim), pt.ExpectOK())
			victim.Run(t, killed(), do("INSERT 2"))
			k.db1.expect("INSERT 2")
		})
	}
}

// TestKillLostRead: a read that was killed is not tried elsewhere where its server is lost.
func TestKillLostRead(t *testing.T) {
	k := newCluster(t, nil)
	running, lose := make(chan struct{}), make(chan struct{})
	k.db2.on("SELECT 1", func(c *pt.Conn) error {
		close(running)
		<-lose
		return pt.Close()(c)
	})
	lost := sync.OnceFunc(func() { close(lose) })
	t.Cleanup(lost)
	victim := k.Session()
	victim.Run(t, pt.Query("SELECT 1"))
	<-running
	k.Session().Run(t, killQuery(victim), pt.ExpectOK())
	lost()
	victim.Run(t, killed(), ask("SELECT 2", "db3"))
	k.db3.expect("SELECT 2")
	k.db1.expect()
}

// TestKillReplay: a transaction that a killed statement was to have run again is not open anywhere, and is run again with the
// next one.
func TestKillReplay(t *testing.T) {
	begin := func(t *testing.T, change func(c *readwritesplit.Config)) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, func(c *readwritesplit.Config) {
			endless(c)
			change(c)
		})
		victim := k.Session()
		victim.Run(t, do("BEGIN", "INSERT 1"))
		k.db1.die()
		return k, victim
	}
	same := func(*readwritesplit.Config) {}
	t.Run("that waits for a primary", func(t *testing.T) {
		k, victim := begin(t, same)
		k.in(down, replica, replica)
		victim.Run(t, pt.Query("INSERT 2"))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.in(down, primary, replica)
		victim.Run(t, do("INSERT 3", "COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", "INSERT 3", "COMMIT")
	})
	t.Run("that runs", func(t *testing.T) {
		k, victim := begin(t, same)
		runs := blocked(t, k.db2, "INSERT 1")
		k.in(down, primary, replica)
		victim.Run(t, pt.Query("INSERT 2"))
		<-runs
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.db2.on("INSERT 1")
		victim.Run(t, do("INSERT 3", "COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", "KILL QUERY 7", ended("ROLLBACK"), "SET LAST_INSERT_ID = 0", "BEGIN", "INSERT 1",
			"INSERT 3", "COMMIT")
	})
	t.Run("that is tried again and again", func(t *testing.T) {
		k, victim := begin(t, func(c *readwritesplit.Config) {
			c.TransactionReplayOnMismatch, c.TransactionReplayAttempts = true, 1<<30
		})
		tried := make(chan struct{}, 1<<10)
		k.db2.on("INSERT 1", func(c *pt.Conn) error {
			tried <- struct{}{}
			return inserted(2)(c)
		})
		k.in(down, primary, replica)
		victim.Run(t, pt.Query("INSERT 2"))
		<-tried
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		if k.db2.times("INSERT 2") > 0 {
			t.Error("the statement that was killed has been executed")
		}
		k.db2.on("INSERT 1")
		victim.Run(t, do("INSERT 3", "COMMIT"))
	})
	t.Run("of an optimistic transaction", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			endless(c)
			c.OptimisticTransactions = true
		})
		k.db1.on("SELECT 1", pt.ReplyRows([]string{"server"}, []string{"db2"}))
		victim := k.Session()
		victim.Run(t, do("BEGIN"), ask("SELECT 1", "db2"))
		k.in(down, replica, replica)
		victim.Run(t, pt.Query("INSERT 2"))
		k.delayed(t)
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.in(primary, replica, replica)
		victim.Run(t, do("INSERT 3", "COMMIT"))
		k.db1.expect("BEGIN", "SELECT 1", "INSERT 3", "COMMIT")
	})
}

// TestKillUnconnected: a session that has no connection is killed like any other, by whose it is.
func TestKillUnconnected(t *testing.T) {
	ended := pt.ExpectError(protocol.ErConnectionKilled, "Connection was killed")
	t.Run("idle", func(t *testing.T) {
		k := newCluster(t, endless)
		victim := k.Session()
		k.other(t).Run(t, kill(victim), denied(), killQuery(victim), denied())
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, do("INSERT 1"))
		k.db1.die()
		k.unlinked(t)
		k.Session().Run(t, kill(victim), pt.ExpectOK())
		victim.Seq = 1 // it has asked nothing
		victim.Run(t, ended, pt.ExpectClosed())
	})
	for name, before := range map[string]pt.Step{"waiting": pt.Script(), "in a transaction": do("BEGIN", "INSERT 1")} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, endless)
			victim := k.Session()
			victim.Run(t, before)
			k.db1.die()
			k.in(down, replica, replica)
			victim.Run(t, pt.Query("INSERT 2"))
			k.delayed(t)
			k.other(t).Run(t, kill(victim), denied(), killQuery(victim), denied())
			k.Session().Run(t, kill(victim), pt.ExpectOK())
			victim.Run(t, ended, pt.ExpectClosed())
		})
	}
}

// TestKillAsked: where a session that waits has a connection, its server says whether somebody else may kill.
func TestKillAsked(t *testing.T) {
	k := newCluster(t, endless)
	victim := k.Session()
	victim.Run(t, ask("SELECT 1", "db2"))
	k.in(down, replica, replica)
	victim.Run(t, pt.Query("INSERT 1"))
	k.delayed(t)
	k.forget()
	other := k.other(t)
	k.db2.on("KILL QUERY 7", pt.ReplyError(protocol.ErKillDenied, "HY000", "You are not owner of thread 7"))
	other.Run(t, killQuery(victim), denied())
	k.db2.on("KILL QUERY 7")
	other.Run(t, killQuery(victim), pt.ExpectOK())
	victim.Run(t, killed(), ask("SELECT 2", "db3"))
	k.db2.expect("KILL QUERY 7", "KILL QUERY 7")
}

// TestKillLate: a KILL QUERY that arrives when its statement has ended does not hit the next one, although that waits, too.
func TestKillLate(t *testing.T) {
	k := newCluster(t, endless)
	victim := k.Session()
	victim.Run(t, ask("SELECT 1", "db2"))
	k.in(down, replica, replica)
	victim.Run(t, pt.Query("INSERT 1"))
	k.delayed(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	k.db2.on("KILL QUERY 7", func(c *pt.Conn) error {
		close(asked)
		<-answer
		return pt.ReplyOK(protocol.OK{})(c)
	})
	t.Cleanup(sync.OnceFunc(func() { close(answer) }))
	other := k.other(t)
	other.Run(t, killQuery(victim))
	<-asked
	k.in(primary, replica, replica)
	victim.Run(t, pt.ExpectOK())
	k.in(down, replica, replica)
	victim.Run(t, pt.Query("INSERT 2"))
	pipelinetest.Eventually(t, func() bool { return k.count("delayed_statements") == 2 }, k.Log.String)
	answer <- struct{}{}
	other.Run(t, pt.ExpectOK())
	k.in(primary, replica, replica)
	victim.Run(t, pt.ExpectOK(), do("INSERT 3"))
	k.db1.expect("INSERT 1", "INSERT 2", "INSERT 3")
}
