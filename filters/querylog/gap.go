package querylog

import (
	"sync/atomic"
	"time"
)

// A gap counts records that were dropped. Sessions add to it without a lock; the writer makes a record of it.
type gap struct {
	dropped atomic.Uint64 // since the start
	from    atomic.Int64  // when the first that has no record yet was dropped, in nanoseconds; 0 where there is none
	to      atomic.Int64  // when the last was
	at      atomic.Uint64 // how far the ring had been reserved at from: all lines before were earlier

	quiet    bool   // no record is to be made
	reported uint64 // of dropped; the writer's, as last is
	last     int64
}

// add counts a record that was dropped.
func (g *gap) add(now time.Time, head uint64) {
	nanos := now.UnixNano()
	if g.from.CompareAndSwap(0, nanos) {
		g.at.Store(head)
	}
	g.to.Store(nanos)
	g.dropped.Add(1)
}

// due reports whether a record of the gap is to be made after what has been taken of the ring.
func (g *gap) due(read uint64) bool {
	return !g.quiet && g.dropped.Load() != g.reported && read >= g.at.Load()
}

// take returns what was dropped since the last time.
func (g *gap) take() span {
	total := g.dropped.Load()
	n := total - g.reported
	g.reported = total
	first := g.from.Swap(0)
	if first == 0 { // dropped while the last gap was being taken
		first = g.last
	}
	g.last = max(g.to.Load(), first)
	return span{n, time.Unix(0, first), time.Unix(0, g.last)}
}

// A span is a number of records dropped one after the other.
type span struct {
	records  uint64
	from, to time.Time
}

// add counts one more.
func (s *span) add(now time.Time) {
	if s.records == 0 {
		s.from = now
	}
	s.records++
	s.to = now
}
