package readwritesplit

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// asks reports whether the primary has to say first what a read must see.
func (x *session) asks(j *job) bool {
	return x.r.scope == causalCluster && j.d.target == toReplica && x.trx == nil && !j.asked
}

// askPrimary finds out what a read must see that is to see all writes.
func (x *session) askPrimary(j *job) error {
	if !x.asks(j) {
		return nil
	}
	m, err := x.pickPrimary(j)
	if err != nil {
		return err
	}
	if err := m.connect(); err != nil {
		if context.Cause(x.ctx) != nil {
			return err
		}
		return x.await(j, fmt.Errorf("%w: %w", errNoPrimary, err))
	}
	err = m.sync()
	if err == nil {
		err = x.askPosition(m, x.causal.found)
	}
	j.asked = err == nil
	return x.askedPosition(m, j, err)
}

// errUntold says that a server has not said what it has, or not so that it could be understood.
var errUntold = errors.New("the primary does not tell its position")

// askPosition asks m, a primary, for its position, and has take take the row of the answer.
func (x *session) askPosition(m *member, take func(row []byte) error) error {
	err := m.ask(pipeline.NewQuery(positionText(x.s.Mode()&sqlscan.MariaDB != 0), x.s.Capabilities()))
	refused := refusedBy(err) != nil
	if err == nil {
		err = take(x.answer.row)
		refused = err != nil
	}
	if refused {
		return fmt.Errorf("%w: %w", errUntold, err)
	}
	return err
}

// askedPosition goes on with a read for which the primary m was asked for its position, where err is what came of it: what the
// read must see, the primary has itself.
func (x *session) askedPosition(m *member, j *job, err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errUntold):
		return x.notReady(m, j, err)
	}
	x.warnUntold(m, err)
	j.primary = true
	return errAgain
}

func (x *session) warnUntold(m *member, err error) {
	x.s.Log().Warn("what reads must see is not known", "server", m.server().Name(), "error", err)
}

// takeOver has the session forget transactions that went down with the primary before: nobody has them.
func (x *session) takeOver(m *member) error {
	if x.primary == m || m.server().State().Role != pipeline.Primary {
		return nil
	}
	before := x.primary
	if before != nil && x.needs(before) != "" {
		return nil // the session stays there
	}
	if x.causal != nil && x.causal.overtaken(m.index, before) {
		err := x.forgetLost(m)
		if errors.Is(err, errUntold) { // reads may wait in vain
			x.warnUntold(m, err)
		} else if err != nil {
			return err
		}
	}
	m.ready = m.ready && (before == nil || x.insert == insertID{}) // LAST_INSERT_ID() is what it was
	x.primary = m
	x.adopt(m.link)
	return nil
}

// askOvertaken has a new primary say what went down with the one before, so that no read waits for that. Where it cannot be
// asked, the read goes on without.
func (x *session) askOvertaken(j *job) error {
	if !x.r.tracks() {
		return nil
	}
	at := primaryOf(x.r.candidates)
	if at < 0 || !x.causal.overtaken(at, x.primary) {
		return nil
	}
	m := &x.members[at]
	if j.tried&(1<<at) != 0 || m.leftOut() || !m.connected() && m.server().Suspect() ||
		x.bars(m) || x.primary != nil && x.needs(x.primary) != "" { // the session stays there
		return nil
	}
	err := m.connect()
	switch {
	case x.s.Killed():
		return errKilled
	case err != nil && context.Cause(x.ctx) != nil:
		return err
	case err != nil:
		j.tried |= 1 << at
		return nil
	}
	err = m.sync()
	if err == nil && x.primary == m && x.causal.overtaken(at, m) { // it has been the session's primary before
		err = x.forgetLost(m)
	}
	return x.askedPosition(m, j, err)
}

// forgetLost has m, a new primary, say what it has, and forgets the rest.
func (x *session) forgetLost(m *member) error {
	for done := false; !done; {
		mark := x.causal.mark()
		err := x.askPosition(m, func(row []byte) (err error) {
			done, err = x.causal.lost(m.index, mark, row)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
