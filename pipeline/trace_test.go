package pipeline_test

import (
	"context"
	"encoding/hex"
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

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
	sampled  = "00-" + traceID + "-" + parentID + "-01"
	ignored  = "00-" + traceID + "-" + parentID + "-00"
)

// seen is what a test keeps of a trace.
type seen struct {
	trace, span, parent, state, kept, failure string
	command                                   byte
	batch                                     int
	branch                                    bool
	reply                                     pipeline.Watch
	end                                       time.Duration
	legs                                      []pipeline.Leg
}

// spans keeps what all workers write, and counts how often they flush.
type spans struct {
	mu      sync.Mutex
	all     []seen
	flushed int
}

func (r *spans) WriteTrace(t *pipeline.Trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := seen{
		trace: hex.EncodeToString(t.Context.TraceID[:]), span: hex.EncodeToString(t.Context.SpanID[:]),
		state: string(t.State), kept: t.Kept, failure: t.Failure, command: t.Command.Com(), batch: t.Batch,
		branch: t.Branch(), reply: *t.Reply, end: t.End, legs: slices.Clone(t.Legs),
	}
	if t.Parent != [8]byte{} {
		one.parent = hex.EncodeToString(t.Parent[:])
	}
	r.all = append(r.all, one)
}

func (r *spans) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushed++
}

// await returns the first n traces, once they are there, and fails the test where there are more.
func (r *spans) await(t *testing.T, n int) []seen {
	t.Helper()
	var all []seen
	pipelinetest.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		all = slices.Clone(r.all)
		return len(all) >= n
	}, func() string { return fmt.Sprintf("%d traces, want %d", len(all), n) })
	if len(all) > n {
		t.Fatalf("%d traces, want %d: %+v", len(all), n, all)
	}
	return all
}

// tracing starts a process that traces.
func tracing(t *testing.T, address string, o pipelinetest.Options, change func(*pipeline.TracesConfig)) (*pipelinetest.Front, *spans) {
	t.Helper()
	r := &spans{}
	o.Process = func(p *pipeline.Process) {
		c := pipeline.TracesDefaults
		c.Endpoint, c.SampleRatio = "http://127.0.0.1:4318", 0
		change(&c)
		p.Telemetry.Traces = &c
		if err := p.Telemetry.Check(); err != nil {
			t.Fatal(err)
		}
		p.Spans = func() pipeline.SpanWriter { return r }
	}
	return run(t, address, o), r
}

func TestTraceOfAStatement(t *testing.T) {
	srv := serving(t, pt.ExpectQuery("SELECT 1 /*traceparent='"+sampled+"',tracestate='a%3Db'*/"),
		pt.ReplyRows([]string{"1"}, []string{"one"}, []string{"two"}), pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{}))
	f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(*pipeline.TracesConfig) {})
	f.Session().Run(t, pt.Query("SELECT 1 /*traceparent='"+sampled+"',tracestate='a%3Db'*/"),
		pt.ExpectRows([]string{"one"}, []string{"two"}), pt.Send(protocol.ComPing, ""), pt.ExpectOK())
	got := r.await(t, 1)[0]
	if got.trace != traceID || got.parent != parentID || got.state != "a=b" || got.kept != "parent" || got.span == parentID ||
		got.reply.Rows != 2 || got.end < got.reply.First || got.failure != "" || len(got.legs) != 1 {
		t.Fatalf("%+v", got)
	}
	leg := got.legs[0]
	if leg.Server.Name() != "db1" || leg.Peer.String() != srv.Addr || leg.ThreadID != 7 || leg.Rows != 2 ||
		leg.Bytes != got.reply.Bytes || leg.Start <= 0 || leg.First < leg.Start || leg.End < leg.First || leg.End > got.end ||
		leg.Lost || leg.Code != 0 || leg.SpanID == [8]byte{} {
		t.Errorf("%+v", leg)
	}
	f.Stop()
	if r.flushed < 2 { // by each worker
		t.Errorf("flushed %d times", r.flushed)
	}
}

// What is kept, and why.
func TestTraceSampling(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*pipeline.TracesConfig)
		kept       string
	}{
		{"nothing", "SELECT 1", func(*pipeline.TracesConfig) {}, ""},
		{"the caller does not", "SELECT 1 /*traceparent='" + ignored + "'*/", func(c *pipeline.TracesConfig) { c.SampleRatio = 1 }, ""},
		{"the caller does", "/*traceparent='" + sampled + "'*/ SELECT 1", func(*pipeline.TracesConfig) {}, "parent"},
		{"all that begin here", "SELECT 1", func(c *pipeline.TracesConfig) { c.SampleRatio = 1 }, "ratio"},
		{"a slow one", "SELECT 1", func(c *pipeline.TracesConfig) { c.Slow = time.Nanosecond }, "slow"},
		{"a quick one", "SELECT 1", func(c *pipeline.TracesConfig) { c.Slow = time.Hour }, ""},
		{"a failed one", "bad", func(c *pipeline.TracesConfig) { c.Errors = true }, "error"},
		{"a good one", "SELECT 1", func(c *pipeline.TracesConfig) { c.Errors = true }, ""},
		{
			"a failed one that the caller does not keep", "bad /*traceparent='" + ignored + "'*/",
			func(c *pipeline.TracesConfig) { c.Errors = true }, "error",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, expect := pt.ReplyOK(protocol.OK{}), pt.ExpectOK()
			if strings.HasPrefix(tt.text, "bad") {
				answer, expect = pt.ReplyError(1064, "42000", "syntax"), pt.ExpectError(1064, "syntax")
			}
			srv := serving(t, pt.ExpectQuery(tt.text), answer)
			f, r := tracing(t, srv.Addr, pipelinetest.Options{}, tt.change)
			f.Session().Run(t, pt.Query(tt.text), expect, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
			f.Stop()
			if tt.kept == "" {
				r.await(t, 0)
				return
			}
			got := r.await(t, 1)[0]
			if got.kept != tt.kept || len(got.legs) != 1 || strings.Contains(tt.text, parentID) != (got.parent == parentID) {
				t.Errorf("%+v", got)
			}
			if failed := got.kept == "error"; (got.legs[0].Code == 1064) != failed || (got.reply.Err != nil) != failed {
				t.Errorf("%+v", got)
			}
		})
	}
}

// About as many are kept as the ratio says, and ids do not repeat.
func TestTraceRatio(t *testing.T) {
	const n = 2000
	srv := serving(t, pipelinetest.AnswerOK())
	f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.SampleRatio = 0.25 })
	c := f.Session()
	for range n {
		c.Run(t, pt.Query("SELECT 1"), pt.ExpectOK())
	}
	f.Stop()
	ids := make(map[string]bool)
	for _, one := range r.all {
		ids[one.trace] = true
	}
	if len(ids) != len(r.all) || len(ids) < n/5 || len(ids) > n*3/10 {
		t.Errorf("%d traces with %d ids of %d statements", len(r.all), len(ids), n)
	}
}

// A prepared statement's comment is about who prepared it, and its first execution where that follows at once; fetched
// rows belong to the execution.
func TestTraceOfPreparedStatements(t *testing.T) {
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		ok := protocol.OK{}
		switch command[0] {
		case protocol.ComStmtPrepare:
			return [][]byte{{0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
		case protocol.ComStmtFetch:
			eof := ok.Append(nil, c.Caps)
			eof[0] = 0xfe
			return [][]byte{eof}
		}
		return [][]byte{ok.Append(nil, c.Caps)}
	})))
	f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.SampleRatio = 1 })
	c := f.Session()
	execute := pt.Send(protocol.ComStmtExecute, "\x05\x00\x00\x00\x00\x01\x00\x00\x00")
	c.Run(t,
		pt.Send(protocol.ComStmtPrepare, "DO 1 /*traceparent='"+sampled+"'*/"),
		func(c *pt.Conn) error { _, err := c.ReadPayload(); return err },
		execute, pt.ExpectOK(), execute, pt.ExpectOK(),
		pt.Send(protocol.ComStmtFetch, "\x05\x00\x00\x00\x01\x00\x00\x00"),
		func(c *pt.Conn) error { _, err := c.ReadPayload(); return err })
	all := r.await(t, 4)
	for i, want := range []struct {
		command byte
		parent  string
	}{
		{protocol.ComStmtPrepare, parentID},
		{protocol.ComStmtExecute, parentID},
		{protocol.ComStmtExecute, ""},
		{protocol.ComStmtFetch, all[2].span},
	} {
		if all[i].command != want.command || all[i].parent != want.parent {
			t.Errorf("%d: %+v", i, all[i])
		}
	}
	if all[2].trace == traceID || all[3].trace != all[2].trace {
		t.Errorf("the second execution is of trace %s, the rows that are fetched of %s", all[2].trace, all[3].trace)
	}
}

// withAttributes logs in as a client that sends query attributes.
func withAttributes() pt.Step {
	return pt.LoginAs(protocol.Login{
		User: "app", MaxPacket: 1 << 24, Collation: 45,
		Capabilities: pt.MySQL().Capabilities | protocol.ClientQueryAttributes,
	}, "secret")
}

// attribute encodes one query attribute of a COM_QUERY.
func attribute(name, value string) string {
	return "\x01\x01\x00\x01\xfe\x00" + lenenc(name) + lenenc(value)
}

func lenenc(s string) string { return string(protocol.AppendLenencString(nil, s)) }

// What becomes of the client's context on its way to the server.
func TestTraceContextOnItsWay(t *testing.T) {
	other := "00-" + strings.Repeat("ab", 16) + "-" + strings.Repeat("cd", 8) + "-01"
	for _, tt := range []struct {
		name, mode string
		sent, want string // of a COM_QUERY, behind the code; {leg} stands for the traceparent of the leg
		parent     string
	}{
		{"pass", "pass", "\x00\x01SELECT 1 /*traceparent='" + sampled + "'*/", "\x00\x01SELECT 1 /*traceparent='" + sampled + "'*/", parentID},
		{"strip", "strip", "\x00\x01SELECT 1 /*a='b',traceparent='" + sampled + "'*/", "\x00\x01SELECT 1 /*a='b'*/", parentID},
		{"strip all", "strip", "\x00\x01/*traceparent='" + sampled + "'*/ SELECT 1", "\x00\x01SELECT 1", parentID},
		{"strip an attribute", "strip", attribute("traceparent", sampled) + "SELECT 1", "\x00\x01SELECT 1", parentID},
		{"strip both", "strip", attribute("traceparent", sampled) + "/*traceparent='" + other + "'*/ SELECT 1", "\x00\x01SELECT 1", parentID},
		{"nothing to strip", "strip", attribute("other", sampled) + "SELECT 1", attribute("other", sampled) + "SELECT 1", ""},
		{"replace", "replace", "\x00\x01SELECT 1 /*traceparent='" + sampled + "'*/", "\x00\x01SELECT 1 /*traceparent='{leg}'*/", parentID},
		{"replace an attribute", "replace", attribute("traceparent", sampled) + "SELECT 1", attribute("traceparent", "{leg}") + "SELECT 1", parentID},
		{
			"replace both", "replace", attribute("traceparent", sampled) + "SELECT 1 /*traceparent='" + other + "'*/",
			attribute("traceparent", "{leg}") + "SELECT 1 /*traceparent='{leg}'*/", parentID,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			srv := pipelinetest.Backend(t, pt.MySQL(), func(c *pt.Conn) error {
				payload, err := c.ReadCommand()
				got <- string(payload[1:])
				return err
			}, pt.ReplyOK(protocol.OK{}), pt.Silence())
			f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.ClientContext, c.SampleRatio = tt.mode, 1 })
			c := f.Dial()
			c.Run(t, withAttributes(), pt.Send(protocol.ComQuery, tt.sent), pt.ExpectOK())
			one := r.await(t, 1)[0]
			want := strings.ReplaceAll(tt.want, lenenc("{leg}"), "7{leg}") // the length of what it stands for
			want = strings.ReplaceAll(want, "{leg}", "00-"+one.trace+"-"+hex.EncodeToString(one.legs[0].SpanID[:])+"-01")
			// Its flags are the leg's, of which the caller's id was not said to be random.
			if s := <-got; s != want {
				t.Errorf("the server got\n%q, want\n%q", s, want)
			}
			if one.parent != tt.parent {
				t.Errorf("%+v", one)
			}
		})
	}
}

// The context of a statement that comes in parts is found at its head only, and what takes its place is as long.
func TestTraceContextOfALongStatement(t *testing.T) {
	tail := strings.Repeat("x", 100<<10) + "*/"
	for mode, want := range map[string]string{
		"pass":  "/*traceparent='" + sampled + "'*/ SELECT 1 /*" + tail,
		"strip": "/*" + strings.Repeat(" ", len("traceparent=''")+len(sampled)) + "*/ SELECT 1 /*" + tail,
	} {
		srv := serving(t, pt.ExpectQuery(want), pt.ReplyOK(protocol.OK{}), pt.ExpectQuery("after"), pt.ReplyOK(protocol.OK{}))
		f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.ClientContext = mode })
		f.Session().Run(t, pt.Query("/*traceparent='"+sampled+"'*/ SELECT 1 /*"+tail), pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
		if got := r.await(t, 1)[0]; got.parent != parentID {
			t.Errorf("%s: %+v", mode, got)
		}
	}
}

// An execution carries its own context; values that were sent ahead are not in the way.
func TestTraceOfAnExecution(t *testing.T) {
	got := make(chan string, 1)
	srv := pipelinetest.Backend(t, pt.MySQL(),
		pt.ExpectCommand(protocol.ComStmtPrepare), pt.Reply([]byte{0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, []byte("parameter")),
		pt.ExpectCommand(protocol.ComStmtSendLongData),
		func(c *pt.Conn) error {
			payload, err := c.ReadCommand()
			got <- string(payload[1:])
			return err
		}, pt.ReplyOK(protocol.OK{}), pt.Silence())
	f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.ClientContext = "replace" })
	execution := "\x05\x00\x00\x00\x08\x01\x00\x00\x00\x02\x00\x01\xfc\x00\x00\xfe\x00" + lenenc("traceparent")
	c := f.Dial()
	c.Run(t, withAttributes(), pt.Send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)"),
		func(c *pt.Conn) error {
			for range 2 {
				if _, err := c.ReadPayload(); err != nil {
					return err
				}
			}
			return nil
		},
		pt.Send(protocol.ComStmtSendLongData, "\x05\x00\x00\x00\x00\x00long"),
		pt.Send(protocol.ComStmtExecute, execution+lenenc(sampled)), pt.ExpectOK())
	one := r.await(t, 1)[0]
	if one.trace != traceID || one.parent != parentID || one.command != protocol.ComStmtExecute {
		t.Fatalf("%+v", one)
	}
	want := execution + lenenc("00-"+traceID+"-"+hex.EncodeToString(one.legs[0].SpanID[:])+"-01")
	if s := <-got; s != want {
		t.Errorf("the server got\n%q, want\n%q", s, want)
	}
}

func TestTraceOfAStatementThatEndsItsSession(t *testing.T) {
	t.Run("server lost", func(t *testing.T) {
		srv := serving(t, pt.ExpectQuery("q"), pt.Close())
		f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.Errors = true })
		f.Session().Run(t, pt.Query("q"), pt.ExpectError(1927), pt.ExpectClosed())
		one := r.await(t, 1)[0]
		if one.reply.Err == nil || one.reply.Err.Code != 1927 || !one.legs[0].Lost {
			t.Errorf("%+v", one)
		}
	})
	t.Run("client gone", func(t *testing.T) {
		asked := make(chan struct{})
		srv := serving(t, pt.ExpectQuery("q"), func(*pt.Conn) error { close(asked); return nil }, pt.Silence())
		f, r := tracing(t, srv.Addr, pipelinetest.Options{}, func(c *pipeline.TracesConfig) { c.Errors = true })
		c := f.Session()
		c.Run(t, pt.Query("q"))
		<-asked
		_ = c.Close()
		one := r.await(t, 1)[0]
		if one.failure != "client_gone" || !one.legs[0].Lost || one.end < one.legs[0].End {
			t.Errorf("%+v", one)
		}
	})
	t.Run("panic", func(t *testing.T) {
		srv := serving(t, pt.Silence())
		f, r := tracing(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{
			filter(func(*pipeline.Session, pipeline.Handler) (pipeline.Handler, error) {
				return pipeline.HandlerFunc(func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { panic("on purpose") }), nil
			}),
		}}, func(c *pipeline.TracesConfig) { c.SampleRatio = 1 })
		f.Session().Run(t, pt.Query("q"), pt.ExpectError(1105), pt.ExpectClosed())
		if one := r.await(t, 1)[0]; one.failure != "aborted" || len(one.legs) != 0 {
			t.Errorf("%+v", one)
		}
	})
}

// A filter is told the trace id, whether something is traced here or not.
func TestTraceID(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		trace      bool
		ratio      float64
		late       bool
		want       string // "own": an id of Weir's
	}{
		{"not traced here", "SELECT 1 /*traceparent='" + sampled + "'*/", false, 0, false, traceID},
		{"not traced at all", "SELECT 1", false, 0, false, ""},
		{"the client's", "SELECT 1 /*traceparent='" + ignored + "'*/", true, 0, false, traceID},
		{"never kept", "SELECT 1", true, 0, false, ""},
		{"kept", "SELECT 1", true, 1, false, "own"},
		{"may be kept", "SELECT 1", true, 0, true, "own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan string, 1)
			o := pipelinetest.Options{Filters: []pipeline.Filter{
				filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
					return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
						err := next.Serve(ctx, w, c)
						id, ok := s.TraceID()
						if c.Com() == protocol.ComQuery {
							told <- map[bool]string{true: hex.EncodeToString(id[:])}[ok]
						}
						return err
					}), nil
				}),
			}}
			srv := serving(t, pipelinetest.AnswerOK())
			var f *pipelinetest.Front
			if tt.trace {
				f, _ = tracing(t, srv.Addr, o, func(c *pipeline.TracesConfig) { c.SampleRatio, c.Errors = tt.ratio, tt.late })
			} else {
				f = run(t, srv.Addr, o)
			}
			f.Session().Run(t, pt.Query(tt.text), pt.ExpectOK())
			if got := <-told; got != tt.want && (tt.want != "own" || len(got) != 32) {
				t.Errorf("told %q", got)
			}
		})
	}
}
