package integration

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

const evictConfig = `
server "db1" {
  address = %[1]q
}
monitor "static" "main" {
  primary  = server.db1
  replicas = []
  user     = %[2]q
  password = %[3]q
}
accounts "main" {
  user "ordinary" {
    password = "ordinary"
  }
}
listener "main" {
  address  = %[4]q
  accounts = accounts.main
  pipeline = pipeline.main
}
pipeline "main" {
  router "readwritesplit" {
    servers            = monitor.main.servers
    transaction_replay = true
  }
}
`

// TestReplayWithoutServersNotice: a transaction whose connection breaks is run again at the same server, although that still
// has the connection, and the transaction's locks.
func TestReplayWithoutServersNotice(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			direct := session(t, s.Addr, "")
			executeAll(t, direct, "CREATE TABLE test.evict (id INT PRIMARY KEY, n INT)", "INSERT INTO test.evict VALUES (1, 0)",
				"CREATE USER ordinary IDENTIFIED BY 'ordinary'", "GRANT SELECT, UPDATE ON test.evict TO ordinary")
			cable := lay(t, s.Addr)
			addr, err := process.FreeAddress()
			must(t, err)
			weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(),
				fmt.Sprintf(evictConfig, cable.addr, server.User, server.Password, addr), addr)
			must(t, err)
			t.Cleanup(func() { must(t, weir.Stop()) })
			c, err := mysql.ParseDSN(server.DSN(weir.Addr, ""))
			must(t, err)
			c.User, c.Passwd = "ordinary", "ordinary"
			conn, err := connectAs(t, c)
			must(t, err)
			executeAll(t, conn, "BEGIN", "UPDATE test.evict SET n = n + 1 WHERE id = 1")
			cable.cut()
			executeAll(t, conn, "UPDATE test.evict SET n = n + 1 WHERE id = 1", "COMMIT")
			if n := count(t, direct, "SELECT n FROM test.evict"); n != 2 {
				t.Errorf("two updates have made %d of 0", n)
			}
			executeAll(t, direct, "DROP TABLE test.evict", "DROP USER ordinary")
		})
	}
}

// A cable passes connections on to a server, to which their clients have the ports that they have.
type cable struct {
	addr string
	mu   sync.Mutex
	ends []net.Conn // the clients'
}

func lay(t *testing.T, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cable{addr: ln.Addr().String()}
	var all sync.WaitGroup
	ctx := t.Context()
	all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			from := net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: client.RemoteAddr().(*net.TCPAddr).Port}
			srv, err := (&net.Dialer{LocalAddr: &from}).DialContext(ctx, "tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			t.Cleanup(func() { srv.Close() })
			c.mu.Lock()
			c.ends = append(c.ends, client)
			c.mu.Unlock()
			all.Go(func() { _, _ = io.Copy(client, srv) })
			all.Go(func() { _, _ = io.Copy(srv, client) })
		}
	})
	t.Cleanup(all.Wait)
	t.Cleanup(c.cut)
	t.Cleanup(func() { ln.Close() })
	return c
}

// cut closes the clients' ends of the connections there are, and says nothing to the server.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}
