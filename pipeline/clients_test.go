package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestHangUpWithTheCommand: where one event tells of both, the server's work ends all the same.
func TestHangUpWithTheCommand(t *testing.T) {
	const leaving = 3 // connections to the server, in the order they are made
	srv := pt.NewServer(t, func(n int) []pt.Step {
		switch n {
		case 0:
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
		case leaving:
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.AcceptLogin(), pt.ExpectQuery("SELECT SLEEP(1000)"), pt.Silence()}
		}
		return []pt.Step{pt.Greet(pt.MariaDB()), pt.AcceptLogin(), pipelinetest.AnswerOK()}
	})
	busy, left := make(chan struct{}), make(chan struct{})
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		serve(func(_ *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if c.Com() == protocol.ComPing { // nothing is looked at on this worker until the other client has left
				close(busy)
				<-left
			}
			return next.Serve(context.Background(), w, c)
		}),
	}})
	holding, _, c := r.Session(), r.Session(), r.Session() // the first and the third share a worker
	holding.Run(t, pt.Send(protocol.ComPing, ""))
	<-busy
	c.Run(t, pt.Query("SELECT SLEEP(1000)"), pt.Close())
	close(left)
	srv.Wait(2)
	holding.Run(t, pt.ExpectOK())
}

// TestShutdownInsideACommand: a client that has sent a part of a command is as idle as one that has sent nothing.
func TestShutdownInsideACommand(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{ShutdownTimeout: 2 * pt.Timeout}) // longer than Stop waits
	c := r.Session()
	// The part comes with a whole command, so that Weir has it once that is answered.
	c.Run(t, pt.Raw(append(protocol.AppendPacket(nil, 0, []byte{protocol.ComPing}), 5)),
		func(c *pt.Conn) error { c.Seq = 1; return nil }, pt.ExpectOK())
	r.Stop()
	c.Seq = 1
	c.Run(t, pt.ExpectError(1053, "Server shutdown in progress"), pt.ExpectClosed())
}

// TestChangeUserWithoutPlugins: a client that knows no plugins answers the nonce it was greeted with.
func TestChangeUserWithoutPlugins(t *testing.T) {
	const old = protocol.ClientProtocol41 | protocol.ClientSecureConnection | protocol.ClientTransactions |
		protocol.ClientMySQL
	cases := map[string]struct {
		user, password  string
		collation, want uint16
	}{
		"with a password":         {"other", "2nd", 45, 45},
		"with an empty password":  {"nobody", "", 45, 45},
		"a collation above 255":   {"other", "2nd", 309, 33}, // which a login to the server has no room for
		"the collation as it was": {"other", "2nd", 0, 33},
	}
	for name, u := range cases {
		t.Run(name, func(t *testing.T) {
			srv := pt.NewServer(t, func(n int) []pt.Step {
				steps := []pt.Step{pt.Greet(pt.MySQL()), pt.ExpectClosed()}
				switch n {
				case 1:
					return []pt.Step{steps[0], pt.CheckLogin("app", "secret"), pipelinetest.AnswerOK()}
				case 2:
					return []pt.Step{steps[0], pt.CheckLogin(u.user, u.password), func(c *pt.Conn) error {
						if got := uint16(c.Login.Collation); got != u.want {
							return fmt.Errorf("logged in with collation %d, want %d", got, u.want)
						}
						return nil
					}, pipelinetest.AnswerOK()}
				}
				return steps
			})
			c := run(t, srv.Addr, pipelinetest.Options{}).Dial()
			c.Run(t, pt.ReadGreeting(), func(c *pt.Conn) error {
				l := protocol.Login{User: "app", Capabilities: old, Collation: 33}
				l.AuthResponse, _ = protocol.AuthResponse(protocol.NativePassword, "secret", c.Greeting.AuthData)
				c.Caps = old
				return c.WritePacket(c.Seq, l.Append(nil))
			}, pt.ExpectOK(), func(c *pt.Conn) error {
				request := protocol.ChangeUser{User: u.user, Collation: u.collation}
				request.AuthResponse, _ = protocol.AuthResponse(protocol.NativePassword, u.password, c.Greeting.AuthData)
				return c.WritePacket(0, request.Append(nil, c.Caps))
			}, pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
		})
	}
}

// TestKillWhileResetting: a session whose chain is being opened has its connections in other hands, and none to kill.
func TestKillWhileResetting(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	opening, killed := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(killed) })
	defer release()
	var opened atomic.Int32
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
			if s.User() == "app" && opened.Add(1) == 2 {
				close(opening)
				<-killed
			}
			return next, nil
		}),
	}})
	victim, killer := r.Session(), r.Dial()
	killer.Run(t, pt.Login("other", "2nd"))
	id := victim.Greeting.ConnectionID
	kill := pt.Query(fmt.Sprintf("KILL QUERY %d", id))
	victim.Run(t, pt.Send(protocol.ComResetConnection, ""))
	<-opening
	killer.Run(t, kill, pt.ExpectError(1094, fmt.Sprintf("Unknown thread id: %d", id)))
	release()
	victim.Run(t, pt.ExpectOK(), pt.Query("x"), pt.ExpectOK())
	killer.Run(t, kill, pt.ExpectOK())
}

// TestStreamOfCommands: a client that sends one command after the other, and need not wait for replies, leaves others
// on its worker their turn.
func TestStreamOfCommands(t *testing.T) {
	const block, lead = 500, 20 // commands in a write; writes that the client is ahead of Weir
	commands := bytes.Repeat(protocol.AppendPacket(nil, 0, []byte{protocol.ComStmtClose, 1, 0, 0, 0}), block)
	var served, sent atomic.Int64
	var over atomic.Bool
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		serve(func(_ *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if c.Com() != protocol.ComStmtClose {
				return next.Serve(context.Background(), w, c)
			}
			// There is always more to read: it is not a gap in the stream that gives the others their turn.
			for n := served.Add(1); sent.Load() < n/block+lead && !over.Load(); {
				runtime.Gosched()
			}
			return nil
		}),
	}})
	stream, _, c := r.Session(), r.Session(), r.Session() // the first and the third share a worker
	var streaming sync.WaitGroup
	streaming.Go(func() {
		defer over.Store(true)
		for {
			if _, err := stream.Write(commands); err != nil {
				return
			}
			sent.Add(1)
		}
	})
	pipelinetest.Eventually(t, func() bool { return served.Load() > 0 }, func() string { return "no command is served" })
	for range 10 {
		c.Run(t, pt.Query("x"), pt.ExpectOK())
	}
	if over.Load() {
		t.Error("the stream has ended before the others were served")
	}
	over.Store(true)
	_ = stream.Close()
	streaming.Wait()
}
