package readwritesplit

import (
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
)

// counts is what happens rarely enough to be counted for all sessions at one place.
type counts struct {
	lost, retried, delayed, unfit, replayed, replayTooLarge, moved, behind, rolledBack atomic.Int64
}

func (c *counts) expose(env pipeline.Env) {
	for _, m := range []struct {
		name, help string
		count      *atomic.Int64
	}{
		{"weir_readwritesplit_lost_servers_total", "Servers lost in the middle of a statement.", &c.lost},
		{"weir_readwritesplit_retried_statements_total", "Statements tried at another server.", &c.retried},
		{"weir_readwritesplit_delayed_statements_total", "Statements that waited for a server to take them.", &c.delayed},
		{"weir_readwritesplit_unfit_servers_total", "Servers left out of a session, as a session command failed there alone.", &c.unfit},
		{"weir_readwritesplit_replayed_transactions_total", "Transactions run again at another server.", &c.replayed},
		{"weir_readwritesplit_rolled_back_transactions_total", "Transactions rolled back, since they could not be run again.", &c.rolledBack},
		{"weir_readwritesplit_large_transactions_total", "Transactions too large to be run again.", &c.replayTooLarge},
		{"weir_readwritesplit_moved_transactions_total", "Optimistic transactions that went on at the primary.", &c.moved},
		{"weir_readwritesplit_late_replicas_total", "Reads that went to the primary since a replica did not have in time what they must see.", &c.behind},
	} {
		env.Expose(pipeline.Metric{Name: m.name, Help: m.help, Counter: true, Read: func() float64 { return float64(m.count.Load()) }})
	}
}
