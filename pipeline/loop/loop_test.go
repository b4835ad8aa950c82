package loop_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// runner makes a Runner of a function.
type runner func()

func (r runner) Run() { r() }

// owner makes an Owner of a function.
type owner func(hangup bool)

func (o owner) Ready(_ *loop.Conn, hangup bool) { o(hangup) }

// start starts a worker that sends together what it can, as where the kernel lets it.
func start(t *testing.T, log io.Writer) *loop.Worker {
	t.Helper()
	return startWith(t, log, ring(t))
}

func startWith(t *testing.T, log io.Writer, r *loop.Ring) *loop.Worker {
	t.Helper()
	w, err := loop.Start(slog.New(slog.NewTextHandler(log, nil)), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// run runs f in a task and waits for it to end.
func run(t *testing.T, w *loop.Worker, f func()) {
	t.Helper()
	done := make(chan struct{})
	w.Post(func() { w.Go(runner(func() { defer close(done); f() })) })
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("the task does not end\n%s", buf[:runtime.Stack(buf, true)])
	}
}

// pair returns a connection whose one end is a descriptor for Conn.Open.
func pair(t *testing.T, network string) (peer net.Conn, fd int) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	peer, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = loop.Take(near); err != nil {
		t.Fatal(err)
	}
	return peer, fd
}

func TestReadAndWrite(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			w := start(t, io.Discard)
			peer, fd := pair(t, network)
			// Far more than socket buffers hold, and a peer that reads slowly: writing has to wait.
			sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
			var got []byte
			var reading sync.WaitGroup
			reading.Go(func() {
				buf := make([]byte, 100_000)
				for {
					n, err := peer.Read(buf)
					got = append(got, buf[:n]...)
					if err != nil {
						return
					}
				}
			})
			run(t, w, func() {
				var c loop.Conn
				if err := c.Open(w, fd, owner(func(bool) {})); err != nil {
					t.Error(err)
					return
				}
				if err := c.Write(sent, 10*time.Second); err != nil {
					t.Error(err)
				}
				c.Close()
			})
			reading.Wait()
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes arrived, and not those that were sent", len(got))
			}
		})
	}
}

func TestReadSeesTheEnd(t *testing.T) {
	w := start(t, io.Discard)
	peer, fd := pair(t, "tcp")
	opened := make(chan struct{})
	go func() {
		<-opened
		_, _ = peer.Write([]byte("last words"))
		_ = peer.Close()
	}()
	run(t, w, func() {
		var c loop.Conn
		defer c.Close()
		if err := c.Open(w, fd, owner(func(bool) {})); err != nil {
			t.Error(err)
			return
		}
		close(opened)
		var got []byte
		buf := make([]byte, 4)
		for {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
		if string(got) != "last words" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWriteTimesOut(t *testing.T) {
	w := start(t, io.Discard)
	_, fd := pair(t, "tcp")
	run(t, w, func() {
		var c loop.Conn
		defer c.Close()
		if err := c.Open(w, fd, owner(func(bool) {})); err != nil {
			t.Error(err)
			return
		}
		if err := c.Write(make([]byte, 64<<20), 50*time.Millisecond); !errors.Is(err, loop.ErrTimeout) {
			t.Errorf("a peer that never reads: %v", err)
		}
	})
}

func TestOwnerHearsWhenNobodyReads(t *testing.T) {
	w := start(t, io.Discard)
	peer, fd := pair(t, "tcp")
	said := make(chan bool, 8)
	w.Post(func() {
		c := new(loop.Conn)
		_ = c.Open(w, fd, owner(func(hangup bool) { said <- hangup }))
	})
	_, _ = peer.Write([]byte("x"))
	if hangup := <-said; hangup {
		t.Error("bytes were taken for a hang-up")
	}
	_ = peer.Close()
	if hangup := <-said; !hangup {
		t.Error("a hang-up was taken for bytes")
	}
}

func TestInterrupt(t *testing.T) {
	w := start(t, io.Discard)
	_, fd := pair(t, "tcp")
	reason := errors.New("reason")
	var first, second, sleep error
	run(t, w, func() {
		var c loop.Conn
		defer c.Close()
		_ = c.Open(w, fd, owner(func(bool) {}))
		task := w.Current()
		w.After(time.Millisecond, func() { task.Interrupt(reason) })
		_, first = c.Read(make([]byte, 1))
		_, second = c.Read(make([]byte, 1))
		sleep = w.Sleep(time.Hour)
	})
	if !errors.Is(first, reason) || !errors.Is(second, reason) || !errors.Is(sleep, reason) {
		t.Errorf("waits ended with %v, %v, %v", first, second, sleep)
	}
}

func TestInterruptByAnotherTask(t *testing.T) {
	w := start(t, io.Discard)
	reason := errors.New("reason")
	var err error
	run(t, w, func() {
		task := w.Current()
		w.After(0, func() {
			w.Go(runner(func() {
				task.Interrupt(reason)
				task.Interrupt(reason)
			}))
		})
		err = w.Sleep(time.Hour)
	})
	if !errors.Is(err, reason) {
		t.Errorf("ended with %v", err)
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	w := start(t, io.Discard)
	_, fd := pair(t, "tcp")
	run(t, w, func() {
		var c loop.Conn
		_ = c.Open(w, fd, owner(func(bool) {}))
		w.After(time.Millisecond, c.Close)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, loop.ErrClosed) {
			t.Errorf("read ended with %v", err)
		}
	})
}

func TestAwaitRunsElsewhere(t *testing.T) {
	w := start(t, io.Discard)
	reason := errors.New("reason")
	run(t, w, func() {
		others := 0
		release := make(chan struct{})
		w.After(time.Millisecond, func() { others++; close(release) })
		// Blocks until the worker, which must be free, has run the timer.
		err := w.Await(func() error { <-release; return reason })
		if !errors.Is(err, reason) || others != 1 {
			t.Errorf("returned %v after %d timers", err, others)
		}
	})
}

func TestSleepersAndTimersInOrder(t *testing.T) {
	w := start(t, io.Discard)
	var order []int
	var all sync.WaitGroup
	all.Add(3)
	w.Post(func() {
		for _, ms := range []int{30, 10, 20} {
			w.After(time.Duration(ms)*time.Millisecond, func() { order = append(order, ms); all.Done() })
		}
		w.After(15*time.Millisecond, func() { t.Error("a stopped timer went off") }).Stop()
	})
	all.Wait()
	if order[0] != 10 || order[1] != 20 || order[2] != 30 {
		t.Errorf("timers went off in the order %v", order)
	}
}

func TestPanicEndsOneTask(t *testing.T) {
	var log bytes.Buffer
	w := start(t, &log)
	w.Post(func() { w.Go(runner(func() { panic("on purpose") })) })
	ran := false
	run(t, w, func() { ran = true })
	if !ran || !strings.Contains(log.String(), "on purpose") {
		t.Errorf("after a panic: ran %v, logged %q", ran, log.String())
	}
}

func TestPostFromManyGoroutines(t *testing.T) {
	w := start(t, io.Discard)
	var ran atomic.Int64
	var posting sync.WaitGroup
	for range 8 {
		posting.Go(func() {
			for range 1000 {
				w.Post(func() { ran.Add(1) })
			}
		})
	}
	posting.Wait()
	run(t, w, func() {})
	if n := ran.Load(); n != 8000 {
		t.Errorf("%d of 8000 ran", n)
	}
}

func TestStopWakesWhoWaits(t *testing.T) {
	w, err := loop.Start(slog.New(slog.DiscardHandler), ring(t))
	if err != nil {
		t.Fatal(err)
	}
	_, fd := pair(t, "tcp")
	ended := make(chan error, 1)
	w.Post(func() {
		w.Go(runner(func() {
			var c loop.Conn
			_ = c.Open(w, fd, owner(func(bool) {}))
			_, err := c.Read(make([]byte, 1))
			ended <- err
		}))
	})
	w.Stop()
	if err := <-ended; !errors.Is(err, loop.ErrClosed) {
		t.Errorf("the reader ended with %v", err)
	}
	if w.Post(func() {}) {
		t.Error("a stopped worker takes posts")
	}
}

// TestSwitchAllocatesNothing: waiting for a socket and waking from it is what every statement does twice.
func TestSwitchAllocatesNothing(t *testing.T) {
	w := start(t, io.Discard)
	peer, fd := pair(t, "tcp")
	const rounds = 1000
	var before, after runtime.MemStats
	one := []byte{1}
	go func() {
		b := make([]byte, 1)
		for {
			if _, err := peer.Write(one); err != nil {
				return
			}
			if _, err := peer.Read(b); err != nil {
				return
			}
		}
	}()
	run(t, w, func() {
		var c loop.Conn
		_ = c.Open(w, fd, owner(func(bool) {}))
		b := make([]byte, 16)
		for i := range rounds + 10 {
			if i == 10 {
				runtime.ReadMemStats(&before)
			}
			if _, err := c.Read(b); err != nil {
				t.Error(err)
				return
			}
			if err := c.Write(one, 0); err != nil {
				t.Error(err)
				return
			}
		}
		runtime.ReadMemStats(&after)
		c.Close()
	})
	if n := after.Mallocs - before.Mallocs; n > rounds/100 {
		t.Errorf("%d allocations in %d rounds", n, rounds)
	}
}
