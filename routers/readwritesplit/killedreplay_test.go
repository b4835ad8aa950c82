package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// killedOnce has the server say once that a statement was killed.
func killedOnce(f *fake, statement string) {
	f.on(statement, func(c *pt.Conn) error {
		f.on(statement)
		return pt.ReplyError(protocol.ErQueryInterrupted, "70100", "Query execution was interrupted")(c)
	})
}

// TestKillReplayedCommands: where a replay is killed, its session commands are not run a second time with the next one.
func TestKillReplayedCommands(t *testing.T) {
	const count = "SET @n = @n + 1"
	t.Run("lost", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("INSERT 0", "SET @n = 1", "BEGIN", count, "INSERT 2"))
		killedOnce(k.db2, "INSERT 2")
		failOver(k)
		k.forget()
		c.Run(t, pt.Query("INSERT 3"), killed(), do("INSERT 4", "COMMIT"))
		k.db2.expect("SET @n = 1", "BEGIN", count, "INSERT 2", ended("ROLLBACK"),
			"SET @n = 1", "BEGIN", count, "INSERT 2", "INSERT 4", "COMMIT")
	})
	t.Run("moved", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.OptimisticTransactions = true
		})
		k.db1.on("SELECT 1", pt.ReplyRows([]string{"server"}, []string{"db2"}))
		c := k.Session()
		c.Run(t, do("INSERT 0", "BEGIN", count), ask("SELECT 1", "db2"))
		killedOnce(k.db1, "SELECT 1")
		n := k.db1.loggedIn()
		c.Run(t, pt.Query("INSERT 3"), killed())
		k.db1.on("SELECT 1", pt.ReplyRows([]string{"server"}, []string{"db2"}))
		c.Run(t, do("INSERT 4", "COMMIT"))
		if k.db1.loggedIn() != n+1 {
			t.Error("it is run again on the connection where it has been run")
		}
	})
	t.Run("moved where a cursor is open", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.OptimisticTransactions = true
		})
		c := k.Session()
		c.Run(t, do("INSERT 0"), prepare("SELECT 0 FOR UPDATE", 1),
			pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
		c.Run(t, do("BEGIN", count), ask("SELECT 1", "db2"))
		killedOnce(k.db1, "SELECT 1")
		k.forget()
		c.Run(t, pt.Query("INSERT 3"), killed(), pt.Query("INSERT 4"), deadlock())
		if n := k.db1.times(count); n != 1 {
			t.Errorf("it was run %d times", n)
		}
	})
}
