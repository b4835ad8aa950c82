package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestCausalReadsClusterLoss: reads that need the primary's word fare without it as other statements do that need it.
func TestCausalReadsClusterLoss(t *testing.T) {
	d := dialects["mariadb"]
	start := func(t *testing.T, change func(c *readwritesplit.Config)) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, func(c *readwritesplit.Config) {
			causal("cluster", "wait")(c)
			change(c)
		})
		for _, f := range k.fakes {
			f.on(d.position, pt.ReplyRows([]string{"position"}, []string{d.gtid}))
			f.on(d.wait, waited("0"))
		}
		return k, k.Session()
	}
	refused := pt.ExpectError(protocol.ErOptionPreventsStatement)
	t.Run("waits", func(t *testing.T) {
		k, c := start(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
		k.in(down, replica, replica)
		c.Run(t, pt.Query("SELECT 1"))
		k.delayed(t)
		k.in(down, primary, replica)
		c.Run(t, pt.ExpectRows([]string{"db3"}))
	})
	for name, lose := range map[string]func(k *cluster){
		"unknown":          func(k *cluster) { k.in(down, replica, replica) },
		"not yet known of": func(k *cluster) { k.db1.die() },
		"lost with the ask": func(k *cluster) {
			k.db1.on(d.position, func(c *pt.Conn) error { k.in(down, replica, replica); return c.Close() })
		},
	} {
		t.Run("read_only, "+name, func(t *testing.T) {
			k, c := start(t, func(c *readwritesplit.Config) { c.OnPrimaryLoss = "read_only" })
			lose(k)
			c.Run(t, pt.Query("SELECT 1"), refused, do("SET @a = 1"), pt.Query("INSERT 2"), refused)
		})
		t.Run("close_on_write, "+name, func(t *testing.T) {
			k, c := start(t, func(*readwritesplit.Config) {})
			lose(k)
			c.Run(t, pt.Query("SELECT 1"), lost())
		})
	}
}

// TestCausalServiceLoss: what went down with a primary is not waited for by sessions that have not used it.
func TestCausalServiceLoss(t *testing.T) {
	for name, d := range dialects {
		for _, by := range []string{"wait", "choose"} {
			t.Run(name+", "+by, func(t *testing.T) {
				k := clusterOf(t, d.greeting, causal("service", by))
				for _, f := range k.fakes {
					f.on(d.wait, waited("-1")) // in vain
					f.on(d.position, pt.ReplyRows([]string{"position"}, []string{""}))
				}
				k.db1.wrote(d.gtid)
				c := k.Session()
				c.Run(t, do("INSERT 1"))
				c.Close()
				k.db1.die()
				k.in(down, primary, replica)
				k.forget()
				for range 2 {
					c := k.Session()
					c.Run(t, ask("SELECT 2", "db3"), ask("SELECT 2", "db3"))
				}
				if n := k.db2.times(d.position); n != 1 {
					t.Errorf("the new primary was asked %d times", n)
				}
				if n := k.db3.times(d.wait); n > 0 {
					t.Errorf("it was waited for %d times", n)
				}
			})
		}
	}
}

// TestCausalServiceReturn: a session asks the primary that it has used before, too, where another one was it meanwhile.
func TestCausalServiceReturn(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("service", "wait"))
	k.db1.on(d.position, pt.ReplyRows([]string{"position"}, []string{""}))
	k.db2.on(d.position, pt.ReplyRows([]string{"position"}, []string{""}))
	k.db3.on(d.wait, waited("-1"))
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.in(replica, primary, down)
	k.db2.wrote(d.gtid)
	k.Session().Run(t, do("INSERT 2"))
	k.in(primary, down, replica)
	k.forget()
	c.Run(t, ask("SELECT 3", "db3"), ask("SELECT 4", "db3"))
	k.db1.expect(d.position)
	if n := k.db3.times(d.wait); n > 0 {
		t.Errorf("it was waited for %d times", n)
	}
}

// TestCausalServiceAsksInVain: where the new primary cannot be asked, reads go on without its word.
func TestCausalServiceAsksInVain(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("service", "wait"))
	k.db3.on(d.wait, waited("0"))
	k.db1.wrote(d.gtid)
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.db2.die()
	k.in(down, primary, replica)
	c.Run(t, ask("SELECT 2", "db3"), ask("SELECT 3", "db3"))
}

// TestCausalUntold: what a primary does not tell so that it can be understood, it has itself. The session goes on.
func TestCausalUntold(t *testing.T) {
	for name, d := range dialects {
		for what, answer := range map[string]pt.Step{
			"no row": pt.ReplyRows([]string{"position"}), "nonsense": pt.ReplyRows([]string{"position"}, []string{"\x000\x00-"}),
			"an error": pt.ReplyError(1193, "HY000", "Unknown system variable"),
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				k := clusterOf(t, d.greeting, causal("cluster", "wait"))
				k.db1.on(d.position, answer)
				c := k.Session()
				c.Run(t, ask("SELECT 1", "db1"), do("INSERT 2"))
				k.AwaitLog("what reads must see is not known")
			})
			for _, scope := range []string{"session", "service"} {
				t.Run(name+", "+what+", after a failover, "+scope, func(t *testing.T) {
					k := clusterOf(t, d.greeting, causal(scope, "wait"))
					k.db2.on(d.position, answer)
					k.db1.wrote(d.gtid)
					c := k.Session()
					c.Run(t, do("INSERT 1"))
					failOver(k)
					k.db3.on(d.wait, waited("-1"))
					c.Run(t, do("INSERT 2"), ask("SELECT 3", "db2"))
					k.AwaitLog("what reads must see is not known")
				})
			}
		}
	}
}
