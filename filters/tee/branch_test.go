package tee

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// one is a target with one server.
type one struct{ srv *pipeline.Server }

func (o one) Open(s *pipeline.Session) (pipeline.Handler, error) { return s.Connect(o.srv) }

func (o one) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, []*pipeline.Server{o.srv})
}

// A front is a process with the filter between a main server and a branch's.
type front struct {
	*pipelinetest.Front
	tee pair
}

// start starts a process that copies what goes to the first server to the second.
func start(t *testing.T, main, branch *pt.Server, change ...func(*Config)) *front {
	t.Helper()
	c := pipeline.ServerDefaults
	c.Name, c.Address, c.ConnectTimeout = "db2", branch.Addr, 5*time.Second
	srv, err := pipeline.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{tee: pair{t: t}}
	f.tee.Process = pipelinetest.Start(t, Kind, settings(pipeline.NewPipeline("shadow", nil, one{srv}), change...))
	f.Front = pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{main.Addr},
		Target:  func(servers []*pipeline.Server) pipeline.Target { return one{servers[0]} },
		Filters: []pipeline.Filter{f.tee.Filter},
	})
	return f
}

// await waits until a figure has a value.
func (f *front) await(name string, want int) {
	f.tee.t.Helper()
	pipelinetest.Eventually(f.tee.t, func() bool { return f.tee.figure(name) == want }, func() string {
		return fmt.Sprintf("%s is %d, want %d\n%s\n%s", name, f.tee.figure(name), want, f.Log, f.tee.Log)
	})
}

// stop stops process and filter and checks that all has come to an end.
func (f *front) stop() {
	f.tee.t.Helper()
	f.Stop()
	f.tee.Stop()
	f.tee.figures(map[string]int{"branch_sessions": 0, "queue_statements": 0, "queue_bytes": 0})
}

// A record notes what a server is asked, by connection.
type record struct {
	mu  sync.Mutex
	all []string
}

func (r *record) add(command []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, protocol.CommandName(command[0])+" "+string(command[1:]))
}

func (r *record) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.all...)
}

// ok is a server that notes what it is asked and answers by OK, from the login on as pipelinetest.Backend does.
func (r *record) ok() pt.Step {
	return pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		r.add(command)
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		ok := protocol.OK{Status: protocol.StatusAutocommit}
		return [][]byte{ok.Append(nil, c.Caps)}
	}))
}

// serving is a server that plays steps on each connection but the first, which only asks for its greeting.
func serving(t *testing.T, g protocol.Greeting, steps ...pt.Step) *pt.Server {
	t.Helper()
	return pt.NewServer(t, func(n int) []pt.Step {
		if n == 0 {
			return []pt.Step{pt.Greet(g), pt.ExpectClosed()}
		}
		return append([]pt.Step{pt.Greet(g)}, steps...)
	})
}

func answering(t *testing.T) *pt.Server {
	t.Helper()
	return pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
}

// talk has a client do n statements, each of which must be answered at once.
func talk(t *testing.T, c *pt.Conn, n int) {
	t.Helper()
	for i := range n {
		c.Run(t, pt.Query(fmt.Sprintf("INSERT %d", i)), pt.ExpectOK())
	}
}

// TestOwnConnection: the branch has a login, a server and an order of its own.
func TestOwnConnection(t *testing.T) {
	before, descriptors := pipelinetest.Goroutines(), pipelinetest.Descriptors(t)
	var got record
	branch := serving(t, pt.MySQL(), pt.CheckLogin("copy", "other"), got.ok())
	main := answering(t)
	f := start(t, main, branch, func(c *Config) { c.TargetUser, c.TargetPassword = "copy", "other" })
	c := f.Session()
	talk(t, c, 5)
	if c.Greeting.Capabilities&protocol.MariaDBClientProgress == 0 {
		t.Error("the client is not offered what the main server can do")
	}
	c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	f.await("branch_sessions", 0)
	want := []string{
		"COM_QUERY INSERT 0", "COM_QUERY INSERT 1", "COM_QUERY INSERT 2", "COM_QUERY INSERT 3", "COM_QUERY INSERT 4",
	}
	if diff := cmp.Diff(want, got.list()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.tee.figures(map[string]int{"sent_statements_total": 5, "dropped_statements_total": 0, "unfaithful_sessions_total": 0})
	f.stop()
	_ = c.Close()
	main.Close()
	branch.Close()
	pipelinetest.NothingLeft(t, before, descriptors)
}

// TestBadBranches: whatever the branch's server does, the client has its answers, and nothing is left.
func TestBadBranches(t *testing.T) {
	login := func(steps ...pt.Step) []pt.Step {
		return append([]pt.Step{pt.Greet(pt.MariaDB()), pt.AcceptLogin()}, steps...)
	}
	command := func(c *pt.Conn) error { _, err := c.ReadCommand(); return err }
	const n = 20
	for name, b := range map[string]struct {
		steps   []pt.Step
		figures map[string]int // at the end
		log     string
	}{
		"refuses the login": {
			[]pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), pt.Packet(2, (&protocol.SQLError{
				Code: 1045, State: "28000", Message: "Access denied",
			}).Append(nil))},
			map[string]int{"branch_failures_total": 1, "dropped_statements_total": n},
			"Access denied",
		},
		"does not greet": {
			[]pt.Step{pt.Silence()},
			map[string]int{"branch_failures_total": 1, "dropped_statements_total": n},
			"could not be opened",
		},
		"hangs in the login": {
			[]pt.Step{pt.Greet(pt.MariaDB()), pt.Silence()},
			map[string]int{"branch_failures_total": 1, "dropped_statements_total": n},
			"could not be opened",
		},
		"hangs": {
			login(pt.Silence()),
			map[string]int{"branch_losses_total": 1, "dropped_statements_total": n},
			"its branch was lost",
		},
		"resets the connection": {
			login(command, pt.Reset()),
			map[string]int{"branch_losses_total": 1, "dropped_statements_total": n},
			"branch lost",
		},
		"closes after one": {
			login(command, pt.Reply([]byte{0, 0, 0, 2, 0, 0, 0}), command, pt.Close()),
			map[string]int{"branch_losses_total": 1, "dropped_statements_total": n - 1, "sent_statements_total": 1},
			"branch lost",
		},
		"talks nonsense": {
			login(command, pt.Raw([]byte("nonsense, and more of it"))),
			map[string]int{"branch_losses_total": 1, "dropped_statements_total": n},
			"branch lost",
		},
		"is in error": {
			login(pt.Repeat(pt.Answer(func(_ *pt.Conn, command []byte) [][]byte {
				if command[0] == protocol.ComQuit {
					return nil
				}
				return [][]byte{(&protocol.SQLError{Code: 1290, State: "HY000", Message: "read-only"}).Append(nil)}
			}))),
			map[string]int{"branch_losses_total": 0, "dropped_statements_total": 0, "sent_statements_total": n},
			"failed in the branch alone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for its grace
			main := answering(t)
			branch := pt.NewServer(t, func(i int) []pt.Step {
				if i == 0 && name != "does not greet" {
					return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
				}
				return b.steps
			})
			f := start(t, main, branch, func(c *Config) { c.Grace = 300 * time.Millisecond })
			c := f.Session()
			began := time.Now()
			talk(t, c, n)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%d statements took %v", n, took)
			}
			c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
			f.await("branch_sessions", 0)
			f.tee.figures(b.figures)
			f.tee.figures(map[string]int{"unfaithful_sessions_total": 1})
			f.stop()
			if log := f.tee.Log.String(); !strings.Contains(log, b.log) || !strings.Contains(log, "faithful=false") {
				t.Errorf("%q is not in the log:\n%s", b.log, log)
			}
		})
	}
}

// TestDeadBranch: no server is there at all.
func TestDeadBranch(t *testing.T) {
	main, branch := answering(t), answering(t)
	branch.Close()
	f := start(t, main, branch)
	for range 3 {
		c := f.Session()
		talk(t, c, 5)
		_ = c.Close()
	}
	f.await("branch_failures_total", 3)
	f.await("dropped_statements_total", 15)
	f.stop()
}

// TestOverflow: what has no room in the queue is lost, the rest goes on in order, and memory is bounded.
func TestOverflow(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"statements": func(c *Config) { c.QueueStatements = 10 },
		"bytes":      func(c *Config) { c.QueueBytes = minQueue },
		"total":      func(c *Config) { c.QueueBytes, c.TotalBytes = minQueue, minQueue },
	} {
		t.Run(name, func(t *testing.T) {
			var got record
			release := make(chan struct{})
			f := start(t, answering(t), slow(t, &got, release), change)
			c := f.Session()
			const n = 500
			talk(t, c, n)
			waiting := func() int { return f.tee.figure("queue_statements") }
			pipelinetest.Eventually(t, func() bool { // the last one is copied when it has been answered
				return waiting()+f.tee.figure("dropped_statements_total") == n
			}, func() string { return fmt.Sprintf("%d statements wait", waiting()) })
			lost := f.tee.figure("dropped_statements_total")
			if lost == 0 || lost > n-10 {
				t.Errorf("%d of %d statements were lost", lost, n)
			}
			if held := f.tee.figure("queue_bytes"); held == 0 || held > minQueue+sizes[piece] {
				t.Errorf("the queue takes %d bytes", held)
			}
			close(release)
			f.await("sent_statements_total", n-lost)
			talk(t, c, 1)
			f.await("sent_statements_total", n-lost+1)
			for i, s := range got.list() {
				if want := fmt.Sprintf("COM_QUERY INSERT %d", i); i < n-lost && s != want {
					t.Fatalf("statement %d is %s", i, s)
				}
			}
			f.tee.figures(map[string]int{"unfaithful_sessions_total": 1, "dropped_statements_total": lost})
			f.stop()
		})
	}
}

// slow is a server that lets nobody in before release is closed.
func slow(t *testing.T, got *record, release <-chan struct{}) *pt.Server {
	t.Helper()
	return serving(t, pt.MariaDB(), func(*pt.Conn) error { <-release; return nil }, pt.AcceptLogin(), got.ok())
}

// TestClientLeaves: the branch serves what is queued, however the client goes.
func TestClientLeaves(t *testing.T) {
	for name, leave := range map[string]func(*pt.Conn) error{
		"politely": pt.Send(protocol.ComQuit, ""), "not": pt.Close(), "with a reset": pt.Reset(),
	} {
		t.Run(name, func(t *testing.T) {
			var got record
			release := make(chan struct{})
			f := start(t, answering(t), slow(t, &got, release))
			c := f.Session()
			talk(t, c, 50)
			if err := leave(c); err != nil {
				t.Fatal(err)
			}
			close(release)
			f.await("branch_sessions", 0)
			f.tee.figures(map[string]int{"sent_statements_total": 50, "dropped_statements_total": 0, "unfaithful_sessions_total": 0})
			f.stop()
		})
	}
}

// TestShutdown: the process waits for branches as it does for sessions, but not for ever.
func TestShutdown(t *testing.T) {
	t.Run("that has time", func(t *testing.T) {
		var got record
		release := make(chan struct{})
		f := start(t, answering(t), slow(t, &got, release))
		c := f.Session()
		talk(t, c, 50)
		time.AfterFunc(50*time.Millisecond, func() { close(release) })
		f.stop()
		f.tee.figures(map[string]int{"sent_statements_total": 50, "dropped_statements_total": 0})
	})
	t.Run("that has none", func(t *testing.T) {
		branch := serving(t, pt.MariaDB(), pt.AcceptLogin(), pt.Silence())
		f := start(t, answering(t), branch, func(c *Config) { c.Grace = 200 * time.Millisecond })
		c := f.Session()
		talk(t, c, 50)
		began := time.Now()
		f.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		f.tee.figures(map[string]int{"dropped_statements_total": 50})
	})
}

// TestReset: a session that is reset has a new branch, which begins when the old one is done.
func TestReset(t *testing.T) {
	var got record
	release := make(chan struct{})
	f := start(t, answering(t), slow(t, &got, release))
	c := f.Session()
	c.Run(t, pt.Query("A"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), pt.Query("B"), pt.ExpectOK(),
		pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), pt.Query("C"), pt.ExpectOK())
	close(release)
	f.await("sent_statements_total", 3)
	c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	f.await("branch_sessions", 0)
	want := []string{"COM_QUERY A", "COM_QUERY B", "COM_QUERY C"}
	if diff := cmp.Diff(want, got.list()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.tee.figures(map[string]int{"unfaithful_sessions_total": 0, "dropped_statements_total": 0})
	f.stop()
}

// TestMovingSessions: branches go where their sessions go.
func TestManySessions(t *testing.T) {
	f := start(t, answering(t), answering(t), comparing)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 3 {
				c := f.Session()
				for i := range 50 {
					if err := pt.Script(pt.Query(fmt.Sprintf("INSERT %d", i)), pt.ExpectOK())(c); err != nil {
						t.Error(err)
						return
					}
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	f.await("branch_sessions", 0)
	f.tee.figures(map[string]int{
		"sent_statements_total": 3000, "compared_statements_total": 3000, "differences_total": 0,
		"dropped_statements_total": 0, "unfaithful_sessions_total": 0,
	})
	f.stop()
}

// TestNothingKept: what was being copied when a session or its branch came to a bad end is given back.
func TestNothingKept(t *testing.T) {
	text := []byte(strings.Repeat("x", 3*sizes[piece]))
	t.Run("panic in the main pipeline", func(t *testing.T) {
		p := session(t, caps, caps)
		reads := pipeline.HandlerFunc(func(_ context.Context, _ pipeline.ReplyWriter, c *pipeline.Command) error {
			_, _ = c.Body.Next()
			panic("on purpose")
		})
		s := pipeline.Detached(pipelinetest.Session(1<<31 + 8))
		h, err := p.Filter.Open(s, reads)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = h.Serve(t.Context(), new(pipelinetest.Recorder), pipelinetest.Long(protocol.ComQuery, text, sizes[piece]))
		}()
		s.Close()
		if held := p.Filter.(*Filter).store.held.Load(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	})
	t.Run("panic when it is compared", func(t *testing.T) {
		p := session(t, caps, caps, comparing)
		p.Filter.(*Filter).digests = (*digests)(nil)
		p.ok(protocol.ComQuery, "SELECT 1")
		p.Filter.(*Filter).digests = new(digests)
		p.Filter.(*Filter).reports = nil // it panics with a difference
		p.send(protocol.ComQuery, "SELECT 1", pipelinetest.Rows(1), pipelinetest.Rows(2))
		if held := p.Filter.(*Filter).store.held.Load(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
		p.Filter.(*Filter).reports = newReports(slog.New(slog.DiscardHandler))
	})
	t.Run("branch lost in mid-command", func(t *testing.T) {
		p := session(t, caps, caps)
		var l *link
		reads := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
			for i := 0; ; i++ {
				if _, err := c.Body.Next(); err != nil {
					return w.WriteReply(&pipelinetest.OK(0, 0)[0])
				}
				if i == 0 {
					l.feed.End(errors.New("on purpose"))
				}
				if held := p.Filter.(*Filter).store.held.Load(); held != 0 {
					t.Errorf("%d bytes are held", held)
				}
			}
		})
		h, err := p.Filter.Open(pipeline.Detached(pipelinetest.Session(1<<31+8)), reads)
		if err != nil {
			t.Fatal(err)
		}
		l = h.(*link)
		if err := l.Serve(t.Context(), new(pipelinetest.Recorder), pipelinetest.Long(protocol.ComQuery, text, sizes[piece])); err != nil {
			t.Fatal(err)
		}
	})
}
