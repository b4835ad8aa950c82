package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

func TestOutcomes(t *testing.T) {
	for want, all := range map[outcome][]protocol.SQLError{
		outcomeSyntax:      {{Code: 1064, State: "42000"}},
		outcomeSchema:      {{Code: 1146, State: "42S02"}, {Code: 1049, State: "42000"}},
		outcomeAccess:      {{Code: 1142, State: "42000"}, {Code: 9999, State: "28000"}},
		outcomeData:        {{Code: 1264, State: "22003"}, {Code: 1136, State: "21S01"}},
		outcomeConstraint:  {{Code: 1062, State: "23000"}},
		outcomeDeadlock:    {{Code: 1213, State: "40001"}},
		outcomeLockTimeout: {{Code: 1205, State: "HY000"}},
		outcomeTimeout:     {{Code: 1969, State: "70100"}, {Code: 3024, State: "HY000"}},
		outcomeInterrupted: {{Code: 1317, State: "70100"}},
		outcomeReadOnly:    {{Code: 1290, State: "HY000"}, {Code: 1792, State: "25006"}},
		outcomeResources:   {{Code: 1114, State: "HY000"}},
		outcomeConnection:  {{Code: 1927, State: "70100"}, {Code: 9999, State: "08S01"}},
		outcomeSignal:      {{Code: 1644, State: "45000"}},
		outcomeServerLost:  {{Code: 1927, State: "08S01"}},
		outcomeOther:       {{Code: 1105, State: "HY000"}, {Code: 9999}},
	} {
		for _, e := range all {
			if got := outcomeOf(&e); got != want {
				t.Errorf("error %d (%s) is %s, want %s", e.Code, e.State, outcomeNames[got], outcomeNames[want])
			}
		}
	}
	for err, want := range map[error]outcome{
		errClientGone: outcomeClientGone, ErrServerLost: outcomeServerLost, loop.ErrPanic: outcomeAborted, nil: outcomeAborted,
	} {
		if got := aborted(err); got != want {
			t.Errorf("%v is %s, want %s", err, outcomeNames[got], outcomeNames[want])
		}
	}
}

// Whatever is a label's value has a name, and no two have the same.
func TestLabelValuesAreNamed(t *testing.T) {
	for kind, names := range map[string][]string{
		"outcome": outcomeNames[:], "refusal": refusalNames[:], "end": endNames[:], "access mode": accessModeNames[:], "connect error": connectErrorNames[:],
	} {
		for i, name := range names {
			if name == "" || slices.Contains(names[:i], name) {
				t.Errorf("%s %d is named %q", kind, i, name)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	srv := &Server{}
	for want, all := range map[refusalReason][]error{
		refusedFull:      {errFull},
		refusedAccess:    {(&credential{}).denied()},
		refusedServer:    {noChain(&ServerError{srv, io.EOF}), noChain(&ServerError{srv, &protocol.SQLError{Code: 1045}})},
		refusedTimeout:   {fmt.Errorf("read: %w", loop.ErrTimeout)},
		refusedLeft:      {io.EOF},
		refusedShutdown:  {errDraining},
		refusedHandshake: {badLogin(errors.New("no")), errSequence{1, 2}},
		refusedOther:     {errors.New("what a filter says")},
	} {
		for _, err := range all {
			if got := refusalOf(err); got != want {
				t.Errorf("%v is %s, want %s", err, refusalNames[got], refusalNames[want])
			}
		}
	}
}

func TestExposedNamesAreChecked(t *testing.T) {
	good := Metric{Name: "weir_tee_dropped_total", Help: "Dropped.", Counter: true, Read: func() float64 { return 1 }}
	with := func(change func(*Metric)) Metric {
		m := good
		change(&m)
		return m
	}
	for name, tt := range map[string]struct {
		first, second Metric
		want          string
	}{
		"fine":       {good, good, ""},
		"help":       {good, with(func(m *Metric) { m.Help = "Other." }), "exposes another of that name"},
		"kind":       {with(func(m *Metric) { m.Name = "weir_x" }), good, "ends in _total"},
		"prefix":     {with(func(m *Metric) { m.Name = "tee_dropped_total" }), good, "begins with weir_"},
		"no help":    {with(func(m *Metric) { m.Help = "" }), good, "no help"},
		"weir's own": {with(func(m *Metric) { m.Name = "weir_commands_total" }), good, "Weir has one of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Process{}
			p.metrics = []stepMetric{{Metric: tt.first, pipeline: "app", step: "filter tee"}, {Metric: tt.second, pipeline: "app", step: "filter tee 2"}}
			err := p.checkMetrics()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	p := &Process{metrics: []stepMetric{{Metric: good, pipeline: "app", step: "filter tee"}, {Metric: good, pipeline: "app", step: "filter tee"}}}
	if err := p.checkMetrics(); err == nil || !strings.Contains(err.Error(), "exposed twice") {
		t.Errorf("the same twice: %v", err)
	}
}

// timedStep is a filter that takes its time before it passes a command on, and for each chunk of the reply.
type timedStep struct{ before, writing time.Duration }

func (d timedStep) Open(_ *Session, next Handler) (Handler, error) {
	return HandlerFunc(func(ctx context.Context, w ReplyWriter, c *Command) error {
		busy(d.before)
		return next.Serve(ctx, timedWriter{w, d.writing}, c)
	}), nil
}

type timedWriter struct {
	w ReplyWriter
	d time.Duration
}

func (d timedWriter) WriteReply(p *protocol.Chunk) error {
	busy(d.d)
	return d.w.WriteReply(p)
}

// busy passes the time.
func busy(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		runtime.Gosched()
	}
}

// answering is a target that answers after a while.
type answering time.Duration

func (a answering) Open(*Session) (Handler, error) {
	return HandlerFunc(func(_ context.Context, w ReplyWriter, _ *Command) error {
		busy(time.Duration(a))
		ok := protocol.OK{}
		return w.WriteReply(&protocol.Chunk{
			Data: protocol.AppendPacket(nil, 1, ok.Append(nil, protocol.ClientProtocol41)), Count: 1, Kind: protocol.KindOK, Final: true,
		})
	}), nil
}

// passing is a filter without interest.
type passing struct{}

func (passing) Open(_ *Session, next Handler) (Handler, error) { return next, nil }

// discard takes replies.
type discard struct{}

func (discard) WriteReply(*protocol.Chunk) error { return nil }

// on returns a session on a worker that does not run, with a chain of these filters.
func on(tb testing.TB, target Target, filters ...Filter) *Session {
	tb.Helper()
	p := NewPipeline("app", filters, target)
	srv := &Server{Config: ServerConfig{Name: "db1"}, slot: 1}
	s := Detached(SessionInfo{ID: 1})
	tb.Cleanup(s.Close)
	s.home = &worker{tallies: newTallies([]*Server{srv}, 1)}
	s.countAs(p, false)
	var err error
	if s.chain, err = p.Open(s); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *Session) serveCounted(c *Command) error {
	s.watch.Reset(discard{})
	s.countCommand(c)
	err := s.chain.Serve(s.ctx, &s.watch, c)
	s.countReply(c, nil, err)
	return err
}

func TestStepTimes(t *testing.T) {
	const ms = time.Millisecond
	s := on(t, answering(4*ms), timedStep{before: 2 * ms, writing: 1 * ms}, passing{}, timedStep{before: 8 * ms})
	c := NewCommand(protocol.ComQuery, []byte("SELECT 1"), 0)
	s.watch.Reset(discard{})
	s.uncounted = true
	s.clock.start()
	err := s.chain.Serve(s.ctx, &s.watch, c)
	s.countReply(c, nil, err)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]time.Duration{0: 0, 1: 3 * ms, 3: 8 * ms, 4: 4 * ms}
	for i, h := range s.tally.steps {
		least, there := want[i]
		if (h != nil) != there {
			t.Fatalf("step %d is measured: %t", i, h != nil)
		}
		// What each step takes at least is certain; the machine may make it more.
		if there && (h.sum < uint64(least) || h.distribution(nil).Count != 1) {
			t.Errorf("step %d took %v, want %v", i, time.Duration(h.sum), least)
		}
	}
}

// Step times are taken of about one command in 64.
func TestSampling(t *testing.T) {
	s := on(t, answering(0))
	c := NewCommand(protocol.ComQuery, []byte("SELECT 1"), 0)
	const n = 64 * 100
	for range n {
		if err := s.serveCounted(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.tally.steps[1].distribution(nil).Count; got < 50 || got > 200 {
		t.Errorf("%d of %d commands were measured", got, n)
	}
	if got := s.tally.duration(0, sqlscan.Unknown, outcomeOK).distribution(nil).Count; got != n {
		t.Errorf("%d statements were counted, want %d", got, n)
	}
}

func TestAbortedStatements(t *testing.T) {
	fails := func(err error) Target {
		return targetFunc(func() (Handler, error) {
			return HandlerFunc(func(context.Context, ReplyWriter, *Command) error { return err }), nil
		})
	}
	type row struct {
		slot int
		out  outcome
	}
	srv := &Server{Config: ServerConfig{Name: "db1"}, slot: 1}
	got, want := map[string]row{}, map[string]row{
		"client": {0, outcomeClientGone}, "server": {1, outcomeServerLost}, "else": {0, outcomeAborted}, "no reply": {0, outcomeAborted},
	}
	for name, err := range map[string]error{
		"client": fmt.Errorf("%w: it hung up", errClientGone), "server": fmt.Errorf("%w: %w", ErrServerLost, &ServerError{srv, io.EOF}),
		"else": errors.New("else"), "no reply": nil,
	} {
		s := on(t, fails(err))
		_ = s.serveCounted(NewCommand(protocol.ComQuery, []byte("SELECT 1"), 0))
		for slot, all := range s.tally.statements {
			for i, h := range all {
				if h != nil {
					got[name] = row{slot, outcome(i % numOutcomes)}
				}
			}
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

type targetFunc func() (Handler, error)

func (f targetFunc) Open(*Session) (Handler, error) { return f() }

// nothing answers without making anything.
type nothing struct{ ok protocol.Chunk }

func (n *nothing) Open(*Session) (Handler, error) { return n, nil }

func (n *nothing) Serve(_ context.Context, w ReplyWriter, _ *Command) error {
	return w.WriteReply(&n.ok)
}

// through is a filter that does nothing but stand there.
type through struct{}

func (through) Open(_ *Session, next Handler) (Handler, error) { return &throughLink{next}, nil }

type throughLink struct{ next Handler }

func (l *throughLink) Serve(ctx context.Context, w ReplyWriter, c *Command) error {
	return l.next.Serve(ctx, w, c)
}

// BenchmarkCounting is what metrics cost a command in a pipeline of two filters and a router: the difference between its
// two parts.
func BenchmarkCounting(b *testing.B) {
	ok := protocol.OK{}
	n := &nothing{protocol.Chunk{
		Data: protocol.AppendPacket(nil, 1, ok.Append(nil, protocol.ClientProtocol41)), Count: 1, Kind: protocol.KindOK, Final: true, Server: "db1",
	}}
	c := NewCommand(protocol.ComQuery, []byte("SELECT 1"), 0)
	statement := &Statement{Description: sqlscan.Description{Class: sqlscan.Read}}
	b.Run("without", func(b *testing.B) {
		s := on(b, n)
		s.chain, _ = through{}.Open(s, &throughLink{n})
		b.ReportAllocs()
		for b.Loop() {
			s.watch.Reset(discard{})
			_ = s.chain.Serve(s.ctx, &s.watch, c)
		}
	})
	b.Run("with", func(b *testing.B) {
		s := on(b, n, through{}, through{})
		b.ReportAllocs()
		for b.Loop() {
			s.watch.Reset(discard{})
			s.countCommand(c)
			err := s.chain.Serve(s.ctx, &s.watch, c)
			s.countReply(c, statement, err)
			// What the ends of a session count of its bytes.
			s.tally.received += 10
			s.tally.sent += 20
			(&Link{s: s, Server: &Server{slot: 1}}).traffic().sent += 10
		}
	})
}
