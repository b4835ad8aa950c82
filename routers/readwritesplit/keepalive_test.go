package readwritesplit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// keptAlive is what servers get on a connection that is to be kept.
const keptAlive = "keepalive"

func keeping(c *readwritesplit.Config) { c.Keepalive = time.Second }

// TestKeepAlive: of a session that is used, the other connections are kept, but for one that a transaction is open on.
func TestKeepAlive(t *testing.T) {
	k := newCluster(t, keeping)
	k.in(primary, replica, replica)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), do(beginReading), ask("SELECT 3", "db2"))
	n := 0
	pipelinetest.Eventually(t, func() bool {
		c.Run(t, do("SET GLOBAL a = 1")) // the primary's, and no part of the transaction
		n += k.db3.times(keptAlive)
		return n > 2
	}, k.Log.String)
	for name, f := range map[string]*fake{"the primary": k.db1, "the transaction's replica": k.db2} {
		if slices.Contains(f.takes(), keptAlive) {
			t.Errorf("%s was sent something of Weir's own", name)
		}
	}
}

// TestKeepAliveInUse: while a session is used, its other connections are kept, too.
func TestKeepAliveInUse(t *testing.T) {
	k := newCluster(t, keeping)
	k.in(primary, replica, down)
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	pipelinetest.Eventually(t, func() bool {
		c.Run(t, ask("SELECT 1", "db2"))
		return k.db1.times(keptAlive) > 0
	}, k.Log.String)
	if slices.Contains(k.db2.takes(), keptAlive) {
		t.Error("the replica that was read from was sent something of its own")
	}
}

// TestKeepAliveMeanwhile: so they are while a statement takes long, and nothing is sent where that runs.
func TestKeepAliveMeanwhile(t *testing.T) {
	k, end := newCluster(t, keeping), make(chan struct{})
	k.in(primary, replica, down)
	k.db2.on("SELECT 1", func(c *pt.Conn) error {
		<-end
		return pt.ReplyRows([]string{"n"}, []string{"1"})(c)
	})
	c := k.Session()
	c.Run(t, do("INSERT 1"), pt.Query("SELECT 1"))
	n := 0
	pipelinetest.Eventually(t, func() bool {
		n += k.db1.times(keptAlive)
		return n > 1
	}, k.Log.String)
	close(end)
	c.Run(t, pt.ExpectRows([]string{"1"}), ask("SELECT 2", "db2"))
	k.db2.expect("SELECT 1", "SELECT 2")
}

// TestKeepAliveUnused: nothing is sent for a client that does nothing, and after a while of that once it does something.
func TestKeepAliveUnused(t *testing.T) {
	t.Parallel() // it waits
	k := newCluster(t, keeping)
	c := k.Session()
	c.Run(t, do("INSERT 1"), ask("SELECT 1", "db2"), ask("SELECT 2", "db3"))
	time.Sleep(1500 * time.Millisecond)
	n := 0
	for _, f := range k.fakes {
		n += f.times(keptAlive)
	}
	if n > 2 { // one look may have come between the statements
		t.Errorf("%d times, servers were sent something", n)
	}
	c.Run(t, ask("SELECT 3", "db2"))
	pipelinetest.Eventually(t, func() bool { return k.db1.times(keptAlive) > 0 }, k.Log.String)
}
