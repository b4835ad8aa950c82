package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// changeUser sends a COM_CHANGE_USER and answers the nonce it is given. The response in the command itself is of no use.
func changeUser(user, password, schema, plugin string) pt.Step { //nolint:unparam // a login has a user
	return func(c *pt.Conn) error {
		request := protocol.ChangeUser{
			User: user, AuthResponse: make([]byte, 20), Schema: schema, Collation: 45, AuthPlugin: plugin,
		}
		if err := c.WritePacket(0, request.Append(nil, c.Caps)); err != nil {
			return err
		}
		payload, err := c.ReadPayload()
		if err != nil {
			return err
		}
		again, err := protocol.DecodeAuthSwitch(payload)
		if err != nil {
			return err
		}
		response, _ := protocol.AuthResponse(again.Plugin, password, again.Data)
		return pt.Reply(response)(c)
	}
}

// tracer is a filter that notes when chains open and close.
type tracer struct {
	mu    sync.Mutex
	notes []string
}

func (f *tracer) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *tracer) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.notes)
}

func (f *tracer) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	f.note("open %s %s", s.User(), s.Schema())
	user := s.User()
	s.OnClose(func() { f.note("close %s", user) })
	return next, nil
}

func TestChangeUser(t *testing.T) {
	srv := pt.NewServer(t, func(n int) []pt.Step {
		switch n {
		case 0:
			return []pt.Step{pt.Greet(pt.MySQL()), pt.ExpectClosed()}
		case 1:
			return []pt.Step{
				pt.Greet(pt.MySQL()), pt.CheckLogin("app", "secret"), pt.ExpectQuery("before"),
				pt.ReplyOK(protocol.OK{}), pt.ExpectCommand(protocol.ComQuit),
			}
		}
		return []pt.Step{pt.Greet(pt.MySQL()), pt.CheckLogin("other", "2nd"), func(c *pt.Conn) error {
			if c.Login.Schema != "shop" {
				return fmt.Errorf("schema %q", c.Login.Schema)
			}
			return nil
		}, pipelinetest.AnswerOK()}
	})
	trace := &tracer{}
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{trace}})
	c := r.Session()
	c.Run(t, pt.Query("before"), pt.ExpectOK())
	c.Run(t, changeUser("other", "2nd", "shop", protocol.CachingSha2Password), pt.Expect([]byte{1, protocol.AuthFastSuccess}), pt.ExpectOK())
	c.Run(t, pt.Query("after"), pt.ExpectOK())
	c.Run(t, changeUser("other", "wrong", "shop", protocol.CachingSha2Password), pt.Expect([]byte{1, protocol.AuthFull}),
		pt.Reply([]byte{protocol.AuthRequestPublicKey}), func(c *pt.Conn) error { _, err := c.ReadPayload(); return err },
		pt.Reply(make([]byte, 256)), pt.ExpectError(1045), pt.ExpectClosed())
	r.Stop()
	want := []string{"open app ", "close app", "open other shop", "close other"}
	if got := trace.seen(); !slices.Equal(got, want) {
		t.Errorf("chains: %q, want %q", got, want)
	}
}

func TestChangeUserToAnotherPlugin(t *testing.T) {
	srv := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, changeUser("other", "2nd", "", "dialog"), pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
}

func TestResetConnectionKeepsTheConnection(t *testing.T) {
	srv := serving(t, pt.ExpectQuery("before"), pt.ReplyOK(protocol.OK{}),
		pt.ExpectCommand(protocol.ComResetConnection), pt.ReplyOK(protocol.OK{}),
		pt.ExpectQuery("after"), pt.ReplyOK(protocol.OK{}))
	trace := &tracer{}
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{trace}})
	c := r.Session()
	c.Run(t, pt.Query("before"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(),
		pt.Query("after"), pt.ExpectOK())
	want := []string{"open app ", "close app", "open app "}
	if got := trace.seen(); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("chains: %q, want %q first", got, want)
	}
}

func TestSchema(t *testing.T) {
	schemas := make(chan string, 1)
	watch := filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
		return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if c.Com() == protocol.ComPing {
				schemas <- s.Schema()
			}
			return next.Serve(ctx, w, c)
		}), nil
	})
	schema := func(want string) pt.Step {
		return func(c *pt.Conn) error {
			if err := pt.Script(pt.Send(protocol.ComPing, ""), pt.ExpectOK())(c); err != nil {
				return err
			}
			if got := <-schemas; got != want {
				return fmt.Errorf("schema is %q, want %q", got, want)
			}
			return nil
		}
	}
	untracked := protocol.Login{User: "app", Schema: "first", Capabilities: protocol.ClientProtocol41 |
		protocol.ClientSecureConnection | protocol.ClientPluginAuth | protocol.ClientConnectWithDB | protocol.ClientMultiStatements}
	t.Run("tracked", func(t *testing.T) {
		changed := protocol.OK{
			Status: protocol.StatusSessionStateChange, SessionState: []byte("\x01\x05\x04shop"),
		}
		srv := serving(t, pt.ExpectQuery("x"), pt.ReplyOK(changed), pipelinetest.AnswerOK())
		run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{watch}}).Session().Run(t,
			pt.Query("x"), pt.ExpectOK(), schema("shop"))
	})
	t.Run("not tracked", func(t *testing.T) {
		srv := serving(t, pipelinetest.AnswerOK())
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{watch}}).Addr)
		c.Run(t, pt.LoginAs(untracked, "secret"),
			schema("first"), pt.Send(protocol.ComInitDB, "second"), pt.ExpectOK(), schema("second"),
			pt.Query("use `th``ird` ;"), pt.ExpectOK(), schema("th`ird"),
			pt.Query("user()"), pt.ExpectOK(), schema("th`ird"),
			pt.Query("USE fourth; USE fifth; DO 'USE sixth'"), pt.ExpectOK(), schema("fifth"))
	})
	t.Run("as far as several statements have come", func(t *testing.T) {
		first := pt.ReplyOK(protocol.OK{Status: protocol.StatusMoreResultsExists})
		srv := serving(t, pt.ExpectCommand(protocol.ComQuery), first, pt.ReplyError(1049, "42000", "Unknown database"), pipelinetest.AnswerOK())
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{watch}}).Addr)
		c.Run(t, pt.LoginAs(untracked, "secret"),
			pt.Query("USE second; USE nowhere; USE third"), pt.ExpectOK(), pt.ExpectError(1049), schema("second"))
	})
	t.Run("prepared", func(t *testing.T) { // as MariaDB can
		ok := []byte{0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		srv := serving(t, pt.ExpectCommand(protocol.ComStmtPrepare), pt.Reply(ok), pipelinetest.AnswerOK())
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{watch}}).Addr)
		c.Run(t, pt.LoginAs(untracked, "secret"), pt.Send(protocol.ComStmtPrepare, "USE second"), pt.Expect(ok), schema("first"),
			pt.Send(protocol.ComStmtExecute, "\x05\x00\x00\x00\x00\x01\x00\x00\x00"), pt.ExpectOK(), schema("second"))
	})
}

func TestShutdown(t *testing.T) {
	t.Run("idle clients are told", func(t *testing.T) {
		srv := serving(t, pipelinetest.AnswerOK())
		r := run(t, srv.Addr, pipelinetest.Options{})
		c := r.Session()
		c.Run(t, pt.Query("x"), pt.ExpectOK())
		r.Stop()
		c.Seq = 1 // the client takes it for the answer to its next command
		c.Run(t, pt.ExpectError(1053, "Server shutdown in progress"), pt.ExpectClosed())
	})
	t.Run("a running statement ends first", func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		srv := serving(t, pt.ExpectQuery("slow"), func(*pt.Conn) error { close(asked); <-answer; return nil },
			pt.ReplyOK(protocol.OK{}), pt.Silence())
		r := run(t, srv.Addr, pipelinetest.Options{})
		c := r.Session()
		c.Run(t, pt.Query("slow"))
		<-asked
		go r.Stop()
		r.AwaitLog("shutting down")
		close(answer)
		c.Run(t, pt.ExpectOK())
		c.Seq = 1
		c.Run(t, pt.ExpectError(1053), pt.ExpectClosed())
	})
	t.Run("a statement that takes too long is cut off", func(t *testing.T) {
		asked := make(chan struct{})
		srv := serving(t, pt.ExpectQuery("slow"), func(*pt.Conn) error { close(asked); return nil }, pt.Silence())
		r := run(t, srv.Addr, pipelinetest.Options{ShutdownTimeout: 50 * time.Millisecond})
		c := r.Session()
		c.Run(t, pt.Query("slow"))
		<-asked
		r.Stop()
		c.Run(t, pt.ExpectError(1053), pt.ExpectClosed())
		srv.Wait(2)
	})
	t.Run("a client that is logging in is cut off", func(t *testing.T) {
		srv := serving(t, pipelinetest.AnswerOK())
		r := run(t, srv.Addr, pipelinetest.Options{})
		c := pt.Dial(t, r.Addr)
		c.Run(t, pt.ReadGreeting())
		r.Stop()
		c.Run(t, pt.Silence())
	})
}

// TestNothingIsLeftBehind: after sessions that ended in every way, no descriptor and no goroutine is left.
func TestNothingIsLeftBehind(t *testing.T) {
	before, descriptors := pipelinetest.Goroutines(), pipelinetest.Descriptors(t)
	srv := pt.NewServer(t, func(n int) []pt.Step {
		login := []pt.Step{pt.Greet(pt.MariaDB()), pt.AcceptLogin()}
		switch {
		case n == 0:
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
		case n%4 == 0:
			return append(login, pt.ExpectQuery("q"), pt.Close())
		case n%4 == 1:
			return append(login, pt.ExpectQuery("q"), pt.Packet(9, []byte("nonsense")), pt.Silence())
		case n%4 == 2:
			return append(login, pt.ExpectQuery("q"), pt.ReplyOK(protocol.OK{}), pt.Silence())
		}
		return []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), pt.ReplyError(1045, "28000", "no")}
	})
	r := run(t, srv.Addr, pipelinetest.Options{})
	for i := range 80 {
		c := pt.Dial(t, r.Addr)
		if i%5 == 0 {
			c.Run(t, pt.ReadGreeting(), pt.CloseInside(make([]byte, 50), 20))
			continue
		}
		if pt.Login("app", "secret")(c) == nil {
			c.Run(t, pt.Query("q"))
			if i%3 > 0 {
				_, _, _ = c.ReadPacket()
			}
		}
		_ = c.Close()
	}
	r.Stop()
	srv.Close()
	pipelinetest.NothingLeft(t, before, descriptors)
	if strings.Contains(r.Log.String(), "panic") {
		t.Error(r.Log.String())
	}
}
