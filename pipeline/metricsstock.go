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

// A question is what any goroutine may ask a worker. A worker that does not come to it is asked once, however often
// somebody wants to know.
type question struct {
	mu    sync.Mutex
	asked chan struct{} // closed when the worker has answered; nil where it has not been asked
}

// ask asks the worker; done is closed when answer, where there is one, has run there. It is nil where the worker has
// stopped.
func (q *question) ask(w *worker, answer func()) (done <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked != nil {
		return q.asked
	}
	asked := make(chan struct{})
	if !w.Post(func() {
		if answer != nil {
			answer()
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.asked = nil
		close(asked)
	}) {
		return nil
	}
	q.asked = asked
	return asked
}

// takeStock has the worker copy its figures to w.stock; done is as that of ask. Any goroutine may call it.
func (w *worker) takeStock() (done <-chan struct{}) {
	return w.figures.ask(w, func() {
		w.stock.Store(&stock{
			tallies: w.tallies.clone(), sessions: len(w.sessions) + len(w.branches), known: len(w.statements.known),
			loop: w.Stats(),
		})
	})
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
		all, answered = append(all, w.stock.Load()), append(answered, ok)
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
