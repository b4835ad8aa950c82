package tee

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/weirproxy/weir/protocol"
)

// A page is the document that is to be had on demand.
type page struct {
	Target      string  `json:"target"`
	Compared    int64   `json:"compared"`
	Differences int64   `json:"differences"`
	Dropped     int64   `json:"dropped"`
	Skipped     int64   `json:"skipped"`
	Unfaithful  int64   `json:"unfaithful_sessions"`
	Digests     []entry `json:"digests"`
	// Other is what found no place among the digests.
	Other *entry `json:"other,omitempty"`
}

// An entry is one kind of command in a page.
type entry struct {
	Digest      string           `json:"digest,omitempty"`
	Command     string           `json:"command,omitempty"`
	Statement   string           `json:"statement,omitempty"`
	Compares    string           `json:"compares"`
	Count       int64            `json:"count"`
	Differing   int64            `json:"differing"`
	Differences map[string]int64 `json:"differences,omitempty"`
	MainTime    float64          `json:"main_seconds"`
	Time        float64          `json:"branch_seconds"`
}

var steadinessNames = [...]string{"all", "counts", "errors"}

func (t *tally) entry() entry {
	e := entry{
		Digest: fmt.Sprintf("%016x", t.digest), Command: protocol.CommandName(t.com),
		Count: t.count.Load(), Differing: t.differing.Load(), Statement: t.text, Compares: steadinessNames[t.steady],
		MainTime: float64(t.mainTime.Load()) / 1e9, Time: float64(t.time.Load()) / 1e9,
	}
	for i, name := range differenceNames {
		if n := t.kinds[i].Load(); n > 0 {
			if e.Differences == nil {
				e.Differences = make(map[string]int64)
			}
			e.Differences[name] = n
		}
	}
	return e
}

// page makes the document: kinds of commands that differ most often first.
func (f *Filter) page() page {
	n := func(of func(*counts) *atomic.Int64) int64 { return int64(f.sum(of)) }
	p := page{
		Target:      f.config.Target.Name,
		Compared:    n(func(c *counts) *atomic.Int64 { return &c.compared }),
		Differences: n(func(c *counts) *atomic.Int64 { return &c.differences }),
		Dropped:     n(func(c *counts) *atomic.Int64 { return &c.dropped }),
		Skipped:     n(func(c *counts) *atomic.Int64 { return &c.skipped }),
		Unfaithful:  n(func(c *counts) *atomic.Int64 { return &c.unfaithful }),
		Digests:     f.digests.entries(),
	}
	if f.digests.other.count.Load() > 0 {
		other := f.digests.other.entry()
		other.Digest, other.Command = "", "" // of many
		p.Other = &other
	}
	return p
}

// entries returns what is known of each kind of command: those that differ most often first, then those that take longest.
func (t *digests) entries() []entry {
	all := []entry{}
	for i := range t.table {
		if got := t.table[i].Load(); got != nil {
			all = append(all, got.entry())
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.Differing, a.Differing), cmp.Compare(b.MainTime, a.MainTime), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}
