package readwritesplit

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// tracks reports whether servers tell the router what a session has written.
func (r *Router) tracks() bool { return r.scope == causalSession || r.scope == causalService }

// learn is told of changes of session state.
func (x *session) learn(l *pipeline.Link, changes []byte) {
	if l.Server.State().Role.Reads() { // a FLUSH there may have made a transaction that no other server gets
		return
	}
	if err := x.causal.learn(x.member(l.Server).index, changes); err != nil {
		x.s.Log().Warn("reads may miss what this session has written", "server", l.Server.Name(), "error", err)
	}
}

// wroteUntold reports whether a command may have written what the server has not told of: to clients that know the older
// end of rows alone, it tells nothing there.
func (x *session) wroteUntold(m *member, j *job) bool {
	if !x.r.tracks() || !x.passage.rows || x.trx != nil || x.s.Capabilities().Has(protocol.ClientDeprecateEOF) {
		return false
	}
	reads := j.st != nil && (j.st.Class == sqlscan.Read || j.st.Class == sqlscan.Show) && j.st.Effects&^harmless == 0
	return !reads && executes(j.c) && m.server().State().Role == pipeline.Primary
}

// askWritten asks the primary for what the session has written there.
func (x *session) askWritten(m *member) error {
	text := "SELECT @@last_gtid" // of the connection
	if x.s.Mode()&sqlscan.MariaDB == 0 {
		text = positionText(false)
	}
	answered, err := x.inquire(m, pipeline.NewQuery(text, x.s.Capabilities()))
	if err != nil {
		return err
	}
	if answered {
		gtids, _ := protocol.LenencString(x.answer.row)
		err = x.causal.wrote(m.index, gtids)
	}
	if !answered || err != nil {
		x.s.Log().Warn("reads may miss what this session has written", "server", m.server().Name(), "error", err)
	}
	return nil
}

// primers are the statements that make a new connection what the session and the router need.
func (x *session) primers() (texts []string) {
	if x.r.tracks() {
		texts = append(texts, trackText(x.s.Mode()&sqlscan.MariaDB != 0))
	}
	return texts
}

// wanted is what a server must have, as monitors know it, to be chosen for a read; nil where that does not matter.
func (x *session) wanted() *position {
	if x.causal == nil || x.r.config.CausalReadsBy != "choose" {
		return nil
	}
	return x.causal.want()
}

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
		err = m.ask(pipeline.NewQuery(positionText(x.s.Mode()&sqlscan.MariaDB != 0), x.s.Capabilities()))
	}
	if err == nil {
		err = x.causal.found(x.answer.row)
	}
	j.asked = err == nil
	if err != nil {
		return x.notReady(m, j, err)
	}
	return nil
}

// errBehind says that a server does not have in time what a read must see.
var errBehind = errors.New("the server does not have in time what the read must see")

// catchUp has a replica wait until it has what the command must see.
func (x *session) catchUp(m *member, j *job) error {
	if x.causal == nil || j.d.target != toReplica || x.trx != nil || x.r.config.CausalReadsBy != "wait" ||
		!x.causal.mustWait(m.index, &x.r.candidates[m.index]) {
		return nil
	}
	x.waiting = x.causal.appendWait(x.waiting[:0], x.r.config.CausalReadsTimeout)
	err := m.ask(pipeline.NewQuery(string(x.waiting), x.s.Capabilities()))
	if err != nil {
		if refusedBy(err) == nil {
			return err
		}
		x.s.Log().Warn("a server cannot wait for what a read must see", "server", m.server().Name(), "error", err)
	} else if x.causal.waited(m.index, x.answer.row) {
		return nil
	}
	x.r.counts.behind.Add(1)
	j.primary = true
	return errBehind
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
		if err := x.forgetLost(m); err != nil {
			return err
		}
	}
	m.ready = m.ready && (before == nil || x.insert == insertID{}) // LAST_INSERT_ID() is what it was
	x.primary = m
	return nil
}

// forgetLost has m, a new primary, say what it has, and forgets the rest.
func (x *session) forgetLost(m *member) error {
	for {
		mark := x.causal.mark()
		if err := m.ask(pipeline.NewQuery(positionText(x.s.Mode()&sqlscan.MariaDB != 0), x.s.Capabilities())); err != nil {
			return err
		}
		if done, err := x.causal.lost(m.index, mark, x.answer.row); done || err != nil {
			return err
		}
	}
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
		x.primary != nil && x.needs(x.primary) != "" { // the session stays there
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
	if err != nil {
		return x.notReady(m, j, err)
	}
	return nil
}

// askUnasked asks for what has been written before a read is to see it, and not sooner: the client may ask about the
// statement that has.
func (x *session) askUnasked() error {
	m := x.behind(x.unasked)
	x.unasked = nil
	if m == nil {
		return nil
	}
	return x.askWritten(m)
}
