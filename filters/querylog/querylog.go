// Package querylog is the filter that writes a record of every command a client sends.
//
// A session copies what is known of its command into a ring buffer in memory; one goroutine per filter, the writer, makes
// records of what has collected there and writes them to the file. No worker waits for the disk, and the path of a
// statement has no lock and allocates nothing.
package querylog

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// Kind is the filter's kind.
var Kind = pipeline.KindOf("querylog", defaults, New)

// A Filter writes one log.
type Filter struct {
	config    Config
	selection *pipeline.Selection
	output    *output
	queue     *queue
	limits    limits
	redact    bool
	// What of a statement is to be found out: what the scanner knows of it, what of that is shown, the tables and functions
	// it names, the parameters, and the trace it belongs to.
	statements, about, names, params, traces bool
}

// New makes a filter whose file is opened when the process starts.
func New(c Config, env pipeline.Env) (pipeline.Filter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	selection, err := c.Selection()
	if err != nil {
		return nil, err
	}
	fields, err := parseFields(c.Fields)
	if err != nil {
		return nil, pipeline.Invalid("fields", err)
	}
	f := &Filter{config: c, selection: selection, redact: c.Literals == "redact"}
	f.traces, f.params = slices.Contains(fields, fieldTraceID), slices.Contains(fields, fieldParams) ||
		slices.Contains(fields, fieldParamSets)
	f.about = slices.ContainsFunc(fields, func(v field) bool { return v >= fieldDigest })
	f.statements = f.about || f.redact
	f.names = slices.Contains(fields, fieldTables) || slices.Contains(fields, fieldFunctions)
	f.output = newOutput(c, fields, env.Log)
	f.queue = newQueue(c.Queue, f.output, c.WhenFull == "drop", env.Log)
	f.queue.gap.quiet = f.output.perSession
	f.limits = limitsOf(len(f.queue.ring.buf))
	f.output.encoder.limits = f.limits
	f.output.encoder.names.busy = f.queue.ring.filling
	f.expose(env.Expose)
	f.register(env)
	return f, nil
}

// register has the files opened, written, and closed.
func (f *Filter) register(env pipeline.Env) {
	started := false
	env.OnStart(func() error {
		if err := f.output.openFirst(time.Now()); err != nil {
			return fmt.Errorf("query log: %w", err)
		}
		started = true
		go f.queue.run()
		if p := f.output.packer; p != nil {
			go p.run()
			p.addAll(f.config.Path)
		}
		return nil
	})
	env.OnStop(func() {
		if !started { // an earlier step did not start
			return
		}
		f.queue.close()
		if p := f.output.packer; p != nil {
			p.close()
		}
	})
	env.OnReopen(func() { f.queue.do(func() { f.output.reopen(time.Now()) }) })
}

// expose adds what operators look at.
func (f *Filter) expose(add func(pipeline.Metric)) {
	counter := func(name, help string, read func() uint64) {
		add(pipeline.Metric{Name: name, Help: help, Counter: true, Read: func() float64 { return float64(read()) }})
	}
	v := &f.output.figures
	counter("weir_querylog_written_records_total", "Records written to the query log.", v.records.Load)
	counter("weir_querylog_written_bytes_total", "Bytes written to the query log.", v.bytes.Load)
	counter("weir_querylog_errors_total", "Attempts to write to the query log, or to rotate it, that failed.", v.errors.Load)
	counter("weir_querylog_dropped_records_total", "Records that the query log had no room for.", f.queue.gap.dropped.Load)
	add(pipeline.Metric{
		Name: "weir_querylog_queue_bytes", Help: "Memory in use for records that wait to be written to the query log.",
		Read: func() float64 { return float64(f.queue.ring.used() * granule) },
	})
}

// Open returns a link that logs what passes.
func (f *Filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	if !f.selection.Session(s) {
		return next, nil
	}
	l := &link{Filter: f, s: s, next: next, user: clipName(s.User()), client: clipName(s.ClientAddr())}
	if !f.selection.AllText() {
		l.prepared.Select = f.selection.Text
	}
	if f.output.perSession {
		s.OnClose(func() { f.queue.end(s.ID(), l.gap) })
	}
	return l, nil
}
