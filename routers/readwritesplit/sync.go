package readwritesplit

import (
	"errors"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A step is a command that brings a server up to date. synced is that of the member once it has run.
type step struct {
	command *pipeline.Command
	synced  uint64
}

// sync brings the server up to date: it runs the session commands it has not run, and is told what the router wants of it.
// An error other than a *pipeline.LostError or an *errUnfit ends the session.
func (m *member) sync() error { return m.syncTo(m.x.history.next) }

// syncTo is sync as far as the session commands before number.
func (m *member) syncTo(number uint64) error {
	x := m.x
	if x.primary != m {
		if err := x.takeOver(m); err != nil {
			return err
		}
	}
	steps := x.steps[:0]
	if m.synced < number {
		steps = m.appendHistory(m.appendRewind(steps), number)
	}
	reached := max(m.synced, number)
	primes := !m.ready && m != x.trx // MySQL refuses that within a transaction
	tells := primes && m.lacksInsertID()
	if primes { // what the client sets does not overrule it
		for _, text := range x.primers() {
			steps = append(steps, step{pipeline.NewQuery(text, x.s.Capabilities()), reached})
		}
	}
	if tells {
		steps = append(steps, step{pipeline.NewQuery(insertIDText(x.insert.value), x.s.Capabilities()), reached})
	}
	x.steps = steps
	err := m.run(steps)
	clear(steps)
	if err != nil {
		return m.drop(err)
	}
	m.synced = reached
	m.ready = m.ready || primes
	if tells {
		m.insertID = x.insert.value
	}
	return nil
}

// appendRewind has a new connection, which was opened with the default schema there is now, begin where the session began,
// since what session commands mean may depend on it.
func (m *member) appendRewind(steps []step) []step {
	if x := m.x; m.synced == 0 && x.opened != "" && x.opened != x.s.Schema() {
		steps = append(steps, step{command: m.use(x.opened)})
	}
	return steps
}

// appendHistory appends the session commands before number that the server has not run.
func (m *member) appendHistory(steps []step, number uint64) []step {
	h := &m.x.history
	for i := h.from(m.synced); i < len(h.entries) && h.entries[i].number < number; i++ {
		if e := &h.entries[i]; !h.skipped(i, m.synced) {
			steps = append(steps, step{e.command, e.number + 1})
		}
	}
	return steps
}

// run has the server run the steps, which takes one round trip for all of them, but where its connection has what would be
// lost with it. Its error is that of ask for the first that fails.
func (m *member) run(steps []step) error {
	x := m.x
	if len(steps) > 1 && m != x.trx && !x.irreplaceable(m) && !x.holds(m) {
		return m.runTogether(steps)
	}
	for i := range steps {
		if err := m.ask(steps[i].command); err != nil {
			return err
		}
		m.synced = steps[i].synced
	}
	return nil
}

// runTogether sends all steps at once. Where one is killed, those behind it have been run without it: the connection, which
// nothing is lost with, is given up.
func (m *member) runTogether(steps []step) error {
	commands := make([]*pipeline.Command, len(steps))
	for i := range steps {
		commands[i] = steps[i].command
	}
	m.x.answer.reset()
	all := answers{answer: &m.x.answer}
	m.link.Own(m.spare())
	err := m.link.TryAll(&all, commands)
	m.link.Own(false)
	if err != nil {
		return err
	}
	err = m.failure()
	if errors.Is(err, errKilled) {
		m.link.Close()
	}
	if err == nil {
		m.synced = steps[len(steps)-1].synced
	}
	return err
}

// answers are the answers to commands of the router's own that were sent together: the last one, or the first that is an
// error.
type answers struct{ answer *answer }

// WriteReply is pipeline.ReplyWriter's.
func (a *answers) WriteReply(p *protocol.Chunk) error {
	if a.answer.err != nil {
		return nil
	}
	return a.answer.WriteReply(p)
}

// ask runs a command of the router's own. A *protocol.SQLError is the server's answer, errKilled one, too.
func (m *member) ask(c *pipeline.Command) error {
	a := &m.x.answer
	a.reset()
	if err := m.tryOwn(a, c, 0); err != nil {
		return err
	}
	return m.failure()
}

// tryOwn is the link's Try for a command of the router's own: who kills the client's statement does not wait for it.
func (m *member) tryOwn(w pipeline.ReplyWriter, c *pipeline.Command, id uint32) error {
	m.link.Own(m.spare())
	err := m.link.Try(w, c, id)
	m.link.Own(false)
	return err
}

// spare reports whether the session can do without the connection, but for LAST_INSERT_ID(). One that is stranded it leaves in
// any case, also where there is to be no other in its place.
func (m *member) spare() bool {
	x := m.x
	return m != x.trx && x.away.at != m && !x.cursorsAt(m) && (!x.irreplaceable(m) || x.insert.at == m.link && x.stranded())
}

// failure is what the answer to a command of the router's own says: a *protocol.SQLError, errKilled, or a
// *pipeline.LostError where it is that the server is about to end, or, where the session can go on elsewhere, takes no statements.
func (m *member) failure() error { return m.failed(m.x.answer.failure()) }

// failed is failure for an answer that has been read elsewhere.
func (m *member) failed(err error) error {
	if refused := refusedBy(err); refused != nil && (goingAway(refused.Code) || m.turnsAway(refused)) {
		doubt(m, refused)
		m.link.Close()
		return &pipeline.LostError{Server: m.server(), Err: refused}
	}
	return err
}

// turnsAway reports whether an error is that of a server which takes no statements, and that the session can leave for it.
func (m *member) turnsAway(refused *protocol.SQLError) bool {
	x := m.x
	return unready(refused.Code, []byte(refused.Message)) && (m.spare() || m == x.trx && x.replay.on && x.needs(m) == "")
}

// drop has the session do without the server, where err is its refusal of what other servers have done.
func (m *member) drop(err error) error {
	failed := refusedBy(err)
	if failed == nil {
		return err
	}
	m.unfit = true
	m.link.Close()
	return &errUnfit{m.server().Name(), failed}
}
