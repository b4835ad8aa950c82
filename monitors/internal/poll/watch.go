package poll

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

const (
	// retryAfter is when a server that could not be reached is asked again while that is not yet believed: where nobody
	// listens the answer is quick, and waiting makes it no surer.
	retryAfter = 100 * time.Millisecond
	// doubtAfter is the least time between two polls of a server that sessions doubt.
	doubtAfter = 50 * time.Millisecond
)

// Seen is what is known of a server by its polls.
type Seen[A any] struct {
	// Up says that the server answers, after the thresholds.
	Up bool
	// Refusing says that it is up and refuses what the monitor asks: what Answer has may be old.
	Refusing bool
	// Answered says that there is an Answer, the last one. Polls counts the polls that have brought one.
	Answered bool
	Polls    int
	Answer   A
	// Problem and Reason say why the server is down, or refusing.
	Problem pipeline.Problem
	Reason  string
}

// A Watch polls servers. What has no comment is set before Start and not changed after.
type Watch[A any] struct {
	Config  *Config
	Servers []*pipeline.Server
	// Open makes the connection to a server.
	Open func(*Config, *pipeline.Server) (Conn, error)
	// Ask asks a server, the i-th, over its connection. Several may be asked at one time, each by one goroutine.
	Ask func(ctx context.Context, i int, conn Conn) (A, error)
	// Heard is told all that is known, in the order of Servers, once each has been asked and then after each poll. One call
	// is made at a time. What it gets is its own.
	Heard func([]Seen[A])

	polls, failed atomic.Int64
	cancel        context.CancelFunc
	running       sync.WaitGroup
}

// heard is what a poll has changed.
type heard[A any] struct {
	server int
	seen   Seen[A]
}

// Start starts the polls, and returns when each server has been asked once, or could not be.
func (w *Watch[A]) Start() error {
	conns := make([]Conn, len(w.Servers))
	for i, srv := range w.Servers {
		var err error
		if conns[i], err = w.Open(w.Config, srv); err != nil {
			return errors.Join(err, closeAll(conns[:i]))
		}
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // Stop calls it
	w.cancel = cancel
	results := make(chan heard[A])
	for i := range w.Servers {
		w.running.Go(func() { w.poll(ctx, i, conns[i], results) })
	}
	first := make(chan struct{})
	w.running.Go(func() { w.listen(ctx, results, first) })
	<-first
	return nil
}

func closeAll(conns []Conn) error {
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Stop ends the polls and waits for them. It does no harm where Start has not run.
func (w *Watch[A]) Stop() {
	if w.cancel != nil {
		w.cancel()
		w.running.Wait()
	}
}

// Expose tells how often servers were asked.
func (w *Watch[A]) Expose(env pipeline.Env) {
	env.Expose(pipeline.Metric{
		Name: "weir_monitor_polls_total", Help: "How often the monitor's servers were asked.", Counter: true,
		Read: func() float64 { return float64(w.polls.Load()) },
	})
	env.Expose(pipeline.Metric{
		Name: "weir_monitor_failed_polls_total", Help: "How often a server did not answer its monitor, or with an error.",
		Counter: true, Read: func() float64 { return float64(w.failed.Load()) },
	})
}

// listen puts what the polls find together.
func (w *Watch[A]) listen(ctx context.Context, results <-chan heard[A], first chan<- struct{}) {
	all := make([]Seen[A], len(w.Servers))
	missing := make(map[int]bool, len(w.Servers))
	for i := range w.Servers {
		missing[i] = true
	}
	for {
		var r heard[A]
		select {
		case r = <-results:
		case <-ctx.Done():
			return
		}
		all[r.server] = r.seen
		whole := len(missing) == 0
		delete(missing, r.server)
		if len(missing) == 0 {
			w.Heard(slices.Clone(all))
			if !whole {
				close(first)
			}
		}
	}
}

// poll asks one server until ctx is done.
func (w *Watch[A]) poll(ctx context.Context, i int, conn Conn, results chan<- heard[A]) {
	defer func() { _ = conn.Close() }() // nothing is lost with it
	h := health{failures: w.Config.Failures, successes: w.Config.Successes}
	var seen Seen[A]
	for {
		started := time.Now()
		answer, f := w.ask(ctx, i, conn)
		if ctx.Err() != nil {
			return
		}
		note(&seen, &h, answer, f)
		select {
		case results <- heard[A]{i, seen}:
		case <-ctx.Done():
			return
		}
		next := w.Config.Interval
		if h.doubtful() && f.problem == pipeline.Unreachable {
			next = min(next, retryAfter)
		}
		if !wait(ctx, started, next, w.Servers[i].Doubts()) {
			return
		}
	}
}

// ask polls once. The failure has no problem where there is none.
func (w *Watch[A]) ask(ctx context.Context, i int, conn Conn) (A, failure) {
	ctx, cancel := context.WithTimeout(ctx, w.Config.Timeout)
	defer cancel()
	w.polls.Add(1)
	answer, err := w.Ask(ctx, i, conn)
	if err == nil {
		return answer, failure{}
	}
	w.failed.Add(1)
	return answer, classify(err)
}

// note adds a poll to what is known.
func note[A any](seen *Seen[A], h *health, answer A, f failure) {
	if f.problem == pipeline.NoProblem {
		h.succeeded()
		seen.Answered, seen.Answer = true, answer
		seen.Polls++
	} else if h.failed(f) {
		seen.Problem, seen.Reason = f.problem, f.reason
	}
	seen.Up, seen.Refusing = h.condition == up || h.condition == refusing, h.condition == refusing
	if h.condition == up {
		seen.Problem, seen.Reason = pipeline.NoProblem, ""
	}
}

// wait waits until some time after a poll has started, or for a doubt. It reports false where ctx is done.
func wait(ctx context.Context, started time.Time, next time.Duration, doubts <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(started.Add(next)))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return ctx.Err() == nil
		case <-doubts:
			doubts = nil
			timer.Reset(time.Until(started.Add(min(next, doubtAfter))))
		case <-ctx.Done():
			return false
		}
	}
}
