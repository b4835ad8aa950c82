package readwritesplit_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestCommittedAndRefused: a read-only transaction is over that was committed for a statement which was then refused.
func TestCommittedAndRefused(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.OnPrimaryLoss = "read_only" })
	c := k.Session()
	c.Run(t, do(beginReading), ask("SELECT 1", "db2"))
	k.in(down)
	c.Run(t, pt.Query("TRUNCATE TABLE t"), pt.ExpectError(protocol.ErOptionPreventsStatement))
	k.in(primary)
	k.forget()
	c.Run(t, do("INSERT 2"))
	k.db1.expect("INSERT 2")
}

// TestInsertIDAfterReplica: what a replica is called for leaves LAST_INSERT_ID() as it was.
func TestInsertIDAfterReplica(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	k.db1.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
	c.Run(t, do("INSERT 1", "/* weir route to replica */ CALL p()"), ask("SELECT LAST_INSERT_ID()", "db1"))
}

// TestInsertIDOfDrained: a server that alone knows LAST_INSERT_ID() is asked before it is left.
func TestInsertIDOfDrained(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	k.db1.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
	k.db1.on(askInsertID, pt.ReplyRows([]string{"id"}, []string{"42"}))
	c.Run(t, do("INSERT 1"))
	k.Servers[0].SetService(pipeline.Draining)
	k.in(replica, primary, replica)
	c.Run(t, do("INSERT 2"))
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
	c.Run(t, ask("SELECT LAST_INSERT_ID()", "db2"))
	got := k.db2.takes() // INSERT 1 is over for the client a moment before it is for the router, which may ask as early as then
	early := []string{"SET LAST_INSERT_ID = 42", "INSERT 2", "SELECT LAST_INSERT_ID()"}
	late := []string{"SET LAST_INSERT_ID = 0", "INSERT 2", "SET LAST_INSERT_ID = 42", "SELECT LAST_INSERT_ID()"}
	if !slices.Equal(got, early) && !slices.Equal(got, late) {
		t.Errorf("db2 has got %q", got)
	}
}

// TestInsertIDOfIdle: so it is where the session is idle, and not asked in a transaction, which keeps its server.
func TestInsertIDOfIdle(t *testing.T) {
	for _, in := range []bool{false, true} {
		k := newCluster(t, nil)
		c := k.Session()
		k.db1.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
		k.db1.on(askInsertID, pt.ReplyRows([]string{"id"}, []string{"42"}))
		c.Run(t, do("INSERT 1"))
		if in {
			c.Run(t, do("BEGIN", "INSERT 2"))
		}
		k.Servers[0].SetService(pipeline.Draining)
		k.in(replica, primary, replica)
		if in {
			c.Run(t, ask("SELECT 3", "db1"))
			if n := k.db1.times(askInsertID); n > 0 {
				t.Error("it was asked in a transaction")
			}
			k.db1.on("INSERT 4", numbered(42, protocol.StatusAutocommit|protocol.StatusInTrans))
			c.Run(t, do("INSERT 4", "COMMIT"))
		}
		pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
		c.Run(t, ask("SELECT LAST_INSERT_ID()", "db2"))
		k.db2.expect("SET LAST_INSERT_ID = 42", "SELECT LAST_INSERT_ID()")
	}
}

// TestReplayAfterBeside: session commands of a transaction that have been run at the primary meanwhile are not run there again.
func TestReplayAfterBeside(t *testing.T) {
	k := newCluster(t, replaying)
	k.in(primary, replica, down)
	c := k.Session()
	c.Run(t, do("SET @a = 1", beginReading, "SET @a = @a + 1"), ask("SELECT LAST_INSERT_ID()", "db1"))
	k.db2.die()
	c.Run(t, pt.Query("SELECT 1"), pt.ExpectError(protocol.ErLockDeadlock))
	if n := k.db1.times("SET @a = @a + 1"); n != 1 {
		t.Errorf("it was run %d times", n)
	}
}
