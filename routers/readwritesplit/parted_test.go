package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// settled has a session have one primary, and one connection to it.
func settled(c *readwritesplit.Config) { c.PrimaryReconnect = false }

// with is settled and more.
func with(more func(c *readwritesplit.Config)) func(c *readwritesplit.Config) {
	return func(c *readwritesplit.Config) {
		settled(c)
		more(c)
	}
}

// restart has the primary lose its connections.
func (k *cluster) restart(t *testing.T) {
	t.Helper()
	k.db1.die()
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
	k.db1.rise()
}

// failOver has the primary be lost, and db2 take its place.
func (k *cluster) failOver(t *testing.T) {
	t.Helper()
	k.fail(t)
	k.in(down, primary, replica)
}

// failOverAlone is failOver where db2 has no replica.
func (k *cluster) failOverAlone(t *testing.T) {
	t.Helper()
	k.failOver(t)
	k.in(down, primary, down)
}

// takeOut has an operator take the primary out of service, and have it back.
func (k *cluster) takeOut(t *testing.T) {
	t.Helper()
	k.Servers[0].SetService(pipeline.Draining)
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
	k.Servers[0].SetService(pipeline.InService)
}

// fail has the primary be lost.
func (k *cluster) fail(t *testing.T) {
	t.Helper()
	k.db1.die()
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
	k.in(down, replica, replica)
}

// switchOver has db2 be the primary, while all connections stay.
func (k *cluster) switchOver(*testing.T) { k.in(replica, primary, replica) }

func reads(server string) pt.Step { return ask("SELECT 1", server) }

// TestPrimaryReconnectOff: a session goes on without its primary until a statement needs it, or another in its place.
// That ends the session at once, and nobody executes it.
func TestPrimaryReconnectOff(t *testing.T) {
	const write = "INSERT 2"
	var (
		delayed = with(func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		reading = with(func(c *readwritesplit.Config) { c.PrimaryReads = true })
		eager   = with(func(c *readwritesplit.Config) { c.LazyConnect = false })
	)
	for name, tt := range map[string]struct {
		settings  func(c *readwritesplit.Config)
		begin     pt.Step
		happens   func(k *cluster, t *testing.T)
		then      pt.Step
		statement string // that ends it
	}{
		"restart": {
			settled, do("INSERT 0"), (*cluster).restart,
			reads("db2"), write,
		},
		"restart, transaction": {
			settled, do("INSERT 0"), (*cluster).restart,
			reads("db2"), "BEGIN",
		},
		"restart, not used": {
			eager, reads("db2"), (*cluster).restart,
			reads("db3"), write,
		},
		"restart, used to read": {
			settled, ask("SELECT 0 FOR UPDATE", "db1"), (*cluster).restart,
			reads("db2"), write,
		},
		"switchover": {
			settled, do("INSERT 0"), (*cluster).switchOver,
			pt.Script(reads("db1"), reads("db3")), write,
		},
		"switchover, transaction": {
			settled, do("BEGIN", "INSERT 0"), (*cluster).switchOver,
			do("INSERT 1", "COMMIT"), write,
		},
		"failover": {
			settled, do("INSERT 0"), (*cluster).failOver,
			pt.Script(do("SET @x = 1"), reads("db3"), reads("db3")), write,
		},
		"failover, schema": {
			settled, do("INSERT 0"), (*cluster).failOver,
			pt.Script(do("USE d"), reads("db3")), write,
		},
		"failover, delayed retry": {
			delayed, do("INSERT 0"), (*cluster).failOver,
			reads("db3"), write,
		},
		"failover, primary reads": {
			reading, do("INSERT 0"), (*cluster).failOver,
			pt.Script(reads("db3"), reads("db3"), reads("db3")), write,
		},
		"failover, by name": {
			settled, do("INSERT 0"), (*cluster).failOver,
			reads("db3"), "SELECT 2 -- weir route to server db2",
		},
		"failover, used last": {
			settled, pt.Script(do("INSERT 0"), reads("db2")), (*cluster).failOver,
			pt.Script(), "SELECT 2 -- weir route to last",
		},
		"failover, no replica": {
			settled, do("INSERT 0"), (*cluster).failOverAlone,
			do(), "SELECT 2",
		},
		"taken out for a while": {
			settled, do("INSERT 0"), (*cluster).takeOut,
			reads("db2"), write,
		},
		"no primary": {
			settled, do("INSERT 0"), (*cluster).fail,
			pt.Script(reads("db2"), reads("db3")), write,
		},
		"no primary, delayed": {
			delayed, do("INSERT 0"), (*cluster).fail,
			reads("db2"), write,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, tt.settings)
			c := k.Session()
			c.Run(t, tt.begin)
			tt.happens(k, t)
			c.Run(t, tt.then)
			k.forget()
			c.Run(t, pt.Query(tt.statement), lost())
			for _, f := range k.fakes {
				f.expect()
			}
			if n := k.count("delayed_statements"); n != 0 {
				t.Error("it has waited for a primary")
			}
		})
	}
}

// TestPrimaryReconnectOffGoesOn: what a session has not lost it may use: a primary that is one again, the first that it
// needs, any after a reset.
func TestPrimaryReconnectOffGoesOn(t *testing.T) {
	t.Run("again", func(t *testing.T) {
		k := newCluster(t, settled)
		c := k.Session()
		c.Run(t, do("INSERT 0"))
		k.switchOver(t)
		c.Run(t, reads("db1"))
		k.in(primary, replica, replica)
		c.Run(t, do("INSERT 2"))
		k.db1.expect("INSERT 0", "SELECT 1", "INSERT 2")
	})
	t.Run("first", func(t *testing.T) {
		k := newCluster(t, settled)
		c := k.Session()
		c.Run(t, reads("db2"))
		k.failOver(t)
		c.Run(t, do("INSERT 2"), pt.Query("INSERT 3"), pt.ExpectOK())
		k.db2.expect("SELECT 1", "INSERT 2", "INSERT 3")
	})
	t.Run("reset", func(t *testing.T) {
		k := newCluster(t, settled)
		c := k.Session()
		c.Run(t, do("INSERT 0"), reads("db2"))
		k.failOver(t)
		c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), do("INSERT 2"))
		k.db2.expect("SELECT 1", "COM_RESET_CONNECTION", "INSERT 2")
	})
	t.Run("kept over a reset", func(t *testing.T) {
		k := newCluster(t, settled)
		c := k.Session()
		c.Run(t, do("INSERT 0"), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
		k.restart(t)
		c.Run(t, reads("db2"), pt.Query("INSERT 2"), lost())
	})
	t.Run("read lost at the primary", func(t *testing.T) {
		k := newCluster(t, settled)
		k.in(primary, down, down)
		c := k.Session()
		c.Run(t, do("INSERT 0"))
		k.db1.on("SELECT 1", func(c *pt.Conn) error {
			k.in(primary, replica, replica)
			return pt.Close()(c)
		})
		c.Run(t, reads("db2"), pt.Query("INSERT 2"), lost())
	})
}

// TestPrimaryReconnectOffNoReplica: a read that no replica takes waits for one, and does not go to another primary.
func TestPrimaryReconnectOffNoReplica(t *testing.T) {
	k := newCluster(t, with(func(c *readwritesplit.Config) { c.DelayedRetry = patience }))
	c := k.Session()
	c.Run(t, do("INSERT 0"))
	k.failOver(t)
	k.in(down, primary, down)
	c.Run(t, pt.Query("SELECT 1"))
	k.delayed(t)
	k.in(down, primary, replica)
	c.Run(t, pt.ExpectRows([]string{"db3"}), pt.Query("INSERT 2"), lost())
	k.db2.expect()
}

// TestPrimaryReconnectOffReadOnly: while there is no primary, on_primary_loss holds. A primary that refuses a write is
// not taken for lost: the client is told so, and nobody else gets it.
func TestPrimaryReconnectOffReadOnly(t *testing.T) {
	t.Run("read_only", func(t *testing.T) {
		k := newCluster(t, with(func(c *readwritesplit.Config) { c.OnPrimaryLoss, c.DelayedRetry = "read_only", patience }))
		c := k.Session()
		c.Run(t, do("INSERT 0"))
		k.fail(t)
		c.Run(t, pt.Query("INSERT 2"), pt.ExpectError(protocol.ErOptionPreventsStatement), reads("db2"))
		k.in(down, primary, replica)
		c.Run(t, reads("db3"), pt.Query("INSERT 3"), lost())
	})
	t.Run("refused", func(t *testing.T) {
		k := newCluster(t, with(func(c *readwritesplit.Config) { c.DelayedRetry = patience }))
		k.db1.on("INSERT 1", func(c *pt.Conn) error {
			k.switchOver(t)
			return pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "The server is running with --read-only")(c)
		})
		c := k.Session()
		c.Run(t, do("INSERT 0"), pt.Query("INSERT 1"), pt.ExpectError(protocol.ErOptionPreventsStatement), reads("db1"))
		c.Run(t, pt.Query("INSERT 2"), lost())
		k.db2.expect()
	})
}

// TestPrimaryReconnectOffCausal: nor is the next primary asked what went down with the session's, for a read at a replica.
func TestPrimaryReconnectOffCausal(t *testing.T) {
	for _, scope := range []string{"session", "service"} {
		t.Run(scope, func(t *testing.T) {
			k, d := newCluster(t, with(causal(scope, "wait"))), dialects["mariadb"]
			k.db1.wrote(d.gtid)
			k.db3.on(d.wait, waited("0"))
			c := k.Session()
			c.Run(t, do("INSERT 1"))
			k.failOver(t)
			k.forget()
			c.Run(t, ask("SELECT 1", "db3"))
			k.db2.expect()
			if n := k.db2.loggedIn(); n != 0 {
				t.Errorf("the next primary was logged in to %d times", n)
			}
		})
	}
}

// TestPrimaryReconnectOffScattered: the one connection is not closed for the values that were sent ahead on it, before a
// transaction elsewhere, and what is sent again is not added to them.
func TestPrimaryReconnectOffScattered(t *testing.T) {
	k := newCluster(t, settled)
	c := k.Session()
	c.Run(t, do("INSERT 0"), prepare("INSERT ?", 1), ahead, do("START TRANSACTION READ ONLY"))
	k.forget()
	c.Run(t, spent,
		pt.ExpectError(protocol.ErUnknown, "Values for the statement were sent to server db1 before the transaction began: send them again"),
		do("COMMIT"), ahead, spent, pt.ExpectOK())
	k.db1.expect("close 101 ", "prepare INSERT ?", "long 102 0000616263", "execute 102 00010000000001fc00", "executed INSERT ?")
}

// TestPrimaryReconnectOffSet: nor does a connection to the next primary that there is from before get session commands, though
// it was used last.
func TestPrimaryReconnectOffSet(t *testing.T) {
	for name, before := range map[string]pt.Step{
		"before": pt.Script(ask("SELECT 1", "db2"), ask("SELECT 2", "db3")),
		"last":   pt.Script(ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), ask("SELECT 3", "db2")),
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, settled)
			c := k.Session()
			c.Run(t, do("INSERT 0"), before)
			k.switchOver(t)
			k.forget()
			c.Run(t, do("SET @a = 1"), pt.Send(protocol.ComInitDB, "d"), pt.ExpectOK())
			k.db2.expect()
		})
	}
}
