package tee

import (
	"context"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// BenchmarkStatement is what a point select costs with the filter, its branch's session included, beyond what it costs
// without ("none"): both servers answer at once.
func BenchmarkStatement(b *testing.B) {
	statement := []byte("SELECT c FROM sbtest1 WHERE id=4711")
	run := func(b *testing.B, reply pipelinetest.Reply, open func(pipeline.Handler) pipeline.Handler) {
		b.Helper()
		h := open(answer(reply))
		c := pipeline.NewCommand(protocol.ComQuery, statement, caps)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if err := h.Serve(ctx, nowhere{}, c); err != nil {
				b.Fatal(err)
			}
		}
	}
	for name, n := range map[string]int{"1 row": 1, "100 rows": 100} {
		reply := pipelinetest.Rows(n)
		b.Run("none, "+name, func(b *testing.B) {
			run(b, reply, func(h pipeline.Handler) pipeline.Handler { return h })
		})
		for what, change := range map[string]func(*Config){"copied": func(*Config) {}, "compared": comparing} {
			b.Run(what+", "+name, func(b *testing.B) {
				f := pipelinetest.Start(b, Kind, settings(shadow(answer(reply), caps), change))
				run(b, reply, func(h pipeline.Handler) pipeline.Handler {
					s := pipeline.Detached(pipelinetest.Session(1<<31 + 1))
					b.Cleanup(s.Close)
					h, err := f.Filter.Open(s, h)
					if err != nil {
						b.Fatal(err)
					}
					return h
				})
			})
		}
	}
}

// BenchmarkMainSide is the part of that which comes before the branch's session: up to the copy in the queue, and its
// memory given back.
func BenchmarkMainSide(b *testing.B) {
	for name, change := range map[string]func(*Config){"copied": func(*Config) {}, "compared": comparing} {
		b.Run(name, func(b *testing.B) {
			reply := answer(pipelinetest.Rows(1))
			f := pipelinetest.Start(b, Kind, settings(shadow(reply, caps), change))
			s := pipeline.Detached(pipelinetest.Session(1<<31 + 1))
			defer s.Close()
			h, err := f.Filter.Open(s, reply)
			if err != nil {
				b.Fatal(err)
			}
			l := h.(*link)
			l.branch.Close() // nobody takes what is queued
			l.over = false
			c := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id=4711"), caps)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Serve(ctx, nowhere{}, c); err != nil {
					b.Fatal(err)
				}
				l.queue.put(l.queue.pop())
			}
		})
	}
}

type nowhere struct{}

func (nowhere) WriteReply(*protocol.Chunk) error { return nil }
