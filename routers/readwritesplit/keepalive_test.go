package readwritesplit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// keptAlive is what servers get on a connection that is to be kept.
const keptAlive = "keepalive"

func keeping(c *readwritesplit.Config) { c.Keepalive = time.Second }

// awaitKept waits until a server has been sent something twice to keep its connection. What else it got is forgotten.
func (k *cluster) awaitKept(t *testing.T, f *fake) {
	t.Helper()
	n := 0
	pipelinetest.Eventually(t, func() bool {
		n += f.times(keptAlive)
		return n > 1
	}, k.Log.String)
}

// TestKeepAlive: of a session that is not used, the primary's connection is kept where it alone has something of the session,
// and none else is, nor one that a transaction is open on.
func TestKeepAlive(t *testing.T) {
	lock := pt.Script(pt.Query("SELECT GET_LOCK('a', 1)"), pt.ExpectRows([]string{"1"}))
	for name, then := range map[string]pt.Step{
		"temporary table": do("CREATE TEMPORARY TABLE a (n INT)"), "lock": lock, "LAST_INSERT_ID()": do("INSERT 7"),
		"LAST_INSERT_ID(), and a transaction elsewhere": pt.Script(
			do("INSERT 7", beginReading), ask("SELECT 2", "db2"), do("SET @n = FOUND_ROWS()"), // which db2 alone knows
		),
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, keeping)
			k.db1.on("INSERT 7", numbered(42, protocol.StatusAutocommit))
			k.db1.on("SELECT GET_LOCK('a', 1)", pt.ReplyRows([]string{"lock"}, []string{"1"}))
			k.in(primary, replica, down)
			c := k.Session()
			c.Run(t, ask("SELECT 1", "db2"), then)
			k.awaitKept(t, k.db1) // to begin with, the session was used
			k.db2.takes()
			k.awaitKept(t, k.db1)
			k.db2.expect()
		})
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
	k.awaitKept(t, k.db1)
	close(end)
	c.Run(t, pt.ExpectRows([]string{"1"}), ask("SELECT 2", "db2"))
	k.db2.expect("SELECT 1", "SELECT 2")
}
