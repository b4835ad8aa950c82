package pipelinetest

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A Process is one filter in a process that runs.
type Process struct {
	Filter pipeline.Filter
	// Log is what the filter has logged, as text.
	Log *Log
	// Metrics are the figures the filter exposes, Pages its documents, by name.
	Metrics map[string]pipeline.Metric
	Pages   map[string]func() any
	stops   []func()
	reopens []func()
}

// A Log collects what is logged. Many goroutines may use it.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what has been logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Start makes a filter of the kind and runs what it wants to run at the start. It is stopped with the test, or by
// Stop.
func Start(t testing.TB, kind pipeline.Kind[pipeline.Filter], config any) *Process {
	t.Helper()
	p := &Process{Log: &Log{}, Metrics: make(map[string]pipeline.Metric), Pages: make(map[string]func() any)}
	var starts []func() error
	f, err := kind.New(config, pipeline.Env{
		Log:      slog.New(slog.NewTextHandler(p.Log, nil)),
		OnStart:  func(f func() error) { starts = append(starts, f) },
		OnStop:   func(f func()) { p.stops = append(p.stops, f) },
		OnReopen: func(f func()) { p.reopens = append(p.reopens, f) },
		Expose:   func(m pipeline.Metric) { p.Metrics[m.Name] = m },
		Page:     func(name string, document func() any) { p.Pages[name] = document },
	})
	if err != nil {
		t.Fatalf("%s: %v", kind.Name, err)
	}
	p.Filter = f
	t.Cleanup(p.Stop)
	for _, start := range starts {
		if err := start(); err != nil {
			t.Fatalf("%s: start: %v", kind.Name, err)
		}
	}
	return p
}

// Reopen does what SIGUSR1 does.
func (p *Process) Reopen() {
	for _, f := range p.reopens {
		f()
	}
}

// Stop runs what the filter wants to run at the end, once.
func (p *Process) Stop() {
	for len(p.stops) > 0 {
		last := len(p.stops) - 1
		stop := p.stops[last]
		p.stops = p.stops[:last]
		stop()
	}
}

// Session is what is known of the sessions that Open makes.
func Session(id uint32) pipeline.SessionInfo {
	return pipeline.SessionInfo{
		ID: id, User: "app", ClientAddr: "192.0.2.7:40123", Schema: "shop", Capabilities: Caps,
	}
}

// A Chain is a filter opened for one session, with a handler behind it.
type Chain struct {
	Session *pipeline.Session
	t       testing.TB
	handler pipeline.Handler
	lent    []byte
	late    atomic.Bool // a reply was written to after Serve had returned
}

// Open opens the filter for a new session. The session is closed with the test, or by Close.
func (p *Process) Open(t testing.TB, info pipeline.SessionInfo, next pipeline.Handler) *Chain {
	t.Helper()
	s := pipeline.Detached(info)
	h, err := p.Filter.Open(s, next)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	c := &Chain{Session: s, t: t, handler: h}
	t.Cleanup(c.Close)
	return c
}

// Close closes the session, once.
func (c *Chain) Close() {
	if c.handler == nil {
		return
	}
	c.handler = nil
	c.Session.Close()
	if c.late.Load() {
		c.t.Errorf("WriteReply was called after Serve had returned")
	}
}

// Send serves a command of the given code and rest of the payload, and returns the reply.
func (c *Chain) Send(ctx context.Context, com byte, rest []byte) (Reply, error) {
	var r Recorder
	err := c.Serve(ctx, &r, pipeline.NewCommand(com, rest, Caps))
	return r.Chunks, err
}

// Serve serves a copy of cmd that is overwritten afterwards. What comes to w after that is an error.
func (c *Chain) Serve(ctx context.Context, w *Recorder, cmd *pipeline.Command) error {
	lent := *cmd
	c.lent = append(c.lent[:0], cmd.Data...)
	lent.Data = c.lent
	w.late = &c.late
	err := c.handler.Serve(ctx, w, &lent)
	w.served.Store(true)
	spoil(c.lent)
	lent = pipeline.Command{}
	return err
}

// Long makes a command that comes in several parts, with a payload of com and rest: a First one of n bytes, header
// included, and the Body that delivers the others. It may be served once.
func Long(com byte, rest []byte, n int) *pipeline.Command {
	c := pipeline.NewCommand(com, rest, Caps)
	all := c.Data
	c.Data, c.Part = all[:n:n], protocol.First
	b := &body{}
	for all = all[n:]; len(all) > 0; all = all[min(n, len(all)):] {
		b.parts = append(b.parts, all[:min(n, len(all))])
	}
	c.Body = b
	return c
}
