package querylog

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// put queues a line and reports whether there was room.
func (r *ring) put(reserved int, s string) bool {
	line, at, ok := r.reserve(reserved)
	if ok {
		r.commit(line, append(line, s...), at)
	}
	return ok
}

// take returns the lines that are committed, one behind the other, and gives their room back.
func (r *ring) take() (all []byte) {
	for {
		line, ok := r.next()
		if !ok {
			r.release()
			return all
		}
		all = append(all, line...)
	}
}

func TestRingKeepsOrderAcrossItsEnd(t *testing.T) {
	r := newRing(1000)
	if len(r.buf) != 1024 {
		t.Fatalf("%d bytes, want the next power of two", len(r.buf))
	}
	var want, got bytes.Buffer
	for i := range 1000 {
		s := fmt.Sprintf("%d%s\n", i, strings.Repeat("x", i*37%200))
		for !r.put(256, s) {
			dst := r.take()
			if len(dst) == 0 {
				t.Fatal("no room and nothing to take")
			}
			got.Write(dst)
		}
		want.WriteString(s)
	}
	got.Write(r.take())
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("what came out is not what went in")
	}
}

func TestRingHoldsBackWhatIsNotCommitted(t *testing.T) {
	r := newRing(1024)
	line, at, ok := r.reserve(100)
	if !ok || !r.put(10, "second\n") {
		t.Fatal("no room")
	}
	if r.ready() || len(r.take()) != 0 {
		t.Error("the second line left before the first")
	}
	r.commit(line, append(line, "first\n"...), at)
	if !r.ready() {
		t.Error("not ready")
	}
	if got := string(r.take()); got != "first\nsecond\n" {
		t.Errorf("got %q", got)
	}
}

func TestRingFull(t *testing.T) {
	r := newRing(1024)
	n := 0
	for r.put(200, "line\n") {
		n++
	}
	if n != 4 { // of 256 bytes each
		t.Errorf("%d lines in, want 4", n)
	}
	if !r.filling() {
		t.Error("a full ring is not filling")
	}
	r.take()
	if r.filling() || !r.put(200, "line\n") {
		t.Error("no room after all was taken")
	}
}

func TestRingRewinds(t *testing.T) {
	r := newRing(1024)
	for i := range 100 {
		s := fmt.Sprintf("%d\n", i)
		if !r.put(200, s) {
			t.Fatal("no room in an empty ring")
		}
		r.rewind() // not empty: does nothing
		if got := string(r.take()); got != s {
			t.Fatalf("got %q, want %q", got, s)
		}
		r.rewind()
		if at := r.head.Load() % r.size; at != 0 {
			t.Fatalf("the next line begins at granule %d", at)
		}
	}
}

// A line that is longer than was reserved for it would overwrite the next one.
func TestRingLeavesOutWhatOutgrowsItsRoom(t *testing.T) {
	r := newRing(1024)
	line, at, _ := r.reserve(64)
	if r.commit(line, append(line, strings.Repeat("x", 65)...), at) {
		t.Error("committed")
	}
	if !r.put(10, "next\n") {
		t.Fatal("no room")
	}
	if got := string(r.take()); got != "next\n" {
		t.Errorf("got %q", got)
	}
}

// Many sessions at once lose nothing, double nothing, and keep their own order.
func TestRingManyWriters(t *testing.T) {
	const writers, lines = 4, 5000
	r := newRing(4096)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				for !r.put(60+i%300, fmt.Sprintf("%d %d\n", w, i)) {
					runtime.Gosched()
				}
			}
		})
	}
	next := [writers]int{}
	for seen := 0; seen < writers*lines; {
		dst := r.take()
		r.rewind()
		for line := range strings.Lines(string(dst)) {
			var w, i int
			if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if i != next[w] {
				t.Fatalf("writer %d: line %d where %d was expected", w, i, next[w])
			}
			next[w]++
			seen++
		}
	}
	wg.Wait()
}
