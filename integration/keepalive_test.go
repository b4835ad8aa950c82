package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
)

// TestKeepAlive: what a session has at the primary alone outlives the primary's wait_timeout, with what the last statement has
// left there, while the client reads at a replica. Without keepalive it does not, nor where the client does nothing.
func TestKeepAlive(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		mark(t, c)
		kept, ended := startSplit(t, c, `keepalive = "1s"`), startSplit(t, c, `keepalive = "0s"`)
		for _, s := range c.Servers {
			must(t, s.Exec("SET GLOBAL wait_timeout = 2")) // of connections that begin from now on
		}
		const elsewhere, set, ask = "SELECT COUNT(*) FROM here WHERE name <> 'db1'", "SELECT @n := 5", "/* weir route to primary */ SELECT @n + ROW_COUNT()"
		used, idle, unkept := session(t, kept.Addr, ""), session(t, kept.Addr, ""), session(t, ended.Addr, "")
		want := 0
		for _, conn := range []*sql.Conn{used, idle, unkept} {
			count(t, conn, set)
			want = count(t, conn, ask)
			count(t, conn, set)
		}
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if n := count(t, used, elsewhere); n != 1 {
				t.Fatal("the primary was read from")
			}
			_ = unkept.QueryRowContext(t.Context(), elsewhere).Scan(new(int)) // sooner or later it has ended
		}
		if n := count(t, used, ask); n != want {
			t.Errorf("@n and ROW_COUNT() are %d together, not %d", n, want)
		}
		for name, conn := range map[string]*sql.Conn{"that does nothing": idle, "without keepalive": unkept} {
			if err := conn.QueryRowContext(t.Context(), ask).Scan(new(int)); err == nil {
				t.Errorf("a session %s has not ended", name)
			}
		}
	})
}
