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
		var seen []pipeline.Sight
		for _, share := range shares {
			seen = append(seen, pipeline.Sight{Share: share})
		}
		if got := b.Look(load, seen...); got != want {
			t.Fatalf("load %v: %d workers in use, want %d", load, got, want)
		}
	}
	step(1, 0.75, 0.8)
	step(1, 0.75, 0.8) // a short while is not enough
	step(1, 0.6, 0.8)
	step(1, 0.75, 0.8)
	step(1, 0.75, 0.8)
	step(2, 0.75, 0.8)
	step(2, 1.3, 0.7, 0.7)
	for range 9 {
		step(2, 1.0, 0.9, 0.9) // busy waiting for a processor
	}
	step(3, 1.0, 0.9, 0.9)
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
	for range 2 { // again those that were not idle before
		step(2, 0.5, 0.2, 0.1, 0.2)
		if want := []pipeline.Move{{2, 1, pipeline.EverySession}}; !slices.Equal(b.Moves, want) {
			t.Fatalf("moves %v, want %v", b.Moves, want)
		}
	}

	even := pipeline.NewBalancer(3, 0)
	if got := even.Look(0); got != 3 {
		t.Errorf("%d workers in use, want all", got)
	}
}

// TestLevel: busy workers share the sessions in use, and what these have to do.
func TestLevel(t *testing.T) {
	type sights = []pipeline.Sight
	for name, c := range map[string]struct {
		seen  sights
		looks int // how many find the same
		want  []pipeline.Move
	}{
		"one has joined":               {sights{{0.9, 16}, {0, 0}}, 1, []pipeline.Move{{0, 1, 8}}},
		"of three":                     {sights{{0.9, 10}, {0.9, 12}, {0.9, 3}}, 1, []pipeline.Move{{1, 2, 4}}},
		"as evenly as can be":          {sights{{0.9, 9}, {0.9, 8}}, 9, nil},
		"almost":                       {sights{{0.9, 100}, {0.9, 85}}, 9, nil},
		"calm":                         {sights{{0.4, 10}, {0.3, 2}}, 9, nil},
		"less sessions with more":      {sights{{0.6, 12}, {0.7, 4}}, 9, nil},
		"uneven by chance":             {sights{{0.6, 8}, {0.9, 8}}, 2, nil},
		"uneven for a while":           {sights{{0.6, 8}, {0.9, 8}}, 3, []pipeline.Move{{1, 0, 1}}},
		"one keeps a worker busy":      {sights{{0.95, 1}, {0.9, 20}, {0.2, 2}}, 1, []pipeline.Move{{1, 2, 9}}},
		"one keeps another busy":       {sights{{0.95, 1}, {0.9, 5}, {0.2, 4}}, 3, []pipeline.Move{{1, 2, 1}}},
		"one that keeps a worker busy": {sights{{0.1, 1}, {0.9, 1}}, 9, nil},
	} {
		b := pipeline.NewBalancer(len(c.seen), 0)
		for range c.looks {
			b.Look(1, c.seen...)
		}
		if !slices.Equal(b.Moves, c.want) {
			t.Errorf("%s: moves %v, want %v", name, b.Moves, c.want)
		}
	}
}

// TestLevelStays: what has moved for what sessions have to do does not move back for their number.
func TestLevelStays(t *testing.T) {
	b := pipeline.NewBalancer(2, 0)
	for range 3 {
		b.Look(1, pipeline.Sight{Share: 0.95, Active: 10}, pipeline.Sight{Share: 0.6, Active: 10})
	}
	if len(b.Moves) != 1 {
		t.Fatalf("moves %v, want one", b.Moves)
	}
	for range 20 {
		if b.Look(1, pipeline.Sight{Share: 0.79, Active: 8}, pipeline.Sight{Share: 0.8, Active: 12}); len(b.Moves) > 0 {
			t.Fatalf("moves %v", b.Moves)
		}
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

// TestBusyClientsSpread: clients that have all come to one worker end up as many on each.
func TestBusyClientsSpread(t *testing.T) {
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, _ []byte) [][]byte {
		return pt.Rows(c.Caps, []string{"a"}, []string{"b"})
	})))
	f := run(t, srv.Addr, pipelinetest.Options{Process: func(p *pipeline.Process) { p.Config.WorkerLoad = 10 }})
	var clients sync.WaitGroup
	var over atomic.Bool
	for range 16 {
		c := f.Session()
		clients.Go(func() {
			for !over.Load() {
				c.Run(t, pt.Query("select 1"), pt.ExpectRows([]string{"b"}))
			}
			_ = c.Close()
		})
	}
	pipelinetest.Eventually(t, func() bool { return slices.Equal(f.Process.Loads(), []int64{8, 8}) },
		func() string { return fmt.Sprintf("sessions are %v", f.Process.Loads()) })
	over.Store(true)
	clients.Wait()
}

// TestBusySessionMoves: one that cannot move at once does so after its statement.
func TestBusySessionMoves(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, _ []byte) [][]byte {
		asked <- struct{}{}
		<-answer
		return pt.Rows(c.Caps, []string{"a"}, []string{"b"})
	})))
	f := run(t, srv.Addr, pipelinetest.Options{})
	c := f.Session()
	before := f.Process.Loads()
	var client sync.WaitGroup
	client.Go(func() { c.Run(t, pt.Query("select 1"), pt.ExpectRows([]string{"b"})) })
	<-asked
	if f.Process.Shuffle() != 0 || !slices.Equal(f.Process.Loads(), before) {
		t.Fatal("a session moves with a statement under way")
	}
	close(answer)
	client.Wait()
	pipelinetest.Eventually(t, func() bool {
		return !slices.Equal(f.Process.Loads(), before)
	}, func() string { return "it does not move afterwards" })
	client.Go(func() { <-asked })
	c.Run(t, pt.Query("select 1"), pt.ExpectRows([]string{"b"}))
	client.Wait()
	_ = c.Close()
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
