package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// A forker is a filter that forks each session and gives the branch each query.
type forker struct {
	target pipeline.Target
	config pipeline.BranchConfig

	mu    sync.Mutex
	feeds []*feed
}

func (f *forker) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	d := &feed{s: s}
	d.branch = s.Fork(f.target, f.config, d)
	s.OnClose(d.branch.Close)
	f.mu.Lock()
	f.feeds = append(f.feeds, d)
	f.mu.Unlock()
	return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
		if c.Com() == protocol.ComQuery {
			d.queue = append(d.queue, c.Clone())
			d.branch.Wake()
		}
		return next.Serve(ctx, w, c)
	}), nil
}

// ends are the errors the branches have ended with, all of those that have ended.
func (f *forker) ends() (all []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.feeds {
		if e := d.end.Load(); e != nil {
			all = append(all, e.error)
		}
	}
	return all
}

func (f *forker) await(t *testing.T, ended int) []error {
	t.Helper()
	pipelinetest.Eventually(t, func() bool { return len(f.ends()) == ended }, func() string {
		return fmt.Sprintf("%d branches have ended, want %d", len(f.ends()), ended)
	})
	return f.ends()
}

type feed struct {
	s      *pipeline.Session
	branch *pipeline.Branch
	queue  []*pipeline.Command
	end    atomic.Pointer[ending]
	served pipelinetest.Reply
}

type ending struct{ error }

func (d *feed) Next() (*pipeline.Command, pipeline.ReplyWriter) {
	if len(d.queue) == 0 {
		return nil, nil
	}
	c := d.queue[0]
	d.queue = d.queue[1:]
	return c, d
}

func (d *feed) End(err error) {
	if !d.end.CompareAndSwap(nil, &ending{err}) {
		panic("a feed has two ends")
	}
}

func (d *feed) WriteReply(p *protocol.Chunk) error {
	d.served = append(d.served, *p.Clone())
	return nil
}

// grace is time enough for what ends by itself.
var grace = pipeline.BranchConfig{Name: "shadow", Grace: 30 * time.Second}

// branchServer is a server for a branch, whose connections are all its own.
func branchServer(t *testing.T, g protocol.Greeting, steps ...pt.Step) (*pipeline.Server, *pt.Server) {
	t.Helper()
	srv := pipelinetest.Backend(t, g, steps...)
	c := pipeline.ServerDefaults
	c.Name, c.Address = "other", srv.Addr
	made, err := pipeline.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return made, srv
}

// TestForkCapabilities: the branch logs in with what both sides have, and as who it is told to.
func TestForkCapabilities(t *testing.T) {
	for name, greetings := range map[string][2]protocol.Greeting{
		"MariaDB, MySQL": {pt.MariaDB(), pt.MySQL()}, "MySQL, MariaDB": {pt.MySQL(), pt.MariaDB()},
	} {
		t.Run(name, func(t *testing.T) {
			logins := make(chan protocol.Login, 1)
			other := pt.NewServer(t, func(n int) []pt.Step {
				if n == 0 {
					return []pt.Step{pt.Greet(greetings[1]), pt.ExpectClosed()}
				}
				return []pt.Step{pt.Greet(greetings[1]), pt.CheckLogin("copy", "3rd"), func(c *pt.Conn) error {
					logins <- c.Login
					return nil
				}, pipelinetest.AnswerOK()}
			})
			config := pipeline.ServerDefaults
			config.Name, config.Address = "other", other.Addr
			srv, err := pipeline.NewServer(config)
			if err != nil {
				t.Fatal(err)
			}
			f := &forker{target: single{srv}, config: pipeline.BranchConfig{User: "copy", Password: "3rd", Grace: time.Minute}}
			main := pipelinetest.Backend(t, greetings[0], pipelinetest.AnswerOK())
			r := run(t, main.Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
			c := r.Session()
			c.Run(t, pt.Query("a"), pt.ExpectOK(), pt.Send(protocol.ComQuit, ""))
			if errs := f.await(t, 1); errs[0] != nil {
				t.Fatal(errs[0])
			}
			const one = protocol.ClientQueryAttributes | protocol.ClientOptionalResultsetMetadata |
				protocol.MariaDBClientProgress | protocol.MariaDBClientStmtBulkOperations
			if got := (<-logins).Capabilities & one; got != 0 {
				t.Errorf("the branch logged in with %v, which one side alone has", got)
			}
			if got, want := c.Greeting.Capabilities&one, greetings[0].Capabilities&one; got != want {
				t.Errorf("the client was offered %v, want %v", got, want)
			}
			if d := f.feeds[0]; d.branch.Session().User() != "copy" || d.s.User() != "app" || !d.branch.Session().Branch() || d.s.Branch() {
				t.Errorf("the branch is %s's", d.branch.Session().User())
			}
		})
	}
}

// TestForkWaitsAndPanics: what a filter of the branch does costs the branch alone.
func TestForkWaitsAndPanics(t *testing.T) {
	for name, p := range map[string]struct {
		do   func(s *pipeline.Session) error
		want string
	}{
		"do": {func(s *pipeline.Session) error {
			return s.Do(func() error { time.Sleep(time.Millisecond); return nil })
		}, ""},
		"sleep":      {func(s *pipeline.Session) error { return s.Sleep(time.Millisecond) }, ""},
		"error":      {func(*pipeline.Session) error { return errors.New("on purpose") }, "on purpose"},
		"panic":      {func(*pipeline.Session) error { panic("on purpose") }, "internal error"},
		"panic, do":  {func(s *pipeline.Session) error { return s.Do(func() error { panic("on purpose") }) }, "internal error"},
		"ever sleep": {func(s *pipeline.Session) error { return s.Sleep(time.Hour) }, "not done"},
	} {
		t.Run(name, func(t *testing.T) {
			before, descriptors := pipelinetest.Goroutines(), pipelinetest.Descriptors(t)
			srv, other := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
			target := pipeline.NewPipeline("shadow", []pipeline.Filter{
				serve(func(s *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if err := p.do(s); err != nil {
						return err
					}
					return next.Serve(context.Background(), w, c)
				}),
			}, single{srv})
			f := &forker{target: target, config: grace}
			if name == "ever sleep" {
				f.config.Grace = 100 * time.Millisecond
			}
			main := serving(t, pipelinetest.AnswerOK())
			r := run(t, main.Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
			c := r.Session()
			for range 5 {
				c.Run(t, pt.Query("a"), pt.ExpectOK())
			}
			_ = c.Close()
			err := f.await(t, 1)[0]
			if (err == nil) != (p.want == "") || err != nil && !strings.Contains(err.Error(), p.want) {
				t.Errorf("the branch ended with %v, want %q", err, p.want)
			}
			if d := f.feeds[0]; err == nil && len(d.served) != 5 {
				t.Errorf("%d replies", len(d.served))
			}
			r.Stop()
			main.Close()
			other.Close()
			pipelinetest.NothingLeft(t, before, descriptors)
		})
	}
}

// TestForkOfNoSession: a session that is refused after it was forked has no branch.
func TestForkOfNoSession(t *testing.T) {
	srv, other := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
	f := &forker{target: single{srv}, config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		filter(func(*pipeline.Session, pipeline.Handler) (pipeline.Handler, error) { return nil, errNotHere }), f,
	}})
	if err := pt.Login("app", "secret")(r.Dial()); err == nil {
		t.Error("logged in")
	}
	if err := f.await(t, 1)[0]; err != nil {
		t.Error(err)
	}
	r.Stop()
	if n := other.Accepted(); n != 0 {
		t.Errorf("%d connections to the branch's server", n)
	}
}

// TestForkOfFork: a branch may be forked.
func TestForkOfFork(t *testing.T) {
	first, _ := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
	second, _ := branchServer(t, pt.MySQL(), pipelinetest.AnswerOK())
	inner := &forker{target: single{second}, config: grace}
	outer := &forker{target: pipeline.NewPipeline("shadow", []pipeline.Filter{inner}, single{first}), config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{outer}})
	c := r.Session()
	for range 5 {
		c.Run(t, pt.Query("a"), pt.ExpectOK())
	}
	c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	for _, f := range []*forker{outer, inner} {
		if err := f.await(t, 1)[0]; err != nil || len(f.feeds[0].served) != 5 {
			t.Errorf("%d replies, %v", len(f.feeds[0].served), err)
		}
	}
	if a, b := inner.feeds[0].s.ID(), inner.feeds[0].branch.Session().ID(); a == b {
		t.Errorf("two sessions have the id %d", a)
	}
}

// TestForkFollowsItsSession: what a session becomes, its branch becomes too, one after the other.
func TestForkFollowsItsSession(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	srv, _ := branchServer(t, pt.MariaDB(), func(c *pt.Conn) error {
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, s)
		}
		note("login " + c.Login.User + " " + c.Login.Schema)
		defer note("logout " + c.Login.User)
		return pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
			note(string(bytes.TrimSpace(command)))
			ok := protocol.OK{}
			return [][]byte{ok.Append(nil, c.Caps)}
		}))(c)
	})
	f := &forker{target: single{srv}, config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
	c := r.Session()
	c.Run(t, pt.Query("a"), pt.ExpectOK(), changeUser("other", "2nd", "shop", protocol.NativePassword), pt.ExpectOK(),
		pt.Query("b"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), pt.Query("c"), pt.ExpectOK(),
		pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	for _, err := range f.await(t, 3) {
		if err != nil {
			t.Error(err)
		}
	}
	r.Stop()
	mu.Lock()
	defer mu.Unlock()
	var statements []string
	for _, s := range seen {
		if !strings.HasPrefix(s, "logout") { // the server may notice late
			statements = append(statements, s)
		}
	}
	want := []string{"login app ", "\x03a", "login other shop", "\x03b", "login other shop", "\x03c"}
	if diff := cmp.Diff(want, statements); diff != "" {
		t.Errorf("the branch's server saw (-want +got):\n%s", diff)
	}
}

// TestForkKillsNobody: a KILL of a session of Weir's, copied, is not carried out again.
func TestForkKillsNobody(t *testing.T) {
	srv, other := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
	f := &forker{target: single{srv}, config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
	c := r.Session()
	c.Run(t, pt.Query(fmt.Sprintf("KILL QUERY %d", c.Greeting.ConnectionID)),
		pt.ExpectError(protocol.ErQueryInterrupted), pt.Send(protocol.ComQuit, ""))
	if err := f.await(t, 1)[0]; err != nil {
		t.Fatal(err)
	}
	if e := f.feeds[0].served.Err(); e == nil || e.Code != protocol.ErNoSuchThread {
		t.Errorf("the branch's KILL was answered by %v", e)
	}
	if n := other.Accepted(); n != 2 {
		t.Errorf("%d connections to the branch's server, want that for its greeting and the branch's own", n)
	}
}

// TestForkAtShutdown: a process waits for branches as for sessions, and cuts them off with them.
func TestForkAtShutdown(t *testing.T) {
	asked := make(chan struct{}, 1)
	srv, _ := branchServer(t, pt.MariaDB(), func(c *pt.Conn) error {
		_, err := c.ReadCommand()
		asked <- struct{}{}
		return err
	}, pt.Silence())
	f := &forker{target: single{srv}, config: pipeline.BranchConfig{Grace: time.Hour}}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{
		Filters: []pipeline.Filter{f}, ShutdownTimeout: 200 * time.Millisecond,
	})
	r.Session().Run(t, pt.Query("a"), pt.ExpectOK())
	<-asked
	began := time.Now()
	r.Stop()
	if took := time.Since(began); took < 200*time.Millisecond || took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := f.await(t, 1)[0]; err == nil {
		t.Error("the branch ended without an error")
	}
}

// TestForkMoves: branches move with their sessions between workers, and lose nothing.
func TestForkMoves(t *testing.T) {
	srv, _ := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
	second, _ := branchServer(t, pt.MariaDB(), pipelinetest.AnswerOK())
	inner := &forker{target: single{second}, config: grace}
	f := &forker{target: pipeline.NewPipeline("shadow", []pipeline.Filter{inner}, single{srv}), config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
	const clients, each = 8, 300
	var talking sync.WaitGroup
	var left atomic.Int32
	for range clients {
		talking.Go(func() {
			defer left.Add(1)
			c := r.Dial()
			if err := pt.Login("app", "secret")(c); err != nil {
				t.Error(err)
				return
			}
			for i := range each {
				if err := pt.Script(pt.Query(fmt.Sprint(i)), pt.ExpectOK())(c); err != nil {
					t.Error(err)
					return
				}
			}
			_ = c.Close()
		})
	}
	moved := 0
	for left.Load() < clients {
		moved += r.Process.Shuffle()
	}
	talking.Wait()
	if moved < 20 {
		t.Errorf("sessions moved %d times", moved)
	}
	for _, f := range []*forker{f, inner} {
		for _, err := range f.await(t, clients) {
			if err != nil {
				t.Error(err)
			}
		}
		for _, d := range f.feeds {
			if len(d.served) != each {
				t.Errorf("%d replies in a branch, want %d", len(d.served), each)
			}
		}
	}
}

// TestForkMovesBehind: a branch that always has something to do does not keep its session from moving.
func TestForkMovesBehind(t *testing.T) {
	const statements = 200
	srv, _ := branchServer(t, pt.MariaDB(), pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
		ok := protocol.OK{Status: protocol.StatusAutocommit}
		return [][]byte{ok.Append(nil, c.Caps)}
	})))
	f := &forker{target: single{srv}, config: grace}
	r := run(t, serving(t, pipelinetest.AnswerOK()).Addr, pipelinetest.Options{Filters: []pipeline.Filter{f}})
	c := r.Session()
	for i := range statements {
		c.Run(t, pt.Query(fmt.Sprint(i)), pt.ExpectOK())
	}
	moved := 0
	home := f.feeds[0].s.Home()
	for range 30 {
		r.Process.Shuffle()
		time.Sleep(5 * time.Millisecond)
		if now := f.feeds[0].s.Home(); now != home {
			home = now
			moved++
		}
	}
	if moved < 5 {
		t.Errorf("the session moved %d times", moved)
	}
	_ = c.Close()
	if err := f.await(t, 1)[0]; err != nil || len(f.feeds[0].served) != statements {
		t.Errorf("%d replies, %v", len(f.feeds[0].served), err)
	}
}
