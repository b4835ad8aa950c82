package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/server"
)

// gosql runs statements through go-sql-driver/mysql.
func gosql(t *testing.T, addr, infile string) string {
	t.Helper()
	statements, err := os.ReadFile("clients/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	mysql.RegisterLocalFile(infile)
	defer mysql.DeregisterLocalFile(infile)
	db, err := sql.Open("mysql", server.DSN(addr, "multiStatements=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := &goClient{conn: conn}
	_, list, _ := strings.Cut(string(statements), "\n")
	for statement := range strings.SplitSeq(list, "//\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			g.run(t.Context(), statement)
		}
	}
	g.prepared(t.Context())
	g.run(t.Context(), "SELECT 1; SELECT 2, 3; SET @a = 1; INSERT INTO kinds (vc) VALUES ('multi'); SELECT 4")
	g.run(t.Context(), "INSERT INTO kinds (vc) VALUES ('a'), ('b'); INSERT INTO kinds (vc) VALUES ('c'); DO 1")
	g.run(t.Context(), "SELECT 1; SELECT * FROM no_such_table; SELECT 2")
	g.files(t.Context(), infile)
	g.large(t.Context())
	g.transactions(t.Context())
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	// The pool resets the connection and gives it out again.
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return shorten(g.out.String())
}

// A goClient writes down what statements on its connection return.
type goClient struct {
	conn *sql.Conn
	out  bytes.Buffer
}

var returnsRows = regexp.MustCompile(`(?i)^(SELECT|SHOW|CALL|EXPLAIN|EXECUTE)`)

// run runs a statement: as text without arguments, prepared with them.
func (g *goClient) run(ctx context.Context, statement string, args ...any) {
	fmt.Fprintf(&g.out, "> %s with %s\n", short(statement), short(fmt.Sprint(args...)))
	if !returnsRows.MatchString(statement) {
		result, err := g.conn.ExecContext(ctx, statement, args...)
		g.result(result, err)
		return
	}
	rows, err := g.conn.QueryContext(ctx, statement, args...)
	if err != nil {
		g.result(nil, err)
		return
	}
	g.rows(rows)
}

func (g *goClient) result(result sql.Result, err error) {
	var failed *mysql.MySQLError
	switch {
	case errors.As(err, &failed):
		fmt.Fprintf(&g.out, "error %d %s %s\n", failed.Number, failed.SQLState, failed.Message)
	case err != nil:
		fmt.Fprintf(&g.out, "error of the client: %v\n", err)
	default:
		affected, affectedErr := result.RowsAffected()
		id, idErr := result.LastInsertId()
		fmt.Fprintln(&g.out, "affected", affected, affectedErr, "id", id, idErr)
	}
}

// rows reads all result sets and closes them.
func (g *goClient) rows(rows *sql.Rows) {
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		types, err := rows.ColumnTypes()
		if err != nil {
			fmt.Fprintln(&g.out, "columns:", err)
		}
		values, into := make([]any, len(types)), make([]any, len(types))
		for i, c := range types {
			length, _ := c.Length()
			precision, scale, _ := c.DecimalSize()
			nullable, _ := c.Nullable()
			fmt.Fprintln(&g.out, "column", c.Name(), c.DatabaseTypeName(), c.ScanType(), length, precision, scale, nullable)
			into[i] = &values[i]
		}
		sum, count := sha256.New(), 0
		for ; rows.Next(); count++ {
			if err := rows.Scan(into...); err != nil {
				fmt.Fprintln(&g.out, "scan:", err)
			}
			for _, v := range values {
				line := fmt.Sprintf("%T %q", v, v)
				fmt.Fprintln(sum, line)
				if count < 20 {
					fmt.Fprintln(&g.out, "value", short(line))
				}
			}
		}
		fmt.Fprintf(&g.out, "rows %d %x\n", count, sum.Sum(nil))
	}
	if err := rows.Err(); err != nil {
		g.result(nil, err)
	}
}

func (g *goClient) prepared(ctx context.Context) {
	// With an argument the driver prepares, executes and closes.
	g.run(ctx, "SELECT ?, ?, ?, ?, ?", 1, "text", nil, 1.5, []byte{0, 255})
	g.run(ctx, "SELECT *, ? AS x FROM kinds ORDER BY id", 1)
	g.run(ctx, "INSERT INTO kinds (vc, bl, de) VALUES (?, ?, ?)", "grüße", []byte("blob"), "1.5")
	g.run(ctx, "INSERT INTO kinds (id) VALUES (?)", 1)
	g.run(ctx, "SELECT * FROM no_such_table WHERE id = ?", 1)
	g.run(ctx, "CALL several(?, @total)", 3)
	g.run(ctx, "CALL fails() /* ? */")
	// Statements that live beside each other.
	var open []*sql.Stmt
	for i := range 20 {
		statement, err := g.conn.PrepareContext(ctx, fmt.Sprintf("SELECT ? + %d AS n, ? AS t", i))
		if err != nil {
			g.result(nil, err)
			continue
		}
		open = append(open, statement)
	}
	for i, statement := range open {
		for round := range 3 {
			rows, err := statement.QueryContext(ctx, round, fmt.Sprint(i))
			if err != nil {
				g.result(nil, err)
				continue
			}
			g.rows(rows)
		}
		if i%2 == 0 {
			fmt.Fprintln(&g.out, "close", statement.Close())
		}
	}
	if _, err := g.conn.PrepareContext(ctx, "SELEC ?"); err != nil {
		g.result(nil, err)
	}
}

func (g *goClient) files(ctx context.Context, infile string) {
	g.run(ctx, "CREATE TABLE loaded (n INT PRIMARY KEY, t VARCHAR(100), d DECIMAL(10, 2))")
	load := "LOAD DATA LOCAL INFILE '" + infile + "' INTO TABLE loaded FIELDS TERMINATED BY ','"
	g.run(ctx, load)
	g.run(ctx, load)
	// The driver refuses a file it was not told of, which ends the upload at once.
	g.run(ctx, strings.Replace(load, infile, infile+".no", 1))
	g.run(ctx, "SELECT COUNT(*), SUM(n), SUM(LENGTH(t)), SUM(d) FROM loaded")
}

func (g *goClient) large(ctx context.Context) {
	g.run(ctx, "CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, a INT, v LONGBLOB)")
	value := bytes.Repeat([]byte("0123456789abcdef\x00\xff'\\"), 20<<20/20)
	g.run(ctx, "INSERT INTO large (v) VALUES (?)", value)
	// Half of the largest packet is what the driver sends in COM_STMT_SEND_LONG_DATA where there are two.
	g.run(ctx, "INSERT INTO large (a, v) VALUES (?, ?)", 7, bytes.Repeat(value, 2))
	g.run(ctx, "INSERT INTO large (v) VALUES ('"+strings.Repeat("0123456789abcdef", 20<<20/16)+"')")
	g.run(ctx, "SELECT a, LENGTH(v), v FROM large ORDER BY id")
	g.run(ctx, "SELECT a, LENGTH(v), v FROM large WHERE id > ? ORDER BY id", 0)
}

func (g *goClient) transactions(ctx context.Context) {
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		tx, err := g.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			g.result(nil, err)
			continue
		}
		g.run(ctx, "INSERT INTO kinds (vc) VALUES (?)", "in a transaction")
		fmt.Fprintln(&g.out, "end:", end(tx))
		g.run(ctx, "SELECT COUNT(*) FROM kinds")
	}
}

// short shortens a long text to its sum.
func short(s string) string {
	if len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%d bytes, sha256 %x", len(s), sha256.Sum256([]byte(s)))
}
