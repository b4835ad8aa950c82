package regex

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// counts are of statements.
type counts struct {
	changed, wouldChange, oversize atomic.Uint64
}

// expose offers the counts to the metrics, and those of each rule as a document.
func (f *Filter) expose(env pipeline.Env) {
	for _, m := range []struct {
		name, help string
		count      *atomic.Uint64
	}{
		{"weir_regex_changed_total", "Statements passed on with another text.", &f.counts.changed},
		{"weir_regex_would_change_total", "Statements that dry_run has kept from being changed.", &f.counts.wouldChange},
		{"weir_regex_oversize_total", "Statements too long for the filter, passed on unseen or rejected.", &f.counts.oversize},
	} {
		env.Expose(pipeline.Metric{
			Name: m.name, Help: m.help, Counter: true, Read: func() float64 { return float64(m.count.Load()) },
		})
	}
	env.Expose(pipeline.Metric{
		Name: "weir_regex_held_bytes", Help: "Memory that long statements take while they are gathered and passed on.",
		Read: func() float64 { return float64(f.memory.held.Load()) },
	})
	env.Page("rules", func() any { return f.document() })
}

// A document says how often each rule was used.
type document struct {
	Changed     uint64         `json:"changed"`
	WouldChange uint64         `json:"would_change"`
	Oversize    uint64         `json:"oversize"`
	Rules       []ruleDocument `json:"rules"`
}

type ruleDocument struct {
	Name    string `json:"name"`
	Match   string `json:"match"`
	Replace string `json:"replace"`
	DryRun  bool   `json:"dry_run"`
	// Matched counts the statements that the rule matched, Changed those it made other ones of, or would have.
	Matched uint64 `json:"matched"`
	Changed uint64 `json:"changed"`
}

func (f *Filter) document() document {
	d := document{
		Changed: f.counts.changed.Load(), WouldChange: f.counts.wouldChange.Load(), Oversize: f.counts.oversize.Load(),
	}
	for _, r := range f.rules {
		d.Rules = append(d.Rules, ruleDocument{
			Name: r.name, Match: r.match.String(), Replace: string(r.template), DryRun: r.dryRun,
			Matched: r.matched.Load(), Changed: r.changed.Load(),
		})
	}
	return d
}

const (
	// linesPerSecond bounds what the filter logs.
	linesPerSecond = 10
	// maxLogged is how much of a statement is logged.
	maxLogged = 1 << 10
)

// A journal writes so many lines a second to the log, and says how many it has left out.
type journal struct {
	log     *slog.Logger
	second  atomic.Int64
	lines   atomic.Int64
	omitted atomic.Int64
}

func (j *journal) write(level slog.Level, message string, attrs ...any) {
	if now := time.Now().Unix(); j.second.Swap(now) != now {
		j.lines.Store(0)
	}
	if j.lines.Add(1) > linesPerSecond {
		j.omitted.Add(1)
		return
	}
	if n := j.omitted.Swap(0); n > 0 {
		attrs = append(attrs, "omitted", n)
	}
	j.log.Log(context.Background(), level, message, attrs...)
}

func clip(text []byte) string { return string(text[:min(len(text), maxLogged)]) }
