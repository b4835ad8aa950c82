package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// A client that is killed takes its statement at the server with it.
func TestClientKilled(t *testing.T) {
	for _, family := range families {
		s := require(t, family.start)
		weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
		host, port := split(t, weir.Addr)
		direct := session(t, s.Addr, "")
		for name, statement := range map[string]string{
			"waiting": "SELECT SLEEP(600)",
			// The client, which prints to nobody, stops reading soon.
			"reading": "SELECT REPEAT('x', 10000000), a.help_topic_id FROM mysql.help_topic a, mysql.help_topic b",
		} {
			t.Run(family.name+" "+name, func(t *testing.T) {
				mark := fmt.Sprintf(" /* %s killed while %s */", family.name, name)
				running := func() int {
					return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%"+mark+"'")
				}
				cmd := exec.Command("mariadb", "--no-defaults", "--host="+host, "--port="+port, "--user="+server.User,
					"--password="+server.Password, "--quick", "--comments", "--execute="+statement+mark)
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				p, err := process.Start("mariadb", cmd, t.TempDir()+"/log")
				if err != nil {
					t.Fatal(err)
				}
				defer p.Kill()
				eventually(t, "the statement runs", func() bool { return running() == 1 })
				p.Kill()
				eventually(t, "the statement has gone", func() bool { return running() == 0 })
			})
		}
		eventually(t, "all connections have gone", func() bool {
			return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '"+server.User+"'") == 1
		})
	}
}

// A server that is killed costs the sessions that are on it, and nothing else.
func TestServerKilled(t *testing.T) {
	s := startMariaDB(t)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
	busy, reading, idle := session(t, weir.Addr, ""), session(t, weir.Addr, ""), session(t, weir.Addr, "")
	execute(t, idle, "DO 1")
	rows := query(t, reading, gigabyte)
	failed := make(chan error)
	go func() {
		_, err := busy.ExecContext(t.Context(), "SELECT SLEEP(600)")
		failed <- err
	}()
	direct := session(t, s.Addr, "")
	eventually(t, "the statement runs", func() bool {
		return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'") == 1
	})
	s.Kill()

	select {
	case err := <-failed:
		wantError(t, err, protocol.ErConnectionKilled, "")
	case <-time.After(patience):
		t.Fatal("the client in mid-statement got no answer")
	}
	for rows.Next() {
		continue
	}
	if rows.Err() == nil {
		t.Error("the client in the middle of a result saw its regular end")
	}
	if _, err := idle.ExecContext(t.Context(), "DO 1"); err == nil {
		t.Error("the idle client's next statement succeeded")
	}
	_, err := connect(t, weir.Addr, "")
	wantError(t, err, protocol.ErNoServer, "db1")

	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	execute(t, session(t, weir.Addr, ""), "DO 1")
}

// A server that cannot be reached is passed over.
func TestNextServer(t *testing.T) {
	nobody, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{nobody, s.Addr}})
	for range 10 {
		execute(t, session(t, weir.Addr, ""), "DO 1")
	}
}

func TestWrongPassword(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
			for _, user := range []string{server.User, "nobody"} {
				c, err := mysql.ParseDSN(server.DSN(weir.Addr, ""))
				if err != nil {
					t.Fatal(err)
				}
				c.User, c.Passwd = user, "wrong"
				_, err = connectAs(t, c)
				wantError(t, err, protocol.ErAccessDenied, "Access denied for user '"+user+"'@'")
			}
		})
	}
}

// What is not the protocol harms nobody else, and leaves nothing behind.
func TestGarbage(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
	beside := session(t, weir.Addr, "")
	execute(t, beside, "DO 1")
	before := descriptors(t, weir.PID())
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		c, err := net.Dial("tcp", weir.Addr)
		if err != nil {
			t.Fatal(err)
		}
		garbage := make([]byte, random.IntN(3000))
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		// Weir may close the connection before all is sent.
		_, _ = c.Write(garbage)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all descriptors are closed", func() bool { return descriptors(t, weir.PID()) <= before })
	execute(t, beside, "DO 1")
	execute(t, session(t, weir.Addr, ""), "DO 1")
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
