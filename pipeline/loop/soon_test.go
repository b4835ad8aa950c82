package loop_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// open opens a Conn whose owner hears nothing.
func open(t *testing.T, w *loop.Worker, fd int) *loop.Conn {
	t.Helper()
	c := new(loop.Conn)
	if err := c.Open(w, fd, owner(func(bool) {})); err != nil {
		t.Error(err)
	}
	return c
}

// fill has c's socket take nothing more.
func fill(c *loop.Conn) {
	for n := 1; n > 0; {
		n = c.WriteNow(bytes.Repeat([]byte("x"), 1000))
	}
}

// TestWriteSoon sends small and large pieces to several peers in one round: each gets its own, whole and in order.
func TestWriteSoon(t *testing.T) {
	t.Run("together", func(t *testing.T) { writeSoon(t, startWith(t, io.Discard, needRing(t))) })
	t.Run("each", func(t *testing.T) { writeSoon(t, startWith(t, io.Discard, nil)) })
}

func writeSoon(t *testing.T, w *loop.Worker) {
	t.Helper()
	const peers = 100
	var near []*loop.Conn
	var far []net.Conn
	var sent [peers][]byte
	var fds []int
	for range peers {
		peer, fd := pair(t, "tcp")
		far, fds = append(far, peer), append(fds, fd)
	}
	run(t, w, func() {
		for _, fd := range fds {
			near = append(near, open(t, w, fd))
		}
		for piece := range 20 {
			for i, c := range near {
				b := bytes.Repeat([]byte{byte('a' + piece)}, 1+(piece*37+i*11)%300)
				if piece == 7 && i%10 == 0 { // larger than what is kept
					b = bytes.Repeat(b, 3000/len(b)+1)
				}
				sent[i] = append(sent[i], b...)
				if err := c.WriteSoon(b, time.Second); err != nil {
					t.Error(err)
				}
				clear(b) // it is the caller's again
				if piece == 11 && i%3 == 0 {
					sent[i] = append(sent[i], "direct"...)
					if err := c.Write([]byte("direct"), time.Second); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	for i, peer := range far {
		got := make([]byte, len(sent[i]))
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent[i]) {
			t.Fatalf("peer %d: %d of %d bytes, %v", i, n, len(got), err)
		}
	}
}

// TestWriteSoonKeeps: nothing is sent within the round, one send has all of it, and what ends a connection comes after.
func TestWriteSoonKeeps(t *testing.T) {
	for _, end := range []struct {
		name string
		end  func(*loop.Conn)
	}{
		{"close", (*loop.Conn).Close},
		{"shutdown", (*loop.Conn).CloseWrite},
		{"last words", func(c *loop.Conn) { c.WriteNow([]byte(" c")); c.Close() }},
		{"move", func(c *loop.Conn) {
			if !c.Settled() {
				t.Error("it is not settled")
			}
			loop.CloseDescriptor(c.Leave())
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			w := startWith(t, io.Discard, needRing(t))
			peer, fd := pair(t, "tcp")
			run(t, w, func() {
				c := open(t, w, fd)
				_ = c.WriteSoon([]byte("a "), 0)
				_ = c.WriteSoon([]byte("b"), 0)
				_ = peer.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if n, err := peer.Read(make([]byte, 9)); err == nil {
					t.Errorf("%d bytes have been sent before the round's end", n)
				}
				end.end(c)
			})
			_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
			got, err := io.ReadAll(peer)
			want := "a b"
			if end.name == "last words" {
				want += " c"
			}
			if string(got) != want || err != nil {
				t.Errorf("the peer got %q, %v", got, err)
			}
		})
	}
}

// TestWriteSoonFull has the peer take nothing until its socket is full: what is kept then goes out when it reads, without
// anybody calling, and before what is written afterwards.
func TestWriteSoonFull(t *testing.T) {
	for _, behind := range []string{"", "behind"} {
		w := startWith(t, io.Discard, needRing(t))
		peer, fd := pair(t, "tcp")
		var c *loop.Conn
		want := 0
		run(t, w, func() {
			c = open(t, w, fd)
			fill(c)
			// It wakes no writer for the last third of its room.
			for piece := bytes.Repeat([]byte("y"), 1000); c.Settled(); want += len(piece) {
				if err := c.WriteSoon(piece, 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
		var rest []byte
		var reading sync.WaitGroup
		reading.Go(func() {
			_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
			buf := make([]byte, 1<<20)
			for len(rest) < want+len(behind) {
				n, err := peer.Read(buf)
				if err != nil {
					t.Errorf("%v after %d bytes", err, len(rest))
					return
				}
				rest = append(rest, bytes.TrimLeft(buf[:n], "x")...)
			}
		})
		if behind != "" {
			run(t, w, func() {
				if err := errors.Join(c.WriteSoon([]byte("beh"), 0), c.WriteSoon([]byte("ind"), 0), c.Flush(0)); err != nil {
					t.Error(err)
				}
			})
		}
		reading.Wait()
		if got := string(bytes.TrimLeft(rest, "y")); got != behind || len(rest) != want+len(behind) {
			t.Errorf("after what filled the socket came %d bytes of %d, and then %q", len(rest), want, got)
		}
		run(t, w, func() { c.Close() })
	}
}

// TestWriteSoonFails has the peer reset the connection: who reads hears of it, and who writes.
func TestWriteSoonFails(t *testing.T) {
	w, err := loop.Start(slog.New(slog.DiscardHandler), needRing(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	peer, fd := pair(t, "tcp")
	run(t, w, func() {
		c := open(t, w, fd)
		defer c.Close()
		_ = peer.(*net.TCPConn).SetLinger(0)
		_ = peer.Close()
		var failed error
		for range 100 {
			if failed = c.WriteSoon([]byte("a"), time.Second); failed != nil {
				break
			}
			if failed = w.Current().Yield(); failed != nil {
				break
			}
		}
		if failed == nil {
			t.Error("no write fails")
		}
		if n, err := c.Read(make([]byte, 9)); err == nil {
			t.Errorf("%d bytes read from a connection that was reset", n)
		}
	})
}

// TestFailedIsNotSettled: a connection that has failed stays with its worker until somebody has heard why.
func TestFailedIsNotSettled(t *testing.T) {
	check := func(t *testing.T, c *loop.Conn) {
		t.Helper()
		if c.Settled() {
			t.Error("it may move, with what it has failed to send forgotten")
		}
		if err := c.WriteSoon([]byte("more"), 0); err == nil {
			t.Error("it goes on")
		}
		if n := c.WriteNow([]byte("more")); n > 0 {
			t.Error("it sends more")
		}
		c.Close()
	}
	t.Run("reset", func(t *testing.T) {
		w := startWith(t, io.Discard, needRing(t))
		peer, fd := pair(t, "tcp")
		run(t, w, func() {
			c := open(t, w, fd)
			_ = peer.(*net.TCPConn).SetLinger(0)
			_ = peer.Close()
			for tries := 0; c.Settled() && tries < 1000; tries++ { // until the reset has come
				_ = c.WriteSoon([]byte("a"), 0)
			}
			check(t, c)
		})
	})
	t.Run("timed out", func(t *testing.T) {
		w := startWith(t, io.Discard, needRing(t))
		_, fd := pair(t, "tcp")
		checked := make(chan struct{})
		w.Post(func() {
			c := open(t, w, fd)
			for piece := bytes.Repeat([]byte("y"), 1000); c.Settled(); {
				if err := c.WriteSoon(piece, time.Millisecond); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(10 * time.Millisecond) // the timer is due within this round, and what is posted now is seen to before
			w.Post(func() { check(t, c); close(checked) })
		})
		<-checked
	})
	t.Run("unknown", func(t *testing.T) {
		r := needRing(t)
		r.Blind()
		w := startWith(t, io.Discard, r)
		near, _ := together(t, w)
		run(t, w, func() {
			for _, c := range near {
				check(t, c)
			}
		})
	})
	t.Run("with more kept", func(t *testing.T) {
		w := startWith(t, io.Discard, needRing(t))
		peer, fd := pair(t, "unix")
		_, other := pair(t, "unix")
		var c *loop.Conn
		done := make(chan struct{})
		w.Post(func() {
			defer close(done)
			var d *loop.Conn
			c, d = open(t, w, fd), open(t, w, other)
			fill(c)
			_ = c.WriteSoon([]byte("first"), time.Millisecond)
			_ = d.WriteSoon([]byte("d"), 0)
			_ = c.WriteSoon([]byte("second"), time.Millisecond)
			time.Sleep(10 * time.Millisecond) // the round lasts longer than the first may wait
			_, _ = io.ReadFull(peer, make([]byte, 50_000))
		})
		<-done
		run(t, w, func() { c.Close() })
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		rest, err := io.ReadAll(peer)
		if rest = bytes.TrimLeft(rest, "x"); err != nil || len(rest) > 0 {
			t.Errorf("the peer got %q, %v", rest, err)
		}
	})
	t.Run("in a full round", func(t *testing.T) {
		r := needRing(t)
		r.Blind()
		w := startWith(t, io.Discard, r)
		var far []net.Conn
		var fds []int
		for range 32 {
			peer, fd := pair(t, "tcp")
			far, fds = append(far, peer), append(fds, fd)
		}
		run(t, w, func() {
			var near []*loop.Conn
			for _, fd := range fds {
				near = append(near, open(t, w, fd))
				_ = near[len(near)-1].WriteSoon([]byte("word"), 0)
			}
			// There is no room for this one, so that all is sent before it.
			if err := near[0].WriteSoon([]byte("after"), 0); err == nil {
				t.Error("it goes on")
			}
			near[0].Close()
		})
		_ = far[0].SetReadDeadline(time.Now().Add(10 * time.Second))
		if b, err := io.ReadAll(far[0]); err != nil || string(b) != "word" {
			t.Errorf("the peer got %q, %v", b, err)
		}
	})
}

// TestWriteSoonTimesOut has the peer take nothing: the owner hears of it once that has lasted, and reading tells why.
func TestWriteSoonTimesOut(t *testing.T) {
	w := startWith(t, io.Discard, needRing(t))
	_, fd := pair(t, "tcp")
	heard := make(chan bool, 9)
	var c loop.Conn
	run(t, w, func() {
		if err := c.Open(w, fd, owner(func(hangup bool) { heard <- hangup })); err != nil {
			t.Error(err)
			return
		}
		for piece := bytes.Repeat([]byte("y"), 1000); c.Settled(); {
			if err := c.WriteSoon(piece, 50*time.Millisecond); err != nil {
				t.Error(err)
				return
			}
		}
	})
	select {
	case hangup := <-heard:
		if !hangup {
			t.Error("the owner hears of something to read")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the owner hears nothing")
	}
	run(t, w, func() {
		if _, err := c.ReadNow(make([]byte, 9)); !errors.Is(err, loop.ErrTimeout) {
			t.Errorf("reading fails with %v", err)
		}
		if err := c.WriteSoon([]byte("a"), 0); !errors.Is(err, loop.ErrTimeout) {
			t.Errorf("writing fails with %v", err)
		}
		c.Close()
	})
}
