package top

import (
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

const (
	// accuracy is the relative error of quantiles. With it, maxBins reach over almost nine powers of ten, from a
	// microsecond to ten minutes; beyond that the shortest times become one.
	accuracy = 0.02
	maxBins  = 512
	// maxCanonical is how much of a canonical text is kept.
	maxCanonical = 1 << 10
	// maxCodes is how many error codes are told apart of one digest.
	maxCodes = 8
)

// bins says which times share a bin. It is immutable.
var bins = func() mapping.IndexMapping {
	m, err := mapping.NewCubicallyInterpolatedMapping(accuracy)
	if err != nil {
		panic(err) // accuracy is not between 0 and 1
	}
	return m
}()

// An entry is what is kept of a digest. Once it is full-grown, it is used again without allocating.
type entry struct {
	digest    uint64
	class     sqlscan.Class
	summary   string
	canonical []byte
	longer    bool // canonical is not all of it
	places    [numWeights]place

	// What follows counts from since on.
	since                 int64
	count                 uint64
	total, least, longest time.Duration
	times                 *ddsketch.DDSketch
	rows, affected, bytes uint64
	errors                uint64 // aborted ones too
	aborted               uint64
	codes                 [maxCodes]codeCount
	otherCodes            uint64
	slowest, failed       example
}

type codeCount struct {
	code  uint16
	count uint64
}

// An example is one statement of a digest. It is set where at is.
type example struct {
	text      []byte
	truncated bool
	at        int64
	took      time.Duration
	session   uint32
	trace     [16]byte
	traced    bool
	code      uint16
}

func newEntry() *entry {
	// Times are not negative: the second store stays empty.
	return &entry{times: ddsketch.NewDDSketch(bins, store.NewCollapsingLowestDenseStore(maxBins), store.NewDenseStore())}
}

// reset makes e the entry of the digest in s.
func (e *entry) reset(s *slot) {
	st := s.statement
	canonical := st.Canonical[:min(len(st.Canonical), maxCanonical)]
	e.times.Clear()
	*e = entry{
		digest: st.Digest, class: st.Class, summary: st.Summary, canonical: append(e.canonical[:0], canonical...),
		longer: len(canonical) < len(st.Canonical), since: s.at, times: e.times,
		slowest: example{text: e.slowest.text[:0]}, failed: example{text: e.failed.text[:0]},
	}
	for i := range e.places {
		e.places[i].at = -1
	}
}

// add counts what s says.
func (e *entry) add(s *slot) {
	e.total += s.took
	e.rows += s.rows
	e.affected += s.affected
	e.bytes += s.bytes
	if !s.more {
		e.count++
		if e.least == 0 || s.took < e.least {
			e.least = s.took
		}
		e.longest = max(e.longest, s.took)
		_ = e.times.Add(float64(s.took)) // fails for NaN and infinity
	}
	if e.slowest.at == 0 || s.took > e.slowest.took {
		e.slowest.set(s)
	}
	if s.failed || s.aborted {
		e.errors++
		e.countCode(s)
		e.failed.set(s)
	}
}

func (e *entry) countCode(s *slot) {
	if !s.failed {
		e.aborted++
		return
	}
	for i := range e.codes {
		if c := &e.codes[i]; c.count == 0 || c.code == s.code {
			c.code = s.code
			c.count++
			return
		}
	}
	e.otherCodes++
}

func (x *example) set(s *slot) {
	*x = example{
		text: append(x.text[:0], s.text[:s.length]...), truncated: s.truncated, at: s.at, took: s.took, session: s.session,
		trace: s.trace, traced: s.traced, code: s.code,
	}
}
