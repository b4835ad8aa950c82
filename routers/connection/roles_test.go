package connection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/connection"
)

// States as a monitor tells them.
var (
	primary = pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Primary, Lag: pipeline.UnknownLag}
	replica = pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica}
	relay   = pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Relay}
	neither = pipeline.ServerState{Monitored: true, Up: true, Lag: pipeline.UnknownLag}
	down    = pipeline.ServerState{Monitored: true, Lag: pipeline.UnknownLag, Reason: "connection refused"}
)

func behind(lag time.Duration) pipeline.ServerState {
	st := replica
	st.Lag = lag
	return st
}

// watching makes routers that watch their servers until the test's end, with settings that change makes.
func watching(t *testing.T, change func(c *connection.Config)) func([]*pipeline.Server) pipeline.Target {
	t.Helper()
	return func(servers []*pipeline.Server) pipeline.Target {
		c := connection.Defaults
		c.Servers = servers
		if change != nil {
			change(&c)
		}
		r, err := connection.New(c, pipeline.Env{
			OnStart: func(f func() error) {
				if err := f(); err != nil {
					t.Error(err)
				}
			},
			OnStop: t.Cleanup,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// named is a server that answers every query by a row with its name, and begins and ends transactions.
func named(t *testing.T, name string) *pt.Server {
	t.Helper()
	return pipelinetest.Backend(t, pt.MariaDB(), func(c *pt.Conn) error {
		status := protocol.StatusAutocommit
		return pt.Repeat(func(c *pt.Conn) error {
			command, err := c.ReadCommand()
			if err != nil {
				return err
			}
			switch text := string(command[1:]); {
			case command[0] == protocol.ComQuit:
				return nil
			case text == "SELECT SLEEP(1000)":
				return pt.Silence()(c)
			case text == "BEGIN":
				status |= protocol.StatusInTrans
			case text == "COMMIT", command[0] == protocol.ComResetConnection:
				status &^= protocol.StatusInTrans
			case command[0] == protocol.ComQuery:
				rows := pt.Rows(c.Caps, []string{"server"}, []string{name})
				rows[len(rows)-1][3] = byte(status) // of an EOF packet as of an OK
				return pt.Reply(rows...)(c)
			}
			return pt.ReplyOK(protocol.OK{Status: status})(c)
		})(c)
	})
}

// pair starts the servers db1 and db2 with a router in front, whose settings change makes.
func pair(t *testing.T, change func(c *connection.Config)) *pipelinetest.Front {
	t.Helper()
	return pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{named(t, "db1").Addr, named(t, "db2").Addr}, Target: watching(t, change),
	})
}

// in has the servers be in these states.
func in(f *pipelinetest.Front, states ...pipeline.ServerState) {
	for i, st := range states {
		f.Servers[i].SetState(st)
	}
}

// on is what a session says that is on the server.
func on(server string) pt.Step {
	return pt.Script(pt.Query("SELECT 1"), pt.ExpectRows([]string{server}))
}

// TestRoles: new sessions go to servers of the first role wanted that there is one of, of the lowest rank.
func TestRoles(t *testing.T) {
	type states = []pipeline.ServerState
	tests := []struct {
		name   string
		roles  []string
		maxLag time.Duration
		ranks  []int
		states states
		want   string // server, or what the client is told
	}{
		{name: "primary", roles: []string{"primary"}, states: states{replica, primary}, want: "db2"},
		{name: "replica", roles: []string{"replica"}, states: states{primary, replica}, want: "db2"},
		{name: "a relay is a replica", roles: []string{"replica"}, states: states{primary, relay}, want: "db2"},
		{name: "any", roles: []string{"any"}, states: states{neither, down}, want: "db1"},
		{name: "any without a monitor", roles: []string{"any"}, want: "db1"},
		{name: "preferred", roles: []string{"replica", "primary"}, states: states{primary, replica}, want: "db2"},
		{name: "second choice", roles: []string{"replica", "primary"}, states: states{primary, down}, want: "db1"},
		{name: "any as the last choice", roles: []string{"primary", "any"}, states: states{neither, replica}, want: "db1"},
		{name: "rank", roles: []string{"any"}, ranks: []int{2, 1}, states: states{replica, replica}, want: "db2"},
		{name: "next rank", roles: []string{"any"}, ranks: []int{2, 1}, states: states{replica, down}, want: "db1"},
		{name: "role before rank", roles: []string{"primary", "replica"}, ranks: []int{2, 1}, states: states{primary, replica}, want: "db1"},
		{name: "max_lag", roles: []string{"replica"}, maxLag: time.Second, states: states{behind(time.Minute), behind(time.Second)}, want: "db2"},
		{
			name: "max_lag, primary else", roles: []string{"replica", "primary"}, maxLag: time.Second,
			states: states{primary, behind(pipeline.UnknownLag)}, want: "db1",
		},
		{
			name: "no primary", roles: []string{"primary"}, states: states{down, replica},
			want: "ERROR 1429 (08001): Can't connect to any server that is primary: " +
				"db1: it is down (connection refused); db2: it is a replica, 0s behind",
		},
		{
			name: "all lag", roles: []string{"replica"}, maxLag: time.Second, states: states{primary, behind(time.Minute)},
			want: "ERROR 1429 (08001): Can't connect to any server that is replica: " +
				"db1: it is the primary; db2: it is a replica, 1m0s behind, more than 1s",
		},
		{
			name: "nothing known", roles: []string{"primary", "replica"}, states: states{neither},
			want: "ERROR 1429 (08001): Can't connect to any server that is primary or replica: " +
				"db1: it is neither primary nor replica; db2: it is of unknown role, since no monitor watches it",
		},
		{
			name: "what a server said of the monitor's account", roles: []string{"primary"}, states: states{{
				Monitored: true, Up: true, Problem: pipeline.AccessDenied, Reason: "Access denied for user 'weir'@'10.0.0.5'",
			}, down},
			want: "ERROR 1429 (08001): Can't connect to any server that is primary: " +
				"db1: it is neither primary nor replica (access_denied); db2: it is down (connection refused)",
		},
		{
			name: "all down", roles: []string{"any"}, states: states{down, down},
			want: "ERROR 1429 (08001): Can't connect to any server: " +
				"db1: it is down (connection refused); db2: it is down (connection refused)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := pair(t, func(c *connection.Config) {
				c.Roles, c.MaxLag = tt.roles, tt.maxLag
				for i, rank := range tt.ranks {
					c.Servers[i].Config.Rank = rank
				}
			})
			in(f, tt.states...)
			c := f.Dial()
			err := pt.Login(pipelinetest.User, pipelinetest.Password)(c)
			if strings.HasPrefix(tt.want, "db") {
				if err != nil {
					t.Fatal(err)
				}
				c.Run(t, on(tt.want))
				return
			}
			if got := fmt.Sprint(err); !strings.HasSuffix(got, tt.want) {
				t.Errorf("the client is told %s", cmp.Diff(tt.want, got))
			}
		})
	}
}

// TestOutOfService: a server that an operator takes out gets no new sessions, with a monitor and without, and loses those
// it has when they come to rest, whatever the setting.
func TestOutOfService(t *testing.T) {
	for _, service := range []pipeline.Service{pipeline.Draining, pipeline.InMaintenance} {
		for _, change := range []string{"close", "idle", "keep"} {
			t.Run(service.String()+", "+change, func(t *testing.T) {
				f := pair(t, func(c *connection.Config) { c.OnRoleChange = change })
				idle, other, busy := f.Session(), f.Session(), f.Session()
				idle.Run(t, on("db1"))
				other.Run(t, on("db2"))
				busy.Run(t, on("db1"), pt.Query("BEGIN"), pt.ExpectOK())
				f.Servers[0].SetService(service)
				idle.Run(t, unasked("db1", "is "+describe(service)))
				for range 3 {
					f.Session().Run(t, on("db2"))
				}
				busy.Run(t, on("db1"), pt.Query("COMMIT"), pt.ExpectOK(), unasked("db1", "is "+describe(service)))
				other.Run(t, on("db2"))
				f.Servers[0].SetService(pipeline.InService)
				f.Session().Run(t, on("db1"))
			})
		}
	}
}

// TestBackInService: what an operator takes back costs no session that was still in a transaction.
func TestBackInService(t *testing.T) {
	f := pair(t, nil)
	busy := f.Session()
	busy.Run(t, on("db1"), pt.Query("BEGIN"), pt.ExpectOK())
	f.Servers[0].SetService(pipeline.Draining)
	f.Session().Run(t, on("db2"))
	f.Servers[0].SetService(pipeline.InService)
	f.Session().Run(t, on("db1"))
	busy.Run(t, on("db1"), pt.Query("COMMIT"), pt.ExpectOK(), on("db1"))
}

func describe(service pipeline.Service) string {
	if service == pipeline.InMaintenance {
		return "in maintenance"
	}
	return "draining"
}

// unasked is the end of an idle session by the router: the client will take it for the answer to its next command.
func unasked(server, why string) pt.Step {
	return func(c *pt.Conn) error { c.Seq = 1; return closed(server, why)(c) }
}

// closed is the end of a session by the router.
func closed(server, why string) pt.Step {
	return pt.Script(
		pt.ExpectError(protocol.ErServerShutdown, fmt.Sprintf("Connection closed: server %s %s", server, why)), pt.ExpectClosed())
}

const demoted = "is a replica, 0s behind now, and the session asked for primary"

// TestRoleMoves: what becomes of sessions whose server is no primary any more.
func TestRoleMoves(t *testing.T) {
	move := func(t *testing.T, change string) (f *pipelinetest.Front, idle, busy, running *pt.Conn) {
		t.Helper()
		f = pair(t, func(c *connection.Config) {
			c.Roles, c.OnRoleChange = []string{"primary"}, change
			in(&pipelinetest.Front{Servers: c.Servers}, primary, replica)
		})
		idle, busy, running = f.Session(), f.Session(), f.Session()
		idle.Run(t, on("db1"))
		busy.Run(t, pt.Query("BEGIN"), pt.ExpectOK())
		running.Run(t, pt.Query("SELECT SLEEP(1000)"))
		in(f, replica, primary)
		f.Session().Run(t, on("db2"))
		return f, idle, busy, running
	}
	t.Run("close", func(t *testing.T) {
		f, idle, busy, running := move(t, "close")
		for _, c := range []*pt.Conn{idle, busy} {
			c.Run(t, unasked("db1", demoted))
		}
		running.Run(t, closed("db1", demoted))
		f.AwaitLog("msg=\"session ended\"")
		if n := f.Servers[0].Links(); n != 0 {
			t.Errorf("the former primary has %d connections", n)
		}
	})
	t.Run("idle", func(t *testing.T) {
		_, idle, busy, _ := move(t, "idle")
		idle.Run(t, unasked("db1", demoted))
		busy.Run(t, on("db1"), on("db1"), pt.Query("COMMIT"), pt.ExpectOK(), unasked("db1", demoted))
	})
	t.Run("keep", func(t *testing.T) {
		f, idle, busy, _ := move(t, "keep")
		in(f, down)
		f.Session().Run(t, on("db2"))
		idle.Run(t, on("db1"))
		busy.Run(t, pt.Query("COMMIT"), pt.ExpectOK(), on("db1"))
	})
	t.Run("down", func(t *testing.T) {
		f, _, _, _ := move(t, "close")
		c := f.Session()
		c.Run(t, on("db2"))
		in(f, primary, down)
		c.Run(t, unasked("db2", "is down (connection refused)"))
	})
	t.Run("a second choice is as good as the first", func(t *testing.T) {
		f := pair(t, func(c *connection.Config) { c.Roles = []string{"replica", "primary"} })
		in(f, down, primary)
		c := f.Session()
		in(f, replica, primary)
		in(f, primary, replica)
		f.Session().Run(t, on("db2"))
		c.Run(t, on("db2"))
	})
}

// TestReset: a session that is reset has nothing to lose, and moves to where it should be.
func TestReset(t *testing.T) {
	f := pair(t, func(c *connection.Config) {
		c.Roles, c.OnRoleChange = []string{"primary"}, "idle"
		in(&pipelinetest.Front{Servers: c.Servers}, primary, replica)
	})
	c := f.Session()
	reset := pt.Script(pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	c.Run(t, on("db1"), reset, on("db1"), pt.Query("BEGIN"), pt.ExpectOK())
	in(f, replica, primary)
	c.Run(t, reset, on("db2"))
}

// TestManyMoves: sessions come and go while roles move, and none is left where it should not be.
func TestManyMoves(t *testing.T) {
	f := pair(t, func(c *connection.Config) {
		c.Roles = []string{"primary"}
		in(&pipelinetest.Front{Servers: c.Servers}, primary, replica)
	})
	for i := range 40 {
		var all []*pt.Conn
		for range 5 {
			all = append(all, f.Session())
		}
		states := []pipeline.ServerState{replica, primary}
		if i%2 == 1 {
			slices.Reverse(states)
		}
		in(f, states...)
		for _, c := range all {
			c.Run(t, pt.Silence())
		}
	}
	pipelinetest.Eventually(t, func() bool { return f.Servers[0].Links()+f.Servers[1].Links() == 0 }, func() string {
		return fmt.Sprintf("%d and %d connections are left", f.Servers[0].Links(), f.Servers[1].Links())
	})
}

func TestExplain(t *testing.T) {
	f := pair(t, nil)
	router := watching(t, func(c *connection.Config) { c.Roles = []string{"replica"} })(f.Servers).(pipeline.Explainer)
	s := pipeline.Detached(pipelinetest.Session(1))
	defer s.Close()
	c := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT 1"), pipelinetest.Caps)
	in(f, primary, replica)
	step, next := router.Explain(s, c)
	want := pipeline.Step{
		Step: "router connection", Does: "server db2", Why: "a session that begins now has all its statements there: " +
			"wanted is replica, and it is a replica, 0s behind, of rank 1, with 0 connections for a weight of 1",
	}
	if diff := cmp.Diff(want, step); diff != "" || next != c {
		t.Errorf("passes on %v; (-want +got):\n%s", next, diff)
	}
	in(f, primary, down)
	step, next = router.Explain(s, c)
	want = pipeline.Step{
		Step: "router connection", Does: "refuses the session", Why: "Can't connect to any server that is replica: " +
			"db1: it is the primary; db2: it is down (connection refused)",
	}
	if diff := cmp.Diff(want, step); diff != "" || next != nil {
		t.Errorf("passes on %v; (-want +got):\n%s", next, diff)
	}
}
