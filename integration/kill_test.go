package integration

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// TestKill: what waits in Weir for a server is killed by the id that its client was greeted with, as at a server: the
// statement is over, and neither executed nor open anywhere, and the session goes on.
func TestKill(t *testing.T) {
	eachCluster(t, testKill)
}

func testKill(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	weir := startSplit(t, c, `
    delayed_retry              = "1h"
    transaction_replay         = true
    transaction_replay_timeout = "1h"
    causal_reads               = "session"
    causal_reads_timeout       = "1h"
`)
	must(t, c.Primary().Exec("CREATE TABLE test.kills (n INT PRIMARY KEY)"))
	must(t, c.WaitCaughtUp())
	killer, alone, trx, unconnected := greet(t, weir.Addr), greet(t, weir.Addr), greet(t, weir.Addr), greet(t, weir.Addr)

	for _, s := range c.Replicas() {
		must(t, s.StopApplying())
	}
	execute(t, alone.Conn, "INSERT INTO test.kills VALUES (1)")
	wantError(t, killer.kills(t, "KILL QUERY", alone, "SELECT MAX(n) FROM test.kills"), protocol.ErQueryInterrupted, "interrupted")
	for _, s := range c.Replicas() {
		must(t, s.CatchUp())
	}
	if n := count(t, alone.Conn, "SELECT MAX(n) FROM test.kills"); n != 1 {
		t.Errorf("after that, it reads %d", n)
	}

	execute(t, trx.Conn, "BEGIN")
	execute(t, trx.Conn, "INSERT INTO test.kills VALUES (2)")
	old := c.Primary()
	old.Kill()
	wantError(t, killer.kills(t, "KILL QUERY", alone, "INSERT INTO test.kills VALUES (3)"), protocol.ErQueryInterrupted, "interrupted")
	wantError(t, killer.kills(t, "KILL QUERY", trx, "INSERT INTO test.kills VALUES (4)"), protocol.ErQueryInterrupted, "interrupted")
	wantError(t, killer.kills(t, "KILL", unconnected, "INSERT INTO test.kills VALUES (5)"), protocol.ErConnectionKilled, "killed")
	must(t, c.Promote(c.Replicas()[0]))
	execute(t, alone.Conn, "INSERT INTO test.kills VALUES (6)")
	execute(t, trx.Conn, "INSERT INTO test.kills VALUES (7)")
	execute(t, trx.Conn, "COMMIT")
	direct := session(t, c.Primary().Addr, "")
	if diff := cmp.Diff([]int{1, 2, 6, 7}, numbers(t, direct, "SELECT n FROM test.kills ORDER BY n")); diff != "" {
		t.Errorf("the new primary has (-want +got):\n%s", diff)
	}
	eventually(t, "no transaction is open", func() bool {
		return count(t, direct, "SELECT COUNT(*) FROM information_schema.innodb_trx") == 0
	})
	must(t, old.Restart())
}

// TestKillItself: who kills its own statement or session is told what a server tells it, and what was not committed is gone.
func TestKillItself(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			direct := session(t, s.Addr, "")
			executeAll(t, direct, "CREATE TABLE test.itself (n INT PRIMARY KEY)")
			for _, addr := range []string{
				s.Addr, startWeir(t, proxy.Config{Servers: []string{s.Addr}}).Addr,
				startWeir(t, proxy.Config{Servers: []string{s.Addr}, Split: true}).Addr,
			} {
				c := greet(t, addr)
				executeAll(t, c.Conn, "BEGIN", "INSERT INTO test.itself VALUES (1)")
				wantError(t, c.killsItself(t, "KILL QUERY"), protocol.ErQueryInterrupted, "interrupted")
				if n := count(t, c.Conn, "SELECT COUNT(*) FROM test.itself"); n != 1 {
					t.Errorf("after KILL QUERY, the transaction sees %d rows", n)
				}
				code := protocol.ErConnectionKilled
				if addr == s.Addr && family.name == "mysql" {
					code = protocol.ErQueryInterrupted
				}
				wantError(t, c.killsItself(t, "KILL"), code, "")
				if err := c.PingContext(t.Context()); err == nil {
					t.Error("after KILL, the session goes on")
				}
				executeAll(t, direct, "INSERT INTO test.itself VALUES (1)", "DELETE FROM test.itself")
			}
			executeAll(t, direct, "DROP TABLE test.itself")
		})
	}
}

func (g *greeted) killsItself(t *testing.T, verb string) error {
	t.Helper()
	_, err := g.ExecContext(t.Context(), fmt.Sprintf("%s %d", verb, g.id))
	return err
}

// numbers reads one column.
func numbers(t *testing.T, conn *sql.Conn, statement string) (all []int) {
	t.Helper()
	rows := query(t, conn, statement)
	for rows.Next() {
		var n int
		must(t, rows.Scan(&n))
		all = append(all, n)
	}
	must(t, rows.Err())
	return all
}

// A greeted is a session, with the id that it was greeted with, which its driver keeps to itself.
type greeted struct {
	*sql.Conn
	id uint32
}

func greet(t *testing.T, addr string) *greeted {
	t.Helper()
	g := &greeted{}
	c, err := mysql.ParseDSN(server.DSN(addr, ""))
	must(t, err)
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		packet := make([]byte, protocol.HeaderSize)
		if _, err := io.ReadFull(conn, packet); err != nil {
			return nil, err
		}
		packet = append(packet, make([]byte, protocol.PayloadLen(packet))...)
		if _, err := io.ReadFull(conn, packet[protocol.HeaderSize:]); err != nil {
			return nil, err
		}
		greeting, err := protocol.DecodeGreeting(packet[protocol.HeaderSize:])
		g.id = greeting.ConnectionID
		return &readAgain{conn, io.MultiReader(bytes.NewReader(packet), conn)}, err
	}
	g.Conn, err = connectAs(t, c)
	must(t, err)
	return g
}

// A readAgain is a connection of which something has been read already.
type readAgain struct {
	net.Conn
	all io.Reader
}

func (r *readAgain) Read(b []byte) (int, error) { return r.all.Read(b) }

// kills has victim run a statement, kills it until it ends, and returns its error.
func (g *greeted) kills(t *testing.T, verb string, victim *greeted, statement string) (failed error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := victim.ExecContext(t.Context(), statement)
		ended <- err
	}()
	eventually(t, statement+" is killed", func() bool {
		if _, err := g.ExecContext(t.Context(), fmt.Sprintf("%s %d", verb, victim.id)); err != nil {
			wantError(t, err, protocol.ErNoSuchThread, "") // it has ended just now
		}
		select {
		case failed = <-ended:
			return true
		default:
			return false
		}
	})
	return failed
}
