package readwritesplit

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// errDiffers says that a transaction that is run again does not go as it went.
type errDiffers struct {
	why   string
	again bool // another attempt may go otherwise
}

func (e *errDiffers) Error() string { return e.why }

// rerun runs the logged statements at a server and compares what comes out. Session commands are run where they were among
// them, those before the transaction first.
func (x *session) rerun(m *member) error {
	p := &x.replay
	if len(p.log) == 0 {
		return m.sync()
	}
	begun, now := p.insert, x.insert
	if m.link != begun.at { // what it may have got from an earlier attempt is not to be found there
		m.ready = m.ready && begun == insertID{} && m.insertID == 0
	}
	x.insert = begun
	err := m.syncTo(p.log[0].next)
	x.insert = now
	if err != nil {
		return err
	}
	blank, changed := begun.blank || begun.unsure && begun.at != m.link, false
	for i := range p.log {
		l := &p.log[i]
		m.synced = l.next
		if l.asks.insertID && blank {
			set, err := x.setSince(m, l.asks)
			if err != nil {
				return err
			}
			if !set {
				return &errDiffers{why: "it uses LAST_INSERT_ID() of before, which the lost connection alone knew"}
			}
			blank = false
		}
		j := job{c: l.command, stmt: l.stmt}
		if l.stmt != nil {
			l.stmt.Types = append(l.stmt.Types[:0], l.types...)
		}
		c, id, err := x.addressed(m, &j)
		if err != nil {
			return err
		}
		p.sum.reset(l.blind)
		x.answer.reset()
		again := passage{w: &x.answer, sum: &p.sum, hold: p.hold()}
		if err := m.tryOwn(&again, c, id); err != nil {
			return err
		}
		if l.numbers || again.failed || again.lastInsertID != 0 {
			m.insertID, changed = untold, true
		}
		if again.held != nil {
			doubt(m, again.held)
			m.link.Close()
			return &pipeline.LostError{Server: m.server(), Err: again.held, Unsent: true}
		}
		if p.sum.sum() != l.sum {
			if again.failed && again.code == protocol.ErQueryInterrupted {
				return errKilled
			}
			return &errDiffers{fmt.Sprintf("statement %d of it has another result than before", i+1), true}
		}
	}
	m.synced = x.history.next
	if changed {
		x.insert = insertID{unsure: true, at: m.link, blank: blank}
		m.insertID = untold
	}
	return nil
}

// undo rolls back what has been run again at m.
func (x *session) undo(m *member) {
	if m.insertID == untold && m.link != x.insert.at { // LAST_INSERT_ID() is not the session's there
		m.ready = false
	}
	if err := m.ask(x.end("ROLLBACK")); err != nil {
		m.link.Close()
	}
}

// undoCommands sees to it that session commands of the transaction that have been run again at m are not once more with the
// next attempt: no server takes them back.
func (x *session) undoCommands(m *member, cause error) error {
	p := &x.replay
	if len(p.log) == 0 || m.synced <= p.log[0].next {
		return nil
	}
	if x.keepsLink(m, cause) {
		p.beside(m)
		return nil
	}
	return x.afresh(m)
}

// keepsLink reports whether the session needs the connection to m, where a transaction has been run again because of cause.
func (x *session) keepsLink(m *member, cause error) bool {
	if x.needs(m) != "" {
		return true
	}
	if !errors.Is(cause, errMoves) { // then it is a new one
		return false
	}
	return slices.Contains(slices.Collect(maps.Values(x.cursors)), m) || slices.Contains(slices.Collect(maps.Values(x.long)), m)
}

// afresh has the next attempt find the session as it was when the transaction began: what the one before has made of it at m
// is lost with its connection.
func (x *session) afresh(m *member) error {
	if x.insert.unsure && x.insert.at == m.link { // an optimistic transaction leaves it as it was
		err := x.askInsertID()
		if x.replay.insert.at == m.link {
			x.replay.insert = x.insert
		}
		if err != nil {
			return err
		}
	}
	if m.link != nil {
		m.link.Close()
	}
	return nil
}
