// Package top is the filter that finds the slowest statements: of each session, written to a file when it ends, and of
// the whole pipeline, as statements that differ only in their literals, in memory of fixed size.
//
// A session hands each statement to a queue and goes on; one goroutine per filter adds up what has collected there. No
// worker waits for it: what does not fit the queue is dropped and counted.
package top

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Config is what can be set.
type Config struct {
	pipeline.Only
	// Count is how many statements, or digests, a list has.
	Count int `hcl:"count,optional"`
	// Path is the beginning of the names of the sessions' reports. Empty: there are none.
	Path string `hcl:"path,optional"`
	// MinDuration leaves shorter statements out of a session's list.
	MinDuration time.Duration `hcl:"min_duration,optional"`
	// MaxText is how much of a statement a session's report shows, in bytes.
	MaxText int `hcl:"max_text,optional"`
	// Report is the file that the pipeline's lists are written to in the end. Empty: none.
	Report string `hcl:"report,optional"`
	// Digests is how many are kept for each list.
	Digests int `hcl:"digests,optional"`
	// Example is how much of an example's text is kept, in bytes.
	Example int `hcl:"example,optional"`
	// Queue is how many statements may wait to be added up. A power of two; others are rounded up to one.
	Queue int `hcl:"queue,optional"`
}

// Kind is the filter's kind.
var Kind = pipeline.KindOf("top", Config{Count: 10, MaxText: 1 << 10, Digests: 1000, Example: 512, Queue: 4096}, New)

// A Filter keeps the lists of one pipeline.
type Filter struct {
	config    Config
	selection *pipeline.Selection
	collector *collector
	reports   reports
}

// New makes a filter that collects from the start of the process on.
func New(c Config, env pipeline.Env) (pipeline.Filter, error) {
	var mistakes []error
	within := func(setting string, n, least, most int) {
		if n < least || n > most {
			mistakes = append(mistakes, pipeline.Invalid(setting, fmt.Errorf("must be between %d and %d", least, most)))
		}
	}
	within("count", c.Count, 1, 1000)
	within("max_text", c.MaxText, 1, 1<<20)
	within("digests", c.Digests, 1, 100_000)
	within("example", c.Example, 0, 4<<10)
	within("queue", c.Queue, 16, 1<<20)
	selection, err := c.Selection()
	if err := errors.Join(append(mistakes, err)...); err != nil {
		return nil, err
	}
	f := &Filter{config: c, selection: selection, reports: reports{log: env.Log}}
	f.collector = newCollector(c)
	env.OnStart(func() error {
		for _, path := range []string{c.Path, c.Report} {
			if err := writable(path); err != nil {
				return err
			}
		}
		f.collector.start()
		return nil
	})
	env.OnStop(func() {
		if f.collector.stop() && c.Report != "" {
			f.reports.write(c.Report, f.collector.encode)
		}
	})
	f.expose(env)
	return f, nil
}

// expose offers the lists and figures.
func (f *Filter) expose(env pipeline.Env) {
	env.Page("top", func() any { return f.collector.document() })
	for _, m := range []struct {
		name, help string
		read       func() uint64
	}{
		{"weir_top_statements_total", "Statements that have been added up.", f.collector.added.Load},
		{"weir_top_dropped_total", "Statements that are in no list because adding up was behind.", f.collector.queue.dropped.Load},
		{"weir_top_report_errors_total", "Reports that could not be written.", f.reports.failed.Load},
	} {
		env.Expose(pipeline.Metric{
			Name: m.name, Help: m.help, Counter: true, Read: func() float64 { return float64(m.read()) },
		})
	}
}

// Open returns a link that takes the time of what passes.
func (f *Filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	if !f.selection.Session(s) {
		return next, nil
	}
	l := &link{Filter: f, s: s, next: next, prepared: pipeline.Prepared{Select: f.selection.Text}}
	if f.config.Path != "" {
		l.slowest = newSlowest(f.config)
		s.OnClose(l.report)
	}
	return l, nil
}

// A link takes the time of one session's statements.
type link struct {
	*Filter
	s        *pipeline.Session
	next     pipeline.Handler
	watch    pipeline.Watch
	prepared pipeline.Prepared
	slowest  *slowest // nil where there are no reports of sessions
}

// Serve passes c on, and notes how it went where it executes a statement.
func (l *link) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	switch c.Com() {
	case protocol.ComQuery:
		if text, ok := c.Text(); ok && l.selection.Text(text) {
			return serve(ctx, l, w, c, l.s.Statement(c), text, c.Part != protocol.Whole)
		}
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute, protocol.ComStmtFetch:
		if st := l.prepared.Of(c); st != nil && st.Selected {
			return serve(ctx, l, w, c, st.Statement, st.Text, st.Truncated)
		}
	case protocol.ComStmtPrepare, protocol.ComStmtClose:
		l.watch.Reset(w)
		err := l.next.Serve(ctx, &l.watch, c)
		l.prepared.Learn(l.s, c, &l.watch)
		return err
	}
	return l.next.Serve(ctx, w, c)
}

// serve passes on a command that executes a statement with the given text, of which it may be only the beginning.
func serve[T ~string | ~[]byte](
	ctx context.Context, l *link, w pipeline.ReplyWriter, c *pipeline.Command, st *pipeline.Statement, text T, truncated bool,
) error {
	l.watch.Reset(w)
	err := l.next.Serve(ctx, &l.watch, c)
	took := l.watch.Last
	if !l.watch.Done {
		took = max(time.Since(l.watch.Start), 1)
	}
	more := c.Com() == protocol.ComStmtFetch
	if l.slowest != nil && !more {
		note(l.slowest, took, text, truncated)
	}
	if slot, ok := l.collector.queue.reserve(); ok {
		l.fill(&slot.record, st, took, more)
		length := copy(slot.text, text)
		slot.length, slot.truncated = length, truncated || length < len(text)
		l.collector.queue.commit(slot)
	}
	return err
}

// fill says in r how the statement just served went. more is set where it is not a new execution.
func (l *link) fill(r *record, st *pipeline.Statement, took time.Duration, more bool) {
	h := &l.watch
	*r = record{
		statement: st, at: h.Start.UnixNano(), took: took, rows: h.Rows, affected: h.AffectedRows, bytes: h.Bytes,
		session: l.s.ID(), more: more, aborted: !h.Done,
	}
	if h.Err != nil {
		r.failed, r.code = true, h.Err.Code
	}
	r.trace, r.traced = l.s.TraceID()
}
