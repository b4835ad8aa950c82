package pipeline

import "sync"

// Shuffle has every session that is idle move to the next worker, and returns how many have left theirs.
func (p *Process) Shuffle() (moved int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, w := range p.workers {
		all.Add(1)
		posted := w.Post(func() {
			defer all.Done()
			before := len(w.sessions)
			w.shed(p.workers[(i+1)%len(p.workers)], 1)
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

// A Balancer decides for workers that are not there.
type Balancer struct {
	b     *balancer
	Moves [][2]int
}

// NewBalancer makes one for n workers.
func NewBalancer(n, load int) *Balancer {
	b := &Balancer{}
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = &worker{}
	}
	b.b = newBalancer(workers, load)
	b.b.move = func(from, to int, _ float64) { b.Moves = append(b.Moves, [2]int{from, to}) }
	return b
}

// Look returns how many workers are in use after a look at the load and the workers' shares.
func (b *Balancer) Look(load float64, shares ...float64) int {
	b.Moves = nil
	b.b.look(load, shares)
	return b.b.used
}

// Fill has a worker have sessions.
func (b *Balancer) Fill(worker int, sessions int64) { b.b.workers[worker].load.Store(sessions) }
