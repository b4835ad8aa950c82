package querylog

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// flushEvery is how long lines are collected before they are written together, so that neither a wake-up
	// nor a system call is paid per statement.
	flushEvery = 10 * time.Millisecond
	// retryEvery is the pause between two attempts to write while the file cannot be written.
	retryEvery = time.Second
)

// What the writer is doing, for the sessions to know whether it must be woken.
const (
	asleep  int32 = iota // nothing is queued: wake it for the first line
	napping              // collecting: wake it only when the ring fills up
	awake
)

// A queue takes lines from sessions and has one goroutine that writes them to a file.
type queue struct {
	ring  *ring
	state atomic.Int32
	wake  chan struct{} // holds at most one wake-up; one too many only cuts a nap short

	file  io.WriteCloser
	log   *slog.Logger
	batch []byte
	retry time.Duration

	stop chan struct{}
	done chan struct{}

	// room is closed and replaced whenever lines have been taken and a session waits for it.
	mu      sync.Mutex
	room    chan struct{}
	waiting bool
	lost    atomic.Int64
}

// newQueue makes a queue that holds the given number of bytes, and starts its writer.
func newQueue(size int, file io.WriteCloser, log *slog.Logger) *queue {
	q := &queue{
		ring: newRing(size), wake: make(chan struct{}, 1), file: file, log: log, retry: retryEvery,
		stop: make(chan struct{}), done: make(chan struct{}), room: make(chan struct{}),
	}
	q.batch = make([]byte, 0, len(q.ring.buf)/4) // any line fits: see maxText
	go q.run()
	return q
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

// waitRoom blocks until there may be room for a line that reserve found none for. It returns the context's error
// when that comes first, and the line is then counted as lost.
func (q *queue) waitRoom(ctx context.Context, taken uint64) error {
	for {
		q.mu.Lock()
		room := q.room
		q.waiting = true
		q.mu.Unlock()
		if q.ring.tail.Load() != taken {
			return nil
		}
		q.rouse()
		select {
		case <-room:
		case <-ctx.Done():
			q.lost.Add(1)
			return ctx.Err()
		}
	}
}

// run is the writer.
func (q *queue) run() {
	defer close(q.done)
	timer := time.NewTimer(flushEvery)
	for {
		select {
		case <-q.stop:
			q.flush()
			return
		default:
		}
		q.sleep()
		q.nap(timer)
		q.flush()
	}
}

// sleep waits until there is something to write.
func (q *queue) sleep() {
	q.state.Store(asleep)
	// A line committed before the store has told nobody; one committed after it wakes.
	if q.ring.ready() {
		return
	}
	select {
	case <-q.wake:
	case <-q.stop:
	}
}

// nap lets lines collect.
func (q *queue) nap(timer *time.Timer) {
	q.state.Store(napping)
	if !q.ring.filling() {
		timer.Reset(flushEvery)
		select {
		case <-timer.C:
		case <-q.wake:
		case <-q.stop:
		}
	}
	q.state.Store(awake)
}

// flush writes what is committed.
func (q *queue) flush() {
	for {
		q.batch = q.ring.take(q.batch[:0])
		q.mu.Lock()
		if q.waiting {
			q.waiting = false
			close(q.room)
			q.room = make(chan struct{})
		}
		q.mu.Unlock()
		if len(q.batch) == 0 {
			q.ring.rewind()
			return
		}
		q.write(q.batch)
	}
}

// write writes b, for as long as that takes. While the file cannot be written the ring fills up, and then sessions
// wait; the log says so once.
func (q *queue) write(b []byte) {
	failing := false
	for {
		n, err := q.file.Write(b)
		b = b[n:]
		switch {
		case err == nil:
			if failing {
				q.log.Info("query log: writing again")
			}
			return
		case !failing:
			failing = true
			q.log.Error("query log: cannot write; statements wait once the queue is full: make room on the disk, "+
				"or remove the filter and restart", "err", err, "queue", len(q.ring.buf))
		}
		select {
		case <-q.stop:
			q.lost.Add(int64(bytes.Count(b, []byte{'\n'})))
			return
		case <-time.After(q.retry):
		}
	}
}

// close writes what is queued, once, and closes the file. No session may use the queue any more.
func (q *queue) close() {
	close(q.stop)
	<-q.done
	if err := q.file.Close(); err != nil {
		q.log.Error("query log: close", "err", err)
	}
	if n := q.lost.Load(); n > 0 {
		q.log.Error("query log: statements are missing from it", "lines", n)
	}
}
