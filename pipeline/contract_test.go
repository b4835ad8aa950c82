package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// serve makes a filter of what it does with a command.
func serve(f func(s *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error) filter {
	return func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
		return pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
			return f(s, next, w, c)
		}), nil
	}
}

var errNotHere = &protocol.SQLError{Code: 1290, State: "HY000", Message: "not here"}

// short is a ReplyWriter that fails when the reply's end comes by.
type short struct{ pipeline.ReplyWriter }

func (w short) WriteReply(p *protocol.Chunk) error {
	if p.Final {
		return errNotHere
	}
	return w.ReplyWriter.WriteReply(p)
}

// TestBytesOfAnotherSession: where a writer fails in mid-reply, rows are still queued for the client. A session that
// has a reply before they go out must not get the buffer they lie in.
func TestBytesOfAnotherSession(t *testing.T) {
	mine, theirs := strings.Repeat("mine  ", 3000), strings.Repeat("theirs", 3000)
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		value := theirs
		if bytes.HasSuffix(command, []byte("short")) {
			value = mine
		}
		var all []byte // in one write, so that Weir has the rows and the end at the same time
		for i, payload := range pt.Rows(c.Caps, []string{"v"}, []string{value}, []string{value}) {
			all = protocol.AppendPacket(all, uint8(i+1), payload)
		}
		_, _ = c.Write(all)
		return nil
	})))
	failed, served := make(chan struct{}), make(chan struct{})
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		serve(func(s *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if text, ok := c.Text(); !ok || string(text) != "short" {
				return next.Serve(context.Background(), w, c)
			}
			err := next.Serve(context.Background(), short{w}, c)
			_ = s.Do(func() error { close(failed); <-served; return nil })
			return err
		}),
	}})
	victim, first, second := r.Session(), r.Session(), r.Session() // one of the others is on the victim's worker
	victim.Run(t, pt.Query("short"))
	<-failed
	for _, c := range []*pt.Conn{first, second} {
		c.Run(t, pt.Query("whole"), pt.ExpectRows([]string{theirs}, []string{theirs}))
	}
	close(served)
	all, err := io.ReadAll(victim)
	if err != nil || !bytes.HasSuffix(all, []byte(errNotHere.Message)) {
		t.Errorf("the reply ends with %q: %v", all[max(0, len(all)-20):], err)
	}
	if bytes.Contains(all, []byte("theirs")) {
		t.Error("the reply has bytes of another session's rows")
	}
}

// TestReplyToWhatHasNone: the client would take it for the reply to its next command.
func TestReplyToWhatHasNone(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		serve(func(_ *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if c.Com() == protocol.ComStmtClose {
				return pipeline.Error(w, errNotHere)
			}
			return next.Serve(context.Background(), w, c)
		}),
	}})
	r.Session().Run(t, pt.Send(protocol.ComStmtClose, "\x01\x00\x00\x00"), pt.Send(protocol.ComPing, ""), pt.ExpectOK())
}

// TestLongCommandRefused: a refusal is numbered on from the last packet of a command, which the filter has not read.
func TestLongCommandRefused(t *testing.T) {
	for _, size := range []int{100 << 10, protocol.MaxPayload - 1, protocol.MaxPayload + 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			srv := serving(t, pipelinetest.AnswerOK())
			r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
				serve(func(_ *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Part != protocol.Whole {
						return pipeline.Error(w, errNotHere)
					}
					return next.Serve(context.Background(), w, c)
				}),
			}})
			r.Session().Run(t, pt.Query(strings.Repeat("x", size)), pt.ExpectError(1290, "not here"),
				pt.Query("after"), pt.ExpectOK())
		})
	}
}

// TestPanicEndsOneSession: wherever a filter panics, its client is told and others go on.
func TestPanicEndsOneSession(t *testing.T) {
	const internal = "internal error"
	login, reset := pt.Login("app", "secret"), pt.Send(protocol.ComResetConnection, "")
	told := pt.Script(pt.ExpectError(1105, internal), pt.ExpectClosed())
	fall := func() error { panic("on purpose") }
	cases := map[string]struct {
		open func(s *pipeline.Session, opened int32) error
		do   bool
		step pt.Step
	}{
		"in Open": {
			open: func(*pipeline.Session, int32) error { return fall() },
			step: func(c *pt.Conn) error {
				err := login(c)
				if e := (*protocol.SQLError)(nil); !errors.As(err, &e) {
					return fmt.Errorf("login: %w", err)
				}
				return pt.ExpectClosed()(c)
			},
		},
		"in Open after a reset": {
			open: func(_ *pipeline.Session, opened int32) error {
				if opened == 1 {
					return nil
				}
				return fall()
			},
			step: pt.Script(login, reset, pt.ExpectOK(), pt.ExpectClosed()),
		},
		"in OnClose": {
			open: func(s *pipeline.Session, _ int32) error { s.OnClose(func() { _ = fall() }); return nil },
			step: pt.Script(login, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed()),
		},
		"in OnClose at a reset": {
			open: func(s *pipeline.Session, opened int32) error {
				if opened == 1 {
					s.OnClose(func() { _ = fall() })
				}
				return nil
			},
			step: pt.Script(login, reset, pt.ExpectOK(), pt.Query("after"), pt.ExpectOK()),
		},
		"within Do": {
			open: func(*pipeline.Session, int32) error { return nil },
			do:   true,
			step: pt.Script(login, pt.Send(protocol.ComPing, ""), told),
		},
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, pipelinetest.AnswerOK())
			var opened atomic.Int32
			r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
				filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
					if s.User() == "other" {
						return next, nil
					}
					return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
						if p.do && c.Com() == protocol.ComPing {
							return s.Do(fall)
						}
						return next.Serve(ctx, w, c)
					}), p.open(s, opened.Add(1))
				}),
			}})
			other := r.Dial()
			other.Run(t, pt.Login("other", "2nd"))
			r.Dial().Run(t, p.step)
			r.AwaitLog("on purpose")
			other.Run(t, pt.Query("y"), pt.ExpectOK())
		})
	}
}

// TestWaitsInOpen: Open may wait by the session's means whenever it runs, not only at the login.
func TestWaitsInOpen(t *testing.T) {
	waits := map[string]func(s *pipeline.Session) error{
		"Do":    func(s *pipeline.Session) error { return s.Do(func() error { return nil }) },
		"Sleep": func(s *pipeline.Session) error { return s.Sleep(time.Millisecond) },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, pipelinetest.AnswerOK())
			r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
				filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
					return next, wait(s)
				}),
			}})
			r.Session().Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), pt.Query("reset"), pt.ExpectOK(),
				changeUser("other", "2nd", "", protocol.NativePassword), pt.ExpectOK(), pt.Query("changed"), pt.ExpectOK())
		})
	}
}
