package integration

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/server"
)

// TestReuse: clients that prepare, execute and close the same texts again and again get what servers say, and have each
// server prepare a text once.
func TestReuse(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		must(t, c.Primary().Exec("CREATE TABLE test.reused (id INT PRIMARY KEY, word VARCHAR(20))"))
		for i := range reusedRows {
			must(t, c.Primary().Exec(fmt.Sprintf("INSERT INTO test.reused VALUES (%d, 'word %d')", i, i)))
		}
		must(t, c.WaitCaughtUp())
		weir := startSplit(t, c, "reuse_prepared_statements = 20").Addr
		for _, client := range []struct {
			name string
			run  func(t *testing.T, weir string)
			most int // preparations, at all servers
		}{
			{"mysql2", mysql2Reuse, 2}, {"go", goReuse, 8}, // which alters the table
		} {
			t.Run(client.name, func(t *testing.T) {
				before := prepared(t, c)
				client.run(t, weir)
				if n := prepared(t, c) - before; n == 0 || n > client.most {
					t.Errorf("the servers have prepared %d statements, not 1 to %d", n, client.most)
				}
			})
		}
	})
}

// prepared is how many statements the servers have prepared.
func prepared(t *testing.T, c *cluster.Cluster) (sum int) {
	t.Helper()
	for _, s := range c.Servers {
		var name string
		var n int
		must(t, s.Admin().QueryRow("SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'").Scan(&name, &n))
		sum += n
	}
	return sum
}

// reusedRows is how many rows are read, and as many written, one by one.
const reusedRows = 50

// goReuse does what go-sql-driver does with arguments: each execution has a statement of its own.
func goReuse(t *testing.T, weir string) {
	t.Helper()
	conn, err := open(t, weir).Conn(t.Context())
	must(t, err)
	defer conn.Close()
	for i := range reusedRows { // 1 preparation
		_, err := conn.ExecContext(t.Context(), "INSERT INTO reused VALUES (?, ?)", reusedRows+i, "more")
		must(t, err)
	}
	for i := range reusedRows { // 2, at the replicas
		var id any = i
		if i%3 == 0 { // of another type than the one before
			id = fmt.Sprint(i)
		}
		var word string
		must(t, conn.QueryRowContext(t.Context(), "SELECT word FROM reused WHERE id = ?", id).Scan(&word))
		if want := fmt.Sprint("word ", i); word != want {
			t.Fatalf("row %v has %q", id, word)
		}
	}
	for i := range 10 { // 2, one of each text
		goReuseInTransaction(t, conn, i)
	}
	goReuseTwo(t, conn)     // 1 more of a text there is
	goReuseAltered(t, conn) // 1 before and 1 after
}

// goReuseInTransaction changes a row.
func goReuseInTransaction(t *testing.T, conn *sql.Conn, id int) {
	t.Helper()
	tx, err := conn.BeginTx(t.Context(), nil)
	must(t, err)
	var word string
	must(t, tx.QueryRow("SELECT word FROM reused WHERE id = ? FOR UPDATE", id).Scan(&word))
	_, err = tx.Exec("UPDATE reused SET word = ? WHERE id = ?", strings.ToUpper(word), id)
	must(t, err)
	must(t, tx.QueryRow("SELECT word FROM reused WHERE id = ? FOR UPDATE", id).Scan(&word))
	must(t, tx.Commit())
	if want := fmt.Sprint("WORD ", id); word != want {
		t.Fatalf("row %d has %q", id, word)
	}
}

// goReuseTwo has two statements of one text open at the same time, three times over.
func goReuseTwo(t *testing.T, conn *sql.Conn) {
	t.Helper()
	const text = "SELECT word FROM reused WHERE id = ? FOR UPDATE"
	for range 3 {
		a, err := conn.PrepareContext(t.Context(), text)
		must(t, err)
		b, err := conn.PrepareContext(t.Context(), text)
		must(t, err)
		for i := range 10 {
			var first, second string
			must(t, a.QueryRow(20+i).Scan(&first))
			must(t, b.QueryRow(fmt.Sprint(30+i)).Scan(&second))
			if first != fmt.Sprint("word ", 20+i) || second != fmt.Sprint("word ", 30+i) {
				t.Fatalf("rows %d and %d have %q and %q", 20+i, 30+i, first, second)
			}
		}
		must(t, a.Close())
		must(t, b.Close())
	}
}

// goReuseAltered reads all columns of a table, which are more from some time on.
func goReuseAltered(t *testing.T, conn *sql.Conn) {
	t.Helper()
	const text = "SELECT * FROM reused WHERE id = ? FOR UPDATE"
	columns := func(ctx context.Context) []string {
		rows, err := conn.QueryContext(ctx, text, 40)
		must(t, err)
		defer rows.Close()
		names, err := rows.Columns()
		must(t, err)
		return names
	}
	for range 3 {
		if got := columns(t.Context()); len(got) != 2 {
			t.Fatalf("the columns are %v", got)
		}
	}
	_, err := conn.ExecContext(t.Context(), "ALTER TABLE reused ADD COLUMN n INT")
	must(t, err)
	for range 3 {
		if got := columns(t.Context()); len(got) != 3 {
			t.Fatalf("the columns are %v", got)
		}
	}
}

// mysql2Reuse closes each statement, which mysql2 otherwise keeps.
func mysql2Reuse(t *testing.T, weir string) {
	t.Helper()
	host, port := split(t, weir)
	got := output(t, "", "node", "-e", fmt.Sprintf(`(async () => {
  const c = await require('mysql2/promise').createConnection({host: %q, port: %s, user: %q, password: %q, database: %q});
  for (let i = 20; i < 40; i++) {
    const [rows] = await c.execute('SELECT word FROM reused WHERE id = ?', [i]);
    c.unprepare('SELECT word FROM reused WHERE id = ?');
    console.log(rows[0].word);
  }
  await c.end();
})().catch((e) => { console.error(e); process.exit(1); });`, host, port, server.User, server.Password, server.Schema))
	var want strings.Builder
	for i := 20; i < 40; i++ {
		fmt.Fprintln(&want, "word", i)
	}
	if got != want.String() {
		t.Errorf("the rows are\n%s", got)
	}
}
