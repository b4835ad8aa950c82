package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// eager is a router that opens a session on the first server that takes it.
type eager []*pipeline.Server

func (r eager) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, r)
}

func (r eager) Open(s *pipeline.Session) (pipeline.Handler, error) {
	var errs []error
	for _, srv := range r {
		link, err := s.Connect(srv)
		if err == nil {
			return link, nil
		}
		errs = append(errs, err)
	}
	return nil, pipeline.NoServer(errs)
}

// TestSilentServer: a server that accepts and never greets keeps nobody from the good one beside it, even where
// waiting for it takes as long as a client may take to log in.
func TestSilentServer(t *testing.T) {
	const patience = 3 * time.Second
	good := serving(t, pipelinetest.AnswerOK())
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	r := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{good.Addr, silent.Addr().String()},
		Target: func(servers []*pipeline.Server) pipeline.Target {
			servers[1].Config.ConnectTimeout = patience
			return eager(servers)
		},
		Listener: func(c *pipeline.ListenerConfig) { c.LoginTimeout = patience },
	})
	for range 3 {
		r.Session().Run(t, pt.Query("x"), pt.ExpectOK())
	}
}

// counted is a Target that counts the clients which wait for its greeting.
type counted struct {
	single
	waiting *atomic.Int32
}

func (r counted) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	r.waiting.Add(1)
	return r.single.Greeting(ctx)
}

// TestOneProbePerServer: servers count connections that do not log in, and shut those out who make many.
func TestOneProbePerServer(t *testing.T) {
	const clients = 50
	greet := make(chan struct{})
	srv := pt.NewServer(t, func(int) []pt.Step {
		return []pt.Step{func(*pt.Conn) error { <-greet; return nil }, pt.Greet(pt.MariaDB()), pt.Silence()}
	})
	var waiting atomic.Int32
	r := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{srv.Addr},
		Target:  func(servers []*pipeline.Server) pipeline.Target { return counted{single{servers[0]}, &waiting} },
	})
	var all sync.WaitGroup
	for range clients {
		c := r.Dial()
		all.Go(func() {
			if err := pt.ReadGreeting()(c); err != nil {
				t.Error(err)
			}
		})
	}
	pipelinetest.Eventually(t, func() bool { return waiting.Load() == clients }, func() string {
		return fmt.Sprintf("%d clients wait for a greeting", waiting.Load())
	})
	close(greet)
	all.Wait()
	if n := srv.Accepted(); n != 1 {
		t.Errorf("%d connections to the server for %d clients that have only been greeted", n, clients)
	}
}

// TestAfterStmtClose: a command that has no reply leaves its connection idle like any other.
func TestAfterStmtClose(t *testing.T) {
	closing := []pt.Step{pt.ExpectQuery("q"), pt.ReplyOK(protocol.OK{}), pt.ExpectCommand(protocol.ComStmtClose)}
	client := pt.Script(pt.Query("q"), pt.ExpectOK(), pt.Send(protocol.ComStmtClose, "\x01\x00\x00\x00"))
	t.Run("the server leaves", func(t *testing.T) {
		srv := serving(t, append(closing[:3:3], pt.Close())...)
		r := run(t, srv.Addr, pipelinetest.Options{})
		r.Session().Run(t, client, pt.ExpectClosed())
		r.AwaitLog("server lost: server db1 (" + srv.Addr + "): it closed the connection")
	})
	t.Run("the client leaves", func(t *testing.T) {
		srv := serving(t, append(closing[:3:3], pt.ExpectCommand(protocol.ComQuit))...)
		run(t, srv.Addr, pipelinetest.Options{}).Session().Run(t, client, pt.Close())
		srv.Wait(2)
	})
}

// TestServerDiesInLongData: no reply will tell what has become of the server, so the log has to.
func TestServerDiesInLongData(t *testing.T) {
	srv := serving(t, func(c *pt.Conn) error { _, err := c.Read(make([]byte, 1)); return err }, pt.Reset())
	r := run(t, srv.Addr, pipelinetest.Options{})
	c := r.Session()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// Far more than sockets hold: Weir is still sending it when the server resets the connection.
		_ = pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00"+strings.Repeat("x", 15<<20))(c)
	}()
	r.AwaitLog("server lost: server db1 (" + srv.Addr + ")")
	<-sent
	c.Run(t, pt.Silence())
}

// TestLocalInfileLater: the file's packets are numbered on from the request, wherever in a reply that comes and in
// however many pieces.
func TestLocalInfileLater(t *testing.T) {
	for name, file := range map[string]string{
		"short name": "file", "name longer than a read buffer": strings.Repeat("f", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			request := []byte("\xfb" + file)
			parts := []string{"first", "last", ""}
			srv := serving(t, pt.ExpectQuery("SET x; LOAD"),
				pt.ReplyOK(protocol.OK{Status: protocol.StatusMoreResultsExists}), pt.Reply(request),
				func(c *pt.Conn) error {
					for _, want := range parts {
						if got, err := c.ReadPayload(); err != nil || string(got) != want {
							return fmt.Errorf("part %q, want %q: %w", got, want, err)
						}
					}
					return nil
				},
				pt.ReplyOK(protocol.OK{AffectedRows: 3}),
				pt.ExpectQuery("after"), pt.ReplyOK(protocol.OK{}))
			c := run(t, srv.Addr, pipelinetest.Options{}).Session()
			c.Run(t, pt.Query("SET x; LOAD"), pt.ExpectOK(), pt.Expect(request))
			for _, part := range parts {
				c.Run(t, pt.Reply([]byte(part)))
			}
			c.Run(t, pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
		})
	}
}

// TestLostInUpload: a client whose server is lost while it sends a file is told when it has sent all of it, which is when it
// looks, by a packet that is numbered on from its last.
func TestLostInUpload(t *testing.T) {
	part := bytes.Repeat([]byte("z"), 40_000)
	closed := make(chan struct{})
	srv := serving(t, pt.ExpectQuery("LOAD"), pt.Reply([]byte("\xfbfile")), pt.Expect(part), pt.Reset(),
		func(*pt.Conn) error { close(closed); return nil })
	r := run(t, srv.Addr, pipelinetest.Options{})
	c := r.Session()
	c.Run(t, pt.Query("LOAD"), pt.Expect([]byte("\xfbfile")), pt.Reply(part))
	<-closed
	for range 50 {
		c.Run(t, pt.Reply(part))
	}
	c.Run(t, pt.Reply(nil), pt.ExpectError(protocol.ErConnectionKilled), pt.ExpectClosed())
	r.AwaitLog("server lost")
}
