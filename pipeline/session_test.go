package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

func TestStatement(t *testing.T) {
	srv := serving(t,
		pt.ExpectQuery("SELECT 1"), pt.ReplyRows([]string{"1"}, []string{"one"}, []string{"two"}),
		pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{}),
		pt.ExpectCommand(protocol.ComStmtClose, "\x01\x00\x00\x00"),
		pt.ExpectQuery("bad"), pt.ReplyError(1064, "42000", "syntax"),
		pt.ExpectCommand(protocol.ComQuit),
	)
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Query("SELECT 1"), pt.ExpectRows([]string{"one"}, []string{"two"}))
	c.Run(t, pt.Send(protocol.ComPing, ""), pt.ExpectOK())
	c.Run(t, pt.Send(protocol.ComStmtClose, "\x01\x00\x00\x00"))
	c.Run(t, pt.Query("bad"), pt.ExpectError(1064, "syntax"))
	c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	srv.Wait(2)
}

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	const n = 200
	var steps []pt.Step
	var all []byte
	for i := range n {
		text := fmt.Sprintf("SELECT %d", i)
		steps = append(steps, pt.ExpectQuery(text), pt.ReplyRows([]string{"n"}, []string{fmt.Sprint(i)}))
		all = protocol.AppendPacket(all, 0, append([]byte{protocol.ComQuery}, text...))
	}
	srv := serving(t, steps...)
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Raw(all))
	for i := range n {
		c.Seq = 1
		c.Run(t, pt.ExpectRows([]string{fmt.Sprint(i)}))
	}
}

func TestUnknownCommandPasses(t *testing.T) {
	srv := serving(t, pt.ExpectCommand(0x99, "what"), pt.ReplyError(1047, "08S01", "Unknown command"))
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Send(0x99, "what"), pt.ExpectError(1047, "Unknown command"))
}

func TestEmptyPacketIsTheServersToRefuse(t *testing.T) {
	srv := serving(t, pt.Raw(nil), func(c *pt.Conn) error {
		_, payload, err := c.ReadPacket()
		if err != nil || len(payload) != 0 {
			return fmt.Errorf("% x: %w", payload, err)
		}
		return pt.ReplyError(1047, "08S01", "Unknown command")(c)
	})
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Raw([]byte{0, 0, 0, 0}), func(c *pt.Conn) error { c.Seq = 1; return nil }, pt.ExpectError(1047))
}

func TestLongCommandsAndReplies(t *testing.T) {
	for _, size := range []int{
		15 << 10, 16<<10 - 5, 16<<10 - 4, 16<<10 + 1, 100 << 10,
		protocol.MaxPayload - 1, protocol.MaxPayload + 10,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			text := strings.Repeat("x", size)
			value := strings.Repeat("y", size)
			srv := serving(t,
				pt.ExpectQuery(text), pt.ReplyRows([]string{"v"}, []string{value}, []string{"short"}),
				pt.ExpectQuery("after"), pt.ReplyOK(protocol.OK{}))
			c := run(t, srv.Addr, pipelinetest.Options{}).Session()
			c.Run(t, pt.Query(text), pt.ExpectRows([]string{value}, []string{"short"}))
			c.Run(t, pt.Query("after"), pt.ExpectOK())
		})
	}
}

func TestLocalInfile(t *testing.T) {
	parts := []string{"first", strings.Repeat("z", 200_000), "last", ""}
	srv := serving(t,
		pt.ExpectQuery("LOAD"), pt.Reply([]byte("\xfbfile")),
		func(c *pt.Conn) error {
			for _, want := range parts {
				got, err := c.ReadPayload()
				if err != nil || string(got) != want {
					return fmt.Errorf("part of %d bytes, want %d: %w", len(got), len(want), err)
				}
			}
			return nil
		},
		pt.ReplyOK(protocol.OK{AffectedRows: 3}),
		pt.ExpectQuery("after"), pt.ReplyOK(protocol.OK{}))
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Query("LOAD"), pt.Expect([]byte("\xfbfile")))
	for _, part := range parts {
		c.Run(t, pt.Reply([]byte(part)))
	}
	c.Run(t, pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
}

func TestWrongSequenceNumber(t *testing.T) {
	srv := serving(t, pt.Silence())
	r := run(t, srv.Addr, pipelinetest.Options{})
	c := r.Session()
	c.Run(t, pt.Packet(5, []byte{protocol.ComPing}), func(c *pt.Conn) error { c.Seq = 6; return nil },
		pt.ExpectError(1156, "Got packets out of order"), pt.ExpectClosed())
	r.AwaitLog("packets out of order")
	srv.Wait(2)
}

func TestClientLeavesInsideACommand(t *testing.T) {
	srv := serving(t, pt.Silence())
	r := run(t, srv.Addr, pipelinetest.Options{})
	for name, step := range map[string]pt.Step{
		"header": pt.CloseInside([]byte{protocol.ComQuery, 'x'}, 2),
		"short":  pt.CloseInside([]byte{protocol.ComQuery, 'x'}, 5),
		"long":   pt.CloseInside(make([]byte, 1<<20), 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			r.Session().Run(t, step)
			srv.Wait(1)
		})
	}
}

func TestClientHangsUpInAStatement(t *testing.T) {
	asked := make(chan struct{})
	srv := serving(t, pt.ExpectQuery("SELECT SLEEP(1000)"), func(*pt.Conn) error { close(asked); return nil }, pt.Silence())
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Query("SELECT SLEEP(1000)"))
	<-asked
	_ = c.Close()
	srv.Wait(2) // the server's end has been closed, with no QUIT in the middle of the statement
}

func TestClientThatNeverReads(t *testing.T) {
	row := strings.Repeat("r", 10_000)
	srv := serving(t, pt.ExpectQuery("SELECT all"), func(c *pt.Conn) error {
		head := pt.Rows(c.Caps, []string{"v"})
		if err := pt.Reply(head[:len(head)-1]...)(c); err != nil {
			return err
		}
		one := protocol.AppendLenencString(nil, row)
		for {
			if pt.Reply(one)(c) != nil { // closed by Weir, at last
				return nil
			}
		}
	})
	r := run(t, srv.Addr, pipelinetest.Options{Listener: func(c *pipeline.ListenerConfig) { c.WriteTimeout = 200 * time.Millisecond }})
	c := r.Session()
	c.Run(t, pt.Query("SELECT all"))
	srv.Wait(2)
	r.AwaitLog("sending a reply")
}

func TestServerDies(t *testing.T) {
	rows := func(c *pt.Conn, n int) [][]byte {
		all := pt.Rows(c.Caps, []string{"v"}, []string{"1"}, []string{"2"}, []string{"3"})
		return all[:len(all)-1-3+n]
	}
	t.Run("before a reply", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"), pt.Close())
		r := run(t, srv.Addr, pipelinetest.Options{})
		r.Session().Run(t, pt.Query("q"),
			pt.ExpectError(1927, "Lost connection to server db1 during query"), pt.ExpectClosed())
		r.AwaitLog("server lost: server db1 (" + srv.Addr + "): it closed the connection")
	})
	t.Run("by reset", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"), pt.Reset())
		r := run(t, srv.Addr, pipelinetest.Options{})
		r.Session().Run(t, pt.Query("q"), pt.ExpectError(1927), pt.ExpectClosed())
	})
	t.Run("between rows", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"), func(c *pt.Conn) error { return pt.Reply(rows(c, 2)...)(c) }, pt.Close())
		c := run(t, srv.Addr, pipelinetest.Options{}).Session()
		c.Run(t, pt.Query("q"), func(c *pt.Conn) error {
			_, err := c.ReadRows()
			var e *protocol.SQLError
			if !errors.As(err, &e) || e.Code != 1927 {
				return fmt.Errorf("rows ended with %w", err)
			}
			return nil
		}, pt.ExpectClosed())
	})
	t.Run("inside a packet", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"),
			func(c *pt.Conn) error { return pt.Reply(rows(c, 2)...)(c) },
			pt.CloseInside(protocol.AppendLenencString(nil, "half a row"), 7))
		c := run(t, srv.Addr, pipelinetest.Options{}).Session()
		c.Run(t, pt.Query("q"), func(c *pt.Conn) error {
			rows, err := c.ReadRows()
			var e *protocol.SQLError
			if !errors.As(err, &e) || e.Code != 1927 {
				return fmt.Errorf("%d rows ended with %w", len(rows), err)
			}
			return nil
		}, pt.ExpectClosed())
	})
	t.Run("inside a packet that has begun to go out", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"),
			func(c *pt.Conn) error { return pt.Reply(rows(c, 0)...)(c) },
			pt.CloseInside(protocol.AppendLenencString(nil, strings.Repeat("x", 1<<20)), 1<<19))
		c := run(t, srv.Addr, pipelinetest.Options{}).Session()
		c.Run(t, pt.Query("q"), func(c *pt.Conn) error {
			if _, err := c.ReadRows(); !errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("half a row is followed by %w", err)
			}
			return nil
		})
	})
	t.Run("while idle", func(t *testing.T) {
		srv := serving(t, pt.Close())
		run(t, srv.Addr, pipelinetest.Options{}).Session().Run(t, pt.ExpectClosed())
	})
	t.Run("while idle, saying why", func(t *testing.T) {
		idle := make(chan struct{})
		srv := serving(t, func(*pt.Conn) error { <-idle; return nil },
			pt.Packet(1, (&protocol.SQLError{Code: 4031, State: "HY000", Message: "too long"}).Append(nil)))
		c := run(t, srv.Addr, pipelinetest.Options{}).Session()
		close(idle)
		c.Seq = 1
		c.Run(t, pt.ExpectError(4031, "too long"), pt.ExpectClosed())
	})
}

func TestServerAnswersNonsense(t *testing.T) {
	cases := map[string]pt.Step{
		"wrong number":    pt.Packet(9, []byte{0, 0, 0, 2, 0, 0, 0}),
		"empty packet":    pt.Packet(1, nil),
		"no such packet":  pt.Packet(1, []byte{0xfd, 1, 1}),
		"truncated OK":    pt.Packet(1, []byte{0, 0}),
		"column count 0?": pt.Packet(1, []byte{0xfc, 0, 0}),
	}
	for name, step := range cases {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, pt.ExpectQuery("q"), step, pt.Silence())
			r := run(t, srv.Addr, pipelinetest.Options{})
			r.Session().Run(t, pt.Query("q"), pt.ExpectError(1927, "Malformed packet from server db1"), pt.ExpectClosed())
			srv.Wait(2)
			r.AwaitLog("server db1")
		})
	}
	t.Run("more than was asked for", func(t *testing.T) {
		ok := protocol.AppendPacket(nil, 1, []byte{0, 0, 0, 2, 0, 0, 0})
		srv := serving(t, pt.ExpectQuery("q"), pt.Raw(append(ok, ok...)), pt.Silence())
		run(t, srv.Addr, pipelinetest.Options{}).Session().Run(t, pt.Query("q"), pt.ExpectOK(), pt.ExpectClosed())
		srv.Wait(2)
	})
}

func TestHandlerFaults(t *testing.T) {
	handlers := map[string]struct {
		h    pipeline.HandlerFunc
		code uint16
		text string
	}{
		"panics": {
			func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { panic("on purpose") },
			1105, "internal error",
		},
		"does not answer": {
			func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { return nil },
			1105, "COM_PING got no complete reply from the pipeline",
		},
		"ends the session": {
			func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { return errors.New("no more") },
			1105, "no more",
		},
		"refuses in MySQL's words": {
			func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error {
				return &protocol.SQLError{Code: 1227, State: "42000", Message: "denied"}
			},
			1227, "denied",
		},
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, pipelinetest.AnswerOK())
			r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
				filter(func(_ *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
					return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
						if c.Com() == protocol.ComPing {
							return h.h(ctx, w, c)
						}
						return next.Serve(ctx, w, c)
					}), nil
				}),
			}})
			other := r.Session()
			r.Session().Run(t, pt.Query("x"), pt.ExpectOK(), pt.Send(protocol.ComPing, ""),
				pt.ExpectError(h.code, h.text), pt.ExpectClosed())
			other.Run(t, pt.Query("y"), pt.ExpectOK())
		})
	}
}

// TestFilterAnswers: a filter that answers needs no server, and one that changes rows may change their number.
func TestFilterAnswers(t *testing.T) {
	srv := serving(t, pt.ExpectQuery("rows"), pt.ReplyRows([]string{"v"}, []string{"1"}, []string{"2"}))
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
		filter(func(_ *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
			return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
				if text, ok := c.Text(); ok && string(text) == "no" {
					return pipeline.Error(w, &protocol.SQLError{Code: 1290, State: "HY000", Message: "not here"})
				}
				return next.Serve(ctx, doubler{w}, c)
			}), nil
		}),
	}})
	c := r.Session()
	c.Run(t, pt.Query("no"), pt.ExpectError(1290, "not here"))
	c.Run(t, pt.Query("rows"), pt.ExpectRows([]string{"1"}, []string{"1"}, []string{"2"}, []string{"2"}))
}

// doubler sends every row twice.
type doubler struct{ pipeline.ReplyWriter }

func (d doubler) WriteReply(p *protocol.Chunk) error {
	if p.Kind != protocol.KindRow {
		return d.ReplyWriter.WriteReply(p)
	}
	var b []byte
	for rest := p.Data; len(rest) > 0; {
		n := protocol.HeaderSize + protocol.PayloadLen(rest)
		b = append(append(b, rest[:n]...), rest[:n]...)
		rest = rest[n:]
	}
	q := protocol.Chunk{Data: b, Count: 2 * p.Count, Kind: p.Kind, Final: p.Final}
	err := d.ReplyWriter.WriteReply(&q)
	copy(b, bytes.Repeat([]byte{0xdb}, len(b))) // whoever kept the bytes is found out
	return err
}

// TestReplyThatFillsTheBuffer: a read that fills its buffer leaves open whether there is more. That must not keep the
// session from its client.
func TestReplyThatFillsTheBuffer(t *testing.T) {
	const buffer = 64 << 10
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		reply := pt.Rows(c.Caps, []string{"v"}, nil)
		row := len(reply) - 2
		rest := buffer
		for _, payload := range reply {
			rest -= protocol.HeaderSize + len(payload)
		}
		reply[row] = protocol.AppendLenencString(nil, strings.Repeat("x", rest-3))
		if string(command[1:]) == "whole" {
			var all []byte
			for i, payload := range reply {
				all = protocol.AppendPacket(all, uint8(i+1), payload)
			}
			_, _ = c.Write(all)
			return nil
		}
		ok := protocol.OK{}
		return [][]byte{ok.Append(nil, c.Caps)}
	})))
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	for range 50 {
		c.Run(t, pt.Query("whole"), func(c *pt.Conn) error { _, err := c.ReadRows(); return err })
		c.Run(t, pt.Query("after"), pt.ExpectOK())
	}
}
