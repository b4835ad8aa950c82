package pipeline

import (
	"log/slog"
	"sync"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Statements is what a worker knows of statements.
type Statements struct{ all statements }

// Scan returns what is known of a text in a mode.
func (k *Statements) Scan(text string, mode sqlscan.Mode) *Statement {
	st, _ := k.all.scan([]byte(text), mode, 0)
	return st
}

// RunOnNextWorker has a session be on its way to another worker, where nobody has taken it yet, and f be run on that.
// arrive has it be taken, end stops the worker.
func RunOnNextWorker(f func()) (arrive, end func(), err error) {
	lw, err := loop.Start(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, nil, err
	}
	w := &worker{Worker: lw}
	s := &Session{home: w}
	s.place.Store(w)
	s.onWorker(f)
	return func() { w.Post(func() { w.take(s) }) }, lw.Stop, nil
}

// Shuffle has every session that is idle move to the next worker, and returns how many have left theirs.
func (p *Process) Shuffle() (moved int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, w := range p.workers {
		all.Add(1)
		posted := w.Post(func() {
			defer all.Done()
			before := len(w.sessions)
			w.shed(p.workers[(i+1)%len(p.workers)], everySession)
			mu.Lock()
			defer mu.Unlock()
			moved += before - len(w.sessions)
		})
		if !posted {
			all.Done()
		}
	}
	all.Wait()
	return moved
}

// Loads returns how many sessions each worker has.
func (p *Process) Loads() (loads []int64) {
	for _, w := range p.workers {
		loads = append(loads, w.load.Load())
	}
	return loads
}

// Stall keeps the first worker from all else until release is called.
func (p *Process) Stall() (release func()) {
	stalled, released := make(chan struct{}), make(chan struct{})
	p.workers[0].Post(func() { close(stalled); <-released })
	<-stalled
	return func() { close(released) }
}

// Together returns how many sends the first worker has done with others.
func (p *Process) Together() int {
	n := make(chan int)
	p.workers[0].Post(func() { n <- p.workers[0].Stats().Together })
	return <-n
}

// A Balancer decides for workers that are not there.
type Balancer struct {
	b     *balancer
	Moves []Move
}

// A Move is of N sessions in use, or of all where N is EverySession.
type Move struct{ From, To, N int }

const EverySession = everySession

// NewBalancer makes one for n workers.
func NewBalancer(n, load int) *Balancer {
	b := &Balancer{}
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = &worker{}
	}
	b.b = newBalancer(workers, load)
	b.b.move = func(from, to, n int) { b.Moves = append(b.Moves, Move{from, to, n}) }
	return b
}

// A Sight is what a look finds of a worker.
type Sight struct {
	Share  float64
	Active int
}

// Look returns how many workers are in use after a look at the load and the workers.
func (b *Balancer) Look(load float64, seen ...Sight) int {
	b.Moves = nil
	all := make([]sight, len(b.b.workers))
	for i, one := range seen {
		all[i] = sight{one.Share, one.Active}
	}
	b.b.look(load, all)
	return b.b.used
}

// Fill has a worker have sessions.
func (b *Balancer) Fill(worker int, sessions int64) { b.b.workers[worker].load.Store(sessions) }

// Home is where the session is, to be compared.
func (s *Session) Home() any { return s.place.Load() }
