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
