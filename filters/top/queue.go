package top

import (
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A record says how one command went that executed a statement.
type record struct {
	statement             *pipeline.Statement
	at                    int64 // when it began, in nanoseconds of Unix time
	took                  time.Duration
	rows, affected, bytes uint64
	trace                 [16]byte
	session               uint32
	code                  uint16
	failed                bool // with an error of that code
	aborted               bool // without a complete reply
	more                  bool // more rows of an execution that has been counted
	traced                bool // trace is set
}

// A slot is a place for a record in a queue.
type slot struct {
	// turn is the number of the reservation that may have the slot, and one more once that has been committed. All
	// slots are handed out in a circle.
	turn atomic.Uint64
	record
	text      []byte // of the statement, in the queue's memory; length says how much of it is in use
	length    int
	truncated bool
}

// A queue takes records from many sessions to one reader at a time, in memory of fixed size and without a lock. It is
// that of Dmitry Vyukov: https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue
type queue struct {
	slots []slot
	mask  uint64
	wake  func()

	_       [64]byte // writers and the reader do not write to each other's cache lines
	head    atomic.Uint64
	dropped atomic.Uint64
	_       [64]byte
	tail    atomic.Uint64
	state   atomic.Int32
	_       [64]byte
}

// What the reader is doing, for the sessions to know whether it must be woken.
const (
	asleep  int32 = iota // nothing is queued: wake it for the first record
	napping              // letting records collect: wake it only when the queue fills up
	awake
)

// newQueue makes a queue of at least size records, with texts of up to the given number of bytes. wake is called where
// the reader has something to do that it does not know of; it must not block.
func newQueue(size, text int, wake func()) *queue {
	n := 1
	for n < size {
		n *= 2
	}
	q := &queue{slots: make([]slot, n), mask: uint64(n - 1), wake: wake}
	texts := make([]byte, n*text)
	for i := range q.slots {
		q.slots[i].turn.Store(uint64(i))
		q.slots[i].text = texts[i*text : (i+1)*text : (i+1)*text]
	}
	return q
}

// reserve returns a slot to be filled and committed at once, since the reader gets no further until then. Where there is
// none, it counts what has been dropped.
func (q *queue) reserve() (s *slot, ok bool) {
	for {
		at := q.head.Load()
		s = &q.slots[at&q.mask]
		switch turn := s.turn.Load(); {
		case turn == at:
			if q.head.CompareAndSwap(at, at+1) {
				return s, true
			}
		case int64(turn-at) < 0: // still what was queued a whole circle ago
			q.dropped.Add(1)
			return nil, false
		}
	}
}

// commit hands a slot to the reader.
func (q *queue) commit(s *slot) {
	s.turn.Add(1)
	state := q.state.Load()
	if state == awake || state == napping && !q.filling() {
		return
	}
	if q.state.CompareAndSwap(state, awake) {
		q.wake()
	}
}

// filling reports whether more than half of the queue is in use.
func (q *queue) filling() bool { return q.head.Load()-q.tail.Load() > uint64(len(q.slots)/2) }

// ready reports whether a record can be taken.
func (q *queue) ready() bool {
	at := q.tail.Load()
	return q.slots[at&q.mask].turn.Load() == at+1
}

// take hands all records there are to f, one after another. A slot is f's until it returns. Only one goroutine may take
// at a time.
func (q *queue) take(f func(*slot)) {
	for q.ready() {
		at := q.tail.Load()
		s := &q.slots[at&q.mask]
		f(s)
		s.statement = nil // may be the last reference to it
		s.turn.Store(at + uint64(len(q.slots)))
		q.tail.Store(at + 1)
	}
}
