package readwritesplit

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// mayRetry reports whether a command that a server may have begun can be run again elsewhere without harm.
func (x *session) mayRetry(j *job) bool {
	if x.trx != nil || j.only != nil || j.c.Part != protocol.Whole {
		return false
	}
	switch j.c.Com() {
	case protocol.ComStmtPrepare, protocol.ComPing, protocol.ComStatistics, protocol.ComInitDB, protocol.ComSetOption,
		protocol.ComFieldList:
		return true
	case protocol.ComQuery, protocol.ComStmtExecute:
		if j.st == nil {
			return false
		}
		switch j.st.Class {
		case sqlscan.Read, sqlscan.Show:
			// A hint may have sent what writes, in a function, and there may be no replica but the primary.
			return x.r.config.RetryReads && j.d.target == toReplica && j.st.Effects&^harmless == 0
		case sqlscan.Set, sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate:
			return j.d.target == toAll
		case sqlscan.Begin:
			return true
		}
	}
	return false
}

// notReady goes on where a server could not be brought up to date for a command, of which nothing has been sent.
func (x *session) notReady(m *member, j *job, err error) error {
	if errors.Is(err, errBehind) {
		return errAgain
	}
	if unfit, ok := errors.AsType[*errUnfit](err); ok {
		x.s.Log().Warn("server left out of the session", "server", unfit.server, "error", unfit)
		x.r.counts.unfit.Add(1)
		if x.needs(m) != "" || m == x.trx || m == j.only {
			return x.gone(m, err)
		}
		j.tried |= 1 << m.index
		if j.depends(m) {
			return x.await(j, fmt.Errorf("%w: %w", errNoPrimary, err))
		}
		return errAgain
	}
	if refused := refusedBy(err); refused != nil { // a prepared statement, that is
		if j.d.target == toReplica && m.server().State().Role != pipeline.Primary && x.trx == nil && j.only == nil &&
			primaryOf(x.r.candidates) >= 0 { // what it is about may not have come there yet
			j.tried |= 1 << m.index
			return errAgain
		}
		return j.answer(refused)
	}
	if lost, ok := errors.AsType[*pipeline.LostError](err); ok {
		lost.Unsent, lost.Began = true, false
		return x.lostAt(m, j, lost)
	}
	return err
}

// lostAt goes on where the server was lost before it had answered a command: errAgain, where it can be run elsewhere
// without harm, errAnswered where the client has an answer, or what ends the session.
func (x *session) lostAt(m *member, j *job, lost *pipeline.LostError) error {
	x.s.Log().Warn("server lost", "error", lost, "retry", x.trx == nil && (lost.Unsent || x.mayRetry(j)))
	x.r.counts.lost.Add(1)
	doubt(m, lost.Err)
	if lost.Began && (m != x.trx || !x.resumable(j)) {
		return x.gone(m, fmt.Errorf("in the middle of a reply: %w", lost))
	}
	if m == x.trx {
		return x.replayed(j, lost)
	}
	if x.needs(m) != "" || m == j.only {
		return x.gone(m, lost)
	}
	if !lost.Unsent && !x.mayRetry(j) {
		return x.gone(m, lost)
	}
	x.r.counts.retried.Add(1)
	j.tried |= 1 << m.index
	if refused, ok := errors.AsType[*protocol.SQLError](lost.Err); ok && refusal(refused) {
		j.failed = lost // where nobody else takes it, the client is told
	}
	if j.depends(m) {
		return x.await(j, fmt.Errorf("%w: %w", errNoPrimary, lost))
	}
	return errAgain
}

// doubt has a server looked at at once that has said that it is not what it was. Its connection was not lost, so that
// nobody else has noticed, and attempts to run a transaction again are few.
func doubt(m *member, said error) {
	refused, ok := errors.AsType[*protocol.SQLError](said)
	if !ok {
		return
	}
	if unready(refused.Code, []byte(refused.Message)) {
		m.load().refuse()
	}
	if refusal(refused) || goingAway(refused.Code) {
		m.server().Doubt()
	}
}
