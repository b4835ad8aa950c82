package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// routed is a primary and a replica behind a Weir with a listener for each use of the router connection.
type routed struct {
	*cluster.Cluster
	weir   *proxy.Proxy
	socket string            // of weir's control
	addr   map[string]string // by the listener's name
}

// uses are the settings of the router, by the listener's name.
var uses = map[string]string{
	"write": `roles = "primary"`,
	"idle":  "roles = \"primary\"\non_role_change = \"idle\"",
	"keep":  "roles = \"primary\"\non_role_change = \"keep\"",
	"read":  `roles = ["replica", "primary"]`,
}

// The account of a replica that replicates through Weir.
const (
	throughUser     = "through"
	throughPassword = "Thr ough'2"
)

func startRouted(t *testing.T, template func() (*server.Template, error)) *routed {
	t.Helper()
	c, err := cluster.Start(require(t, template), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &routed{Cluster: c, socket: socketFor(t), addr: make(map[string]string)}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	var b strings.Builder
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "server %q {\n  address = %q\n}\n", s.Name, s.Addr)
	}
	fmt.Fprintf(&b, "monitor \"replication\" \"main\" {\n  servers = [server.db1, server.db2]\n  user = %q\n  password = %q\n  interval = \"100ms\"\n}\n",
		cluster.MonitorUser, cluster.MonitorPassword)
	fmt.Fprintf(&b, "accounts \"main\" {\n  user %q {\n    password = %q\n  }\n  user %q {\n    password = %q\n  }\n}\n",
		server.User, server.Password, throughUser, throughPassword)
	fmt.Fprintf(&b, "control {\n  socket = %q\n}\n", r.socket)
	for name, settings := range uses {
		if r.addr[name], err = process.FreeAddress(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "listener %[1]q {\n  address = %[2]q\n  accounts = accounts.main\n  pipeline = pipeline.%[1]s\n}\n", name, r.addr[name])
		fmt.Fprintf(&b, "pipeline %q {\n  router \"connection\" {\n    servers = monitor.main.servers\n%s\n  }\n}\n", name, settings)
	}
	if r.weir, err = proxy.StartWeirWith(require(t, program), t.TempDir(), b.String(), r.addr["write"]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.weir.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("weir's log ends:\n%s", r.weir.LogEnd())
		}
	})
	return r
}

// session opens a session at a listener.
func (r *routed) session(t *testing.T, listener string) *sql.Conn {
	t.Helper()
	return session(t, r.addr[listener], "")
}

// isOn checks which server a session is on.
func isOn(t *testing.T, conn *sql.Conn, s *cluster.Server) {
	t.Helper()
	if id := count(t, conn, "SELECT @@server_id"); id != s.ID {
		t.Errorf("the session is on the server of id %d, not on %s", id, s.Name)
	}
}

// isTold checks the error of a statement in a session that was ended.
func isTold(t *testing.T, err error, text string) {
	t.Helper()
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != 1053 || string(e.SQLState[:]) != "08S01" || !strings.Contains(e.Message, text) {
		t.Errorf("the client is told %v, not 1053 with %q", err, text)
	}
}

// TestConnectionRoles: sessions go to servers by their roles, and meet their fate when those move.
func TestConnectionRoles(t *testing.T) {
	t.Run("mariadb", func(t *testing.T) { connectionRoles(t, startRouted(t, mariadb)) })
	t.Run("mysql", func(t *testing.T) { connectionRoles(t, startRouted(t, mysql9)) })
}

func connectionRoles(t *testing.T, r *routed) {
	t.Helper()
	db1, db2 := r.Servers[0], r.Servers[1]
	through := fmt.Sprintf("%s@'%%'", throughUser)
	err := db1.Exec("CREATE USER "+through+" IDENTIFIED BY '"+strings.ReplaceAll(throughPassword, "'", "''")+"'",
		"GRANT REPLICATION SLAVE ON *.* TO "+through, "CREATE TABLE test.t (n INT PRIMARY KEY, text LONGTEXT)")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WaitCaughtUp(); err != nil {
		t.Fatal(err)
	}

	write, idle, kept, read := r.session(t, "write"), r.session(t, "idle"), r.session(t, "keep"), r.session(t, "read")
	isOn(t, write, db1)
	isOn(t, idle, db1)
	isOn(t, kept, db1)
	isOn(t, read, db2)
	execute(t, write, "INSERT INTO t VALUES (1, 'a')")

	// In a transaction, also one that no BEGIN has begun; and in the middle of a statement.
	begun, implied, running := r.session(t, "idle"), r.session(t, "idle"), r.session(t, "write")
	execute(t, begun, "BEGIN")
	execute(t, implied, "SET autocommit = 0")
	for _, conn := range []*sql.Conn{begun, implied} {
		if n := count(t, conn, "SELECT COUNT(*) FROM t"); n != 1 {
			t.Errorf("%d rows", n)
		}
	}
	slept := make(chan error, 1)
	go func() {
		_, err := running.ExecContext(t.Context(), "DO SLEEP(1000)")
		slept <- err
	}()
	eventually(t, "the statement runs", func() bool {
		var n int
		err := db1.Admin().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'").Scan(&n)
		return err == nil && n == 1
	})

	if err := r.Promote(db2); err != nil {
		t.Fatal(err)
	}
	isTold(t, <-slept, "Connection closed: server db1 ")
	for _, conn := range []*sql.Conn{begun, implied} {
		if n := count(t, conn, "SELECT COUNT(*) FROM t"); n != 1 {
			t.Errorf("%d rows", n)
		}
		execute(t, conn, "COMMIT")
		// What it is told comes right behind the reply, and the driver has a word of its own for that.
		if _, err := conn.ExecContext(t.Context(), "DO 1"); err == nil {
			t.Error("a session goes on after its transaction")
		}
	}
	for _, conn := range []*sql.Conn{write, idle} {
		_, err := conn.ExecContext(t.Context(), "DO 1")
		isTold(t, err, "Connection closed: server db1 ")
	}
	isOn(t, kept, db1)
	eventually(t, "db2 is the primary to the monitor", func() bool {
		conn, err := connect(t, r.addr["write"], "")
		return err == nil && conn.PingContext(t.Context()) == nil
	})
	isOn(t, r.session(t, "write"), db2)
	eventually(t, "db1 is a replica to the monitor", func() bool {
		conn, err := connect(t, r.addr["read"], "")
		return err == nil && count(t, conn, "SELECT @@server_id") == db1.ID
	})

	t.Run("drain", r.drain)
	t.Run("replication", r.replication)
	t.Run("no primary", r.noPrimary)
}

// drain: the replica loses what it has, and readers go to the primary.
func (r *routed) drain(t *testing.T) {
	db1, db2 := r.Servers[0], r.Servers[1]
	read := r.session(t, "read")
	isOn(t, read, db1)
	runVerb(t, "server", "drain", "db1", "--socket", r.socket).want(t, 0, "db1 is draining now")
	isOn(t, r.session(t, "read"), db2)
	_, err := read.ExecContext(t.Context(), "DO 1")
	isTold(t, err, "Connection closed: server db1 is draining")
	runVerb(t, "server", "resume", "db1", "--socket", r.socket).want(t, 0, "db1 is in service now")
	isOn(t, r.session(t, "read"), db1)
}

// replication: a replica replicates through Weir, semi-synchronously. Its primary would wait for it for ever.
func (r *routed) replication(t *testing.T) {
	primary, replica := r.Primary(), r.Replicas()[0]
	word, old, more := "MASTER", "SLAVE", ""
	if r.Family() == "mysql" {
		word, old, more = "SOURCE", "REPLICA", ", SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1"
	}
	acknowledged := func() (n int) {
		var name string
		err := primary.Admin().QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Rpl_semi_sync_"+word+"_yes_tx'").Scan(&name, &n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	host, port, _ := net.SplitHostPort(r.addr["write"]) // it was made by us
	verb := "CHANGE MASTER"
	if word == "SOURCE" {
		verb = "CHANGE REPLICATION SOURCE"
	}
	err := replica.Exec("STOP "+old, fmt.Sprintf("%[1]s TO %[2]s_HOST = '%[3]s', %[2]s_PORT = %[4]s, %[2]s_USER = '%[5]s', %[2]s_PASSWORD = '%[6]s'%[7]s",
		verb, word, host, port, throughUser, strings.ReplaceAll(throughPassword, "'", "''"), more), "START "+old)
	if err != nil {
		t.Fatal(err)
	}
	before := acknowledged()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const transactions = 20
	for i := range transactions {
		length := 1
		if i == transactions/2 {
			length = 20 << 20 // an event of several packets
		}
		_, err := primary.Admin().ExecContext(ctx, "INSERT INTO test.t VALUES (?, REPEAT('x', ?))", 100+i, length)
		if err != nil {
			t.Fatalf("transaction %d: %v; the replica's log ends:\n%s", i, err, replica.LogEnd())
		}
	}
	if err := r.WaitCaughtUp(); err != nil {
		t.Error(err)
	}
	if n := acknowledged() - before; n < transactions {
		t.Errorf("%d transactions were acknowledged, not %d", n, transactions)
	}
}

// noPrimary: who wants one is told why there is none, until there is one again.
func (r *routed) noPrimary(t *testing.T) {
	r.Servers[1].Kill()
	var told string
	eventually(t, "db2 is down to the monitor", func() bool {
		conn, err := connect(t, r.addr["write"], "")
		if err == nil {
			err = conn.PingContext(t.Context())
		}
		told = fmt.Sprint(err)
		return strings.Contains(told, "db2: it is down")
	})
	if !strings.HasPrefix(told, "Error 1429 (08001): Can't connect to any server that is primary: db1: it is ") {
		t.Errorf("the client is told %s", told)
	}
	isOn(t, r.session(t, "read"), r.Servers[0])
	if err := r.Servers[1].Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "db2 is the primary again", func() bool {
		conn, err := connect(t, r.addr["write"], "")
		return err == nil && conn.PingContext(t.Context()) == nil
	})
}
