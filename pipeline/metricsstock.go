package pipeline

import (
	"context"
	"sync"

	"github.com/weirproxy/weir/pipeline/loop"
)

// stock is what a worker has counted up to a moment.
type stock struct {
	tallies
	sessions int
	known    int // statements
	loop     loop.Stats
}

// stocktaking has a worker copy its figures for others. A worker that does not come to it is asked once, however often
// somebody wants to know.
type stocktaking struct {
	mu    sync.Mutex
	asked chan struct{} // closed when the worker has answered; nil where it has not been asked
	last  *stock
}

// takeStock asks the worker for its figures; done is closed when they are there, in w.stock.last. It is nil where the
// worker has stopped. Any goroutine may call it.
func (w *worker) takeStock() (done <-chan struct{}) {
	w.stock.mu.Lock()
	defer w.stock.mu.Unlock()
	if w.stock.asked != nil {
		return w.stock.asked
	}
	asked := make(chan struct{})
	if !w.Post(func() {
		s := &stock{
			tallies: w.tallies.clone(), sessions: len(w.sessions) + len(w.branches), known: len(w.statements.known), loop: w.Stats(),
		}
		w.stock.mu.Lock()
		defer w.stock.mu.Unlock()
		w.stock.last, w.stock.asked = s, nil
		close(asked)
	}) {
		return nil
	}
	w.stock.asked = asked
	return asked
}

// takeStock returns the figures of each worker, or the last known of one that does not answer while ctx lasts; nil
// where there are none. answered says which have answered.
func (p *Process) takeStock(ctx context.Context) (all []*stock, answered []bool) {
	if p.phase.Load() == phaseStarting {
		return nil, nil
	}
	asked := make([]<-chan struct{}, len(p.workers))
	for i, w := range p.workers {
		asked[i] = w.takeStock()
	}
	for i, w := range p.workers {
		ok := answers(ctx, asked[i])
		w.stock.mu.Lock()
		all, answered = append(all, w.stock.last), append(answered, ok)
		w.stock.mu.Unlock()
	}
	return all, answered
}

// answers reports whether done is closed by the time ctx is done; it may be both.
func answers(ctx context.Context, done <-chan struct{}) bool {
	if done == nil {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
