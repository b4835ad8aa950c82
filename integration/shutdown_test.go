package integration

import (
	"context"
	"database/sql"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// Running statements end as usual, idle clients are told, and nobody is let in any more.
func TestGracefulShutdown(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
	idle := idleClient(t, weir.Addr)
	direct := session(t, s.Addr, "")
	result := runAside(t, session(t, weir.Addr, ""), direct, "SELECT SLEEP(2) /* at shutdown */")
	began := time.Now()
	if err := weir.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := idle.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	last, err := io.ReadAll(idle)
	if err != nil {
		t.Fatal(err)
	}
	if len(last) < protocol.HeaderSize {
		t.Fatalf("the idle client got %q", last)
	}
	told, err := protocol.DecodeErr(last[protocol.HeaderSize:])
	// It has the sequence number of an answer: the client takes it for that of its next statement.
	if err != nil || told.Code != protocol.ErServerShutdown || told.State != "08S01" || last[3] != 1 {
		t.Errorf("the idle client got %q: %v, %v", last, told, err)
	}
	if c, err := net.Dial("tcp", weir.Addr); err == nil {
		c.Close()
		t.Error("weir still accepts connections")
	}
	if err := <-result; err != nil {
		t.Errorf("the running statement: %v", err)
	}
	awaitEnd(t, weir)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("weir took %v to end", took)
	}
}

// Statements that run longer than shutdown_timeout are cut off.
func TestShutdownTimeout(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Process: `  shutdown_timeout = "1s"`})
	direct := session(t, s.Addr, "")
	result := runAside(t, session(t, weir.Addr, ""), direct, "SELECT SLEEP(600) /* past shutdown */")
	if err := weir.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		if err == nil {
			t.Error("the statement succeeded")
		}
	case <-time.After(patience):
		t.Error("the statement goes on")
	}
	awaitEnd(t, weir)
	eventually(t, "the statement has gone from the server", func() bool {
		return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%past shutdown */'") == 0
	})
}

// runAside runs a statement, waits until the server is at it, and returns where its end will be told.
func runAside(t *testing.T, conn, direct *sql.Conn, statement string) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		var n int
		result <- conn.QueryRowContext(t.Context(), statement).Scan(&n)
	}()
	eventually(t, "the statement runs", func() bool {
		return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist WHERE info = '"+statement+"'") == 1
	})
	return result
}

// awaitEnd waits until weir has ended, with exit code 0.
func awaitEnd(t *testing.T, weir *proxy.Proxy) {
	t.Helper()
	select {
	case <-weir.Done():
		if err := weir.Err(); err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("weir has not ended")
	}
}

// idleClient is the connection of a client that has run a statement and is idle.
func idleClient(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := mysql.ParseDSN(server.DSN(addr, ""))
	if err != nil {
		t.Fatal(err)
	}
	var wire net.Conn
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		wire = conn
		return conn, err
	}
	conn, err := connectAs(t, c)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "DO 1")
	return wire
}
