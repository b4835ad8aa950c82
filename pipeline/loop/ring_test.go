package loop_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// ring makes a Ring; nil where it was said that this machine has none.
func ring(t *testing.T) *loop.Ring {
	t.Helper()
	if os.Getenv("WEIR_NO_IO_URING") != "" {
		return nil
	}
	r, err := loop.NewRing()
	if err != nil {
		t.Fatalf("%v: io_uring is needed to test what Weir does with it. Allow it (sysctl kernel.io_uring_disabled=0, "+
			"another seccomp profile for the container), or set WEIR_NO_IO_URING=1 to do without these tests", err)
	}
	return r
}

// needRing makes a Ring for a test of it.
func needRing(t *testing.T) *loop.Ring {
	t.Helper()
	r := ring(t)
	if r == nil {
		t.Skip("WEIR_NO_IO_URING is set: nothing is tested with io_uring here")
	}
	return r
}

// TestRing sends to sockets in whatever state, in one call: each has what it takes, and no other hears of it.
func TestRing(t *testing.T) {
	r := needRing(t)
	defer r.Close()
	sockets := func() (here, there int) {
		t.Helper()
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(pair[0]); _ = syscall.Close(pair[1]) })
		return pair[0], pair[1]
	}
	fill := func(fd int) {
		for {
			if _, err := syscall.Write(fd, make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	free, freeEnd := sockets()
	full, _ := sockets()
	fill(full)
	gone, goneEnd := sockets()
	_ = syscall.Shutdown(goneEnd, syscall.SHUT_RD)
	half, _ := sockets()
	large := make([]byte, 64<<20)
	other, otherEnd := sockets()
	if none := []loop.Outgoing{{FD: 1 << 20, B: []byte("of no socket")}}; !r.Send(none) || none[0].N != 0 {
		t.Errorf("%d bytes were sent to no socket", none[0].N)
	}
	for round := range 100 { // through the end of the queues several times
		batch := []loop.Outgoing{
			{FD: free, B: []byte("one")},
			{FD: -1},
			{FD: full, B: []byte("two")},
			{FD: gone, B: []byte("three")},
			{FD: half, B: large},
			{FD: other, B: []byte("four")},
		}
		if !r.Send(batch) {
			t.Fatal("what became of it is not known")
		}
		if n := batch[4].N; round == 0 && n > 0 && n < len(large) { // there was room for some of it
			batch[4].N = 0
		} else if round == 0 {
			t.Errorf("%d bytes of more than there is room for were sent", n)
		}
		for i, want := range []int{3, 0, 0, 0, 0, 4} {
			if batch[i].N != want {
				t.Fatalf("round %d: socket %d: %d bytes, want %d", round, i, batch[i].N, want)
			}
		}
		for fd, want := range map[int]string{freeEnd: "one", otherEnd: "four"} {
			b := make([]byte, 99)
			if n, err := syscall.Read(fd, b); err != nil || string(b[:n]) != want {
				t.Fatalf("the peer got %q, %v; want %q", b[:max(n, 0)], err, want)
			}
		}
	}
}

// together has a worker send a word to each of several peers in one round, and returns them.
func together(t *testing.T, w *loop.Worker) (near []*loop.Conn, far []net.Conn) {
	t.Helper()
	var fds []int
	for range 10 {
		peer, fd := pair(t, "tcp")
		far, fds = append(far, peer), append(fds, fd)
	}
	run(t, w, func() {
		for _, fd := range fds {
			c := open(t, w, fd)
			near = append(near, c)
			if err := c.WriteSoon([]byte("word"), time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	for i, peer := range far {
		got := make([]byte, 4)
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != "word" {
			t.Errorf("peer %d got %q, %v", i, got, err)
		}
	}
	return near, far
}

// TestRingIsUsed: what a round has for several connections goes through the Ring.
func TestRingIsUsed(t *testing.T) {
	r := needRing(t)
	w := startWith(t, io.Discard, r)
	together(t, w)
	sent := 0
	run(t, w, func() { sent = w.Stats().Together })
	if sent != 10 {
		t.Errorf("%d of 10 sends went through the Ring", sent)
	}
}

// TestRingAllocatesNothing: most statements go through it when a worker is busy.
func TestRingAllocatesNothing(t *testing.T) {
	w := startWith(t, io.Discard, needRing(t))
	near, far := together(t, w)
	for _, peer := range far {
		b := make([]byte, 1<<12)
		go func() {
			for {
				if _, err := peer.Read(b); err != nil {
					return
				}
			}
		}()
	}
	const rounds = 1000
	var before, after runtime.MemStats
	word := []byte("word")
	run(t, w, func() {
		for i := range 2 * rounds {
			if i == rounds { // the peers' goroutines are there by now
				runtime.ReadMemStats(&before)
			}
			for _, c := range near {
				if err := c.WriteSoon(word, time.Second); err != nil {
					t.Error(err)
					return
				}
			}
			if err := w.Current().Yield(); err != nil {
				t.Error(err)
				return
			}
		}
		runtime.ReadMemStats(&after)
	})
	if n := after.Mallocs - before.Mallocs; n > rounds/100 {
		t.Errorf("%d allocations in %d rounds", n, rounds)
	}
}

// TestWithoutRing: each connection sends by itself, at once.
func TestWithoutRing(t *testing.T) {
	w := startWith(t, io.Discard, nil)
	together(t, w)
	peer, fd := pair(t, "tcp")
	run(t, w, func() {
		c := open(t, w, fd)
		defer c.Close()
		_ = c.WriteSoon([]byte("a"), 0)
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := peer.Read(make([]byte, 9)); err != nil {
			t.Errorf("nothing has been sent within the round: %v", err)
		}
	})
}

// TestRingRefuses: what the Ring does not take, connections send by themselves.
func TestRingRefuses(t *testing.T) {
	r := needRing(t)
	r.Break()
	together(t, startWith(t, io.Discard, r))
}

// TestRingFails: where it is not known what has been sent, nothing is sent again, whoever reads or writes hears of it, and the
// worker goes on without the Ring.
func TestRingFails(t *testing.T) {
	r := needRing(t)
	r.Blind()
	var log bytes.Buffer
	w := startWith(t, &log, r)
	near, far := together(t, w)
	run(t, w, func() {
		for _, c := range near {
			if err := c.WriteSoon([]byte("more"), time.Second); err == nil {
				t.Error("a connection goes on of which it is not known what was sent")
			}
			if n, err := c.ReadNow(make([]byte, 9)); err == nil {
				t.Errorf("%d bytes read", n)
			}
			c.Close()
		}
	})
	for _, peer := range far {
		if rest, err := io.ReadAll(peer); err != nil || len(rest) > 0 {
			t.Errorf("%q came after it, %v", rest, err)
		}
	}
	together(t, w)
	run(t, w, func() {
		if !strings.Contains(log.String(), "io_uring has not sent all") {
			t.Errorf("logged: %s", log.String())
		}
	})
}
