package tee

import (
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
)

// stripes is the number of places figures are counted at: sessions on different workers mostly count at different ones.
const stripes = 8

// counts are figures of the filter.
type counts struct {
	sent, dropped, skipped  atomic.Int64
	statements, bytes       atomic.Int64 // in queues now
	branches, lost, refused atomic.Int64
	unfaithful              atomic.Int64
	compared, differences   atomic.Int64
	_                       [40]byte // to the end of the second cache line
}

// sum adds a figure up.
func (f *Filter) sum(of func(*counts) *atomic.Int64) float64 {
	n := int64(0)
	for i := range f.stripes {
		n += of(&f.stripes[i]).Load()
	}
	return float64(n)
}

func (f *Filter) expose(env pipeline.Env) {
	add := func(name, help string, counter bool, of func(*counts) *atomic.Int64) {
		env.Expose(pipeline.Metric{
			Name: "weir_tee_" + name, Help: help, Counter: counter, Read: func() float64 { return f.sum(of) },
		})
	}
	add("sent_statements_total", "Commands that a branch has served.", true,
		func(c *counts) *atomic.Int64 { return &c.sent })
	add("dropped_statements_total", "Commands that should have gone to a branch and were lost.", true,
		func(c *counts) *atomic.Int64 { return &c.dropped })
	add("skipped_statements_total", "Commands that are not for a branch, or that it cannot take.", true,
		func(c *counts) *atomic.Int64 { return &c.skipped })
	add("queue_statements", "Commands that wait for their branch.", false,
		func(c *counts) *atomic.Int64 { return &c.statements })
	add("queue_bytes", "Memory of the commands that wait for their branch, or are on their way there.", false,
		func(c *counts) *atomic.Int64 { return &c.bytes })
	add("branch_sessions", "Branches that are open, or being opened.", false,
		func(c *counts) *atomic.Int64 { return &c.branches })
	add("branch_failures_total", "Branches that could not be opened.", true,
		func(c *counts) *atomic.Int64 { return &c.refused })
	add("branch_losses_total", "Branches that ended before they had served everything.", true,
		func(c *counts) *atomic.Int64 { return &c.lost })
	add("unfaithful_sessions_total", "Sessions whose branch is no longer what the session is.", true,
		func(c *counts) *atomic.Int64 { return &c.unfaithful })
	if f.config.Compare {
		add("compared_statements_total", "Commands whose replies were compared.", true,
			func(c *counts) *atomic.Int64 { return &c.compared })
		add("differences_total", "Commands whose replies differed.", true,
			func(c *counts) *atomic.Int64 { return &c.differences })
	}
}
