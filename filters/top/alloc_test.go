//go:build !race

// The race detector has growing slices and package regexp's pools allocate where they do not without it.

package top

import (
	"context"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// Digests that come and go use what those before them have left.
func TestTableAllocatesNothing(t *testing.T) {
	table := newTable(10)
	st := statement(0)
	s := slotOf(st, string(make([]byte, 512)), record{failed: true})
	add := func() {
		st.Digest++
		s.took = time.Duration(1 + st.Digest*2654435761%1_000_000_000)
		s.code = uint16(st.Digest % 20)
		table.add(s)
	}
	for range 1000 {
		add()
	}
	if n := testing.AllocsPerRun(10_000, add); n != 0 {
		t.Errorf("%v allocations for each digest", n)
	}
}

func TestServeAllocatesNothing(t *testing.T) {
	reply := pipelinetest.Rows(1)
	next := pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, _ *pipeline.Command) error {
		for i := range reply {
			if err := w.WriteReply(&reply[i]); err != nil {
				return err
			}
		}
		return nil
	})
	p := pipelinetest.Start(t, Kind, config(func(c *Config) {
		c.Path, c.Match, c.Exclude, c.Queue = t.TempDir()+"/top", "(?i)select", "secret", 16
	}))
	h, err := p.Filter.Open(pipeline.Detached(pipelinetest.Session(1)), next)
	if err != nil {
		t.Fatal(err)
	}
	cmd := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id=4711"), pipelinetest.Caps)
	ctx := t.Context()
	serve := func() {
		if err := h.Serve(ctx, discard{}, cmd); err != nil {
			t.Error(err)
		}
	}
	for range 1000 {
		serve()
	}
	if n := testing.AllocsPerRun(10_000, serve); n != 0 {
		t.Errorf("%v allocations for each statement", n)
	}
}
