package main

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// maxQueued is how many bytes of log lines may wait to be written; as many again are being written.
const maxQueued = 1 << 20

// flushTimeout is how long the end of the program waits for a log that is not read.
const flushTimeout = 2 * time.Second

// A logQueue takes log lines from anywhere without waiting for who reads them: one goroutine writes them out. What
// does not fit into its memory is dropped and counted, and the log says so.
type logQueue struct {
	out        io.Writer
	dropNotice *slog.Logger
	wake       chan struct{}
	done       chan struct{} // closed when all has been written

	mu      sync.Mutex
	lines   []byte
	dropped int
	closed  bool
}

// newLogQueue starts the goroutine that writes to out. It ends with close.
func newLogQueue(out io.Writer, c pipeline.LogConfig) *logQueue {
	q := &logQueue{
		out: out, dropNotice: slog.New(newLogHandler(out, c)),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go q.writeOut()
	return q
}

// Write takes a line, which it copies. It does not wait, and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.lines)+len(line) > maxQueued {
		q.dropped++
	} else {
		q.lines = append(q.lines, line...)
	}
	q.mu.Unlock()
	q.stir()
	return len(line), nil
}

// stir wakes the goroutine.
func (q *logQueue) stir() {
	select {
	case q.wake <- struct{}{}:
	default: // it is to wake already
	}
}

// writeOut writes what is queued until the queue is closed and empty.
func (q *logQueue) writeOut() {
	defer close(q.done)
	var writing []byte
	for range q.wake {
		q.mu.Lock()
		writing, q.lines = q.lines, writing[:0]
		dropped, closed := q.dropped, q.closed
		q.dropped = 0
		q.mu.Unlock()
		if len(writing) > 0 {
			_, _ = q.out.Write(writing) // a log that cannot be written cannot say so
		}
		if dropped > 0 {
			q.dropNotice.Warn("log lines dropped, as they were not read fast enough", "dropped", dropped)
		}
		if closed {
			return
		}
		if cap(writing) > maxQueued/16 {
			writing = nil // a burst does not keep its memory
		}
	}
}

// close writes out what is queued, and waits for that unless it takes too long. Later lines are dropped. q may be
// nil.
func (q *logQueue) close() {
	if q == nil {
		return
	}
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stir()
	select {
	case <-q.done:
	case <-time.After(flushTimeout):
	}
}

// newLogHandler returns the handler for the format and level of a log block, which has been checked.
func newLogHandler(out io.Writer, c pipeline.LogConfig) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}
