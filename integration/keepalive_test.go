package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
)

// TestKeepAlive: what a session has at the primary alone outlives the primary's wait_timeout, with what the last statement has
// left there, while the client does nothing, and while it reads at a replica. Without keepalive it does not.
func TestKeepAlive(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		mark(t, c)
		kept, ended := startSplit(t, c, `keepalive = "1s"`), startSplit(t, c, `keepalive = "0s"`)
		for _, s := range c.Servers {
			must(t, s.Exec("SET GLOBAL wait_timeout = 2")) // of connections that begin from now on
		}
		const elsewhere = "SELECT COUNT(*) FROM here WHERE name <> 'db1'"
		type pair struct{ idle, reading *sql.Conn }
		pairs := map[bool]pair{ // by whether they are kept
			true: {session(t, kept.Addr, ""), session(t, kept.Addr, "")}, false: {session(t, ended.Addr, ""), session(t, ended.Addr, "")},
		}
		for _, p := range pairs {
			executeAll(t, p.idle, "CREATE TEMPORARY TABLE scratch (n INT)", "INSERT INTO scratch VALUES (1), (2), (3)")
			if n := count(t, p.reading, "SELECT @n := 5"); n != 5 {
				t.Fatalf("@n is %d", n)
			}
		}
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if n := count(t, pairs[true].reading, elsewhere); n != 1 {
				t.Fatal("the primary was read from")
			}
			_ = pairs[false].reading.QueryRowContext(t.Context(), elsewhere).Scan(new(int)) // sooner or later it has ended
		}
		for _, want := range []struct {
			statement string
			n         int
			conn      func(p pair) *sql.Conn
		}{
			{"SELECT ROW_COUNT()", 3, func(p pair) *sql.Conn { return p.idle }},
			{"SELECT COUNT(*) FROM scratch", 3, func(p pair) *sql.Conn { return p.idle }},
			{"SELECT @n", 5, func(p pair) *sql.Conn { return p.reading }},
		} {
			if n := count(t, want.conn(pairs[true]), want.statement); n != want.n {
				t.Errorf("%s is %d", want.statement, n)
			}
			if err := want.conn(pairs[false]).QueryRowContext(t.Context(), want.statement).Scan(new(int)); err == nil {
				t.Errorf("%s is answered without keepalive", want.statement)
			}
		}
	})
}
