package readwritesplit

import (
	"sync/atomic"
	"time"
)

// A load is what a router's sessions, of all workers, know about one server together. Its zero value is that of a server
// nobody has used.
//
// All of it lies in cache lines of its own (two, since processors fetch neighbours): a statement writes to the line of the
// server that it goes to, and a choice reads one line for each server. Figures per worker would make writing cheaper and
// have each choice read a line for each server and worker, all of them lately written elsewhere.
type load struct {
	running atomic.Int64
	// latency is a moving average in nanoseconds, 0 where nothing is known. Of two updates at one time one may be lost.
	latency atomic.Int64
	// stale says that latency is from long ago: the next one stands for itself.
	stale atomic.Bool
	// turn grows by turnStep, divided by the server's weight, whenever it is chosen.
	turn atomic.Int64
	// executed is the GTID position of the server's last state, parsed.
	executed atomic.Pointer[executed]
	// refused is when it last did not take statements, in Unix nanoseconds, 0 where it always has.
	refused atomic.Int64
	_       [128 - 6*8]byte
}

// turnStep is what turn grows by for a server of weight 1.
const turnStep = 1 << 20

// refusedFor is for how long a server that did not take a statement is not expected to take others.
const refusedFor = 5 * time.Second

// refuse notes that the server, which takes connections, does not take statements.
func (l *load) refuse() { l.refused.Store(time.Now().UnixNano()) }

// refuses reports whether it did so a short while ago.
func (l *load) refuses() bool {
	at := l.refused.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < refusedFor
}

// begin counts a statement that is about to be sent to the server. Any worker may call it.
func (l *load) begin() { l.running.Add(1) }

// end takes a statement off that begin has counted. latency is how long the server took; 0 says that this is not known,
// as of a statement that did not come to an end.
func (l *load) end(latency time.Duration) {
	l.running.Add(-1)
	if latency <= 0 {
		return
	}
	took, average := int64(latency), l.latency.Load()
	if average == 0 || l.stale.Load() {
		l.latency.Store(took)
		l.stale.Store(false)
		return
	}
	l.latency.Store(max(average+(took-average)/8, 1))
}

// fading is how often a server must be passed over for its latency to count half.
const fading = 64

// expected is the latency to expect, where the newest turn is the one given. What is known fades while the server is
// passed over, or one that was slow once would never be tried again: one that is n times as slow as the others gets every
// 64*(n-1)-th statement or so, which adds a sixty-fourth to the time of the rest.
func (l *load) expected(newest int64) int64 {
	return l.latency.Load() * fading / (fading + l.passedOver(newest))
}

// passedOver is how often others have been chosen since the server was.
func (l *load) passedOver(newest int64) int64 { return max(newest-l.turn.Load(), 0) / turnStep }

// take notes that the server is chosen. Turns decide between servers that are otherwise equal: the lowest is next, so
// that equal ones are used in turn, each as often as its weight says. One that was not used for long does not make up for
// it.
func (l *load) take(newest int64, weight int) {
	if l.passedOver(newest) > fading {
		l.stale.Store(true)
	}
	l.turn.Store(max(l.turn.Load(), newest-turnStep) + max(turnStep/int64(weight), 1))
}
