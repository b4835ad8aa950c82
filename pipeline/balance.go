package pipeline

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// Sessions are kept on as few workers as can serve them, since a worker that finds several sockets ready at once serves
// each at less cost than one that is woken for each. When the workers in use get busy another one joins, and when they
// have little to do the last one is left. Sessions move while they are idle: from one statement to the next.

const (
	// balanceEvery is how often the load is looked at.
	balanceEvery = 100 * time.Millisecond
	// leaveAfter is how many looks in a row must find that one worker fewer would do.
	leaveAfter = 20
	// leaveShare is how much less than WorkerLoad the remaining workers would have to be loaded.
	leaveShare = 0.6
	// fullShare is the share of time that workers in use may be busy on average before another one joins, whatever the
	// processor time: on a machine that is short of it they wait for their turn, and sessions for them.
	fullShare = 0.85
	// joinAfter is how many looks in a row must find that one worker more is needed.
	joinAfter = 2
	// uneven is the difference between the shares of time that two workers are busy that makes sessions move.
	uneven = 0.25
)

// A balancer decides how many workers are in use and which sessions move.
type balancer struct {
	workers []*worker
	limit   float64 // processor time per second and worker above which another one joins
	used    int     // workers in use: the first ones
	short   int     // looks in a row that found one worker too few
	spare   int     // and one too many

	at   time.Time
	cpu  time.Duration
	busy []time.Duration
	idle []time.Duration

	// move has sessions of one worker move to another: the given share of those that were served something since the
	// last look, or all, where that is 1.
	move func(from, to int, share float64)
}

func newBalancer(workers []*worker, load int) *balancer {
	b := &balancer{
		workers: workers, limit: float64(load) / 100, used: 1,
		at: time.Now(), cpu: loop.ProcessorTime(),
		busy: make([]time.Duration, len(workers)), idle: make([]time.Duration, len(workers)),
	}
	if load == 0 {
		b.used = len(workers)
	}
	b.move = func(from, to int, share float64) {
		b.workers[from].Post(func() { b.workers[from].shed(b.workers[to], share) })
	}
	return b
}

// run balances until stop is closed.
func (b *balancer) run(p *Process, stop <-chan struct{}) {
	ticker := time.NewTicker(balanceEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			cpu := loop.ProcessorTime()
			load := float64(cpu-b.cpu) / float64(max(now.Sub(b.at), 1))
			b.at, b.cpu = now, cpu
			b.look(load, b.shares())
			p.use(b.used)
		}
	}
}

// shares returns the share of time that each worker has been busy since the last call.
func (b *balancer) shares() []float64 {
	shares := make([]float64, len(b.workers))
	for i, w := range b.workers {
		busy, idle := w.Measured()
		if d := busy - b.busy[i] + idle - b.idle[i]; d > 0 {
			shares[i] = float64(busy-b.busy[i]) / float64(d)
		}
		b.busy[i], b.idle[i] = busy, idle
	}
	return shares
}

// look decides by the load, the processor time the process uses per second, and by the workers' shares.
func (b *balancer) look(load float64, shares []float64) {
	busy := 0.0
	for _, share := range shares[:b.used] {
		busy += share
	}
	b.short, b.spare = b.short+1, b.spare+1
	used, fewer := float64(b.used), float64(b.used-1)
	if load <= b.limit*used && busy <= fullShare*used {
		b.short = 0
	}
	if load > leaveShare*b.limit*fewer || busy > leaveShare*fullShare*fewer {
		b.spare = 0
	}
	switch {
	case b.short >= joinAfter && b.used < len(b.workers):
		b.used++
		b.short, b.spare = 0, 0
	case b.spare >= leaveAfter && b.used > 1:
		b.used--
		b.spare = 0
		// Sessions that are not idle now are moved at the next looks.
	}
	for i := b.used; i < len(b.workers); i++ {
		if b.workers[i].load.Load() > 0 {
			b.move(i, b.least(shares), 1)
		}
	}
	most, least := 0, b.least(shares)
	for i := range shares[:b.used] {
		if shares[i] > shares[most] {
			most = i
		}
	}
	if d := shares[most] - shares[least]; d > uneven {
		b.move(most, least, d/2/shares[most])
	}
}

func (b *balancer) least(shares []float64) int {
	least := 0
	for i := range shares[:b.used] {
		if shares[i] < shares[least] {
			least = i
		}
	}
	return least
}

// shed moves sessions to another worker: the share of those served lately, or all where it is 1. It runs on w.
func (w *worker) shed(to *worker, share float64) {
	if w.draining {
		return
	}
	due := 0.0
	for _, s := range slices.Backward(w.sessions) { // a session that leaves is replaced by the last
		active := s.served
		s.served = false
		if share < 1 {
			if !active {
				continue
			}
			if due += share; due < 1 {
				continue
			}
			due--
		}
		if s.movable() {
			s.moveTo(to)
		} else if s.still() {
			s.awaited = to // when its branches are between two commands
		}
	}
}

// movable reports whether nothing of the session is under way on its worker.
func (s *Session) movable() bool { return s.still() && s.branchesMovable() }

// still reports whether nothing but the session's branches is under way.
func (s *Session) still() bool {
	c := &s.client
	if s.task != nil || s.ended || s.opening || s.draining || s.cancelled != nil || s.linkSpoke ||
		c.in != nil || c.out != nil || c.piece != nil || len(c.pend) > 0 || !c.conn.IsOpen() || c.conn.Waiting() {
		return false
	}
	return s.linksMovable()
}

// linksMovable reports whether no statement is under way on the session's server connections.
func (s *Session) linksMovable() bool {
	for _, l := range s.links {
		if l.fd < 0 && (!l.conn.IsOpen() || l.conn.Waiting() || !l.reader.Done()) {
			return false
		}
	}
	return true
}

// moveTo hands a movable session to another worker.
func (s *Session) moveTo(to *worker) {
	s.awaited = nil
	s.home.drop(s)
	fd := s.client.conn.Leave()
	s.leaveLinks()
	s.leaveBranches(to)
	to.load.Add(1)
	s.home = to
	s.place.Store(to)
	posted := to.Post(func() {
		to.take(s)
		err := s.client.conn.Open(to.Worker, fd, s)
		if err == nil {
			err = s.attachLinks()
		}
		s.joinBranches(to)
		if err != nil {
			s.interrupt(err)
		} else if s.draining {
			to.Go(s)
		}
	})
	if !posted { // a worker stops after its process's last session
		loop.CloseDescriptor(fd)
	}
}

// leaveLinks takes the session's server connections off their worker.
func (s *Session) leaveLinks() {
	for _, l := range s.links {
		if l.fd < 0 {
			l.fd = l.conn.Leave()
		}
	}
}

// take adds a session to those of the worker.
func (w *worker) take(s *Session) {
	s.worker, s.client.worker = w.Worker, w.Worker
	s.index = len(w.sessions)
	w.sessions = append(w.sessions, s)
	s.draining = s.draining || w.draining
}

// drop takes a session off those of the worker.
func (w *worker) drop(s *Session) {
	last := len(w.sessions) - 1
	w.sessions[s.index] = w.sessions[last]
	w.sessions[s.index].index = s.index
	w.sessions[last] = nil
	w.sessions = w.sessions[:last]
	w.load.Add(-1)
}

// onWorker has f run on the session's worker, wherever that is by then. It reports false where the worker has stopped.
// Any goroutine may call it.
func (s *Session) onWorker(f func()) bool {
	at := s.place.Load()
	return at.Post(func() {
		// Where it is on its way here, what has it be taken comes after this.
		if s.place.Load() == at && s.worker == at.Worker {
			f()
		} else if !s.onWorker(f) {
			f() // nobody else runs any more
		}
	})
}
