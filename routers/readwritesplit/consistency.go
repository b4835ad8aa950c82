package readwritesplit

import (
	"errors"

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
	return !reads && j.c.Executes() && m.server().State().Role == pipeline.Primary
}

// askWritten asks the primary for what the session has written there.
func (x *session) askWritten(m *member) error {
	mariadb := x.s.Mode()&sqlscan.MariaDB != 0
	text := question("@@last_gtid")                        // of the connection
	if !mariadb || m.resets != x.r.service.resets.Load() { // the connection may know a GTID that was reset
		text = positionText(mariadb)
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
