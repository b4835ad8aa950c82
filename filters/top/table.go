package top

import "time"

// A table keeps the digests that are ranked by any weight, and the sums over all.
type table struct {
	entries  map[uint64]*entry
	free     []*entry
	rankings [numWeights]ranking

	statements uint64
	unknown    uint64 // of these, whose text is not known
	errors     uint64
	total      time.Duration
}

func newTable(capacity int) *table {
	t := &table{entries: make(map[uint64]*entry)}
	for i := range t.rankings {
		t.rankings[i] = ranking{weight: i, capacity: capacity}
	}
	return t
}

// add counts what s says. It allocates nothing once the table is full.
func (t *table) add(s *slot) {
	failed := s.failed || s.aborted
	t.total += s.took
	if !s.more {
		t.statements++
	}
	if failed {
		t.errors++
	}
	if s.statement == nil {
		t.unknown++
		return
	}
	e := t.entries[s.statement.Digest]
	if e == nil {
		e = t.fresh(s)
	}
	t.rank(byTime, e, uint64(s.took))
	if failed {
		t.rank(byErrors, e, 1)
	}
	e.add(s)
}

func (t *table) fresh(s *slot) *entry {
	var e *entry
	if last := len(t.free) - 1; last >= 0 {
		e, t.free = t.free[last], t.free[:last]
	} else {
		e = newEntry()
	}
	e.reset(s)
	t.entries[e.digest] = e
	return e
}

// rank gives e weight in a ranking, and forgets who leaves the last one for it.
func (t *table) rank(weight int, e *entry, n uint64) {
	left := t.rankings[weight].add(e, n)
	if left == nil {
		return
	}
	for _, p := range left.places {
		if p.at >= 0 {
			return
		}
	}
	delete(t.entries, left.digest)
	t.free = append(t.free, left)
}
