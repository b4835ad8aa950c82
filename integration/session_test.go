package integration

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/server"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v, and it is still not so that %s", patience, what)
		}
	}
}

// session opens a session at addr that ends with the test. params is as in server.DSN.
func session(t *testing.T, addr, params string) *sql.Conn {
	t.Helper()
	conn, err := connect(t, addr, params)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func query(t *testing.T, conn *sql.Conn, statement string) *sql.Rows {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rows.Close() })
	return rows
}

func execute(t *testing.T, conn *sql.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// count returns the one number of a statement's result.
func count(t *testing.T, conn *sql.Conn, statement string) (n int) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), statement).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// connect is session for a test that expects an error.
func connect(t *testing.T, addr, params string) (*sql.Conn, error) {
	t.Helper()
	c, err := mysql.ParseDSN(server.DSN(addr, params))
	if err != nil {
		t.Fatal(err)
	}
	return connectAs(t, c)
}

func connectAs(t *testing.T, c *mysql.Config) (*sql.Conn, error) {
	t.Helper()
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err == nil {
		// The pool does not close what it has given out. The connection may be broken by now.
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// wantError checks that err is an ERR packet, with the code (0: any) and text.
func wantError(t *testing.T, err error, code uint16, text string) {
	t.Helper()
	var failed *mysql.MySQLError
	if !errors.As(err, &failed) || code != 0 && failed.Number != code || !strings.Contains(failed.Message, text) {
		t.Errorf("got error %v, want an ERR packet of code %d that says %q", err, code, text)
	}
}
