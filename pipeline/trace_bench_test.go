package pipeline

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// noSpans throws spans away: what is left is what it takes to have them.
type noSpans struct{}

func (noSpans) WriteTrace(*Trace) {}
func (noSpans) Flush()            {}

// tracedStatement returns a function that does all that is done for traces in one statement, from its arrival to its end.
func tracedStatement(t testing.TB, text string, change func(*TracesConfig)) func() {
	t.Helper()
	c := TracesDefaults
	c.SampleRatio = 0
	change(&c)
	w := &worker{flushing: true} // there is no loop to set a timer in
	p := &Process{Telemetry: TelemetryConfig{Traces: &c}, Spans: func() SpanWriter { return noSpans{} }}
	p.startTraces(w)
	s := Detached(SessionInfo{User: "app", ClientAddr: "127.0.0.1:4711"})
	t.Cleanup(s.Close)
	s.home = w
	l := &Link{s: s, Server: &Server{}}
	cmd := NewCommand(protocol.ComQuery, []byte(text), 0)
	cmd.scanned, cmd.statement = true, &Statement{} // it is scanned with or without traces
	row := &protocol.Chunk{Data: make([]byte, 100), Count: 1, Kind: protocol.KindRow}
	s.watch.Reset(nil)
	return func() {
		s.watch.Done, s.watch.Last = true, time.Millisecond
		s.beginTrace(cmd, cmd.statement)
		at := s.trace.beginLeg(l, cmd)
		sent, _ := l.withContext(cmd, at)
		if at > 0 {
			l.arrived()
			for range 4 {
				l.passed(row)
			}
			l.leg = 0
		}
		s.endTrace(sent, nil)
	}
}

var tracedStatements = []struct {
	name, text string
	change     func(*TracesConfig)
}{
	{"unsampled", "SELECT c FROM sbtest1 WHERE id=4711", func(*TracesConfig) {}},
	{
		"undecided", "SELECT c FROM sbtest1 WHERE id=4711",
		func(c *TracesConfig) { c.Errors, c.Slow = true, time.Hour },
	},
	{
		"client-unsampled",
		"SELECT c FROM sbtest1 WHERE id=4711 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'*/",
		func(c *TracesConfig) { c.Errors, c.Slow = true, time.Hour },
	},
	{"sampled", "SELECT c FROM sbtest1 WHERE id=4711", func(c *TracesConfig) { c.SampleRatio = 1 }},
}

func BenchmarkTracedStatement(b *testing.B) {
	for _, bb := range tracedStatements {
		b.Run(bb.name, func(b *testing.B) {
			serve := tracedStatement(b, bb.text, bb.change)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func TestTracedStatementAllocatesNothing(t *testing.T) {
	for _, tt := range tracedStatements {
		serve := tracedStatement(t, tt.text, tt.change)
		serve()
		if n := testing.AllocsPerRun(1000, serve); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}
