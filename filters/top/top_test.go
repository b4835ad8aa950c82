package top

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// config is Kind's defaults, changed.
func config(change func(*Config)) Config {
	c := Kind.Defaults.(Config)
	change(&c)
	return c
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []Config{
		config(func(*Config) {}),
		config(func(c *Config) {
			c.Path, c.Report, c.Queue = filepath.Join(dir, "session"), filepath.Join(dir, "report"), 16
		}),
	} {
		pipelinetest.TestFilter(t, Kind, c, pipelinetest.Transparent, pipelinetest.AllocatesNothing)
	}
	// The race detector has package regexp's pools lose what is put back, so that matching allocates.
	pipelinetest.TestFilter(t, Kind, config(func(c *Config) { c.Match, c.Exclude, c.Example = "select", "where", 0 }),
		pipelinetest.Transparent)
}

func document(t *testing.T, p *pipelinetest.Process) Document {
	t.Helper()
	return p.Pages["top"]().(Document)
}

func send(t *testing.T, chain *pipelinetest.Chain, com byte, rest string) {
	t.Helper()
	if _, err := chain.Send(t.Context(), com, []byte(rest)); err != nil {
		t.Fatal(err)
	}
}

const (
	execute = "\x01\x00\x00\x00\x00\x01\x00\x00\x00"
	fetch   = "\x01\x00\x00\x00\x0a\x00\x00\x00"
)

// answers answers as a server does.
func answers() *pipelinetest.Server {
	return &pipelinetest.Server{Answer: func(_ context.Context, c *pipeline.Command) (pipelinetest.Reply, error) {
		switch c.Com() {
		case protocol.ComStmtPrepare:
			return pipelinetest.Prepared(1, 1), nil
		case protocol.ComStmtClose:
			return nil, nil
		case protocol.ComQuery:
			if text, _ := c.Text(); strings.Contains(string(text), "bad") {
				return pipelinetest.Err(1064, "42000", "no"), nil
			}
		}
		return pipelinetest.Rows(3), nil
	}}
}

func TestWhatIsCounted(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(*Config) {}))
	chain := p.Open(t, pipelinetest.Session(7), answers())
	send(t, chain, protocol.ComPing, "")
	send(t, chain, protocol.ComStmtExecute, execute) // of nothing that is known
	send(t, chain, protocol.ComStmtPrepare, "select n from t where n = ?")
	for range 3 {
		send(t, chain, protocol.ComStmtExecute, execute)
	}
	send(t, chain, protocol.ComStmtFetch, fetch)
	send(t, chain, protocol.ComStmtClose, "\x01\x00\x00\x00")
	send(t, chain, protocol.ComStmtExecute, execute)
	send(t, chain, protocol.ComQuery, "select bad")
	if err := chain.Serve(t.Context(), &pipelinetest.Recorder{},
		pipelinetest.Long(protocol.ComQuery, []byte("select 'long'"+strings.Repeat(" ", 1000)), 40)); err != nil {
		t.Fatal(err)
	}

	type row struct {
		Text                string
		Count, Rows, Errors uint64
		Truncated           bool
	}
	d := document(t, p)
	var got []row
	for _, one := range d.ByTime {
		got = append(got, row{one.Slowest.Text, one.Count, one.Rows, one.Errors, one.Slowest.Truncated})
		if one.Slowest.Session != 7 || one.Slowest.Seconds <= 0 || time.Since(one.Slowest.Time) > time.Minute {
			t.Errorf("the example is %+v", one.Slowest)
		}
	}
	slices.SortFunc(got, func(a, b row) int { return strings.Compare(a.Text, b.Text) })
	want := []row{
		{"select 'long'" + strings.Repeat(" ", 40-5-13), 1, 3, 0, true},
		{"select bad", 1, 0, 1, false},
		{"select n from t where n = ?", 3, 12, 0, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(d.ByErrors) != 1 || d.ByErrors[0].Codes["1064"] != 1 || d.ByErrors[0].Failed.Text != "select bad" {
		t.Errorf("by errors: %+v", d.ByErrors)
	}
	if d.Statements != 5 || d.Errors != 1 || d.Dropped != 0 || p.Metrics["weir_top_statements_total"].Read() != 5 {
		t.Errorf("%+v", d)
	}
}

func TestSelection(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(c *Config) {
		c.Match, c.Exclude, c.Users, c.Example = "^select", "secret", []string{"app"}, 0
	}))
	chain := p.Open(t, pipelinetest.Session(1), answers())
	for _, text := range []string{"select 1", "select secret", "do 1"} {
		send(t, chain, protocol.ComQuery, text)
	}
	send(t, chain, protocol.ComStmtPrepare, "do ?")
	send(t, chain, protocol.ComStmtExecute, execute)
	d := document(t, p)
	if d.Statements != 1 || len(d.ByTime) != 1 || d.ByTime[0].Slowest.Text != "" || !d.ByTime[0].Slowest.Truncated {
		t.Errorf("%+v", d)
	}
	info := pipelinetest.Session(2)
	info.User = "other"
	next := answers()
	if h, err := p.Filter.Open(pipeline.Detached(info), next); err != nil || h != pipeline.Handler(next) {
		t.Errorf("a session of another user got %T, %v", h, err)
	}
}

func TestAborted(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(*Config) {}))
	server := &pipelinetest.Server{Answer: func(context.Context, *pipeline.Command) (pipelinetest.Reply, error) {
		return pipelinetest.Rows(3)[:2], context.Canceled
	}}
	_, _ = p.Open(t, pipelinetest.Session(1), server).Send(t.Context(), protocol.ComQuery, []byte("select 1"))
	if d := document(t, p); len(d.ByErrors) != 1 || d.ByErrors[0].Codes["aborted"] != 1 || d.ByErrors[0].Seconds <= 0 {
		t.Errorf("%+v", d)
	}
}

// Statements that find the queue full are counted, and no session waits.
func TestDropped(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(c *Config) { c.Queue = 16 }))
	chain := p.Open(t, pipelinetest.Session(1), answers())
	k := p.Filter.(*Filter).collector
	k.mu.Lock() // adding up is behind
	for range 100 {
		send(t, chain, protocol.ComQuery, "select 1")
	}
	k.mu.Unlock()
	d := document(t, p)
	if d.Statements+d.Dropped != 100 || d.Dropped < 100-2*16 || p.Metrics["weir_top_dropped_total"].Read() != float64(d.Dropped) {
		t.Errorf("%d added up, %d dropped", d.Statements, d.Dropped)
	}
}

// The goroutine adds up by itself.
func TestCollects(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(c *Config) { c.Queue = 16 }))
	chain := p.Open(t, pipelinetest.Session(1), answers())
	added := p.Metrics["weir_top_statements_total"]
	for n := 1; n < 50; n += 12 { // some by time, some since the queue is half full
		for range n {
			send(t, chain, protocol.ComQuery, "select 1")
		}
		send(t, chain, protocol.ComPing, "")
		before := added.Read()
		for end := time.Now().Add(10 * time.Second); added.Read() == before && before == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing is added up")
			}
		}
	}
}

func TestReports(t *testing.T) {
	dir := t.TempDir()
	p := pipelinetest.Start(t, Kind, config(func(c *Config) {
		c.Path, c.Report = filepath.Join(dir, "top"), filepath.Join(dir, "report.json")
	}))
	used := p.Open(t, pipelinetest.Session(4711), answers())
	unused := p.Open(t, pipelinetest.Session(4712), answers())
	send(t, used, protocol.ComQuery, "select 1")
	send(t, used, protocol.ComStmtPrepare, "select n from t where n = ?")
	send(t, used, protocol.ComStmtExecute, execute)
	used.Close()
	unused.Close()
	p.Stop()

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Mode() != reportMode {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if diff := cmp.Diff([]string{"report.json", "top.4711"}, names); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, "top.4711"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"|  select 1\n", "|  select n from t where n = ?\n", "Connection from 192.0.2.7\n", "Username        app\n", "Total of 2 statements executed.\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var d Document
	if text, err = os.ReadFile(filepath.Join(dir, "report.json")); err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil || d.Statements != 2 || len(d.ByTime) != 2 {
		t.Errorf("%v, %s", err, text)
	}
}

func TestReportsThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "there")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := pipelinetest.Start(t, Kind, config(func(c *Config) { c.Path = filepath.Join(dir, "top") }))
	session := func(id uint32) {
		chain := p.Open(t, pipelinetest.Session(id), answers())
		send(t, chain, protocol.ComQuery, "select 1")
		chain.Close()
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	session(1)
	session(2)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	session(3)
	if n := p.Metrics["weir_top_report_errors_total"].Read(); n != 2 {
		t.Errorf("%v reports are counted as not written", n)
	}
	if log := p.Log.String(); strings.Count(log, "cannot write") != 1 || strings.Count(log, "writing reports again") != 1 {
		t.Errorf("the log says\n%s", log)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestStartFailsWhereReportsCannotBe(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "top")
	for _, c := range []Config{
		config(func(c *Config) { c.Path = missing }), config(func(c *Config) { c.Report = missing }),
	} {
		var start func() error
		var stop func()
		_, err := Kind.New(c, pipeline.Env{
			OnStart: func(f func() error) { start = f }, OnStop: func(f func()) { stop = f },
			Expose: func(pipeline.Metric) {}, Page: func(string, func() any) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := start(); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("error %v", err)
		}
		stop() // does no harm
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Count = 0 }, "count: must be between 1 and 1000"},
		{func(c *Config) { c.MaxText = 0 }, "max_text: must be between 1 and 1048576"},
		{func(c *Config) { c.Digests = 0 }, "digests: must be between 1 and 100000"},
		{func(c *Config) { c.Example = -1 }, "example: must be between 0 and 4096"},
		{func(c *Config) { c.Queue = 1 }, "queue: must be between 16 and 1048576"},
		{func(c *Config) { c.Match = "(" }, "match: error parsing regexp: missing closing ): `(`"},
	}
	for _, tt := range tests {
		if _, err := Kind.New(config(tt.change), pipeline.Env{}); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	for _, path := range []string{"", "top"} {
		b.Run(map[bool]string{true: "with reports of sessions", false: "without"}[path != ""], func(b *testing.B) {
			if path != "" {
				path = filepath.Join(b.TempDir(), path)
			}
			reply := pipelinetest.Rows(1)
			next := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, _ *pipeline.Command) error {
				for i := range reply {
					if err := w.WriteReply(&reply[i]); err != nil {
						return err
					}
				}
				return nil
			})
			p := pipelinetest.Start(b, Kind, config(func(c *Config) { c.Path = path }))
			h, err := p.Filter.Open(pipeline.Detached(pipelinetest.Session(1)), next)
			if err != nil {
				b.Fatal(err)
			}
			cmd := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id=4711"), pipelinetest.Caps)
			w, ctx := discard{}, b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Serve(ctx, w, cmd); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(p.Metrics["weir_top_dropped_total"].Read()/float64(b.N), "dropped/op")
		})
	}
}

type discard struct{}

func (discard) WriteReply(*protocol.Chunk) error { return nil }
