package pipelinetest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/protocoltest"
)

// User and Password log in at a Front whose options name nobody else.
const (
	User     = "app"
	Password = "secret"
)

// Options are what a Front is made of. Zero values stand for the defaults of a configuration file.
type Options struct {
	// Servers are the addresses of servers db1, db2 and so on.
	Servers []string
	// Weights are the servers' weights, where they are not 1.
	Weights []int
	// Target makes the end of the pipeline.
	Target  func(servers []*pipeline.Server) pipeline.Target
	Filters []pipeline.Filter
	// Listener may change the listener's settings.
	Listener        func(*pipeline.ListenerConfig)
	Users           []pipeline.UserConfig
	ShutdownTimeout time.Duration
	// Process may change the process before it runs.
	Process func(*pipeline.Process)
}

// A Front is a process that runs, with one listener.
type Front struct {
	// Addr is what clients dial.
	Addr    string
	Log     *Log
	Servers []*pipeline.Server
	Process *pipeline.Process
	// Stop shuts the process down and waits for its end. The test's end does so too.
	Stop func()

	t testing.TB
}

// NewFront starts a process with two workers, over which sessions are spread evenly.
func NewFront(t testing.TB, o Options) *Front {
	t.Helper()
	f := &Front{t: t, Log: &Log{}}
	for i, address := range o.Servers {
		c := pipeline.ServerDefaults
		c.Name, c.Address = fmt.Sprintf("db%d", i+1), address
		if i < len(o.Weights) {
			c.Weight = o.Weights[i]
		}
		f.Servers = append(f.Servers, must(pipeline.NewServer(c))(t))
	}
	if o.Users == nil {
		o.Users = []pipeline.UserConfig{{Name: User, Host: "%", Password: Password}}
	}
	c := pipeline.ListenerDefaults
	c.Name, c.Address = "app", "127.0.0.1:0"
	c.Accounts = must(pipeline.NewAccounts(pipeline.AccountsConfig{Name: "main", Users: o.Users}))(t)
	c.Pipeline = pipeline.NewPipeline("app", o.Filters, o.Target(f.Servers))
	if o.Listener != nil {
		o.Listener(&c)
	}
	l := must(pipeline.NewListener(c))(t)
	p := &pipeline.Process{
		Config: pipeline.ProcessDefaults, Servers: f.Servers, Listeners: []*pipeline.Listener{l},
		Log: slog.New(slog.NewTextHandler(f.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	f.Process = p
	p.Config.Workers, p.Config.WorkerLoad = 2, 0
	if o.ShutdownTimeout > 0 {
		p.Config.ShutdownTimeout = o.ShutdownTimeout
	}
	if o.Process != nil {
		o.Process(p)
	}
	f.start(p)
	f.Addr = l.Addr().String()
	return f
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (f *Front) start(p *pipeline.Process) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	f.Stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				f.t.Error(err)
			}
		case <-time.After(protocoltest.Timeout):
			f.t.Error("the process does not stop")
		}
	})
	f.t.Cleanup(f.Stop)
	f.AwaitLog("msg=listening")
}

// AwaitLog waits for text to be logged.
func (f *Front) AwaitLog(text string) {
	f.t.Helper()
	Eventually(f.t, func() bool { return strings.Contains(f.Log.String(), text) }, func() string {
		return "not logged: " + text + "\n" + f.Log.String()
	})
}

// Dial connects a client that has not logged in.
func (f *Front) Dial() *protocoltest.Conn {
	f.t.Helper()
	return protocoltest.Dial(f.t, f.Addr)
}

// Session is a client that has logged in as User.
func (f *Front) Session() *protocoltest.Conn {
	f.t.Helper()
	c := f.Dial()
	c.Run(f.t, protocoltest.Login(User, Password))
	return c
}

// Eventually polls for a condition that nothing announces, and fails the test with a message where it does not come.
func Eventually(t testing.TB, ok func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(protocoltest.Timeout); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise())
		}
	}
}

// Backend starts a scripted server that lets everybody in and then plays steps on each connection, except the first:
// that is Weir's own, which only reads the greeting.
func Backend(t testing.TB, g protocol.Greeting, steps ...protocoltest.Step) *protocoltest.Server {
	t.Helper()
	return protocoltest.NewServer(t, func(n int) []protocoltest.Step {
		if n == 0 {
			return []protocoltest.Step{protocoltest.Greet(g), protocoltest.ExpectClosed()}
		}
		return append([]protocoltest.Step{protocoltest.Greet(g), protocoltest.AcceptLogin()}, steps...)
	})
}

// AnswerOK is a server that answers everything by OK.
func AnswerOK() protocoltest.Step {
	return protocoltest.Repeat(protocoltest.Answer(func(c *protocoltest.Conn, command []byte) [][]byte {
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		ok := protocol.OK{Status: protocol.StatusAutocommit}
		return [][]byte{ok.Append(nil, c.Caps)}
	}))
}
