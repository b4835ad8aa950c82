package traces

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// newWriter makes a writer whose batches stay with it.
func newWriter(change func(*pipeline.TracesConfig)) *writer {
	c := pipeline.TracesDefaults
	if change != nil {
		change(&c)
	}
	e := &Exporter{config: c, full: make(chan *batch, 1), free: make(chan *batch, 1)}
	return e.writer()
}

// decode reads what a writer has written as a collector would.
func decode(t testing.TB, w *writer) []*tracepb.Span {
	t.Helper()
	var scope tracepb.ScopeSpans
	if err := proto.Unmarshal(w.b.spans, &scope); err != nil {
		t.Fatal(err)
	}
	if len(scope.ProtoReflect().GetUnknown()) > 0 || len(scope.Spans) != w.b.count {
		t.Fatalf("%d spans, counted as %d; unknown % x", len(scope.Spans), w.b.count, scope.ProtoReflect().GetUnknown())
	}
	return scope.Spans
}

// show writes a span as a line for each thing it says.
func show(s *tracepb.Span) (lines []string) {
	lines = append(lines, fmt.Sprintf("%s %s", s.Kind, s.Name))
	for _, kv := range s.Attributes {
		value := kv.Value.GetStringValue()
		if kv.Value.GetValue() == nil {
			value = "nothing"
		} else if _, ok := strings.CutPrefix(fmt.Sprintf("%T", kv.Value.GetValue()), "*v1.AnyValue_StringValue"); !ok {
			value = strings.TrimSpace(strings.SplitN(kv.Value.String(), ":", 2)[1])
		}
		lines = append(lines, kv.Key+" = "+value)
	}
	if s.Status != nil {
		lines = append(lines, fmt.Sprintf("%s %q", s.Status.Code, s.Status.Message))
	}
	return lines
}

// example is a trace of a statement with one leg.
func example(t testing.TB, com byte, text string, st *pipeline.Statement) *pipeline.Trace {
	t.Helper()
	s := pipeline.Detached(pipeline.SessionInfo{ID: 1<<31 + 9, User: "app", ClientAddr: "127.0.0.1:4711"})
	t.Cleanup(s.Close)
	c := pipeline.ServerDefaults
	c.Name, c.Address = "db1", "localhost:3307"
	srv, err := pipeline.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	context, _ := protocol.ParseTraceparent([]byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
	return &pipeline.Trace{
		Session: s, Pipeline: "main", Command: pipeline.NewCommand(com, []byte(text), 0), Statement: st, Context: context,
		Kept: "ratio", Schema: "shop", Start: time.Unix(1_800_000_000, 123), End: 3 * time.Millisecond,
		Reply: &pipeline.Watch{
			First: time.Millisecond, Last: 3 * time.Millisecond, Bytes: 300, Rows: 2, ResultSets: 1, Done: true, Server: "db1",
		},
		Legs: []pipeline.Leg{{
			SpanID: [8]byte{1, 2}, Server: srv, ThreadID: 77, Peer: netip.MustParseAddrPort("127.0.0.1:3307"), Command: com,
			Statement: st, Start: 100 * time.Microsecond, First: 900 * time.Microsecond, End: 2 * time.Millisecond,
			Rows: 2, Bytes: 300,
		}},
	}
}

func selectStatement() *pipeline.Statement {
	return &pipeline.Statement{
		Description: sqlscan.Description{Class: sqlscan.Read, Operation: "SELECT", Summary: "SELECT orders", Statements: 1},
		Digest:      0x00ab, Canonical: "SELECT * FROM orders WHERE id = ?",
	}
}

func TestSpans(t *testing.T) {
	w := newWriter(nil)
	w.WriteTrace(example(t, protocol.ComQuery, "SELECT * FROM orders WHERE id=5", selectStatement()))
	all := decode(t, w)
	if len(all) != 2 {
		t.Fatalf("%d spans", len(all))
	}
	statement, leg := all[0], all[1]
	if diff := cmp.Diff([]string{
		"SPAN_KIND_SERVER SELECT orders",
		"db.system.name = mysql",
		"db.namespace = shop",
		"db.query.summary = SELECT orders",
		"db.operation.name = SELECT",
		"db.query.text = SELECT * FROM orders WHERE id = ?",
		"client.address = 127.0.0.1",
		"client.port = 4711",
		"user.name = app",
		"weir.session = 2147483657",
		"weir.pipeline = main",
		"weir.command = COM_QUERY",
		"db.response.returned_rows = 2",
		"server.address = localhost",
		"server.port = 3307",
		"weir.server = db1",
		"weir.sampled = ratio",
		"weir.digest = 00000000000000ab",
		"weir.response.first_byte = 0.001",
		"weir.response.last_byte = 0.003",
		"weir.response.bytes = 300",
	}, show(statement)); diff != "" {
		t.Errorf("statement: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"SPAN_KIND_CLIENT SELECT orders",
		"db.system.name = mysql",
		"db.namespace = shop",
		"db.query.summary = SELECT orders",
		"db.operation.name = SELECT",
		"db.query.text = SELECT * FROM orders WHERE id = ?",
		"db.response.returned_rows = 2",
		"server.address = localhost",
		"server.port = 3307",
		"weir.server = db1",
		"network.peer.address = 127.0.0.1",
		"network.peer.port = 3307",
		"weir.server.connection = 77",
		"weir.response.first_byte = 0.0008",
		"weir.response.bytes = 300",
	}, show(leg)); diff != "" {
		t.Errorf("leg: -want +got:\n%s", diff)
	}
	if len(statement.ParentSpanId) > 0 || hex.EncodeToString(statement.TraceId) != "4bf92f3577b34da6a3ce929d0e0e4736" ||
		hex.EncodeToString(statement.SpanId) != "00f067aa0ba902b7" || statement.Flags != 0x101 || statement.Status != nil ||
		statement.StartTimeUnixNano != 1_800_000_000_000_000_123 || statement.EndTimeUnixNano != 1_800_000_000_003_000_123 {
		t.Errorf("%v", statement)
	}
	if !slices.Equal(leg.ParentSpanId, statement.SpanId) || !slices.Equal(leg.TraceId, statement.TraceId) ||
		leg.Flags != 0x101 || leg.StartTimeUnixNano != 1_800_000_000_000_100_123 || leg.EndTimeUnixNano != 1_800_000_000_002_000_123 {
		t.Errorf("%v", leg)
	}
}

func TestParentAndState(t *testing.T) {
	w := newWriter(nil)
	tr := example(t, protocol.ComQuery, "SELECT 1", selectStatement())
	tr.Parent, tr.State = [8]byte{7}, []byte("a=b")
	w.WriteTrace(tr)
	for i, want := range []struct {
		parent string
		flags  uint32
	}{{"0700000000000000", 0x301}, {"00f067aa0ba902b7", 0x101}} {
		s := decode(t, w)[i]
		if hex.EncodeToString(s.ParentSpanId) != want.parent || s.Flags != want.flags || s.TraceState != "a=b" {
			t.Errorf("%d: %v", i, s)
		}
	}
}

// name is what the first span is called, and all lines that begin with one of the keys.
func lines(s *tracepb.Span, keys ...string) (found []string) {
	for _, line := range show(s)[1:] {
		if slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(line, key) }) {
			found = append(found, line)
		}
	}
	return found
}

func TestNames(t *testing.T) {
	long := selectStatement()
	long.Summary = strings.Repeat("SELECT orders ", 18) + "x" // 253 bytes
	call := &pipeline.Statement{Canonical: "CALL p(?)", Description: sqlscan.Description{Operation: "CALL"}}
	for _, tt := range []struct {
		com   byte
		st    *pipeline.Statement
		batch int
		name  string
		lines []string
	}{
		{protocol.ComQuery, selectStatement(), 0, "SELECT orders", []string{"db.query.summary = SELECT orders", "db.operation.name = SELECT"}},
		{
			protocol.ComStmtPrepare, selectStatement(), 0, "PREPARE SELECT orders",
			[]string{"db.query.summary = PREPARE SELECT orders", "db.operation.name = PREPARE"},
		},
		{
			protocol.ComStmtFetch, selectStatement(), 0, "FETCH SELECT orders",
			[]string{"db.query.summary = FETCH SELECT orders", "db.operation.name = FETCH"},
		},
		{
			protocol.ComStmtBulkExecute, selectStatement(), 100, "BATCH SELECT orders",
			[]string{"db.query.summary = BATCH SELECT orders", "db.operation.name = SELECT", "db.operation.batch.size = 100"},
		},
		{protocol.ComQuery, call, 0, "CALL", []string{"db.operation.name = CALL"}},
		{protocol.ComStmtExecute, nil, 0, "COM_STMT_EXECUTE", nil},
		{protocol.ComStmtFetch, nil, 0, "FETCH", []string{"db.operation.name = FETCH"}},
		{
			protocol.ComStmtPrepare, long, 0, "PREPARE " + strings.TrimSpace(strings.Repeat("SELECT orders ", 17)) + " SELECT",
			[]string{"db.query.summary = PREPARE " + strings.TrimSpace(strings.Repeat("SELECT orders ", 17)) + " SELECT", "db.operation.name = PREPARE"},
		},
	} {
		w := newWriter(nil)
		tr := example(t, tt.com, "\x01\x00\x00\x00", tt.st)
		tr.Batch = tt.batch
		w.WriteTrace(tr)
		for i, s := range decode(t, w) {
			got := lines(s, "db.query.summary", "db.operation")
			want := tt.lines
			if i == 1 { // how many there are is the statement's to say
				want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.HasPrefix(s, "db.operation.batch") })
			}
			slices.Sort(got)
			want = slices.Sorted(slices.Values(want))
			if s.Name != tt.name || !slices.Equal(got, want) || len(s.Name) > maxSummary {
				t.Errorf("span %d of %s: %q, %q; want %q, %q", i, protocol.CommandName(tt.com), s.Name, got, tt.name, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	refused := &protocol.SQLError{Code: 1062, State: "23000", Message: "Duplicate entry 'secret'"}
	for _, tt := range []struct {
		name           string
		change         func(*pipeline.Trace)
		text           string
		statement, leg []string
	}{
		{
			"refused", func(t *pipeline.Trace) {
				t.Reply.Err = refused
				t.Legs[0].Code, t.Legs[0].State = 1062, [5]byte([]byte("23000"))
			}, "canonical",
			[]string{"db.response.status_code = 1062", "error.type = 1062", `STATUS_CODE_ERROR "1062 (23000)"`},
			[]string{"db.response.status_code = 1062", "error.type = 1062", `STATUS_CODE_ERROR "1062 (23000)"`},
		},
		{
			"refused, in so many words", func(t *pipeline.Trace) { t.Reply.Err = refused }, "raw",
			[]string{
				"db.response.status_code = 1062", "error.type = 1062",
				`STATUS_CODE_ERROR "1062 (23000): Duplicate entry 'secret'"`,
			},
			nil,
		},
		{
			"client gone", func(t *pipeline.Trace) { t.Failure, t.Legs[0].Lost = "client_gone", true }, "canonical",
			[]string{"error.type = client_gone", `STATUS_CODE_ERROR ""`},
			[]string{"error.type = client_gone", `STATUS_CODE_ERROR ""`},
		},
		{
			"one of two servers lost", func(t *pipeline.Trace) { t.Legs[0].Lost = true }, "canonical", nil,
			[]string{"error.type = server_lost", `STATUS_CODE_ERROR ""`},
		},
	} {
		w := newWriter(func(c *pipeline.TracesConfig) { c.QueryText = tt.text })
		tr := example(t, protocol.ComQuery, "INSERT", selectStatement())
		tt.change(tr)
		w.WriteTrace(tr)
		for i, want := range [][]string{tt.statement, tt.leg} {
			if got := lines(decode(t, w)[i], "db.response.status", "error", "STATUS"); !slices.Equal(got, want) {
				t.Errorf("%s, span %d: %q, want %q", tt.name, i, got, want)
			}
		}
	}
}

func TestTexts(t *testing.T) {
	rewritten := selectStatement()
	rewritten.Canonical = "SELECT * FROM archive WHERE id = ?"
	odd := selectStatement()
	odd.Canonical, odd.Summary = "SELECT \xff\xfe", "SELECT \xff"
	long := selectStatement()
	long.Canonical = strings.Repeat("é", maxText)
	for _, tt := range []struct {
		name, setting  string
		st, sent       *pipeline.Statement
		statement, leg string
	}{
		{"canonical", "canonical", selectStatement(), nil, "SELECT * FROM orders WHERE id = ?", "SELECT * FROM orders WHERE id = ?"},
		{"raw", "raw", selectStatement(), nil, "SELECT * FROM orders WHERE id=5", "SELECT * FROM orders WHERE id=5"},
		{"none", "none", selectStatement(), nil, "", ""},
		{"rewritten", "canonical", selectStatement(), rewritten, "SELECT * FROM orders WHERE id = ?", rewritten.Canonical},
		{"rewritten, raw", "raw", selectStatement(), rewritten, "SELECT * FROM orders WHERE id=5", rewritten.Canonical},
		{"no UTF-8", "canonical", odd, nil, "SELECT \uFFFD", "SELECT \uFFFD"},
		{"long", "canonical", long, nil, strings.Repeat("é", maxText/2), strings.Repeat("é", maxText/2)},
	} {
		w := newWriter(func(c *pipeline.TracesConfig) { c.QueryText = tt.setting })
		tr := example(t, protocol.ComQuery, "SELECT * FROM orders WHERE id=5", tt.st)
		tr.Schema = "sch\xffma"
		if tt.sent != nil {
			tr.Legs[0].Statement = tt.sent
		}
		w.WriteTrace(tr)
		for i, want := range []string{tt.statement, tt.leg} {
			got := strings.TrimPrefix(strings.Join(lines(decode(t, w)[i], "db.query.text"), ""), "db.query.text = ")
			if got != want {
				t.Errorf("%s, span %d: %.100q of %d bytes, want %.100q", tt.name, i, got, len(got), want)
			}
		}
	}
}

// Spans have the length before them that they have, short or long.
func TestLengths(t *testing.T) {
	for _, n := range []int{1, 10, 100, 127, 128, 16000, 16383 - 3, 16383, 16384, 40000} {
		b, at := beginSpan(nil)
		b = appendBytes(b, spanName, strings.Repeat("x", n))
		b = endSpan(b, at)
		var scope tracepb.ScopeSpans
		if err := proto.Unmarshal(b, &scope); err != nil || len(scope.Spans) != 1 || len(scope.Spans[0].Name) != n {
			t.Errorf("%d: %v, %v", n, err, scope.Spans)
		}
		if canonical, _ := proto.Marshal(&scope); string(canonical) != string(b) {
			t.Errorf("%d: not as the library writes it", n)
		}
	}
}

func TestWriterAllocatesNothing(t *testing.T) {
	w := newWriter(nil)
	tr := example(t, protocol.ComQuery, "SELECT 1", selectStatement())
	w.WriteTrace(tr)
	if n := testing.AllocsPerRun(1000, func() {
		w.b.spans, w.b.count = w.b.spans[:0], 0
		w.WriteTrace(tr)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWriteTrace(b *testing.B) {
	w := newWriter(nil)
	tr := example(b, protocol.ComQuery, "SELECT 1", selectStatement())
	w.WriteTrace(tr)
	b.SetBytes(int64(len(w.b.spans)))
	b.ReportAllocs()
	for b.Loop() {
		w.b.spans, w.b.count = w.b.spans[:0], 0
		w.WriteTrace(tr)
	}
}
