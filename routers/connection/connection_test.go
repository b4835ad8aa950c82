package connection_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/connection"
)

// target is a router with its default settings, whose servers' states nobody changes.
func target(servers []*pipeline.Server) pipeline.Target {
	c := connection.Defaults
	c.Servers = servers
	t, err := connection.New(c, pipeline.Env{OnStart: func(func() error) {}, OnStop: func(func()) {}})
	if err != nil {
		panic(err)
	}
	return t
}

func TestRouter(t *testing.T) { pipelinetest.TestRouter(t, target) }

func TestSettings(t *testing.T) {
	c := pipeline.ServerDefaults
	c.Name, c.Address = "db1", "127.0.0.1:1"
	one, err := pipeline.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change  func(c *connection.Config)
		setting string
	}{
		"no server":         {func(c *connection.Config) { c.Servers = nil }, "servers"},
		"a server twice":    {func(c *connection.Config) { c.Servers = []*pipeline.Server{one, one} }, "servers"},
		"no role":           {func(c *connection.Config) { c.Roles = nil }, "roles"},
		"an unknown role":   {func(c *connection.Config) { c.Roles = []string{"master"} }, "roles"},
		"a role twice":      {func(c *connection.Config) { c.Roles = []string{"any", "any"} }, "roles"},
		"a negative lag":    {func(c *connection.Config) { c.MaxLag = -1 }, "max_lag"},
		"an unknown change": {func(c *connection.Config) { c.OnRoleChange = "drop" }, "on_role_change"},
	} {
		config := connection.Defaults
		config.Servers = []*pipeline.Server{one}
		tt.change(&config)
		_, err := connection.New(config, pipeline.Env{})
		if invalid := (*pipeline.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Setting != tt.setting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpread: sessions go where the fewest are for the server's weight, and come back to where some have left.
func TestSpread(t *testing.T) {
	var addrs []string
	for range 3 {
		addrs = append(addrs, pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK()).Addr)
	}
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: addrs, Weights: []int{1, 2, 1}, Target: target})
	links := func() []int64 {
		var all []int64
		for _, srv := range f.Servers {
			all = append(all, srv.Links())
		}
		return all
	}
	// on holds the sessions by their server, which is the one whose count went up.
	on := make([][]*pt.Conn, 3)
	open := func() {
		before := links()
		c := f.Session()
		for i, n := range links() {
			if n > before[i] {
				on[i] = append(on[i], c)
			}
		}
	}
	for range 12 {
		open()
	}
	if diff := cmp.Diff([]int64{3, 6, 3}, links()); diff != "" {
		t.Fatalf("connections of the servers (-want +got):\n%s", diff)
	}
	leave := func(server int, want ...int64) {
		t.Helper()
		for _, c := range on[server] {
			_ = c.Close()
		}
		on[server] = nil
		pipelinetest.Eventually(t, func() bool { return slices.Equal(links(), want) }, func() string {
			return fmt.Sprintf("the servers have %d connections, want %d", links(), want)
		})
	}
	leave(2, 3, 6, 0)
	for range 3 {
		open()
	}
	if diff := cmp.Diff([]int64{3, 6, 3}, links()); diff != "" {
		t.Errorf("connections after some left and others came (-want +got):\n%s", diff)
	}
	leave(0, 0, 6, 3)
	leave(1, 0, 0, 3)
	leave(2, 0, 0, 0)
}

// TestNextServer: a server that refuses, or is not there, is passed over, and the operator reads of it.
func TestNextServer(t *testing.T) {
	full := pt.NewServer(t, func(n int) []pt.Step {
		if n == 0 {
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
		}
		return []pt.Step{pt.Packet(0, (&protocol.SQLError{Code: 1040, Message: "Too many connections"}).Append(nil))}
	})
	good := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: []string{full.Addr, good.Addr}, Target: target})
	f.Session().Run(t, pt.Query("x"), pt.ExpectOK())
	f.AwaitLog("Too many connections")
	f.AwaitLog("instead=db2")
	good.Close()
	err := pt.Login(pipelinetest.User, pipelinetest.Password)(f.Dial())
	if err == nil || !strings.Contains(err.Error(), "Can't connect to any server: db") ||
		!strings.Contains(err.Error(), "db1: ERROR 1040") || !strings.Contains(err.Error(), "db2: connect: connection refused") {
		t.Errorf("the client is told %v", err)
	}
}

// TestMixedServers: sessions get what all servers can do.
func TestMixedServers(t *testing.T) {
	mariadb := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	mysql := pipelinetest.Backend(t, pt.MySQL(), pipelinetest.AnswerOK())
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: []string{mariadb.Addr, mysql.Addr}, Target: target})
	for range 4 {
		c := f.Session()
		c.Run(t, pt.Query("x"), pt.ExpectOK())
		if extra := c.Greeting.Capabilities & (protocol.ClientQueryAttributes | protocol.MariaDBClientProgress); extra != 0 {
			t.Fatalf("offered %v, which only one server can do", extra)
		}
	}
	if f.Servers[0].Links() != 2 || f.Servers[1].Links() != 2 {
		t.Errorf("%d and %d connections", f.Servers[0].Links(), f.Servers[1].Links())
	}
}
