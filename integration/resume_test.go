package integration

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/cluster"
)

// TestRowsGoOn has the primary die, and another one be promoted, while a client has read a part of a result in a
// transaction: it gets each of the rows once, and the transaction goes on.
func TestRowsGoOn(t *testing.T) {
	const rows = 1 << 18 // more than all the buffers on the way hold
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		weir := startSplit(t, c, `
    delayed_retry      = "30s"
    transaction_replay = true
`)
		db := open(t, weir.Addr)
		exec := func(statement string) {
			t.Helper()
			_, err := db.ExecContext(t.Context(), statement)
			must(t, err)
		}
		exec("CREATE TABLE long_result (n INT PRIMARY KEY, text CHAR(100))")
		exec("INSERT INTO long_result VALUES (1, REPEAT('x', 100))")
		for n := 1; n < rows; n *= 2 {
			exec("INSERT INTO long_result SELECT n + (SELECT COUNT(*) FROM long_result), text FROM long_result")
		}
		const statement = "SELECT n, text FROM long_result WHERE n >= 0 ORDER BY n"
		for protocol, q := range []struct {
			statement string
			args      []any
		}{{statement, nil}, {strings.Replace(statement, "0", "?", 1), []any{0}}} { // text and prepared
			must(t, c.WaitCaughtUp())
			tx, err := db.BeginTx(t.Context(), nil)
			must(t, err)
			_, err = tx.ExecContext(t.Context(), "INSERT INTO long_result VALUES (?, 'of the transaction')", -1-protocol)
			must(t, err)
			result, err := tx.QueryContext(t.Context(), q.statement, q.args...)
			must(t, err)
			old, n, text := c.Primary(), 0, ""
			for want := 1; result.Next(); want++ {
				must(t, result.Scan(&n, &text))
				if n != want {
					t.Fatalf("row %d comes where %d is to", n, want)
				}
				if n == 1000 {
					old.Kill()
					must(t, c.Promote(c.Servers[protocol+1]))
				}
			}
			must(t, result.Err())
			if n != rows {
				t.Errorf("the last row is %d", n)
			}
			must(t, tx.Commit())
			must(t, old.Restart())
		}
		must(t, c.WaitCaughtUp())
		for _, s := range c.Servers {
			var n int
			must(t, open(t, s.Addr).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM long_result").Scan(&n))
			if n != rows+2 {
				t.Errorf("%s has %d rows, not %d", s.Name, n, rows+2)
			}
		}
		if n := strings.Count(weir.Log(), "transaction run again"); n != 2 {
			t.Errorf("transactions were run again %d times", n)
		}
	})
}
