package pipeline_test

import (
	"context"
	"net"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// single is the least router there can be: every session gets a connection to the one server.
type single struct{ server *pipeline.Server }

func (r single) Open(s *pipeline.Session) (pipeline.Handler, error) { return s.Connect(r.server) }

func (r single) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, []*pipeline.Server{r.server})
}

// filter makes a Filter of a function.
type filter func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error)

func (f filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return f(s, next)
}

// secrets are the users of most tests.
var secrets = []pipeline.UserConfig{user("app", "secret"), user("other", "2nd"), user("nobody", "")}

func user(name, password string) pipeline.UserConfig {
	return pipeline.UserConfig{Name: name, Host: "%", Password: password}
}

// run starts a process in front of the server at address.
func run(t *testing.T, address string, o pipelinetest.Options) *pipelinetest.Front {
	t.Helper()
	o.Servers = []string{address}
	if o.Target == nil {
		o.Target = func(servers []*pipeline.Server) pipeline.Target { return single{servers[0]} }
	}
	if o.Users == nil {
		o.Users = secrets
	}
	return pipelinetest.NewFront(t, o)
}

// serving starts a scripted MariaDB that lets everybody in and then plays steps on each connection.
func serving(t *testing.T, steps ...pt.Step) *pt.Server {
	t.Helper()
	return pipelinetest.Backend(t, pt.MariaDB(), steps...)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
