package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestKillTogether: a KILL QUERY that meets one of several session commands costs the session nothing that the connection alone
// has.
func TestKillTogether(t *testing.T) {
	t.Run("a cursor", func(t *testing.T) {
		k := newCluster(t, nil)
		victim := k.Session()
		victim.Run(t, ask("SELECT 0", "db2"), prepare("SELECT 1", 1))
		victim.Run(t, pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
		victim.Run(t, do("INSERT 0", "SET @a = 1", "SET @b = 2"))
		running := blocked(t, k.db2, "SET @a = 1")
		k.in(primary, replica, down)
		victim.Run(t, pt.Query("SELECT 2"))
		<-running
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.db2.on("SET @a = 1")
		k.forget()
		victim.Run(t, fetched("db2"))
		k.db2.expect("SET @a = 1", "SET @b = 2", "fetch 201 01000000")
	})
	t.Run("LAST_INSERT_ID()", func(t *testing.T) {
		k := newCluster(t, nil)
		counting(k)
		victim := k.Session()
		victim.Run(t, do("INSERT 1", "START TRANSACTION READ ONLY", "SET @a = 1", "SET @b = 2", "COMMIT"))
		running := blocked(t, k.db1, "SET @a = 1")
		victim.Run(t, pt.Query("INSERT 2"))
		<-running
		k.Session().Run(t, killQuery(victim), pt.ExpectOK())
		victim.Run(t, killed())
		k.db1.on("SET @a = 1")
		k.forget()
		victim.Run(t, ask(getInsertID, "db1"))
		k.db1.expect("SET @a = 1", "SET @b = 2", getInsertID)
	})
}
