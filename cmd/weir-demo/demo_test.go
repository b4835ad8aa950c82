package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
)

// start starts servers on free ports and returns a function that connects to one of them.
func start(t *testing.T) func(r int) *sql.Conn {
	t.Helper()
	roles := []role{{name: "primary"}, {name: "replica", readOnly: true}}
	s, err := startServers(roles)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return func(r int) *sql.Conn {
		t.Helper()
		return login(t, roles[r].port, password)
	}
}

func login(t *testing.T, port int, password string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/shop", user, password, loopback(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func number(err error) uint16 {
	if answered, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return answered.Number
	}
	return 0
}

func TestServersKnowWhoTheyAre(t *testing.T) {
	connect := start(t)
	for r, want := range []string{"primary 0", "replica 1"} {
		var name, readOnly string
		err := connect(r).QueryRowContext(t.Context(), "SELECT @@hostname, @@read_only").Scan(&name, &readOnly)
		if got := name + " " + readOnly; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestReplicaRefusesToWrite(t *testing.T) {
	connect := start(t)
	primary, replica := connect(0), connect(1)
	ctx := t.Context()
	for _, text := range []string{
		"INSERT INTO customers (name, city) VALUES ('a', 'b')", "UPDATE products SET stock = 0", "DELETE FROM orders",
		"REPLACE INTO customers VALUES (1, 'a', 'b')", "TRUNCATE orders", "DROP TABLE orders", "CREATE TABLE t (a INT)",
	} {
		if _, err := replica.ExecContext(ctx, text); number(err) != 1290 {
			t.Errorf("%s: %v, want error 1290", text, err)
		}
	}
	if _, err := replica.ExecContext(ctx, "DELETE FROM orders WHERE id = ?", 1); number(err) != 1290 {
		t.Errorf("prepared: %v, want error 1290", err)
	}
	if _, err := replica.ExecContext(ctx, "SET GLOBAL read_only = 0"); err == nil {
		t.Error("a client can make the replica writable")
	}
	if _, err := primary.ExecContext(ctx, "DELETE FROM orders WHERE id = ?", 1); err != nil {
		t.Error(err)
	}
}

func TestReplicaSeesWhatIsCommitted(t *testing.T) {
	connect := start(t)
	primary, replica := connect(0), connect(1)
	for _, step := range []struct {
		text   string
		orders int
	}{
		{"START TRANSACTION", orders},
		{newOrder, orders},
		{"ROLLBACK", orders},
		{"START TRANSACTION", orders},
		{newOrder, orders},
		{"COMMIT", orders + 1},
	} {
		if _, err := primary.ExecContext(t.Context(), step.text); err != nil {
			t.Fatal(err)
		}
		var got int
		err := replica.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM orders").Scan(&got)
		if err != nil || got != step.orders {
			t.Errorf("after %s: %d orders, %v, want %d", step.text, got, err, step.orders)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	roles := []role{{name: "primary"}}
	s, err := startServers(roles)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:wrong@tcp(%s)/shop", user, loopback(roles[0].port)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); number(err) != 1045 {
		t.Errorf("got %v, want error 1045", err)
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := listenOn(0, "this test", "")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	roles := []role{{name: "primary", variable: "WEIR_DEMO_PRIMARY_PORT"}, {name: "replica", variable: "X_PORT"}}
	if _, err := fmt.Sscanf(taken.Addr().String(), "127.0.0.1:%d", &roles[1].port); err != nil {
		t.Fatal(err)
	}
	_, err = startServers(roles)
	want := fmt.Sprintf("port %d, for the replica, is in use: set another, as in `make demo X_PORT=", roles[1].port)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
}

func TestReadSettings(t *testing.T) {
	t.Setenv("ONCE", "1")
	t.Setenv(portVariable, "2000")
	t.Setenv("WEIR_DEMO_REPLICA1_PORT", "3000")
	s, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	got := []int{s.port, s.roles[0].port, s.roles[1].port, s.roles[2].port}
	if diff := cmp.Diff([]int{2000, 13306, 3000, 13308}, got); diff != "" || !s.once {
		t.Errorf("once %v, ports %s", s.once, diff)
	}
	t.Setenv(portVariable, "70000")
	if _, err := readSettings(); err == nil || !strings.Contains(err.Error(), portVariable+"=70000") {
		t.Errorf("got %v, want an error that names %s", err, portVariable)
	}
}

func TestQueryLogGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log, err := openQueryLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()

	// Half a line is not a line.
	if _, err := file.WriteString(`{"command":"COM_QUERY","ser`); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if e, err := log.next(canceled); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v, want to wait", e, err)
	}
	if _, err := file.WriteString("ver\":\"primary\",\"error\":1290}\n"); err != nil {
		t.Fatal(err)
	}
	e, err := log.next(t.Context())
	if err != nil || e.Command != "COM_QUERY" || e.Server != "primary" || e.Error != 1290 {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var end tail
	for range tailSize {
		fmt.Fprint(&end, "ab")
	}
	fmt.Fprint(&end, "!")
	if got := end.String(); len(got) != tailSize || !strings.HasSuffix(got, "ab!") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-3:])
	}
}
