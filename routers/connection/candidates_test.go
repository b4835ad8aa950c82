package connection_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/connection"
)

// server is one that plays a part of its own on each connection, from 1, but that of Weir, which only reads the greeting.
func server(t *testing.T, plays func(n int) pt.Step) *pt.Server {
	t.Helper()
	return pt.NewServer(t, func(n int) []pt.Step {
		if n == 0 {
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
		}
		return []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), plays(n)}
	})
}

// TestRoleMovesAtLogin: a session whose server has another role by the time that it is connected ends as if it had been there
// before.
func TestRoleMovesAtLogin(t *testing.T) {
	asked, moved := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(moved) })
	t.Cleanup(release)
	slow := server(t, func(n int) pt.Step {
		return func(c *pt.Conn) error {
			if n > 1 {
				close(asked)
				<-moved
			}
			return pt.Script(pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}), pipelinetest.AnswerOK())(c)
		}
	})
	f := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{slow.Addr, named(t, "db2").Addr},
		Target: watching(t, func(c *connection.Config) {
			c.Roles = []string{"primary"}
			in(&pipelinetest.Front{Servers: c.Servers}, primary, replica)
		}),
	})
	before, c := f.Session(), f.Dial()
	login := protocol.Login{User: pipelinetest.User, Capabilities: pt.MariaDB().Capabilities}
	c.Run(t, pt.ReadGreeting(), pt.SendLogin(login, pipelinetest.Password))
	<-asked
	in(f, replica, primary)
	before.Run(t, unasked("db1", demoted)) // all sessions there are have been told
	release()
	c.Run(t, pt.FinishLogin(pipelinetest.Password), unasked("db1", demoted))
}

// TestGreetingOfServersUp: what clients are greeted with is what the servers can do that are up. Where all are known to be
// down, one of them may be up again.
func TestGreetingOfServersUp(t *testing.T) {
	mariadb := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	mysql := pipelinetest.Backend(t, pt.MySQL(), pipelinetest.AnswerOK())
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: []string{mariadb.Addr, mysql.Addr}, Target: watching(t, nil)})
	f.Session().Run(t, pt.Query("x"), pt.ExpectOK())
	const theirs = protocol.MariaDBClientProgress | protocol.ClientQueryAttributes
	for _, tt := range []struct {
		mariadb, mysql pipeline.ServerState
		want           protocol.Capability
	}{
		{primary, replica, 0},
		{primary, down, protocol.MariaDBClientProgress},
		{down, primary, protocol.ClientQueryAttributes},
		{down, down, 0},
	} {
		in(f, tt.mariadb, tt.mysql)
		c := f.Dial()
		c.Run(t, pt.ReadGreeting())
		if got := c.Greeting.Capabilities & theirs; got != tt.want {
			t.Errorf("with the servers up %v and %v, clients are offered %v, want %v", tt.mariadb.Up, tt.mysql.Up, got, tt.want)
		}
	}
}

// TestOwnError: a client is told what the servers say that have been asked for it, also where others were not asked since
// they are not what it wants.
func TestOwnError(t *testing.T) {
	for _, other := range []pipeline.ServerState{replica, down} {
		unknown := server(t, func(int) pt.Step {
			return pt.ReplyError(protocol.ErBadDB, "42000", "Unknown database 'shop'")
		})
		f := pipelinetest.NewFront(t, pipelinetest.Options{
			Servers: []string{unknown.Addr, named(t, "db2").Addr},
			Target: watching(t, func(c *connection.Config) {
				c.Roles = []string{"primary"}
				in(&pipelinetest.Front{Servers: c.Servers}, primary, other)
			}),
		})
		err := pt.Login(pipelinetest.User, pipelinetest.Password)(f.Dial())
		if err == nil || !strings.Contains(err.Error(), "ERROR 1049 (42000): Unknown database 'shop'") || strings.Contains(err.Error(), "1429") {
			t.Errorf("the client is told %v", err)
		}
	}
}

// TestSuspectLast: a server that could not be reached a short while ago is not tried again before others of its role, of
// whatever rank they are.
func TestSuspectLast(t *testing.T) {
	gone := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	f := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{gone.Addr, named(t, "db2").Addr},
		Target: watching(t, func(c *connection.Config) {
			c.Servers[1].Config.Rank = 2
		}),
	})
	f.Session().Run(t, pt.Query("SELECT 1"), pt.ExpectOK()) // of db1, which comes first
	gone.Close()
	start := time.Now()
	for range 3 {
		f.Session().Run(t, on("db2"))
	}
	if n := strings.Count(f.Log.String(), "server passed over"); n != 1 && time.Since(start) < 5*time.Second { // or it was long ago
		t.Errorf("the server that is gone was tried %d times\n%s", n, f.Log.String())
	}
}
