package pipelinetest

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

func checkConcurrent(t testing.TB, s subject) {
	p := Start(t, s.kind, s.config)
	var wg sync.WaitGroup
	for id := range uint32(4) {
		server := Always(OK(1, 0))
		chain := p.Open(t, Session(id+1), server)
		wg.Go(func() {
			for range 200 {
				for _, com := range []byte{protocol.ComQuery, unknown[0]} {
					if got, err := chain.Send(t.Context(), com, []byte("do 1")); err != nil || got.Check() != nil {
						t.Errorf("%v, %v", err, got.Check())
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func checkGoroutines(t testing.TB, s subject) {
	before := Goroutines()
	p := Start(t, s.kind, s.config)
	unused := p.Open(t, Session(1), Always(OK(0, 0)))
	used := p.Open(t, Session(2), Always(OK(0, 0)))
	for _, com := range []byte{protocol.ComQuery, unknown[0]} {
		if _, err := used.Send(t.Context(), com, []byte("do 1")); err != nil {
			t.Errorf("%v", err)
		}
	}
	unused.Close()
	used.Close()
	p.Stop()
	var left []string
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if left = started(before); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
			return
		}
	}
}

// started returns the stacks of the goroutines that were not there before.
func started(before map[string]string) []string {
	var stacks []string
	for id, stack := range Goroutines() {
		if _, old := before[id]; !old {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// Goroutines returns the stacks of all goroutines by their ids.
func Goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	all := make(map[string]string)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		all[id] = stack
	}
	return all
}

func checkAllocs(t testing.TB, s subject) {
	if !s.promised(Allocates) {
		allocs(t, s, talk{unknown[0], "select 1", OK(0, 0)})
	}
	if s.promised(AllocatesNothing) {
		allocs(t, s, talk{protocol.ComQuery, "select n from t where n = 1", Rows(1)})
		allocs(t, s, talk{protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00", Rows(100)})
	}
}

// allocs fails where a talk repeated for a while goes on allocating.
func allocs(t testing.TB, s subject, k talk) {
	server := &Server{}
	next := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, _ *pipeline.Command) error {
		return server.write(w, k.reply)
	})
	chain := s.open(t, next)
	cmd := pipeline.NewCommand(k.com, []byte(k.rest), Caps)
	ctx := t.Context()
	serve := func() {
		if err := chain.handler.Serve(ctx, discard{}, cmd); err != nil {
			t.Errorf("%v", err)
		}
	}
	for range 1000 {
		serve()
	}
	if n := testing.AllocsPerRun(1000, serve); n != 0 {
		t.Errorf("%s %q: %v allocations per command, want none", protocol.CommandName(k.com), k.rest, n)
	}
}

// discard is a client that takes everything and keeps nothing.
type discard struct{}

func (discard) WriteReply(*protocol.Chunk) error { return nil }
