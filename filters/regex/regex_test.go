package regex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func short(match, replace string) Config {
	return config(func(c *Config) { c.Match, c.Replace = match, &replace })
}

func TestConformance(t *testing.T) {
	pipelinetest.TestFilter(t, Kind, short("(?i)from secret", "from public"),
		pipelinetest.Transparent, pipelinetest.AllocatesNothing)
	pipelinetest.TestFilter(t, Kind, config(func(c *Config) {
		c.Match, c.DryRun = "^select", true
		c.Rules = []Rule{{Match: `\d`, Replace: "0"}, {Match: "t", Replace: "u"}}
	}), pipelinetest.Transparent)
}

// serve sends a statement as COM_QUERY and returns what arrives.
func serve(t *testing.T, p *pipelinetest.Process, text string) string {
	t.Helper()
	server := pipelinetest.Always(pipelinetest.OK(0, 0))
	reply, err := p.Open(t, pipelinetest.Session(1), server).Send(t.Context(), protocol.ComQuery, []byte(text))
	if err != nil || reply.Err() != nil || len(server.Got) != 1 {
		t.Fatalf("%q: %v, %v, %d commands arrived", text, err, reply.Err(), len(server.Got))
	}
	got, _ := server.Got[0].Text()
	return string(got)
}

func TestRules(t *testing.T) {
	tests := []struct {
		name     string
		config   Config
		text     string
		want     string
		document document
	}{
		{
			"short form", short(`(?i)from (\w+)`, "from public.$1"),
			"SELECT 1 FROM a, (SELECT 2 FROM b) b", "SELECT 1 from public.a, (SELECT 2 from public.b) b",
			document{Changed: 1, Rules: []ruleDocument{{Name: "rule 1", Matched: 1, Changed: 1}}},
		},
		{
			"one after another", config(func(c *Config) {
				c.Rules = []Rule{{Match: "a", Replace: "b"}, {Name: "second", Match: "b", Replace: "c"}, {Match: "a", Replace: "d"}}
			}),
			"ab", "cc",
			document{Changed: 1, Rules: []ruleDocument{
				{Name: "rule 1", Matched: 1, Changed: 1}, {Name: "second", Matched: 1, Changed: 1}, {Name: "rule 3"},
			}},
		},
		{
			"stop", config(func(c *Config) {
				c.Rules = []Rule{{Match: "x", Replace: "y", Stop: true}, {Match: "a", Replace: "b", Stop: true}, {Match: "b", Replace: "c"}}
			}),
			"ab", "bb",
			document{Changed: 1, Rules: []ruleDocument{{Name: "rule 1"}, {Name: "rule 2", Matched: 1, Changed: 1}, {Name: "rule 3"}}},
		},
		{
			"first only", config(func(c *Config) {
				c.Rules = []Rule{{Match: "a", Replace: "b", All: new(false)}, {Match: "c", Replace: "d", All: new(true)}}
			}),
			"aacc", "badd",
			document{Changed: 1, Rules: []ruleDocument{
				{Name: "rule 1", Matched: 1, Changed: 1}, {Name: "rule 2", Matched: 1, Changed: 1},
			}},
		},
		{
			"dry run", config(func(c *Config) {
				c.DryRun = true
				c.Rules = []Rule{{Match: "a", Replace: "b"}, {Match: "b", Replace: "c"}}
			}),
			"a", "a",
			document{WouldChange: 1, Rules: []ruleDocument{
				{Name: "rule 1", Matched: 1, Changed: 1, DryRun: true}, {Name: "rule 2", Matched: 1, Changed: 1, DryRun: true},
			}},
		},
		{
			"dry run of one rule", config(func(c *Config) {
				c.Rules = []Rule{{Match: "a", Replace: "b", DryRun: true, Stop: true}, {Match: "a", Replace: "c"}}
			}),
			"a", "c",
			document{Changed: 1, WouldChange: 1, Rules: []ruleDocument{
				{Name: "rule 1", Matched: 1, Changed: 1, DryRun: true}, {Name: "rule 2", Matched: 1, Changed: 1},
			}},
		},
		{
			"nothing is left", short(".+", ""), "a", "a",
			document{Rules: []ruleDocument{{Name: "rule 1", Matched: 1}}},
		},
		{
			"selected", config(func(c *Config) {
				c.Match, c.Exclude = "^a", "z$"
				c.Rules = []Rule{{Match: "a", Replace: "b"}}
			}),
			"aa", "bb",
			document{Changed: 1, Rules: []ruleDocument{{Name: "rule 1", Matched: 1, Changed: 1}}},
		},
		{
			"not selected", config(func(c *Config) {
				c.Match = "^b"
				c.Rules = []Rule{{Match: "a", Replace: "b"}}
			}),
			"aa", "aa",
			document{Rules: []ruleDocument{{Name: "rule 1"}}},
		},
		{
			"excluded", config(func(c *Config) {
				c.Match, c.Replace, c.Exclude = "a", new("b"), "z$"
			}),
			"aaz", "aaz",
			document{Rules: []ruleDocument{{Name: "rule 1"}}},
		},
		{
			"long enough to go elsewhere", short("a", "b"), strings.Repeat("a", 5_000), strings.Repeat("b", 5_000),
			document{Changed: 1, Rules: []ruleDocument{{Name: "rule 1", Matched: 1, Changed: 1}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pipelinetest.Start(t, Kind, tt.config)
			if got := serve(t, p, tt.text); got != tt.want {
				t.Errorf("%q arrived, want %q", got, tt.want)
			}
			got := p.Pages["rules"]().(document)
			for i := range got.Rules {
				got.Rules[i].Match, got.Rules[i].Replace = "", ""
			}
			if diff := cmp.Diff(tt.document, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			for name, want := range map[string]uint64{
				"weir_regex_changed_total": tt.document.Changed, "weir_regex_would_change_total": tt.document.WouldChange,
				"weir_regex_oversize_total": 0, "weir_regex_held_bytes": 0,
			} {
				if got := p.Metrics[name].Read(); got != float64(want) {
					t.Errorf("%s is %v, want %d", name, got, want)
				}
			}
		})
	}
}

// A statement that takes its time goes on elsewhere, and is counted once.
func TestSlow(t *testing.T) {
	p := pipelinetest.Start(t, Kind, short("a(.*z)?", "b"))
	f := p.Filter.(*Filter)
	text := strings.Repeat("a", 300)
	for i, tt := range []struct {
		short, long time.Duration
		want        string
	}{
		{time.Hour, time.Hour, strings.Repeat("b", 300)},
		{-time.Hour, time.Hour, strings.Repeat("b", 300)},
		{-time.Hour, -time.Hour, text},
	} {
		f.shortTime, f.longTime = tt.short, tt.long
		if got := serve(t, p, text); got != tt.want {
			t.Errorf("%v, %v: %q arrived", tt.short, tt.long, got)
		}
		if changed, oversize := f.counts.changed.Load(), f.counts.oversize.Load(); changed != uint64(min(i+1, 2)) ||
			oversize != uint64(max(i-1, 0)) || f.rules[0].changed.Load() != changed {
			t.Errorf("%v, %v: %d changed, %d beyond a limit", tt.short, tt.long, changed, oversize)
		}
	}
}

// TestShortWork: the more an expression may do for each byte, the shorter the texts that other sessions wait for.
func TestShortWork(t *testing.T) {
	for expr, want := range map[string]int{
		`(?i)\bfrom\s+secret\b`: shortText, `([a-z0-9]|[a-z ]){0,999}!`: 32, `(\w+\s*){1,200}!`: 130,
	} {
		f := pipelinetest.Start(t, Kind, short(expr, "b")).Filter.(*Filter)
		if f.short > want || f.short < want/2 {
			t.Errorf("%s: texts of %d bytes are short, want %d", expr, f.short, want)
		}
		c := config(func(c *Config) { c.Exclude, c.Rules = expr, []Rule{{Match: "a", Replace: "b"}} })
		if other := pipelinetest.Start(t, Kind, c).Filter.(*Filter); other.short != f.short {
			t.Errorf("%s excludes: texts of %d bytes are short, and of %d where it matches", expr, other.short, f.short)
		}
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		config Config
		want   string
	}{
		{config(func(*Config) {}), "it has neither a replace setting nor a rule block"},
		{config(func(c *Config) { c.Match = "a" }), "it has neither a replace setting nor a rule block"},
		{config(func(c *Config) { c.Replace = new("a") }), "match: must not be empty: the empty pattern matches everywhere"},
		{short("(", "a"), "match: error parsing regexp: missing closing ): `(`"},
		{config(func(c *Config) {
			c.Rules = []Rule{{Match: "a"}, {Match: "["}, {Match: "a", Replace: "$1"}}
		}), "rule 2: match: error parsing regexp: missing closing ]: `[`\nrule 3: replace: match has no group for $1"},
		{
			config(func(c *Config) { c.Match, c.Replace, c.Rules = "a", new("b"), []Rule{{Match: "a"}} }),
			"replace: stands either in the filter block or in rule blocks, not in both",
		},
		{
			config(func(c *Config) { c.All, c.Rules = new(true), []Rule{{Match: "a"}} }),
			"all: stands beside replace: here, in each rule block",
		},
		{
			config(func(c *Config) { c.Match, c.Replace, c.Exclude = "a", new("b"), "(" }),
			"exclude: error parsing regexp: missing closing ): `(`",
		},
		{config(func(c *Config) {
			c.Match, c.Replace = "a", new("b")
			c.MaxStatement, c.MaxResult, c.Memory, c.Oversize = -1, 0, -1, "drop"
		}), "max_statement: must be between 0 and 1073741824 bytes\nmax_result: must be between 1 and 1073741824 bytes\n" +
			"memory: must be at least 0\noversize: must be \"pass\" or \"reject\""},
	}
	for _, tt := range tests {
		_, err := Kind.New(tt.config, pipeline.Env{})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v:\n%v\nwant\n%s", tt.config, err, tt.want)
		}
	}
}

func TestPrepareIsRewrittenAndOthersAreNot(t *testing.T) {
	p := pipelinetest.Start(t, Kind, short("secret", "public"))
	server := pipelinetest.Always(pipelinetest.OK(0, 0))
	chain := p.Open(t, pipelinetest.Session(1), server)
	for _, com := range []byte{protocol.ComStmtPrepare, protocol.ComInitDB, protocol.ComStmtExecute} {
		if _, err := chain.Send(t.Context(), com, []byte("secret")); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"public", "secret", "secret"} {
		if got := string(server.Got[i].Payload()[1:]); got != want {
			t.Errorf("%s: %q arrived, want %q", protocol.CommandName(server.Got[i].Com()), got, want)
		}
	}
}

func TestQueryAttributesStay(t *testing.T) {
	p := pipelinetest.Start(t, Kind, short("secret", "public"))
	server := pipelinetest.Always(pipelinetest.OK(0, 0))
	chain := p.Open(t, pipelinetest.Session(1), server)
	// One parameter set, one attribute of type VAR_STRING called secret.
	attributes := "\x01\x01\x00\x01\xfd\x00\x06secret\x06secret"
	for _, n := range []int{0, 5, 30} {
		server.Got = nil
		caps := pipelinetest.Caps | protocol.ClientQueryAttributes
		c := pipeline.NewCommand(protocol.ComQuery, []byte(attributes+"do secret"), caps)
		if n > 0 {
			parts := pipelinetest.Long(protocol.ComQuery, []byte(attributes+"do secret"), n)
			c.Data, c.Part, c.Body = parts.Data, parts.Part, parts.Body
		}
		if err := chain.Serve(t.Context(), &pipelinetest.Recorder{}, c); err != nil {
			t.Fatal(err)
		}
		if got := string(server.Got[0].Payload()); got != "\x03"+attributes+"do public" {
			t.Errorf("in parts of %d: %q arrived", n, got)
		}
	}
}

func TestSelectionOfSessions(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(c *Config) {
		c.Match, c.Replace, c.Users = "a", new("b"), []string{"other"}
	}))
	next := pipelinetest.Always(pipelinetest.OK(0, 0))
	h, err := p.Filter.Open(pipeline.Detached(pipelinetest.Session(1)), next)
	if err != nil || h != pipeline.Handler(next) {
		t.Errorf("a session of another user got %T, %v", h, err)
	}
}

func TestLongStatements(t *testing.T) {
	text := "insert into secret values ('" + strings.Repeat("x", 100_000) + "')"
	changed := strings.Replace(text, "secret", "public", 1)
	other := strings.Replace(text, "secret", "secrex", 1)
	reject := func(c *Config) { c.Oversize = "reject" }
	tests := []struct {
		name, text string
		change     func(*Config)
		want       string // empty: rejected
		oversize   float64
	}{
		{"changed", text, func(*Config) {}, changed, 0},
		{"another", other, func(*Config) {}, other, 0},
		{"as long as may be", text, func(c *Config) { c.MaxStatement = len(text); reject(c) }, changed, 0},
		{"one byte too long", text, func(c *Config) { c.MaxStatement = len(text) - 1 }, text, 1},
		{"rejected", text, func(c *Config) { c.MaxStatement = len(text) - 1; reject(c) }, "", 1},
		{"never gathered", text, func(c *Config) { c.MaxStatement = 0 }, text, 1},
		{"no memory", text, func(c *Config) { c.Memory = 100 }, text, 1},
		{"no memory for the result", text, func(c *Config) { c.Memory = len(text) + 50 }, text, 1},
		{"no memory for its copies", text, func(c *Config) { c.Memory = 3 * len(text) }, text, 1},
		{"memory", text, func(c *Config) { c.Memory = 5 * len(text) }, changed, 0},
		{"too long a result", text, func(c *Config) { c.MaxResult = 1000; reject(c) }, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := short("secret", "public")
			tt.change(&c)
			p := pipelinetest.Start(t, Kind, c)
			server := pipelinetest.Always(pipelinetest.OK(0, 0))
			chain := p.Open(t, pipelinetest.Session(1), server)
			var w pipelinetest.Recorder
			if err := chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComQuery, []byte(tt.text), 16<<10)); err != nil {
				t.Fatal(err)
			}
			if got := p.Metrics["weir_regex_oversize_total"].Read(); got != tt.oversize {
				t.Errorf("%v are counted as too long, want %v", got, tt.oversize)
			}
			if held := p.Metrics["weir_regex_held_bytes"].Read(); held != 0 {
				t.Errorf("%v bytes are held in the end", held)
			}
			if logged := strings.Contains(p.Log.String(), "it is too long"); logged != (tt.oversize > 0) {
				t.Errorf("the log says %s", p.Log)
			}
			if tt.want == "" {
				if e := w.Chunks.Err(); e == nil || e.Code != protocol.ErUnknown || len(server.Got) != 0 {
					t.Errorf("answered with %v, %d commands arrived", e, len(server.Got))
				}
				return
			}
			want := pipeline.NewCommand(protocol.ComQuery, []byte(tt.want), pipelinetest.Caps).Data
			if len(server.Got) != 1 || !bytes.Equal(server.Got[0].Bytes, want) {
				t.Errorf("what arrived is not what should have")
			}
		})
	}
}

// Statements of 16 MiB and more come in several packets, whose headers lie in their text.
func TestSeveralPackets(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), protocol.MaxPayload/16+1000)
	copy(text[protocol.MaxPayload-4:], "secret") // across the packets' border
	changed := bytes.Replace(text, []byte("secret"), []byte("public, and longer"), 1)
	for _, tt := range []struct {
		name string
		max  int
		want []byte
	}{{"changed", 64 << 20, changed}, {"just", len(text), changed}, {"too long", len(text) - 1, text}} {
		t.Run(tt.name, func(t *testing.T) {
			c := short("secret", "public, and longer")
			c.MaxStatement = tt.max
			server := pipelinetest.Always(pipelinetest.OK(0, 0))
			chain := pipelinetest.Start(t, Kind, c).Open(t, pipelinetest.Session(1), server)
			var w pipelinetest.Recorder
			if err := chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComQuery, text, 64<<10)); err != nil {
				t.Fatal(err)
			}
			want := pipeline.NewCommand(protocol.ComQuery, tt.want, pipelinetest.Caps).Data
			if !bytes.Equal(server.Got[0].Bytes, want) {
				t.Errorf("what arrived is not what should have")
			}
		})
	}
}

// The command that replaces another can still be asked for its file.
func TestFileFollowsChangedCommand(t *testing.T) {
	p := pipelinetest.Start(t, Kind, short("secret", "public"))
	for _, n := range []int{0, 8} {
		var file []byte
		next := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
			if text, _ := c.Text(); string(text) != "load public" || c.Part != protocol.Whole {
				return fmt.Errorf("%q arrived", text)
			}
			b, err := c.Body.Next()
			file = append(file, b...)
			if err != nil {
				return err
			}
			return w.WriteReply(&pipelinetest.OK(1, 0)[0])
		})
		parts := pipelinetest.Long(protocol.ComQuery, []byte("load secret"), 8)
		file1 := &upload{commandLeft: parts.Body, file: []byte("a file")}
		c := pipeline.NewCommand(protocol.ComQuery, []byte("load secret"), pipelinetest.Caps)
		c.Body = file1
		if n > 0 {
			c.Data, c.Part = parts.Data, parts.Part
		} else {
			file1.commandLeft = nil
		}
		if err := p.Open(t, pipelinetest.Session(1), next).Serve(t.Context(), &pipelinetest.Recorder{}, c); err != nil {
			t.Fatal(err)
		}
		if string(file) != "a file" {
			t.Errorf("in parts of %d: the file is %q", n, file)
		}
	}
}

// An upload is a Body of a command's rest, at whose end it says so, and then a file.
type upload struct {
	commandLeft pipeline.Body
	file        []byte
}

func (u *upload) Next() ([]byte, error) {
	if u.commandLeft != nil {
		b, err := u.commandLeft.Next()
		if err != nil {
			u.commandLeft = nil
		}
		return b, err
	}
	return u.file, nil
}

func TestClientGoesWhileGathering(t *testing.T) {
	gone := errors.New("gone")
	server := pipelinetest.Always(pipelinetest.OK(0, 0))
	p := pipelinetest.Start(t, Kind, short("secret", "public"))
	c := pipelinetest.Long(protocol.ComQuery, make([]byte, 1000), 100)
	c.Body = bodyFunc(func() ([]byte, error) { return nil, gone })
	err := p.Open(t, pipelinetest.Session(1), server).Serve(t.Context(), &pipelinetest.Recorder{}, c)
	if !errors.Is(err, gone) || len(server.Got) != 0 {
		t.Errorf("error %v, %d commands arrived", err, len(server.Got))
	}
	if held := p.Metrics["weir_regex_held_bytes"].Read(); held != 0 {
		t.Errorf("%v bytes are held in the end", held)
	}
}

type bodyFunc func() ([]byte, error)

func (f bodyFunc) Next() ([]byte, error) { return f() }

func TestLogIsBounded(t *testing.T) {
	p := pipelinetest.Start(t, Kind, config(func(c *Config) {
		c.Match, c.Replace, c.DryRun = "a+", new("b"), true
	}))
	for range 300 {
		serve(t, p, strings.Repeat("a", 3*maxLogged))
	}
	lines := strings.Count(p.Log.String(), "would be changed")
	if lines < linesPerSecond || lines > 250 {
		t.Errorf("%d lines of 300 statements", lines)
	}
	if got := p.Metrics["weir_regex_would_change_total"].Read(); got != 300 {
		t.Errorf("%v are counted", got)
	}
	for line := range strings.Lines(p.Log.String()) {
		if len(line) > 3*maxLogged {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}

func TestWordsAreLookedForWithoutAllocating(t *testing.T) {
	h := open(t, config(func(c *Config) {
		c.Rules = []Rule{{Match: "(?i)from secret", Replace: "x"}, {Match: "secret|hidden", Replace: "x", All: new(false)}}
	}))
	cmd := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id=4711"), pipelinetest.Caps)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if err := h.Serve(ctx, nil, cmd); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// open opens the filter before a handler that does nothing.
func open(tb testing.TB, c Config) pipeline.Handler {
	next := pipeline.HandlerFunc(func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { return nil })
	h, err := pipelinetest.Start(tb, Kind, c).Filter.Open(pipeline.Detached(pipelinetest.Session(1)), next)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func BenchmarkServe(b *testing.B) {
	const point = "SELECT c FROM sbtest1 WHERE id=4711"
	insert := "INSERT INTO sbtest1 (id, k, c, pad) VALUES " +
		strings.Repeat("(1234, 5678, '83868641912-28773972837-60736120486', '67847967377-48000963322'),", 180)
	for _, bb := range []struct {
		name, match, replace, text string
	}{
		{"no rule may match", "(?i)from secret", "from public", point},
		{"no rule may match 14 KB", "(?i)from secret", "from public", insert},
		{"only its word matches", `(?i)\bfrom\s+secret\b`, "from public", "SELECT secret FROM sbtest1 WHERE id=4711"},
		{"no word to look for", `\d{9}`, "x", point},
		{"changed", "(?i)from sbtest1", "from sbtest2", point},
		{"changed with a group", `(?i)from (\w+)`, "from x.$1", point},
	} {
		b.Run(bb.name, func(b *testing.B) {
			h := open(b, short(bb.match, bb.replace))
			cmd := pipeline.NewCommand(protocol.ComQuery, []byte(bb.text), pipelinetest.Caps)
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Serve(b.Context(), nil, cmd); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
