package loop

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// yieldAfter is how long a worker may be busy without a pause before it lets other goroutines run, while some are known
// to have work. It is not done without need: workers that give their threads back may find themselves on each other's,
// far from what the processor has cached. The runtime sees to it by itself after ten milliseconds.
const yieldAfter = time.Millisecond

// elsewhere is the number of goroutines outside workers that are known to have work.
var elsewhere atomic.Int32

// Elsewhere runs f on the calling goroutine, and has busy workers leave it time while it does. Any goroutine but a
// worker's may call it.
func Elsewhere(f func()) {
	elsewhere.Add(1)
	defer elsewhere.Add(-1)
	f()
}

// A Worker is one event loop. Its methods may be called on the worker only (in a Task, in a posted function, in an
// Owner's Ready), except where they say otherwise.
type Worker struct {
	log    *slog.Logger
	epfd   int
	wakefd int
	file   *os.File // epfd, as the runtime's poller knows it
	raw    syscall.RawConn
	poll   func(fd uintptr) bool
	events [256]syscall.EpollEvent
	n      int // events delivered by the last poll
	polls  int // polls since the worker last went to wait: more than one means that it slept

	slots []slot // by file descriptor
	gen   uint32

	cur   *Task
	idle  []*Task
	tasks int // all there are
	// Tasks to be resumed by the loop: interrupted by another one, or having yielded.
	ready, readySpare []*Task
	stop              bool
	soon              soon
	ring              *Ring // nil: each connection sends by itself

	small, large freeList

	meter   meter
	inbox   inbox
	timers  timerHeap
	alarm   *time.Timer // wakes the worker for the earliest timer
	alarmAt time.Time
	done    chan struct{}
}

type slot struct {
	conn *Conn
	gen  uint32
}

// inbox holds what other goroutines post.
type inbox struct {
	mu     sync.Mutex
	posted []func()
	spare  []func()
	full   atomic.Bool // posted is not empty, and the worker has been woken
	closed bool
}

// Start makes a worker and runs it on a goroutine of its own until Stop. log gets what tasks panic with. The worker sends by
// ring, where that is not nil, and closes it in the end, also where Start fails.
func Start(log *slog.Logger, ring *Ring) (*Worker, error) {
	w, err := start(log, ring)
	if err != nil && ring != nil {
		ring.Close()
	}
	return w, err
}

func start(log *slog.Logger, ring *Ring) (*Worker, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(epfd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	wakefd, err := eventfd()
	if err != nil {
		_ = syscall.Close(epfd)
		return nil, err
	}
	w := &Worker{
		log: log, epfd: epfd, wakefd: wakefd, done: make(chan struct{}),
		soon: newSoon(), ring: ring,
		small: freeList{size: SmallBuffer, keep: 256}, large: freeList{size: LargeBuffer, keep: 32},
	}
	w.file = os.NewFile(uintptr(epfd), "epoll") // owns epfd from here on
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails where the runtime does not poll the descriptor
	}
	if err == nil {
		err = w.register(wakefd, 0)
	}
	if err != nil {
		_ = w.file.Close()
		_ = syscall.Close(wakefd)
		return nil, fmt.Errorf("event loop: %w", err)
	}
	w.poll = func(fd uintptr) bool {
		w.polls++
		w.n = epollWait(int(fd), w.events[:])
		return w.n > 0
	}
	go w.run()
	return w, nil
}

func (w *Worker) run() {
	defer close(w.done)
	rested := time.Now()
	for !w.stop {
		w.polls = 0
		w.meter.wait()
		if len(w.ready) > 0 {
			w.n = epollWait(w.epfd, w.events[:])
		} else if err := w.raw.Read(w.poll); err != nil {
			w.log.Error("event loop cannot wait", "error", err)
			return
		}
		w.meter.work()
		if w.polls > 1 {
			rested = time.Now()
		} else if elsewhere.Load() > 0 && time.Since(rested) > yieldAfter {
			runtime.Gosched()
			rested = time.Now()
		}
		for i := range w.n {
			w.dispatch(&w.events[i])
		}
		w.sendSoon()
		w.runInbox()
		w.runTimers()
		w.runReady()
		w.sendSoon()
		w.meter.rest()
	}
	w.shutdown()
}

// dispatch passes an event to the connection it is about, unless that was closed earlier in the same batch.
func (w *Worker) dispatch(ev *syscall.EpollEvent) {
	fd := int(ev.Fd)
	if fd == w.wakefd || fd >= len(w.slots) {
		return
	}
	if s := w.slots[fd]; s.conn != nil && s.gen == uint32(ev.Pad) {
		s.conn.event(ev.Events)
	}
}

// Post has f run on the worker, soon. Any goroutine may call it. It reports false where the worker has stopped, and
// f will not run.
func (w *Worker) Post(f func()) bool {
	in := &w.inbox
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return false
	}
	in.posted = append(in.posted, f)
	in.mu.Unlock()
	w.wake()
	return true
}

func (w *Worker) wake() {
	if w.inbox.full.Swap(true) {
		return
	}
	w.inbox.mu.Lock()
	defer w.inbox.mu.Unlock()
	if !w.inbox.closed { // afterwards the descriptor may be somebody else's
		eventfdWrite(w.wakefd)
	}
}

func (w *Worker) runInbox() {
	in := &w.inbox
	if !in.full.Load() {
		return
	}
	in.full.Store(false)
	in.mu.Lock()
	posted := in.posted
	in.posted = in.spare[:0]
	in.mu.Unlock()
	for i, f := range posted {
		posted[i] = nil
		f()
	}
	in.mu.Lock()
	in.spare = posted
	in.mu.Unlock()
}

// Stop ends the worker once what is posted has run: connections still open are closed, and tasks still waiting are
// woken with ErrClosed. It returns when the worker is gone. Any goroutine but the worker's may call it.
func (w *Worker) Stop() {
	w.Post(func() { w.stop = true })
	<-w.done
}

func (w *Worker) shutdown() {
	for fd := range w.slots {
		if c := w.slots[fd].conn; c != nil {
			c.Close()
		}
	}
	w.inbox.mu.Lock()
	w.inbox.closed = true
	w.inbox.mu.Unlock()
	w.inbox.full.Store(true)
	w.runInbox()
	for len(w.ready) > 0 {
		w.runReady()
	}
	for _, t := range w.idle {
		t.end()
	}
	if w.alarm != nil {
		w.alarm.Stop()
	}
	_ = w.file.Close()
	_ = syscall.Close(w.wakefd)
	if w.ring != nil {
		w.ring.Close()
	}
}
