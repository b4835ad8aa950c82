package pipeline_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestBalance: workers join when those in use are busy, and leave when they have had little to do for a while.
func TestBalance(t *testing.T) {
	b := pipeline.NewBalancer(3, 70)
	step := func(want int, load float64, shares ...float64) {
		t.Helper()
		if got := b.Look(load, shares...); got != want {
			t.Fatalf("load %v: %d workers in use, want %d", load, got, want)
		}
	}
	moves := func(want ...[2]int) {
		t.Helper()
		if !slices.Equal(b.Moves, want) {
			t.Fatalf("moves %v, want %v", b.Moves, want)
		}
	}
	step(1, 0.6, 0.8, 0, 0)
	step(1, 0.75, 0.8, 0, 0) // a short while is not enough
	step(1, 0.6, 0.8, 0, 0)
	step(1, 0.75, 0.8, 0, 0)
	moves()
	step(2, 0.75, 0.8, 0, 0)
	moves([2]int{0, 1})
	step(2, 1.3, 0.7, 0.7, 0)
	step(2, 1.0, 0.9, 0.9, 0) // busy waiting for a processor
	moves()
	step(3, 1.0, 0.9, 0.9, 0)
	moves([2]int{0, 2})
	for range 40 { // two could not do it at ease
		step(3, 1.0, 0.4, 0.4, 0.4)
	}
	for range 19 {
		step(3, 0.5, 0.2, 0.2, 0.2)
	}
	step(3, 0.9, 0.3, 0.3, 0.3)
	for range 19 {
		step(3, 0.5, 0.2, 0.2, 0.2)
	}
	b.Fill(2, 5)
	step(2, 0.5, 0.2, 0.1, 0.2)
	moves([2]int{2, 1})
	step(2, 0.5, 0.2, 0.1, 0.2) // those that were not idle before
	moves([2]int{2, 1})

	even := pipeline.NewBalancer(3, 0)
	if got := even.Look(0, 0, 0, 0); got != 3 {
		t.Errorf("%d workers in use, want all", got)
	}
}

// TestSessionsMove: sessions that move to and fro between workers lose and double nothing, and end as any other.
func TestSessionsMove(t *testing.T) {
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		return pt.Rows(c.Caps, []string{"statement"}, []string{string(command[1:])})
	})))
	f := run(t, srv.Addr, pipelinetest.Options{})
	var clients sync.WaitGroup
	var served, sessions atomic.Int64
	const each = 300
	for n := range 8 {
		clients.Go(func() {
			c := f.Session()
			for i := range each {
				text := fmt.Sprintf("client %d statement %d", n, i)
				c.Run(t, pt.Query(text), pt.ExpectRows([]string{text}))
				served.Add(1)
			}
			_ = c.Close()
			sessions.Add(1)
		})
	}
	moved := 0
	for sessions.Load() < 8 {
		moved += f.Process.Shuffle()
	}
	clients.Wait()
	if served.Load() != 8*each || moved < 100 {
		t.Errorf("%d statements were answered, want %d; sessions moved %d times", served.Load(), 8*each, moved)
	}
	f.Stop()
}

// TestOnWorkerOfAMovingSession: what is to run where a session is does not run before it has arrived there.
func TestOnWorkerOfAMovingSession(t *testing.T) {
	var arrived atomic.Bool
	ran := make(chan bool, 1)
	arrive, end, err := pipeline.RunOnNextWorker(func() { ran <- arrived.Load() })
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	select {
	case <-ran:
		t.Fatal("it ran with nobody there")
	case <-time.After(20 * time.Millisecond):
	}
	arrived.Store(true)
	arrive()
	if !<-ran {
		t.Error("it ran too early")
	}
}
