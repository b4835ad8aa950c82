package integration

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/proxy"
)

// After a RESET MASTER, reads wait for what will not come, until they are told to forget it: those of sessions that have
// written, and with "service" all.
func TestResetGTID(t *testing.T) { eachCluster(t, testResetGTID) }

func testResetGTID(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	mark(t, c)
	must(t, c.Primary().Exec("CREATE TABLE test.notes (n INT PRIMARY KEY)"))
	const timeout = 2 * time.Second
	sockets, readers, writers := make(map[string]string), make(map[string]*sql.Conn), make(map[string]*sql.Conn)
	for _, scope := range []string{"session", "service"} {
		addr, socket := freeAddress(t), socketFor(t)
		text := splitConfig(c, addr, fmt.Sprintf("    causal_reads = %q\n    causal_reads_timeout = %q\n", scope, timeout))
		weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(), text+fmt.Sprintf("\ncontrol {\n  socket = %q\n}\n", socket), addr)
		must(t, err)
		t.Cleanup(func() {
			must(t, weir.Stop())
			if t.Failed() {
				t.Logf("weir's log:\n%s", weir.Log())
			}
		})
		sockets[scope], writers[scope] = socket, session(t, addr, "")
		readers[scope] = writers[scope]
		if scope == "service" {
			readers[scope] = session(t, addr, "")
		}
	}
	// The numbers that are lost are far from those that come again soon.
	for n := range 100 {
		for _, conn := range writers {
			execute(t, conn, fmt.Sprintf("REPLACE INTO test.notes VALUES (%d)", n))
		}
	}
	must(t, c.WaitCaughtUp())
	resetMaster(t, c)

	for scope, conn := range readers {
		eventually(t, scope+": reads wait in vain", func() bool {
			began := time.Now()
			return servedBy(t, conn) == "db1" && time.Since(began) >= timeout
		})
		runVerb(t, "pipeline", "reset-gtid", "main", "--socket", sockets[scope]).want(t, 0, "pipeline main has forgotten")
		for n := range 10 {
			if at := servedBy(t, conn); at == "db1" {
				t.Errorf("%s: a read is late after the reset", scope)
			}
			execute(t, writers[scope], fmt.Sprintf("UPDATE test.notes SET n = n + 1000 WHERE n = %d", n))
			var there int
			must(t, conn.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM test.notes WHERE n = %d", n+1000)).Scan(&there))
			if there != 1 {
				t.Errorf("%s: a read does not see the write before it", scope)
			}
			execute(t, writers[scope], fmt.Sprintf("UPDATE test.notes SET n = n - 1000 WHERE n = %d", n+1000))
		}
	}
	runVerb(t, "pipeline", "reset-gtid", "app", "--socket", sockets["service"]).want(t, 1, `no pipeline "app"; there are main`)
}

// servedBy is the name of the server that a read goes to.
func servedBy(t *testing.T, conn *sql.Conn) (name string) {
	t.Helper()
	must(t, conn.QueryRowContext(t.Context(), "SELECT name FROM test.here").Scan(&name))
	return name
}

// resetMaster has the servers count transactions from 1 on.
func resetMaster(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	reset, stop := "RESET MASTER", []string{"STOP SLAVE", "RESET MASTER"}
	start := []string{"SET GLOBAL gtid_slave_pos = ''", "START SLAVE"}
	if c.Family() == "mysql" {
		reset, start = "RESET BINARY LOGS AND GTIDS", []string{"START REPLICA"}
		stop = []string{"STOP REPLICA", "RESET REPLICA", reset}
	}
	for _, s := range c.Replicas() {
		must(t, s.Exec(stop...))
	}
	must(t, c.Primary().Exec(reset))
	for _, s := range c.Replicas() {
		must(t, s.Exec(start...))
	}
	must(t, c.WaitCaughtUp())
}
