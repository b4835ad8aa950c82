package readwritesplit

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
)

// A servicePosition is what all sessions of a router have written. Any worker may use it.
//
// Its lock is held for as long as it takes to parse or copy some sixty bytes, by a session that has written, and by one
// that reads for the first time since then; the others see by the version that nothing has changed.
type servicePosition struct {
	version atomic.Uint64
	// resets counts the calls of reset. Sessions that keep positions of their own go by it.
	resets atomic.Uint64
	// holder is the candidate, counted from 1, that has all of position: what it has not told itself, it has been asked about.
	// 0: nothing is told yet. -1: there is none.
	holder   atomic.Int32
	mu       sync.Mutex
	position position
	// teller is the candidate that has told last. others is position.clock of when another one last has.
	teller int
	others uint64
}

// wrote adds transactions that candidate i has told of, and whose text remains the caller's.
func (p *servicePosition) wrote(i int, text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.teller != i {
		p.teller, p.others = i, p.position.clock
	}
	p.position.clock++
	if !p.holder.CompareAndSwap(0, int32(i)+1) && p.overtaken(i) {
		p.holder.Store(-1)
	}
	advanced, err := p.position.merge(text)
	if advanced {
		p.position.narrow()
		p.version.Add(1)
	}
	return err
}

// reset forgets everything: an operator says that servers count transactions anew.
func (p *servicePosition) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position.clear()
	p.holder.Store(0)
	p.version.Add(1)
	p.resets.Add(1)
}

// read brings dst up to date, which is of version, and returns the version that it is of now.
func (p *servicePosition) read(dst *position, version uint64) uint64 {
	if p.version.Load() == version {
		return version
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	dst.set(&p.position)
	return p.version.Load()
}

// overtaken reports whether candidate i may lack something.
func (p *servicePosition) overtaken(i int) bool {
	holder := p.holder.Load()
	return holder != 0 && holder != int32(i)+1
}

// mark is for lost.
func (p *servicePosition) mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position.clock
}

// lost takes away what has does not have: the position of candidate i, a new primary, that was asked for after mark. Where a
// source has grown since mark it is alive and stays as it is. Where one was written to and has not grown, in MariaDB, the new
// primary counts up through numbers that were lost: what has lacks may be either, and lost returns false. That does not go on
// for long, since each further write takes it nearer to its old end.
func (p *servicePosition) lost(i int, mark uint64, has *position) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := func(s *source) bool {
		known := has.find(&s.origin)
		return s.grown <= mark && (known == nil || !known.covers(s.runs))
	}
	lost := false
	for i := range p.position.sources {
		if s := &p.position.sources[i]; gone(s) {
			if s.told > mark {
				return false
			}
			lost = true
		}
	}
	if lost {
		p.position.keep(has, gone)
		p.version.Add(1)
	}
	if p.teller == i && p.others <= mark || p.position.clock == mark {
		p.holder.Store(int32(i) + 1)
	}
	return true
}

// executed is a server's state with its GTID position parsed.
type executed struct {
	state    *pipeline.ServerState
	position position
}

// has reports whether the server has executed wanted by what is said in st, its state. The first to ask after a change
// of the state parses it, for all sessions. A position that is not understood is that of a server that has nothing.
func (l *load) has(st *pipeline.ServerState, wanted *position) bool {
	e := l.executed.Load()
	if e == nil || e.state != st {
		fresh := &executed{state: st}
		if _, err := fresh.position.merge([]byte(st.GTID)); err != nil {
			fresh.position.clear()
		}
		l.executed.CompareAndSwap(e, fresh) // unless forget has come between
		e = fresh
	}
	return e.position.covers(wanted)
}

// forget has the server be taken to have nothing until more is known of it than st, its state.
func (l *load) forget(st *pipeline.ServerState) { l.executed.Store(&executed{state: st}) }

// ResetGTID is pipeline.GTIDResetter's. What the states of servers say may be from before they were reset, so it is not gone
// by first.
func (r *Router) ResetGTID() error {
	if !r.tracks() {
		return fmt.Errorf("causal_reads is %q, so that it keeps no GTIDs", causalScopeNames[r.scope])
	}
	for i := range r.candidates {
		r.candidates[i].load.forget(r.candidates[i].server.State())
	}
	r.service.reset()
	return nil
}
