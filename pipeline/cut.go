package pipeline

import (
	"sync/atomic"

	"github.com/weirproxy/weir/protocol"
)

// A cut is the end of a session by its Cutter.
type cut struct {
	error
	now bool // and not at rest
}

func (o *cut) Unwrap() error { return o.error }

// A Cutter ends a session from outside, as long as the chain lives in whose Open it was made: where the client has
// changed user since, or reset its connection, it does nothing. Any goroutine may call its methods, at any time, also
// while the chain is being opened or after the session's end. They do not block.
//
// err is why. A *protocol.SQLError in it is what the client is told, word for word; where it has asked nothing, it takes
// that for the answer to its next statement.
type Cutter struct {
	s   *Session
	cut atomic.Pointer[cut]
}

// Cutter returns what ends the session. It may be called in Open.
func (s *Session) Cutter() *Cutter {
	if s.cutter == nil {
		s.cutter = &Cutter{s: s}
	}
	return s.cutter
}

// Cut ends the session at once. A statement that runs is cut off: its server connection is closed, and the client gets
// the error where a packet may begin.
func (c *Cutter) Cut(err error) { c.order(&cut{err, true}) }

// CutAtRest ends the session as soon as no statement runs and no transaction is open, as the servers' status flags tell;
// at once where that is so. A session that is idle is told without waiting for its next statement.
func (c *Cutter) CutAtRest(err error) { c.order(&cut{err, false}) }

// Stay takes CutAtRest back, where the session has not come to rest yet.
func (c *Cutter) Stay() {
	old := c.cut.Load()
	if old == nil || old.now || !c.cut.CompareAndSwap(old, nil) || c.s.place.Load() == nil {
		return
	}
	c.s.onWorker(func() {
		if s := c.s; s.cutter == c {
			if o, ok := s.leaving.(*cut); ok && o == old { //nolint:errorlint // the same one, not one like it
				s.leaving = nil
			}
		}
	})
}

// Tell has f run on the session's worker, soon, whatever the session does then: busy says that a command is being served.
// f must not wait. It does not run where the chain is no more, or is being opened.
func (c *Cutter) Tell(f func(busy bool)) {
	if c.s.place.Load() == nil {
		return
	}
	c.s.onWorker(func() {
		if s := c.s; !s.ended && !s.opening && s.cutter == c && s.worker != nil {
			f(s.task != nil)
		}
	})
}

// order keeps what is more urgent, and has the session see to it.
func (c *Cutter) order(o *cut) {
	for {
		old := c.cut.Load()
		if old != nil && (old.now || !o.now) {
			return
		}
		if c.cut.CompareAndSwap(old, o) {
			break
		}
	}
	// A session that no worker has yet looks for itself when one takes it.
	if c.s.place.Load() != nil {
		c.s.onWorker(c.carryOut)
	}
}

// carryOut runs on the session's worker.
func (c *Cutter) carryOut() {
	s := c.s
	switch {
	case s.branch != nil && s.branch.state != branchServing, s.ended:
	case s.opening: // s.cutter is in other hands; reopen looks afterwards
	case s.cutter == c:
		s.obeyCutter()
	}
}

// obeyCutter does what the Cutter of the chain was told, if anything. It runs on the worker.
func (s *Session) obeyCutter() {
	if s.cutter == nil {
		return
	}
	o := s.cutter.cut.Load()
	switch {
	case o == nil:
		return
	case o.now:
		s.interrupt(o)
		return
	}
	s.leaving = o
	switch {
	case !s.atRest():
	case s.task == nil:
		s.wake()
	case s.betweenCommands():
		s.interrupt(o)
	}
}

// atRest reports whether no transaction is open. Under autocommit=0 one is from the first statement on that needs it.
func (s *Session) atRest() bool { return s.status&protocol.StatusInTrans == 0 }
