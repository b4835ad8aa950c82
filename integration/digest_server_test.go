package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/server"
)

// A digester asks a server for the digests of statements.
type digester struct {
	admin *sql.Conn
	db    *sql.DB // sessions for one statement each
}

const stranger = "stranger"

// newDigester prepares a server to be asked. Its sessions are those of account, a name and password.
func newDigester(t *testing.T, s *server.Server, account, password string) *digester {
	t.Helper()
	d := &digester{admin: session(t, s.Addr, "")}
	execute(t, d.admin, "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name IN "+
		"('events_statements_current', 'events_statements_history_long')")
	c, err := mysql.ParseDSN(server.DSN(s.Addr, ""))
	if err != nil {
		t.Fatal(err)
	}
	c.User, c.Passwd = account, password
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	d.db = sql.OpenDB(connector)
	d.db.SetMaxIdleConns(-1)
	t.Cleanup(func() { d.db.Close() })
	return d
}

// createStranger creates the account that may do nothing but use the schema.
func createStranger(t *testing.T, s *server.Server) {
	t.Helper()
	admin := session(t, s.Addr, "")
	execute(t, admin, "CREATE USER "+stranger+" IDENTIFIED BY '"+stranger+"'")
	// server.User may not grant.
	execute(t, admin, "INSERT INTO mysql.db (host, db, user, select_priv) VALUES ('%', ?, ?, 'Y')", server.Schema, stranger)
	execute(t, admin, "FLUSH PRIVILEGES")
}

// set makes a session one in which the statement reads as it should.
func set(t *testing.T, conn *sql.Conn, s corpusStatement) {
	t.Helper()
	execute(t, conn, fmt.Sprintf("SET sql_mode = '%s', character_set_client = %s", s.sqlMode(), s.charset()))
}

// call returns the digest of a statement by MySQL's functions. They do not execute it, and tell text that the server
// cannot parse.
func (d *digester) call(t *testing.T, s corpusStatement) (digest, text string) {
	t.Helper()
	set(t, d.admin, s)
	err := d.admin.QueryRowContext(t.Context(), fmt.Sprintf(
		"SELECT STATEMENT_DIGEST(_%[1]s x'%[2]x'), STATEMENT_DIGEST_TEXT(_%[1]s x'%[2]x')", s.charset(), s.text)).
		Scan(&digest, &text)
	if err != nil {
		t.Errorf("%s: %q: %v", s.place, s.text, err)
	}
	return digest, text
}

// observe sends a statement and returns what the server wrote down of it.
func (d *digester) observe(t *testing.T, s corpusStatement) (digest, text string) {
	t.Helper()
	conn, err := d.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	set(t, conn, s)
	var thread int64
	err = d.admin.QueryRowContext(t.Context(),
		"SELECT thread_id FROM performance_schema.threads WHERE processlist_id = ?",
		count(t, conn, "SELECT CONNECTION_ID()")).Scan(&thread)
	if err != nil {
		t.Fatal(err)
	}
	// Most statements end in an error: there is no such table, or it is not the stranger's. Their digest is whole.
	var refused *mysql.MySQLError
	if err := send(t.Context(), conn, s); errors.As(err, &refused) && refused.Number == errParse {
		t.Errorf("%s: %q: %v", s.place, s.text, err)
		return "", ""
	}
	// It is the session's third. The server writes it down once it has answered, and before it reads the next. Where
	// the statement ended the session there is no next.
	if err := conn.PingContext(t.Context()); err != nil && !errors.Is(err, driver.ErrBadConn) {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("there is a digest of %q", s.text), func() bool {
		err := d.admin.QueryRowContext(t.Context(), "SELECT digest, digest_text "+
			"FROM performance_schema.events_statements_history_long WHERE thread_id = ? AND digest IS NOT NULL "+
			"AND nesting_event_id IS NULL ORDER BY event_id LIMIT 1 OFFSET 2", thread).Scan(&digest, &text)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		return err == nil
	})
	return digest, text
}

// errParse is ER_PARSE_ERROR.
const errParse = 1064

// send sends a statement to be executed, or prepared.
func send(ctx context.Context, conn *sql.Conn, s corpusStatement) error {
	if !s.prepared() {
		_, err := conn.ExecContext(ctx, s.text)
		return err
	}
	prepared, err := conn.PrepareContext(ctx, s.text)
	if err != nil {
		return err
	}
	return prepared.Close()
}
