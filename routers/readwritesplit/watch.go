package readwritesplit

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
)

// A watch knows the router's sessions, and has each look at its connections when the state of a server has changed.
type watch struct {
	mu       sync.Mutex
	sessions map[*pipeline.Cutter]*session
	changes  atomic.Uint64

	stop func() // nil until it is started
}

func (w *watch) add(c *pipeline.Cutter, x *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sessions == nil {
		w.sessions = make(map[*pipeline.Cutter]*session)
	}
	w.sessions[c] = x
}

func (w *watch) remove(c *pipeline.Cutter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, c)
}

// startWatch begins to watch the servers' states.
func (r *Router) startWatch() {
	before := r.usable()
	r.watch.stop = pipeline.OnStates(r.config.Servers, func() {
		if now := r.usable(); now != before {
			before = now
			r.tell()
		}
	})
}

func (r *Router) stopWatch() {
	if r.watch.stop != nil {
		r.watch.stop()
	}
}

// standing is what of the servers' states matters to connections that are open: sets of servers, as bits, and the primary.
type standing struct {
	up, takes uint64
	primary   int
}

// usable says which servers sessions may use, and which is the primary. States change with each transaction: most
// changes are of no interest here.
func (r *Router) usable() (of standing) {
	for i := range r.candidates {
		st := r.candidates[i].server.State()
		if st.Up {
			of.up |= 1 << i
		}
		if st.Takes() {
			of.takes |= 1 << i
		}
	}
	of.primary = primaryOf(r.candidates)
	return of
}

// tell has the sessions look at their connections.
func (r *Router) tell() {
	r.watch.changes.Add(1)
	gone := r.config.OnPrimaryLoss == "close" && primaryOf(r.candidates) < 0
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for c, x := range r.watch.sessions {
		if gone {
			c.Cut(&noServer{errNoPrimary})
			continue
		}
		c.Tell(x.review)
	}
}

// review ends connections to servers that are not to be used any more: those that are needed for a moment yet, between two
// commands. It runs on the session's worker.
func (x *session) review(busy bool) {
	x.leave(busy)
	if busy || x.stranded() {
		x.s.Between(x.rest)
	}
}

// rest has a session leave the servers that it does not need while no command is being served. One that was killed before it
// told LAST_INSERT_ID() is asked again after the next command.
func (x *session) rest() error {
	if x.stranded() {
		if err := x.askInsertID(); err != nil && !errors.Is(err, errKilled) {
			return err
		}
	}
	x.leave(false)
	return nil
}

// leave is review but for what has to wait. While a command is being served, the connections are those of servers that are
// down: whoever waits for them waits in vain.
func (x *session) leave(busy bool) {
	for i := range x.members {
		m := &x.members[i]
		if !m.connected() {
			if m.link != nil && !busy {
				m.link.Close() // it has been severed
			}
			continue
		}
		switch st := m.server().State(); {
		case !st.Up && busy:
			m.link.Sever()
		case busy, st.Up && st.Service == pipeline.InService:
		case m == x.trx, x.needs(m) != "", x.holds(m):
			if !st.Up {
				m.link.Sever() // what depends on it learns of it at the next command
			}
		default:
			m.link.Close()
		}
	}
}

// holds reports whether m is kept for what it alone has: cursors, values that were sent ahead, user variables, or
// LAST_INSERT_ID().
func (x *session) holds(m *member) bool {
	return x.away.at == m || x.insert.unsure && x.insert.at == m.link || x.cursorsAt(m)
}

// cursorsAt reports whether cursors are open at m, or values have been sent ahead to it.
func (x *session) cursorsAt(m *member) bool {
	for _, at := range x.cursors {
		if at == m {
			return true
		}
	}
	for _, at := range x.long {
		if at == m {
			return true
		}
	}
	return false
}
