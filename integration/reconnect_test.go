package integration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/protocol"
)

// TestPrimaryReconnectOff: sessions whose connection to the primary is lost, or whose primary is followed by another one, read
// on, and end with the next write, which no server carries out.
func TestPrimaryReconnectOff(t *testing.T) {
	eachCluster(t, testPrimaryReconnectOff)
}

func testPrimaryReconnectOff(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	mark(t, c)
	must(t, c.Primary().Exec("CREATE TABLE test.kept (n INT PRIMARY KEY)"))
	must(t, c.WaitCaughtUp())
	weir := startSplit(t, c, `
    primary_reconnect = false
    delayed_retry     = "1h"
`)
	cut, crossing, reader := session(t, weir.Addr, ""), session(t, weir.Addr, ""), session(t, weir.Addr, "")
	execute(t, cut, "INSERT INTO kept VALUES (1)")
	execute(t, crossing, "INSERT INTO kept VALUES (2)")
	execute(t, reader, where)

	direct := session(t, c.Primary().Addr, "")
	id := count(t, cut, "SELECT CONNECTION_ID()")
	execute(t, direct, fmt.Sprintf("KILL %d", id))
	eventually(t, "the connection is gone", func() bool {
		return count(t, direct, fmt.Sprintf("SELECT COUNT(*) FROM information_schema.processlist WHERE id = %d", id)) == 0
	})
	execute(t, cut, where)
	_, err := cut.ExecContext(t.Context(), "INSERT INTO kept VALUES (3)")
	wantError(t, err, protocol.ErConnectionKilled, "Lost connection")

	must(t, c.Promote(c.Replicas()[0]))
	eventually(t, "the new primary is known", func() bool {
		_, err := session(t, weir.Addr, "").ExecContext(t.Context(), "INSERT INTO kept VALUES (4)")
		return err == nil
	})
	execute(t, reader, "INSERT INTO kept VALUES (5)") // it has had no other
	execute(t, crossing, where)
	_, err = crossing.ExecContext(t.Context(), "INSERT INTO kept VALUES (6)")
	wantError(t, err, protocol.ErConnectionKilled, "Lost connection")
	if diff := cmp.Diff([]int{1, 2, 4, 5}, numbers(t, session(t, c.Primary().Addr, ""), "SELECT n FROM kept ORDER BY n")); diff != "" {
		t.Errorf("the new primary has (-want +got):\n%s", diff)
	}
}
