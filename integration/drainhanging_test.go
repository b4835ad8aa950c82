package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// unwatched has a monitor that does not notice within a test that a server hangs.
const unwatched = `
server "db1" {
  address = %[1]q
}
server "db2" {
  address = %[2]q
}
monitor "static" "main" {
  primary  = server.db1
  replicas = [server.db2]
  user     = %[3]q
  password = %[4]q
  interval = "1h"
}
accounts "main" {
  user %[3]q {
    password = %[4]q
  }
}
listener "main" {
  address  = %[5]q
  accounts = accounts.main
  pipeline = pipeline.main
}
pipeline "main" {
  router "readwritesplit" {
    servers = monitor.main.servers
  }
}
control {
  socket = %[6]q
}
`

// TestDrainHanging: idle sessions whose LAST_INSERT_ID() a server alone knows are left neither waiting nor beyond a KILL, where
// that hangs when it is drained.
func TestDrainHanging(t *testing.T) {
	s, other, socket := startMariaDB(t), require(t, sharedMariaDB), socketFor(t)
	addr, err := process.FreeAddress()
	must(t, err)
	weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(),
		fmt.Sprintf(unwatched, s.Addr, other.Addr, server.User, server.Password, addr, socket), addr)
	must(t, err)
	t.Cleanup(func() { must(t, weir.Stop()) })
	execute(t, session(t, s.Addr, ""), "CREATE TABLE test.numbered (n INT AUTO_INCREMENT PRIMARY KEY)")
	reader, killed := greet(t, addr), greet(t, addr)
	for _, c := range []*greeted{reader, killed} {
		execute(t, c.Conn, "INSERT INTO test.numbered VALUES ()")
	}
	must(t, s.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { must(t, s.Signal(syscall.SIGCONT)) })
	runVerb(t, "server", "drain", "db1", "--socket", socket).want(t, 0, "db1 is draining now")

	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second) // Weir tries for 10 s to connect to a server
	defer cancel()
	_, err = greet(t, addr).ExecContext(soon, fmt.Sprintf("KILL %d", killed.id))
	must(t, err)
	_, err = killed.ExecContext(soon, "SELECT 1")
	wantError(t, err, protocol.ErConnectionKilled, "killed")
	_, err = reader.ExecContext(soon, "SELECT 1")
	must(t, err)
}
