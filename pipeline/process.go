package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// firstID is the connection id before the first session's. Ids have their highest bit set: servers count theirs from 1,
// and a client that is told one of Weir's cannot mean a server's by it.
const firstID = 1 << 31

// A Process is all that one configuration file describes, built and not yet running.
type Process struct {
	Config    ProcessConfig
	Telemetry TelemetryConfig
	Control   *ControlConfig // nil: there is no control socket
	Log       *slog.Logger
	Servers   []*Server
	Pipelines []*Pipeline
	Listeners []*Listener
	// Spans, where Telemetry has traces, makes what a worker hands the spans of its statements to.
	Spans func() SpanWriter
	// Processors, where set, is told how many workers are in use, at the start and whenever that changes.
	Processors func(n int)

	starts  []func() error
	stops   []func()
	reopens []func()

	reopening sync.Mutex
	opened    bool // what reopens has may run

	exposing sync.Mutex // guards metrics and pages: they may be asked for while steps start
	metrics  []stepMetric
	pages    []Page
	phase    atomic.Int32 // how far Run is: see phaseStarting

	ids      atomic.Uint32
	workers  []*worker
	used     atomic.Int32   // the first ones of workers, which new sessions go to
	sessions sync.WaitGroup // from arrival to the last word in the log
	arrivals sync.Mutex     // guards closed, so that nobody arrives after it is waited for
	closed   bool

	known sync.Map // sessions that a worker has, by id: uint32 to *Session
}

// stepMetric is a Metric and what exposed it.
type stepMetric struct {
	Metric
	pipeline, step string
	monitor        string // where a monitor exposed it: pipeline and step are empty
}

// A Page is a JSON document on the metrics address.
type Page struct {
	Pipeline, Step, Name string
	Document             func() any
}

// Pages are the documents that steps offer. Any goroutine may call it.
func (p *Process) Pages() []Page {
	p.exposing.Lock()
	defer p.exposing.Unlock()
	return slices.Clone(p.pages)
}

// Reopen has every step open its files anew, where they are open. It blocks, and may be called by any goroutine at any
// time.
func (p *Process) Reopen() {
	p.reopening.Lock()
	defer p.reopening.Unlock()
	if !p.opened {
		return
	}
	for _, f := range p.reopens {
		f()
	}
}

// mayReopen says whether Reopen may run, and waits for it where it does.
func (p *Process) mayReopen(yes bool) {
	p.reopening.Lock()
	defer p.reopening.Unlock()
	p.opened = yes
}

// worker is an event loop and the sessions on it.
type worker struct {
	*loop.Worker
	load       atomic.Int64  // sessions
	active     atomic.Int32  // sessions in use since the balancer's last look
	looks      atomic.Uint32 // the balancer's
	sessions   []*Session    // on the worker only, as what follows
	branches   map[*Branch]bool
	statements statements
	tallies    tallies
	draining   bool

	tracing  *tracing // nil: nothing is traced
	spans    SpanWriter
	ids      *rand.ChaCha8
	flushing bool // spans wait for flushSpans

	figures question              // to copy them to stock
	sign    question              // of life
	stock   atomic.Pointer[stock] // what the worker last told
}

// Env returns the environment of a step called name ("filter querylog", "router connection") of the named pipeline.
func (p *Process) Env(pipeline, name string) Env {
	return Env{
		Log: p.Log.With("pipeline", pipeline, "step", name),
		OnStart: func(f func() error) {
			p.starts = append(p.starts, func() error {
				if err := f(); err != nil {
					return fmt.Errorf("pipeline %s, %s: %w", pipeline, name, err)
				}
				return nil
			})
		},
		OnStop:   func(f func()) { p.stops = append(p.stops, f) },
		OnReopen: func(f func()) { p.reopens = append(p.reopens, f) },
		Expose: func(m Metric) {
			p.exposing.Lock()
			defer p.exposing.Unlock()
			p.metrics = append(p.metrics, stepMetric{Metric: m, pipeline: pipeline, step: name})
		},
		Page: func(page string, document func() any) {
			p.exposing.Lock()
			defer p.exposing.Unlock()
			p.pages = append(p.pages, Page{pipeline, name, page, document})
		},
	}
}

// Run starts what was registered, opens the listeners, and serves until ctx is done; then it stops accepting, lets
// running statements finish for up to Config.ShutdownTimeout, and returns nil. An error means that the process could
// not start: it names the listener or step, and nothing is left running. Run may be called once.
func (p *Process) Run(ctx context.Context) error {
	defer func() {
		for _, v := range slices.Backward(p.stops) {
			v()
		}
	}()
	for _, start := range p.starts {
		if err := start(); err != nil {
			return err
		}
	}
	p.mayReopen(true)
	defer p.mayReopen(false)
	if err := p.checkMetrics(); err != nil {
		return err
	}
	if err := p.startWorkers(); err != nil {
		return err
	}
	defer p.stopWorkers()
	defer p.startBalancer()()
	for i, l := range p.Listeners {
		if err := l.listen(p); err != nil {
			for _, open := range p.Listeners[:i] {
				_ = open.net.Close()
			}
			return err
		}
	}
	var accepting sync.WaitGroup
	for _, l := range p.Listeners {
		accepting.Go(func() { l.accept(ctx) })
	}
	p.phase.Store(phaseServing)
	<-ctx.Done()
	p.phase.Store(phaseStopping)
	for _, l := range p.Listeners {
		_ = l.net.Close()
	}
	accepting.Wait()
	p.shutDown()
	return nil
}

func (p *Process) startWorkers() error {
	n := p.Config.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for i, srv := range p.Servers {
		srv.slot = i + 1
	}
	rings := p.Config.IOUring
	for i := range n {
		var ring *loop.Ring
		var err error
		if rings {
			if ring, err = loop.NewRing(); err != nil {
				rings = false
				p.Log.Info("io_uring cannot be used, so statements cost more processor time", "error", err, "workers", n-i)
			}
		}
		w, err := loop.Start(p.Log, ring)
		if err != nil {
			p.stopWorkers()
			return fmt.Errorf("worker: %w", err)
		}
		p.workers = append(p.workers, &worker{Worker: w, tallies: newTallies(p.Servers, i)})
		p.startTraces(p.workers[i])
	}
	return nil
}

// use has new sessions go to the first n workers.
func (p *Process) use(n int) {
	if p.used.Swap(int32(n)) != int32(n) && p.Processors != nil {
		p.Processors(n)
	}
}

// startBalancer starts what moves sessions between workers; it returns what ends that.
func (p *Process) startBalancer() (end func()) {
	b := newBalancer(p.workers, p.Config.WorkerLoad)
	p.use(b.used)
	if len(p.workers) == 1 || b.limit == 0 {
		return func() {}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		b.run(p, stop)
	}()
	return func() {
		close(stop)
		<-done
	}
}

func (p *Process) stopWorkers() {
	for _, w := range p.workers {
		w.Stop()
		w.stopTraces()
	}
}

// shutDown ends the sessions: idle ones at once, others after the command they are at, all when the time is over.
func (p *Process) shutDown() {
	p.arrivals.Lock()
	p.closed = true
	p.arrivals.Unlock()
	p.Log.Info("shutting down", "shutdown_timeout", p.Config.ShutdownTimeout)
	p.everySession(func(s *Session) { s.drain() })
	done := make(chan struct{})
	go func() {
		p.sessions.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(p.Config.ShutdownTimeout):
		p.Log.Warn("statements still running are cut off", "shutdown_timeout", p.Config.ShutdownTimeout)
		p.everySession(func(s *Session) { s.interrupt(errDraining) })
		<-done
	}
	p.Log.Info("stopped")
}

// everySession calls f on each worker for each of its sessions, and sees to it that later ones are drained.
func (p *Process) everySession(f func(*Session)) {
	for _, w := range p.workers {
		w.Post(func() {
			w.draining = true
			for _, s := range append([]*Session(nil), w.sessions...) {
				f(s)
			}
			for b := range w.branches {
				f(b.s)
			}
		})
	}
}

// arrive counts a client in; it reports false where the process is stopping.
func (p *Process) arrive() bool {
	p.arrivals.Lock()
	defer p.arrivals.Unlock()
	if !p.closed {
		p.sessions.Add(1)
	}
	return !p.closed
}

func (p *Process) nextID() uint32 { return firstID | p.ids.Add(1) }

// adopt gives a session whose client has logged in to the worker with the fewest. early is what the client has sent
// already, first what it is to be sent. It reports false where the workers have stopped.
func (p *Process) adopt(s *Session, fd int, early, first []byte) bool {
	used := p.workers[:p.used.Load()]
	w := used[0]
	for _, other := range used[1:] {
		if other.load.Load() < w.load.Load() {
			w = other
		}
	}
	w.load.Add(1)
	s.home = w
	s.place.Store(w)
	p.known.Store(s.id, s)
	posted := w.Post(func() {
		w.take(s)
		err := s.client.conn.Open(w.Worker, fd, s)
		if err == nil {
			err = s.attachLinks()
		}
		if err != nil {
			s.interrupt(err)
			return
		}
		if len(early) > 0 {
			s.client.borrow()
			if len(early) > len(s.client.in) {
				s.interrupt(errors.New("more bytes with the login than a client may send ahead"))
				return
			}
			s.client.have = copy(s.client.in, early)
		}
		s.client.out = append(w.Small()[:0], first...)
		s.obeyCutter()
		w.Go(s)
	})
	if !posted {
		w.load.Add(-1)
		p.known.Delete(s.id)
	}
	return posted
}

// session returns the session of an id, nil where there is none. Any goroutine may call it.
func (p *Process) session(id uint32) *Session {
	if s, ok := p.known.Load(id); ok {
		return s.(*Session)
	}
	return nil
}

// leave takes an ended session off its worker's list.
func (p *Process) leave(s *Session) {
	p.known.Delete(s.id)
	s.home.drop(s)
}
