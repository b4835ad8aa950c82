package integration

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestOptimistic: a transaction begins on a replica. Where that had what the primary has, it goes on there when it writes;
// where it was behind, the client is told to begin again, and nothing is written by what it had read.
func TestOptimistic(t *testing.T) {
	for _, family := range delayable {
		t.Run(family.name, func(t *testing.T) {
			c := startCluster(t, family.template)
			must(t, c.Primary().Exec(family.noAcks, "CREATE TABLE test.optimistic (id INT PRIMARY KEY, n INT)",
				"INSERT INTO test.optimistic VALUES (1, 0)"))
			must(t, c.WaitCaughtUp())
			weir := open(t, startSplit(t, c, `optimistic_transactions = true`).Addr)
			conn, err := weir.Conn(t.Context())
			must(t, err)
			defer conn.Close()
			for want := range 3 {
				if n, err := increase(t.Context(), conn); err != nil || n != want {
					t.Fatalf("transaction %d read %d, %v", want, n, err)
				}
				must(t, c.WaitCaughtUp())
			}
			for _, r := range c.Replicas() {
				must(t, r.Delay(time.Hour))
			}
			must(t, c.Primary().Exec("UPDATE test.optimistic SET n = 10"))
			n, err := increase(t.Context(), conn)
			if told := (*mysql.MySQLError)(nil); !errors.As(err, &told) || told.Number != 1213 || n != 3 {
				t.Fatalf("behind the primary, a transaction read %d and then %v", n, err)
			}
			if n, err := increase(t.Context(), conn); err != nil || n != 10 {
				t.Fatalf("begun again, it read %d, %v", n, err)
			}
			must(t, c.Primary().Admin().QueryRow("SELECT n FROM test.optimistic").Scan(&n))
			if n != 11 {
				t.Errorf("the primary has %d", n)
			}
		})
	}
}

// increase reads a number and writes the next one, in a transaction. It returns what it has read.
func increase(ctx context.Context, conn *sql.Conn) (n int, err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after COMMIT it does nothing
	if err := tx.QueryRow("SELECT n FROM test.optimistic WHERE id = ?", 1).Scan(&n); err != nil {
		return 0, err
	}
	if _, err := tx.Exec("UPDATE test.optimistic SET n = ? WHERE id = ?", n+1, 1); err != nil {
		return n, err
	}
	return n, tx.Commit()
}
