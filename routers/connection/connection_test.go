package connection_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/connection"
)

func target(servers []*pipeline.Server) pipeline.Target {
	t, err := connection.New(connection.Config{Servers: servers}, pipeline.Env{})
	if err != nil {
		panic(err)
	}
	return t
}

func TestRouter(t *testing.T) { pipelinetest.TestRouter(t, target) }

func TestSettings(t *testing.T) {
	one, err := pipeline.NewServer(pipeline.ServerConfig{Name: "db1", Address: "127.0.0.1:1", Weight: 1, ConnectTimeout: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, servers := range map[string][]*pipeline.Server{"no server": nil, "a server twice": {one, one}} {
		_, err := connection.New(connection.Config{Servers: servers}, pipeline.Env{})
		if invalid := (*pipeline.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Setting != "servers" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpread: sessions go where the fewest are for the server's weight, and come back to where some have left.
func TestSpread(t *testing.T) {
	var addrs []string
	var servers []*pt.Server
	for range 3 {
		srv := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
		servers, addrs = append(servers, srv), append(addrs, srv.Addr)
	}
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: addrs, Weights: []int{1, 2, 1}, Target: target})
	var first []*pt.Conn
	for range 12 {
		first = append(first, f.Session())
	}
	for i, want := range []int64{3, 6, 3} {
		if got := f.Servers[i].Links(); got != want {
			t.Errorf("server %d has %d connections, want %d", i+1, got, want)
		}
	}
	for _, c := range first {
		_ = c.Close()
	}
	pipelinetest.Eventually(t, func() bool {
		return f.Servers[0].Links()+f.Servers[1].Links()+f.Servers[2].Links() == 0
	}, func() string { return "connections of sessions that have ended are still counted" })
	_ = servers
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
