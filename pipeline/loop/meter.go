package loop

import (
	"sync/atomic"
	"syscall"
	"time"
)

// sampleRounds is how many rounds of a worker's loop there are for one whose time is taken: a clock costs as much as a
// small part of a statement.
const sampleRounds = 8

// A meter measures how busy a worker is, by some of the rounds of its loop.
type meter struct {
	round      uint
	mark       time.Time
	idle, busy atomic.Int64 // nanoseconds, of the rounds measured
}

func (m *meter) sampled() bool { return m.round%sampleRounds == 0 }

func (m *meter) wait() {
	if m.sampled() {
		m.mark = time.Now()
	}
}

func (m *meter) work() {
	if m.sampled() {
		now := time.Now()
		m.idle.Store(m.idle.Load() + int64(now.Sub(m.mark)))
		m.mark = now
	}
}

func (m *meter) rest() {
	if m.sampled() {
		m.busy.Store(m.busy.Load() + int64(time.Since(m.mark)))
	}
	m.round++
}

// Measured returns how long the worker has been busy, and how long it has waited, in those rounds of its loop whose
// time was taken, about one in eight. Only their relation means something. Any goroutine may call it.
func (w *Worker) Measured() (busy, idle time.Duration) {
	return time.Duration(w.meter.busy.Load()), time.Duration(w.meter.idle.Load())
}

// ProcessorTime returns the processor time that this process has used, user's and system's. Any goroutine may call it.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // it cannot fail for oneself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
