package querylog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

func TestConformance(t *testing.T) {
	all := slices.Clone(fieldNames[:])
	for name, change := range map[string]func(*Config){
		"defaults":  func(*Config) {},
		"csv":       func(c *Config) { c.Format, c.Fields, c.Literals = "csv", all, "redact" },
		"session":   func(c *Config) { c.Per, c.Path, c.WhenFull = "session", c.Path+sessionMark, "drop" },
		"integrity": func(c *Config) { c.Integrity, c.IntegrityKey, c.MaxSize, c.Keep = true, "key", 1<<20, 2 },
		"selected":  func(c *Config) { c.Users, c.MinDuration = []string{"app"}, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(filepath.Join(t.TempDir(), "query.log"), change)
			pipelinetest.TestFilter(t, Kind, c, pipelinetest.Transparent, pipelinetest.AllocatesNothing)
		})
	}
}

// settings are the defaults with the smallest queue, changed.
func settings(path string, changes ...func(*Config)) Config {
	c := defaults
	c.Path, c.Queue = path, minQueue
	for _, change := range changes {
		change(&c)
	}
	return c
}

// A logged is a line, without what differs from run to run.
type logged struct {
	Session      int
	User         string
	Client       string
	Schema       string
	Command      string
	Statement    *string
	Truncated    bool
	Rows         int
	AffectedRows int `json:"affected_rows"`
	Bytes        int
	Error        int
	SQLState     string
	ErrorMessage string `json:"error_message"`
	Params       json.RawMessage
	ParamSets    int `json:"param_sets"`
	Aborted      bool
	Server       string
}

// A bench is a filter that logs to a file of the test.
type bench struct {
	*pipelinetest.Process
	path string
}

func start(t *testing.T, changes ...func(*Config)) bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "query.jsonl")
	c := settings(path, changes...)
	return bench{pipelinetest.Start(t, Kind, c), c.Path}
}

// lines stops the filter and returns what it has written.
func (b bench) lines(t *testing.T) (all []logged) {
	t.Helper()
	b.Stop()
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

// serve answers the commands of a session one after the other.
func serve(t *testing.T, b bench, talks []talk) {
	t.Helper()
	var reply pipelinetest.Reply
	server := &pipelinetest.Server{Answer: func(context.Context, *pipeline.Command) (pipelinetest.Reply, error) {
		return reply, nil
	}}
	chain := b.Open(t, pipelinetest.Session(7), server)
	for _, k := range talks {
		reply = k.reply
		if _, err := chain.Send(t.Context(), k.com, []byte(k.rest)); err != nil {
			t.Fatal(err)
		}
	}
	chain.Close()
}

type talk struct {
	com   byte
	rest  string
	reply pipelinetest.Reply
}

// line is what every line of the session has.
func line(command string, statement *string, change func(*logged)) logged {
	l := logged{
		Session: 7, User: "app", Client: "192.0.2.7:40123", Schema: "shop", Command: command, Statement: statement,
		Server: pipelinetest.ServerName,
	}
	change(&l)
	return l
}

func TestLinesOfASession(t *testing.T) {
	const (
		one, two, last = "\x01\x00\x00\x00", "\x02\x00\x00\x00", "\xff\xff\xff\xff"
		execute        = "\x00\x01\x00\x00\x00"
	)
	ok, rows := pipelinetest.OK(0, 0), pipelinetest.Rows(3)
	size := func(r pipelinetest.Reply) int { return len(r.Bytes()) }
	broken := pipelinetest.Err(1064, "42000", "You have an error")
	b := start(t)
	serve(t, b, []talk{
		{protocol.ComQuery, "select \"n\"\nfrom t", rows},
		{protocol.ComQuery, "update t set n = 1", pipelinetest.OK(5, 0)},
		{protocol.ComQuery, "nonsense", broken},
		{protocol.ComPing, "", ok},
		{0x42, "hm", pipelinetest.Other([]byte("hm"))},
		{protocol.ComStmtPrepare, "select ?", pipelinetest.Prepared(1, 1)},
		{protocol.ComStmtPrepare, "select ?, \"b\"", pipelinetest.Prepared(2, 1)},
		{protocol.ComStmtExecute, one + execute, rows},
		{protocol.ComStmtExecute, last + execute, rows},
		{protocol.ComStmtFetch, two + "\x0a\x00\x00\x00", rows},
		{protocol.ComStmtClose, one, nil},
		{protocol.ComStmtExecute, one + execute, broken},
		{protocol.ComStmtPrepare, "nonsense", broken},
		{protocol.ComStmtExecute, last + execute, broken},
		{protocol.ComStmtExecute, "", broken},
	})
	failed := func(l *logged) {
		l.Bytes, l.Error, l.SQLState, l.ErrorMessage = size(broken), 1064, "42000", "You have an error"
	}
	threeRows := func(l *logged) { l.Bytes, l.Rows = size(rows), 3 }
	prepared := func(l *logged) { l.Bytes = size(pipelinetest.Prepared(1, 1)) }
	first, second := new("select ?"), new("select ?, \"b\"")
	want := []logged{
		line("COM_QUERY", new("select \"n\"\nfrom t"), threeRows),
		line("COM_QUERY", new("update t set n = 1"), func(l *logged) { l.Bytes, l.AffectedRows = size(ok), 5 }),
		line("COM_QUERY", new("nonsense"), failed),
		line("COM_PING", nil, func(l *logged) { l.Bytes = size(ok) }),
		line("COM_UNKNOWN", nil, func(l *logged) { l.Bytes = 6 }),
		line("COM_STMT_PREPARE", first, prepared),
		line("COM_STMT_PREPARE", second, prepared),
		line("COM_STMT_EXECUTE", first, threeRows),
		line("COM_STMT_EXECUTE", second, threeRows),
		line("COM_STMT_FETCH", second, threeRows),
		line("COM_STMT_CLOSE", first, func(l *logged) { l.Server = "" }),
		line("COM_STMT_EXECUTE", nil, failed),
		line("COM_STMT_PREPARE", new("nonsense"), failed),
		line("COM_STMT_EXECUTE", nil, failed),
		line("COM_STMT_EXECUTE", nil, failed),
	}
	if diff := cmp.Diff(want, b.lines(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTruncatedStatement(t *testing.T) {
	b := start(t)
	chain := b.Open(t, pipelinetest.Session(1), pipelinetest.Always(pipelinetest.OK(0, 0)))
	var w pipelinetest.Recorder
	cmd := pipelinetest.Long(protocol.ComQuery, []byte("insert into t values ('ü', 'and so on')"), 28)
	if err := chain.Serve(t.Context(), &w, cmd); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("\x01", minQueue)
	if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte(long)); err != nil {
		t.Fatal(err)
	}
	got := b.lines(t)
	if len(got) != 2 {
		t.Fatalf("%d lines, want 2", len(got))
	}
	if !got[0].Truncated || *got[0].Statement != "insert into t values ('" {
		t.Errorf("first part: %q, truncated %v", *got[0].Statement, got[0].Truncated)
	}
	if !got[1].Truncated || len(*got[1].Statement) != limitsOf(minQueue).text {
		t.Errorf("longer than a line may be: %d bytes, truncated %v", len(*got[1].Statement), got[1].Truncated)
	}
}

// shown returns the statements in the log of a session of these.
func shown(t *testing.T, talks []talk, changes ...func(*Config)) (all []string) {
	t.Helper()
	b := start(t, changes...)
	serve(t, b, talks)
	for _, l := range b.lines(t) {
		text := l.Command
		if l.Statement != nil {
			text += " " + *l.Statement
		}
		all = append(all, text)
	}
	return all
}

func TestSelection(t *testing.T) {
	broken := pipelinetest.Err(1064, "42000", "You have an error")
	talks := []talk{
		{protocol.ComQuery, "SELECT 1", pipelinetest.Rows(1)},
		{protocol.ComQuery, "DELETE FROM t", broken},
		{protocol.ComPing, "", pipelinetest.OK(0, 0)},
		{protocol.ComStmtPrepare, "SELECT ?", pipelinetest.Prepared(1, 1)},
		{protocol.ComStmtExecute, first + execute + "\x01", pipelinetest.Rows(1)},
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{
			"match", func(c *Config) { c.Match = "(?i)select" },
			[]string{"COM_QUERY SELECT 1", "COM_STMT_PREPARE SELECT ?", "COM_STMT_EXECUTE SELECT ?"},
		},
		{"exclude", func(c *Config) { c.Exclude = "(?i)select" }, []string{"COM_QUERY DELETE FROM t", "COM_PING"}},
		{"only errors", func(c *Config) { c.OnlyErrors = true }, []string{"COM_QUERY DELETE FROM t"}},
		{"none so long", func(c *Config) { c.MinDuration = time.Hour }, nil},
		{"others' users", func(c *Config) { c.Users = []string{"root"} }, nil},
		{"others' addresses", func(c *Config) { c.Sources = []string{"10.0.0.0/8"} }, nil},
	} {
		if diff := cmp.Diff(tt.want, shown(t, talks, tt.change)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// What a statement took counts, not what the client took to send the next.
func TestMinDuration(t *testing.T) {
	b := start(t, func(c *Config) { c.MinDuration = 20 * time.Millisecond })
	slow := false
	chain := b.Open(t, pipelinetest.Session(1), &pipelinetest.Server{
		Answer: func(context.Context, *pipeline.Command) (pipelinetest.Reply, error) {
			if slow {
				time.Sleep(25 * time.Millisecond)
			}
			return pipelinetest.OK(0, 0), nil
		},
	})
	for _, text := range []string{"fast", "slow", "fast"} {
		slow = text == "slow"
		if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.lines(t); len(got) != 1 || *got[0].Statement != "slow" {
		t.Errorf("got %+v", got)
	}
}

// A statement that makes the chain panic is in the log, and so is one whose server is lost, with what the client is told.
func TestPanicAndLoss(t *testing.T) {
	b := start(t)
	chain := b.Open(t, pipelinetest.Session(1), &pipelinetest.Server{
		Answer: func(_ context.Context, c *pipeline.Command) (pipelinetest.Reply, error) {
			if text, _ := c.Text(); string(text) == "panic" {
				panic("a fault")
			}
			return nil, fmt.Errorf("server db1: %w", &protocol.SQLError{Code: 2013, State: "HY000", Message: "Lost connection"})
		},
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = chain.Send(t.Context(), protocol.ComQuery, []byte("panic"))
	}()
	if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte("lost")); err == nil {
		t.Error("the error was swallowed")
	}
	got := b.lines(t)
	if len(got) != 2 || !got[0].Aborted || *got[0].Statement != "panic" || !got[1].Aborted || got[1].Error != 2013 ||
		got[1].ErrorMessage != "Lost connection" {
		t.Errorf("got %+v", got)
	}
}

// A statement is in the log even where the session breaks while it runs.
func TestAbortedStatement(t *testing.T) {
	b := start(t)
	lost := errors.New("server lost")
	chain := b.Open(t, pipelinetest.Session(1), &pipelinetest.Server{
		Answer: func(context.Context, *pipeline.Command) (pipelinetest.Reply, error) {
			return pipelinetest.Rows(3)[:3], lost
		},
	})
	if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte("select 1")); !errors.Is(err, lost) {
		t.Fatalf("got %v, want %v", err, lost)
	}
	got := b.lines(t)
	if len(got) != 1 || !got[0].Aborted || got[0].Rows != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestTimes(t *testing.T) {
	b := start(t)
	serve(t, b, []talk{{protocol.ComQuery, "select 1", pipelinetest.Rows(1)}})
	b.Stop()
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	var l struct {
		Time  time.Time
		First *int `json:"first_us"`
		Last  *int `json:"last_us"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(l.Time); age < 0 || age > time.Minute {
		t.Errorf("the statement is said to be %v old", age)
	}
	if l.First == nil || l.Last == nil || *l.First > *l.Last {
		t.Errorf("first_us and last_us are wrong in %s", text)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.jsonl")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := bench{pipelinetest.Start(t, Kind, settings(path)), path}
	serve(t, b, []talk{{protocol.ComPing, "", pipelinetest.OK(0, 0)}})
	b.Stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "before\n{") {
		t.Errorf("not appended to: %s", text)
	}
	fresh := start(t)
	info, err := os.Stat(fresh.path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&^0o640 != 0 {
		t.Errorf("made with permissions %o", mode)
	}
}

func TestNew(t *testing.T) {
	env := pipeline.Env{
		OnStart: func(func() error) {}, OnStop: func(func()) {}, OnReopen: func(func()) {}, Expose: func(pipeline.Metric) {},
	}
	tests := []struct {
		change  func(*Config)
		setting string
		says    string
	}{
		{func(*Config) {}, "", ""},
		{func(c *Config) { c.Path = "" }, "path", "must name a file"},
		{func(c *Config) { c.Queue = 100 }, "queue", "between"},
		{func(c *Config) { c.Queue = 1<<30 + 1 }, "queue", "between"},
		{func(c *Config) { c.Format = "jsno" }, "format", `did you mean "json"?`},
		{func(c *Config) { c.Literals = "hide" }, "literals", "known are keep, redact"},
		{func(c *Config) { c.WhenFull = "wait" }, "when_full", "block, drop"},
		{func(c *Config) { c.Per = "sesion" }, "per", `did you mean "session"?`},
		{func(c *Config) { c.Per = "session" }, "path", "must have {session} in it"},
		{func(c *Config) { c.Per, c.Path = "session", "-" }, "path", "standard output"},
		{func(c *Config) { c.Path = "x{session}" }, "path", `per = "session"`},
		{func(c *Config) { c.Fields = []string{"time", "statemnet"} }, "fields", `did you mean "statement"?`},
		{func(c *Config) { c.Fields = []string{"time", "time"} }, "fields", "twice"},
		{func(c *Config) { c.MinDuration = -1 }, "min_duration", "negative"},
		{func(c *Config) { c.MaxSize = 10 }, "max_size", "at least"},
		{func(c *Config) { c.MaxSize, c.Path = 1<<20, "-" }, "max_size", "not rotated"},
		{func(c *Config) { c.MaxAge = 1 }, "max_age", "at least"},
		{func(c *Config) { c.Keep = 3 }, "keep", "max_size"},
		{func(c *Config) { c.Keep, c.MaxSize = -3, 1<<20 }, "keep", "negative"},
		{func(c *Config) { c.Compress = true }, "compress", "max_age"},
		{func(c *Config) { c.IntegrityKey = "k" }, "integrity_key", "integrity"},
		{func(c *Config) { c.Match = "(" }, "match", "parsing"},
		{func(c *Config) { c.Sources = []string{"10.0.0.0/99"} }, "source", "10.0.0.0/99"},
	}
	for _, tt := range tests {
		c := settings("x", tt.change)
		_, err := New(c, env)
		var invalid *pipeline.InvalidError
		errors.As(err, &invalid)
		if (tt.setting == "") != (err == nil) || err != nil && (invalid == nil || invalid.Setting != tt.setting ||
			!strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: got %v", tt.setting, err)
		}
	}
}

func TestStartNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere", "query.jsonl")
	var begin func() error
	var end func()
	_, err := New(settings(path), pipeline.Env{
		OnStart: func(f func() error) { begin = f }, OnStop: func(f func()) { end = f }, OnReopen: func(func()) {},
		Expose: func(pipeline.Metric) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := begin(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	end()
}

// BenchmarkStatement is all that the filter costs: what a session pays, and the writer's part.
func BenchmarkStatement(b *testing.B) {
	path := filepath.Join(b.TempDir(), "query.jsonl")
	c := defaults
	c.Path = path
	p := pipelinetest.Start(b, Kind, c)
	reply := pipelinetest.Rows(1)
	next := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, _ *pipeline.Command) error {
		for i := range reply {
			if err := w.WriteReply(&reply[i]); err != nil {
				return err
			}
		}
		return nil
	})
	cmd := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id = 4982"), pipelinetest.Caps)
	b.RunParallel(func(pb *testing.PB) {
		h, err := p.Filter.Open(pipeline.Detached(pipelinetest.Session(1)), next)
		if err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			if err := h.Serve(b.Context(), nowhere{}, cmd); err != nil {
				b.Error(err)
				return
			}
		}
	})
	p.Stop()
}

type nowhere struct{}

func (nowhere) WriteReply(*protocol.Chunk) error { return nil }

// BenchmarkChain is what integrity costs the writer for each record.
func BenchmarkChain(b *testing.B) {
	for name, key := range map[string][]byte{"sha256": nil, "hmac": []byte("key")} {
		b.Run(name, func(b *testing.B) {
			c := newChain(key, false)
			record := []byte("{" + strings.Repeat("x", 310) + "}\n")
			var dst []byte
			for b.Loop() {
				dst = c.append(dst[:0], record, nil)
			}
		})
	}
}
