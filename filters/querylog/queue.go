package querylog

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What the writer is doing, for the sessions to know whether it must be woken.
const (
	asleep  int32 = iota // nothing has been queued for a while: wake it for the first line
	napping              // collecting: wake it only when the ring fills up
	awake
)

// A queue takes records from sessions and has one goroutine, the writer, that writes them out.
type queue struct {
	ring  *ring
	out   *output
	log   *slog.Logger
	drop  bool // what there is no room for is dropped, instead of waited for
	state atomic.Int32
	wake  chan struct{} // holds at most one wake-up; one too many only cuts a nap short

	requests chan func() // for the writer to run
	stop     chan struct{}
	done     chan struct{}

	// blocked says that sessions wait for room; room is then closed, and replaced, once there is some.
	blocked atomic.Bool
	mu      sync.Mutex
	room    chan struct{}
	// late are records of sessions that were ended while they waited.
	late      [][]byte
	lateBytes int
	// ended are sessions that have ended.
	ended []ended

	gap gap
}

// ended is a session that has ended, how far the ring had been reserved by then, and what of it was dropped since its
// last record.
type ended struct {
	id  uint32
	at  uint64
	gap span
}

// newQueue makes a queue that holds the given number of bytes. run is to be called on a goroutine of its own.
func newQueue(size int, out *output, drop bool, log *slog.Logger) *queue {
	return &queue{
		ring: newRing(size), out: out, log: log, drop: drop, wake: make(chan struct{}, 1),
		requests: make(chan func()), stop: make(chan struct{}), done: make(chan struct{}), room: make(chan struct{}),
	}
}

// committed tells the writer that a line has been committed, if it has to be told.
func (q *queue) committed() {
	state := q.state.Load()
	if state == awake || state == napping && !q.ring.filling() {
		return
	}
	if q.state.CompareAndSwap(state, awake) {
		q.rouse()
	}
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// wait blocks until there may be room in the ring, or returns the context's error.
func (q *queue) wait(ctx context.Context) error {
	q.mu.Lock()
	q.blocked.Store(true)
	room := q.room
	q.mu.Unlock()
	// The writer makes room first and looks at blocked then. Here it is the other way round: one of us sees it.
	if !q.ring.filling() {
		q.unblock()
		return nil
	}
	q.rouse()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unblock lets sessions go on where they wait for room and there is some.
func (q *queue) unblock() {
	if !q.blocked.Load() || q.ring.filling() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocked.Store(false)
	close(q.room)
	q.room = make(chan struct{})
}

// putLate queues the last record of a session that has been ended while it waited for room. There can be no more of
// them than sessions that were running a statement, as no statement begins while others wait; should they still be
// more than the ring holds, the record is dropped.
func (q *queue) putLate(line []byte, now time.Time) {
	q.mu.Lock()
	fits := q.lateBytes+len(line) <= len(q.ring.buf)
	if fits {
		q.late = append(q.late, line)
		q.lateBytes += len(line)
	}
	q.mu.Unlock()
	if !fits {
		q.gap.add(now, q.ring.head.Load())
	}
	q.committed()
}

// takeLate returns what putLate has queued.
func (q *queue) takeLate() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := q.late
	q.late, q.lateBytes = nil, 0
	return late
}

// end tells the writer that no more records come of a session, whose chain has been closed, and what of it was dropped
// since the last one.
func (q *queue) end(id uint32, gap span) {
	q.mu.Lock()
	q.ended = append(q.ended, ended{id, q.ring.head.Load(), gap})
	q.mu.Unlock()
	q.committed()
}

// takeEnded returns the sessions that have ended and whose last record has been taken from the ring.
func (q *queue) takeEnded() (all []ended) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = slices.DeleteFunc(q.ended, func(e ended) bool {
		if q.ring.read < e.at {
			return false
		}
		all = append(all, e)
		return true
	})
	return all
}

// pending reports whether there is something to write, or to close. Only the writer calls it.
func (q *queue) pending() bool {
	if q.ring.ready() || q.gap.due(q.ring.read) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.late) > 0 || slices.ContainsFunc(q.ended, func(e ended) bool { return q.ring.read >= e.at })
}

// do has the writer run f, and returns once it has, or will never.
func (q *queue) do(f func()) {
	ran := make(chan struct{})
	select {
	case q.requests <- func() { defer close(ran); f() }:
	case <-q.done:
		return
	}
	select {
	case <-ran:
	case <-q.done:
	}
}
