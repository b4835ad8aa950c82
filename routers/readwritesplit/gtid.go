package readwritesplit

import (
	"slices"
	"sort"
)

// A position is a set of transactions by their global ids, of MariaDB or of MySQL: what a server has executed, or what a
// read must see. Its zero value is empty. It keeps what memory it has, so that one in use allocates nothing unless a
// source turns up that it does not know. Several
// goroutines may read one while none changes it.
type position struct {
	sources []source
	clock   uint64 // what add notes in sources; counted by who needs it
}

// A source is the transactions of one origin: in MariaDB a replication domain, in MySQL a server's UUID with a tag.
type source struct {
	origin
	server uint32 // MariaDB: who executed the last one
	runs   []run  // ascending, with gaps between them
	// grown is the position's clock when transactions were last added, told when there were any, known ones included.
	grown, told uint64
}

// An origin names a source. In MySQL domain is 0, in MariaDB uuid and tag are.
type origin struct {
	mariadb bool
	domain  uint32
	uuid    [16]byte
	tag     tag
}

// A tag is in lower case; NULs fill it up. https://dev.mysql.com/doc/refman/9.5/en/replication-gtids-concepts.html
type tag [32]byte

// A run is the transactions from first to last. In MariaDB a server that has executed one has executed all before it in
// the domain, so first is 1.
type run struct{ first, last uint64 }

// clear empties the position and keeps its memory.
func (p *position) clear() { p.sources = p.sources[:0] }

// empty reports whether the position has no transaction.
func (p *position) empty() bool { return len(p.sources) == 0 }

// find returns the source of an origin, nil where there is none.
func (p *position) find(o *origin) *source {
	for i := range p.sources {
		if p.sources[i].origin == *o {
			return &p.sources[i]
		}
	}
	return nil
}

// grow adds a source without transactions. It may move the others.
func (p *position) grow(o *origin) *source {
	if n := len(p.sources); n < cap(p.sources) {
		p.sources = p.sources[:n+1] // the source that was there lends its memory
	} else {
		p.sources = append(p.sources, source{})
	}
	s := &p.sources[len(p.sources)-1]
	s.origin, s.server, s.runs = *o, 0, s.runs[:0]
	return s
}

// add adds the transactions of a run and reports whether one of them is new.
func (p *position) add(o *origin, server uint32, r run) bool {
	s := p.find(o)
	if s == nil {
		s = p.grow(o)
	}
	s.told = p.clock
	if !s.add(r) {
		return false
	}
	s.server, s.grown = server, p.clock
	return true
}

func (s *source) add(r run) bool {
	// Those that the run touches or overlaps become one with it.
	from := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].last >= r.first-1 })
	to := from
	for to < len(s.runs) && (s.runs[to].first <= r.last || s.runs[to].first-1 == r.last) {
		to++
	}
	if from == to {
		s.runs = slices.Insert(s.runs, from, r)
		return true
	}
	if to == from+1 && s.runs[from].first <= r.first && r.last <= s.runs[from].last {
		return false
	}
	r.first, r.last = min(r.first, s.runs[from].first), max(r.last, s.runs[to-1].last)
	s.runs[from] = r
	s.runs = slices.Delete(s.runs, from+1, to)
	return true
}

// maxRuns is how many runs narrow leaves.
const maxRuns = 16

// narrow bounds the memory of a position that reads must see: where a source has more runs than maxRuns, it closes the
// smallest gaps. What lies in a small gap are other sessions' transactions, which the server had before; what lies in a
// large one may be numbers that were never used, as between the blocks that members of a group take.
func (p *position) narrow() {
	for i := range p.sources {
		s := &p.sources[i]
		for len(s.runs) > maxRuns {
			at, least := 1, ^uint64(0)
			for k := 1; k < len(s.runs); k++ {
				if gap := s.runs[k].first - s.runs[k-1].last; gap < least {
					at, least = k, gap
				}
			}
			s.runs[at-1].last = s.runs[at].last
			s.runs = slices.Delete(s.runs, at, at+1)
		}
	}
}

// covers reports whether p has all transactions of other.
func (p *position) covers(other *position) bool {
	for i := range other.sources {
		wanted := &other.sources[i]
		has := p.find(&wanted.origin)
		if has == nil || !has.covers(wanted.runs) {
			return false
		}
	}
	return true
}

func (s *source) covers(wanted []run) bool {
	at := 0
	for _, r := range wanted {
		for at < len(s.runs) && s.runs[at].last < r.first {
			at++
		}
		if at == len(s.runs) || s.runs[at].first > r.first || s.runs[at].last < r.last {
			return false
		}
	}
	return true
}

// set makes p the same as other, whose memory it does not share.
func (p *position) set(other *position) {
	p.clear()
	for i := range other.sources {
		from := &other.sources[i]
		s := p.grow(&from.origin)
		s.server, s.runs = from.server, append(s.runs, from.runs...)
	}
}

// keep takes away what other does not have, of the sources that pick says.
func (p *position) keep(other *position, pick func(*source) bool) {
	kept := 0
	for i := range p.sources {
		if s := &p.sources[i]; pick(s) && !s.keep(other.find(&s.origin)) {
			continue
		}
		p.sources[kept], p.sources[i] = p.sources[i], p.sources[kept] // neither may lose its memory
		kept++
	}
	p.sources = p.sources[:kept]
}

// keep reports whether anything is left. other is nil where there is nothing to keep.
func (s *source) keep(other *source) bool {
	if other == nil {
		return false
	}
	var left []run // it happens when a primary is lost, and may allocate
	for _, r := range s.runs {
		for _, has := range other.runs {
			if both := (run{max(r.first, has.first), min(r.last, has.last)}); both.first <= both.last {
				left = append(left, both)
			}
		}
	}
	if s.mariadb && left[0] != s.runs[0] {
		s.server = other.server
	}
	s.runs = append(s.runs[:0], left...)
	return len(left) > 0
}
