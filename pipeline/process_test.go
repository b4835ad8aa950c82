package pipeline_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
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

// running is a process under test.
type running struct {
	t    *testing.T
	addr string
	log  *logBuffer
	stop func() // ends the process and waits for it
}

// logBuffer is what has been logged so far.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits for text to be logged.
func (l *logBuffer) await(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(l.String(), text) }, func() string {
		return "not logged: " + text + "\n" + l.String()
	})
}

// eventually polls for a condition that nothing announces.
func eventually(t *testing.T, ok func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise())
		}
	}
}

// options change the process that run starts.
type options struct {
	filters  []pipeline.Filter
	listener func(*pipeline.ListenerConfig)
	shutdown time.Duration
	users    []pipeline.UserConfig
}

func user(name, password string) pipeline.UserConfig {
	return pipeline.UserConfig{Name: name, Host: "%", Password: password}
}

// run starts a process with one listener in front of the server at address.
func run(t *testing.T, address string, o options) *running {
	t.Helper()
	r := &running{t: t, log: &logBuffer{}}
	config := pipeline.ProcessDefaults
	config.Workers = 2
	if o.shutdown > 0 {
		config.ShutdownTimeout = o.shutdown
	}
	p := &pipeline.Process{
		Config: config, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	sc := pipeline.ServerDefaults
	sc.Name, sc.Address = "db1", address
	server, err := pipeline.NewServer(sc)
	if err != nil {
		t.Fatal(err)
	}
	if o.users == nil {
		o.users = []pipeline.UserConfig{user("app", "secret"), user("other", "2nd"), user("nobody", "")}
	}
	accounts, err := pipeline.NewAccounts(pipeline.AccountsConfig{Name: "main", Users: o.users})
	if err != nil {
		t.Fatal(err)
	}
	lc := pipeline.ListenerDefaults
	lc.Name, lc.Address, lc.Accounts = "app", "127.0.0.1:0", accounts
	lc.Pipeline = pipeline.NewPipeline("app", o.filters, single{server})
	if o.listener != nil {
		o.listener(&lc)
	}
	l, err := pipeline.NewListener(lc)
	if err != nil {
		t.Fatal(err)
	}
	p.Listeners = []*pipeline.Listener{l}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the process does not stop")
		}
	})
	t.Cleanup(r.stop)
	r.log.await(t, "msg=listening")
	r.addr = l.Addr().String()
	return r
}

// session is a client that has logged in.
func (r *running) session() *pt.Conn {
	r.t.Helper()
	c := pt.Dial(r.t, r.addr)
	c.Run(r.t, pt.Login("app", "secret"))
	return c
}

// serving starts a fake server that lets everybody in and then plays steps on each connection.
func serving(t *testing.T, steps ...pt.Step) *pt.Server {
	t.Helper()
	return servingAs(t, pt.MariaDB(), steps...)
}

// servingAs is serving with a greeting. A connection that only reads it, as Weir makes the first, is no error.
func servingAs(t *testing.T, g protocol.Greeting, steps ...pt.Step) *pt.Server {
	t.Helper()
	return pt.NewServer(t, func(n int) []pt.Step {
		if n == 0 {
			return []pt.Step{pt.Greet(g), pt.ExpectClosed()}
		}
		return append([]pt.Step{pt.Greet(g), pt.AcceptLogin()}, steps...)
	})
}

// answerOK is a server that answers everything by OK.
func answerOK() pt.Step {
	return pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		ok := protocol.OK{Status: protocol.StatusAutocommit}
		return [][]byte{ok.Append(nil, c.Caps)}
	}))
}

// descriptors counts the descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
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
