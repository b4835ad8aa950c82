package top

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestQueueKeepsOrderAndDrops(t *testing.T) {
	q := newQueue(10, 8, func() {})
	if len(q.slots) != 16 {
		t.Fatalf("%d slots", len(q.slots))
	}
	next := 0
	for round := range 5 {
		for n := range 16 + round {
			s, ok := q.reserve()
			if ok != (n < 16) {
				t.Fatalf("round %d: slot %d: %v", round, n, ok)
			}
			if ok {
				s.took, s.length = time.Duration(round*16+n), copy(s.text, "text")
				q.commit(s)
			}
		}
		q.take(func(s *slot) {
			if s.took != time.Duration(next) || string(s.text[:s.length]) != "text" {
				t.Errorf("got %d %q, want %d", s.took, s.text[:s.length], next)
			}
			next++
		})
	}
	if next != 80 || q.dropped.Load() != 10 {
		t.Errorf("%d taken, %d dropped", next, q.dropped.Load())
	}
}

func TestQueueWakes(t *testing.T) {
	woken := 0
	q := newQueue(16, 0, func() { woken++ })
	put := func() {
		s, _ := q.reserve()
		q.commit(s)
	}
	put()
	put()
	if woken != 1 {
		t.Errorf("a reader asleep was woken %d times, want once", woken)
	}
	q.take(func(*slot) {})
	q.state.Store(napping)
	for range 8 {
		put()
	}
	if woken != 1 {
		t.Errorf("a reader that lets records collect was woken %d times", woken-1)
	}
	put()
	if woken != 2 {
		t.Errorf("with the queue half full, the reader was not woken")
	}
}

// Whatever is put is taken once or counted as dropped.
func TestQueueOfManyWriters(t *testing.T) {
	const writers, each = 4, 50_000
	q := newQueue(64, 8, func() {})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if s, ok := q.reserve(); ok {
					s.session, s.rows = uint32(w), uint64(n)
					q.commit(s)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	taken, last := 0, [writers]int{-1, -1, -1, -1}
	see := func(s *slot) {
		taken++
		if n := int(s.rows); n <= last[s.session] {
			t.Errorf("writer %d: %d comes after %d", s.session, n, last[s.session])
		} else {
			last[s.session] = n
		}
	}
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		default:
			runtime.Gosched()
		}
		q.take(see)
	}
	if got := taken + int(q.dropped.Load()); got != writers*each {
		t.Errorf("%d taken and %d dropped of %d", taken, q.dropped.Load(), writers*each)
	}
}
