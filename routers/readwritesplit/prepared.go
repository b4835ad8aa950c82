package readwritesplit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// prepare serves a COM_STMT_PREPARE: one server prepares the statement and answers, others do when it is run there. What
// the session has prepared before may be there yet.
func (x *session) prepare(w pipeline.ReplyWriter, c *pipeline.Command) error {
	if err := x.clean(); err != nil {
		return err
	}
	j := &x.job
	*j = job{w: &x.watch, c: c, st: x.s.Statement(c)}
	x.decide(j)
	known, err := x.recall(j), error(nil)
	if known != nil {
		x.watch.Reset(w)
		err = x.takeOverStatement(known)
	} else {
		if x.reuse.limit > 0 {
			x.reuse.answer.reset(w)
			w = &x.reuse.answer
		}
		x.watch.Reset(w)
		err = x.run(j)
	}
	if err != nil {
		return err
	}
	x.prepared.Learn(x.s, c, &x.watch)
	if !x.watch.Prepared {
		return nil
	}
	x.sit.keepHint(x.watch.StatementID)
	if x.made == nil {
		x.made = make(map[uint32]reading)
	}
	x.made[x.watch.StatementID] = x.reading()
	if known != nil {
		return nil
	}
	return x.remember(j)
}

// ready brings a server up to date for a command, and returns what is to be sent there: the command, with the server's id
// of the statement that it is about.
func (x *session) ready(m *member, j *job) (c *pipeline.Command, id uint32, err error) {
	if err := x.fetchVariables(m, j); err != nil {
		return nil, 0, err
	}
	if err := m.sync(); err != nil {
		return nil, 0, err
	}
	if err := x.catchUp(m, j); err != nil {
		return nil, 0, err
	}
	if err := x.bringInsertID(m, j); err != nil {
		return nil, 0, err
	}
	if err := x.keepSettings(m, j); err != nil {
		return nil, 0, err
	}
	return x.addressed(m, j)
}

// unexecuted does what an execution does to its statement, where it has been answered without a server: it uses up values that
// were sent ahead, and binds types.
func (x *session) unexecuted(j *job) error {
	st := j.stmt
	if st == nil || !j.c.Executes() {
		return errAnswered
	}
	if m := x.long[st.ID]; m != nil {
		delete(x.long, st.ID)
		if err := m.forget(st.ID); err != nil && !x.survives(m, err) {
			return err
		}
	}
	if err := x.values.Decode(j.c.Payload(), st.Params, st.Types, nil, x.s.Capabilities()); err == nil && x.values.Bound {
		st.Types = x.values.AppendTypes(st.Types[:0])
	}
	return errAnswered
}

// addressed is ready for a server that is up to date.
func (x *session) addressed(m *member, j *job) (c *pipeline.Command, id uint32, err error) {
	if j.stmt == nil {
		return j.c, 0, nil
	}
	t, err := m.prepared(j.stmt)
	if err != nil {
		return nil, 0, err
	}
	c = j.c
	if com := c.Com(); com == protocol.ComStmtExecute || com == protocol.ComStmtBulkExecute {
		if err := x.closeCursor(m, j.stmt.ID); err != nil {
			return nil, 0, err
		}
		if c, t, err = x.bind(m, j, t); err != nil {
			return nil, 0, err
		}
	}
	return c, t.id, nil
}

// closeCursor has a statement that m is to execute leave no cursor open at another server: an execution closes the one before
// it, whose rows must not be found any more.
func (x *session) closeCursor(m *member, id uint32) error {
	at := x.cursors[id]
	if at == nil || at == m {
		return nil
	}
	delete(x.cursors, id)
	if t := at.at[id]; t == nil || !t.holds {
		return nil
	}
	if err := at.forget(id); err != nil && !x.survives(at, err) {
		return err
	}
	return nil
}

// bind sees to it that the server knows the types of the parameters. It returns what is to be executed there.
func (x *session) bind(m *member, j *job, t *there) (*pipeline.Command, *there, error) {
	st := j.stmt
	if st.Params == 0 {
		return j.c, t, nil
	}
	binds := false
	if err := x.values.Decode(j.c.Payload(), st.Params, st.Types, nil, x.s.Capabilities()); err != nil {
		st.Types = st.Types[:0] // the server will say what is wrong
		t, err = m.unbound(st, t)
		return j.c, t, err
	} else if x.values.Bound {
		st.Types, binds = x.values.AppendTypes(st.Types[:0]), true
	}
	c, err := m.bound(j.c, st, t, binds)
	return c, t, err
}

// noteStatement keeps up with what becomes of prepared statements at their servers.
func (x *session) noteStatement(m *member, j *job) {
	switch j.c.Com() {
	case protocol.ComStmtPrepare:
		if !x.passage.failed {
			m.keep(x.passage.weirID, x.passage.statementID)
			x.nextID = x.passage.weirID
		}
	case protocol.ComStmtSendLongData:
		x.long = put(x.long, j.stmt.ID, m)
		m.recent.holds = true
	case protocol.ComStmtExecute:
		delete(x.long, j.stmt.ID)
		if m.link.Status()&protocol.StatusCursorExists != 0 && !x.passage.failed {
			x.cursors = put(x.cursors, j.stmt.ID, m)
		} else {
			delete(x.cursors, j.stmt.ID)
		}
		x.noteExecution(m, j)
	case protocol.ComStmtFetch:
		if m.link.Status()&protocol.StatusLastRowSent != 0 && !x.passage.failed {
			m.recent.holds = false
		}
	}
}

// noteExecution keeps up with whether a statement can be used again once the client has closed it.
func (x *session) noteExecution(m *member, j *job) {
	if x.passage.failed { // it may not have come to what ends a cursor
		return
	}
	status := m.link.Status()
	m.recent.holds = status&protocol.StatusCursorExists != 0
	if status&protocol.StatusMetadataChanged != 0 || x.passage.described { // what was told of it is not so any more
		x.reuse.drop(j.stmt.ID)
	}
}

func put(at map[uint32]*member, id uint32, m *member) map[uint32]*member {
	if at == nil {
		at = make(map[uint32]*member)
	}
	at[id] = m
	return at
}

// stuck returns the server that a command about a prepared statement must go to, nil where any will do: the one that has
// its cursor, or values that were sent ahead.
func (x *session) stuck(c *pipeline.Command, id uint32) *member {
	if c.Com() == protocol.ComStmtFetch {
		if m := x.cursors[id]; m != nil {
			return m
		}
		return x.last
	}
	return x.long[id]
}

// scattered answers a command whose statement has values at another server than the open transaction.
func (x *session) scattered(j *job) error {
	m := j.only
	if j.c.ExpectsReply() {
		delete(x.long, j.stmt.ID)
		if err := m.forget(j.stmt.ID); err != nil && !x.survives(m, err) { // it would add values to those that it has
			return err
		}
	}
	return j.answer(&protocol.SQLError{
		Code: protocol.ErUnknown, State: "HY000",
		Message: "Values for the statement were sent to server " + m.server().Name() + " before the transaction began: send them again",
	})
}

// closeStatement serves a COM_STMT_CLOSE, which has no answer. Servers that the statement is kept at for another time
// have nothing of this one left.
func (x *session) closeStatement(c *pipeline.Command) error {
	st := x.prepared.Of(c)
	if st == nil {
		return nil
	}
	id := st.ID
	x.prepared.Learn(x.s, c, nil)
	delete(x.long, id)
	delete(x.cursors, id)
	x.sit.dropHint(id)
	if x.trx == nil || !x.replay.on || x.replay.spoilt != "" {
		delete(x.made, id)
	} else if x.closed = append(x.closed, id); len(x.closed) == maxClosed {
		x.replay.spoil("too many of its statements are closed")
	}
	kept := x.reuse.close(id)
	return x.each(func(m *member) error {
		if kept && (m.at[id] == nil || !m.at[id].holds) {
			return nil
		}
		return m.forget(id)
	})
}

// maxClosed bounds the prepared statements that are closed within a transaction and may be run again with it.
const maxClosed = 1 << 16

// clean closes what was kept of closed statements for the open transaction to be run again, once it is over.
func (x *session) clean() error {
	if len(x.closed) == 0 || x.trx != nil {
		return nil
	}
	for _, id := range x.closed {
		delete(x.made, id)
		if x.reuse.keeps(id) {
			continue
		}
		if err := x.each(func(m *member) error { return m.forget(id) }); err != nil {
			return err
		}
	}
	x.closed = x.closed[:0]
	return nil
}

// each calls f for each server the session is connected to. One that is lost by it matters when it is next needed.
func (x *session) each(f func(*member) error) error {
	for i := range x.members {
		m := &x.members[i]
		if !m.connected() {
			continue
		}
		if err := f(m); err != nil && !x.survives(m, err) {
			return err
		}
	}
	return nil
}

// survives reports whether the session goes on where a command to all of its servers has failed at one. It may end at the
// next command.
func (x *session) survives(m *member, err error) bool {
	if _, lost := errors.AsType[*pipeline.LostError](err); !lost {
		return false
	}
	if x.needs(m) != "" {
		x.failing = x.gone(m, err)
	}
	return true
}

// resetStatement serves a COM_STMT_RESET: wherever the statement is prepared, its cursor is closed, and what was sent ahead
// forgotten.
func (x *session) resetStatement(w pipeline.ReplyWriter, c *pipeline.Command) error {
	st := x.prepared.Of(c)
	if st == nil {
		return x.unknownStatement(w, c)
	}
	delete(x.long, st.ID)
	delete(x.cursors, st.ID)
	x.prepared.Learn(x.s, c, nil)
	err := x.each(func(m *member) error {
		t := m.at[st.ID]
		if t == nil {
			return nil
		}
		x.answer.reset()
		if err := m.link.Try(&x.answer, c, t.id); err != nil {
			return err
		}
		t.holds = t.holds && x.answer.err != nil
		return nil
	})
	if err != nil {
		return err
	}
	return x.tell(w, x.status())
}

// resetConnection serves a COM_RESET_CONNECTION: all servers of the session do, and it begins anew.
func (x *session) resetConnection(w pipeline.ReplyWriter, c *pipeline.Command) error {
	c = pipeline.NewCommand(c.Com(), nil, x.s.Capabilities()) // what else it has comes but once
	err := x.each(func(m *member) error {
		// The default schema stays what it is.
		if x.history.movesSchema(m.synced) || m != x.primary && x.sit.bonds&boundSession != 0 {
			m.link.Close()
			return nil
		}
		x.answer.reset()
		if err := m.link.Try(&x.answer, c, 0); err != nil {
			return err
		}
		if x.answer.err != nil {
			m.link.Close()
		} else {
			x.last = m
		}
		return nil
	})
	if err != nil {
		return err
	}
	x.trx = nil
	status := x.s.Status()
	if x.last != nil && x.last.link != nil {
		status = x.last.link.Status()
	}
	// A connection that was closed instead says what it was like before.
	return x.tell(w, status&lasting&^(protocol.StatusInTrans|protocol.StatusInTransReadonly))
}

// tell answers a command by an OK packet with these status flags.
func (x *session) tell(w pipeline.ReplyWriter, status uint16) error {
	ok := protocol.OK{Status: status}
	return w.WriteReply(&protocol.Chunk{
		Data: protocol.AppendPacket(nil, 0, ok.Append(nil, x.s.Capabilities())), Count: 1, Kind: protocol.KindOK,
		Final: true, Status: ok.Status,
	})
}

// unknownStatement answers a command about a statement that the client has not prepared.
func (x *session) unknownStatement(w pipeline.ReplyWriter, c *pipeline.Command) error {
	if !c.ExpectsReply() {
		return nil
	}
	var id uint32
	if payload := c.Payload(); len(payload) >= 5 {
		id = binary.LittleEndian.Uint32(payload[1:])
	}
	return pipeline.Error(w, &protocol.SQLError{
		Code: protocol.ErUnknownStmtHandler, State: "HY000",
		Message: fmt.Sprintf("Unknown prepared statement handler (%d) given to %s", id, protocol.CommandName(c.Com())),
	})
}
