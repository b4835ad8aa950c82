package tee

import (
	"strings"
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
)

const (
	// slots is how many kinds of commands are told apart; those that come later are counted together.
	slots = 4096
	// probes is how many slots a kind is looked for in.
	probes = 16
	// maxText is how much of a canonical text is kept.
	maxText = 1 << 10
)

// A kind of difference, as bits.
type difference uint8

const (
	differentError difference = 1 << iota
	differentRows
	differentAffected
	differentSum
	numDifferences = 4
)

var differenceNames = [numDifferences]string{"error", "rows", "affected_rows", "checksum"}

// String names the kinds.
func (d difference) String() string {
	var names []string
	for i, name := range differenceNames {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// digests adds comparisons up by kind of command: a fixed table that any worker may write to without a lock.
type digests struct {
	table [slots]atomic.Pointer[tally]
	other tally // of those that found no slot
}

// A tally is what comparisons of one kind of command have shown. Its counters may be written by any goroutine.
type tally struct {
	digest    uint64
	com       byte
	text      string // canonical, as far as it is kept
	steady    steadiness
	count     atomic.Int64
	differing atomic.Int64
	kinds     [numDifferences]atomic.Int64
	mainTime  atomic.Int64 // nanoseconds
	time      atomic.Int64
}

// of returns the tally of a command.
func (t *digests) of(com byte, st *pipeline.Statement) *tally {
	digest := uint64(0)
	if st != nil {
		digest = st.Digest
	}
	hash := digest ^ uint64(com)*0x9e3779b97f4a7c15
	for i := range uint64(probes) {
		slot := &t.table[(hash+i)%slots]
		got := slot.Load()
		if got == nil {
			got = newTally(digest, com, st)
			if !slot.CompareAndSwap(nil, got) {
				got = slot.Load()
			}
		}
		if got.digest == digest && got.com == com {
			return got
		}
	}
	return &t.other
}

func newTally(digest uint64, com byte, st *pipeline.Statement) *tally {
	t := &tally{digest: digest, com: com}
	if st != nil {
		t.text, t.steady = clip(st.Canonical), steadinessOf(st)
	}
	return t
}

func clip(text string) string {
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return strings.Clone(text)
}

// compare says in what two outcomes differ.
func (t *tally) compare(main, branch *outcome) (d difference) {
	if main.code != branch.code {
		return differentError
	}
	if main.code != 0 || t.steady == steadyErrors {
		return 0
	}
	if main.rows != branch.rows {
		d |= differentRows
	} else if main.sum != branch.sum && t.steady == steady {
		d |= differentSum
	}
	if main.affected != branch.affected {
		d |= differentAffected
	}
	return d
}

// note counts a comparison.
func (t *tally) note(d difference, main, branch *outcome) {
	t.count.Add(1)
	t.mainTime.Add(int64(main.took))
	t.time.Add(int64(branch.took))
	if d == 0 {
		return
	}
	t.differing.Add(1)
	for i := range t.kinds {
		if d&(1<<i) != 0 {
			t.kinds[i].Add(1)
		}
	}
}

// compare compares how a command went in the branch with how it went in the main session.
func (l *link) compare(it *item, branch *outcome) {
	t := l.f.digests.of(it.com, it.statement)
	d := t.compare(&it.main, branch)
	t.note(d, &it.main, branch)
	l.session.compared++
	l.session.mainTime += it.main.took
	l.session.time += branch.took
	l.counts.compared.Add(1)
	if d != 0 {
		l.session.differences++
		l.counts.differences.Add(1)
		l.f.reports.difference(l, t, d, &it.main, branch)
	}
}
