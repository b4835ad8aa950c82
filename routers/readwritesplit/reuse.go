package readwritesplit

import (
	"container/list"
	"slices"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// reuse has prepared statements outlive their COM_STMT_CLOSE at the servers: the next COM_STMT_PREPARE of the same text is
// answered from memory, under a new id, which takes over the handles that servers have.
//
// An id has its handles to itself. While the client keeps a statement open, another one of the same text is prepared anew,
// so that cursors, values sent ahead and types that are bound are nobody else's.
type reuse struct {
	limit  int // of statements, open or closed; 0: nothing is reused
	all    map[uint32]*remembered
	closed map[string][]*remembered // by their texts
	order  list.List                // of all, the least recently used first
	used   string                   // the default schema that the client has last asked for
	answer recording                // to the COM_STMT_PREPARE being served
}

// A remembered is a prepared statement of the session, with what the client was told of it.
type remembered struct {
	id     uint32 // that the client knows it by, or knew it by
	text   string
	made   making
	answer recorded
	closed bool // by the client: it is there to be taken over
	at     *list.Element
}

// A making is what it depends on whether a text would be prepared as another one was. used is there for servers that do
// not tell of a change of the default schema.
type making struct {
	reading
	used string
}

func (x *session) making() making { return making{x.reading(), x.reuse.used} }

// add remembers a statement that the client has prepared.
func (u *reuse) add(r *remembered) {
	if u.all == nil {
		u.all, u.closed = make(map[uint32]*remembered), make(map[string][]*remembered)
	}
	u.all[r.id] = r
	r.at = u.order.PushBack(r)
}

// remove forgets a statement.
func (u *reuse) remove(r *remembered) {
	delete(u.all, r.id)
	u.order.Remove(r.at)
	if r.closed {
		u.open(r)
	}
}

// open takes a statement from those that are closed.
func (u *reuse) open(r *remembered) {
	r.closed = false
	same := u.closed[r.text]
	if same = slices.DeleteFunc(same, func(o *remembered) bool { return o == r }); len(same) == 0 {
		delete(u.closed, r.text)
		return
	}
	u.closed[r.text] = same
}

// close keeps a statement that the client has closed. It reports false where it is none that is remembered.
func (u *reuse) close(id uint32) bool {
	r := u.all[id]
	if r == nil {
		return false
	}
	r.closed = true
	u.closed[r.text] = append(u.closed[r.text], r)
	u.order.MoveToBack(r.at)
	return true
}

// keeps reports whether the client has closed a statement that is kept.
func (u *reuse) keeps(id uint32) bool { return u.all[id] != nil && u.all[id].closed }

// drop forgets a statement that is open, so that its handles are closed with it.
func (u *reuse) drop(id uint32) {
	if r := u.all[id]; r != nil {
		u.remove(r)
	}
}

// reusable reports whether a COM_STMT_PREPARE may be answered from memory, or its answer kept. What a statement means that
// has user variables may depend on what they were when it was prepared.
func (x *session) reusable(j *job) bool {
	if x.reuse.limit == 0 || j.c.Part != protocol.Whole || len(j.c.Data) > maxKept || x.sit.temporary.any() {
		return false
	}
	const depends = sqlscan.UserVariable | sqlscan.SetsVariable | sqlscan.IntoVariable | sqlscan.Uncertain
	st := j.st
	return st != nil && (st.Class == sqlscan.Read || st.Class == sqlscan.Write) && st.Effects&depends == 0
}

// recall returns the closed statement that a COM_STMT_PREPARE asks for again, nil where there is none.
func (x *session) recall(j *job) *remembered {
	if len(x.reuse.closed) == 0 || !x.reusable(j) {
		return nil
	}
	text, _ := j.c.Text()
	now := x.making()
	for _, r := range slices.Backward(x.reuse.closed[string(text)]) { // so that those grow old that are one too many
		if r.made == now && x.prepares(r.id) {
			return r
		}
	}
	return nil
}

// prepares reports whether a server of the session has a statement.
func (x *session) prepares(id uint32) bool {
	for i := range x.members {
		if m := &x.members[i]; m.connected() && m.at[id] != nil {
			return true
		}
	}
	return false
}

// takeOverStatement answers a COM_STMT_PREPARE from memory.
func (x *session) takeOverStatement(r *remembered) error {
	u := &x.reuse
	u.open(r)
	delete(u.all, r.id)
	old := r.id
	x.nextID++
	r.id = x.nextID
	u.all[r.id] = r
	u.order.MoveToBack(r.at)
	for i := range x.members {
		x.members[i].rename(old, r.id)
	}
	return r.answer.tell(&x.watch, r.id, x.status())
}

// remember keeps what the client was told of a statement that a server has just prepared.
func (x *session) remember(j *job) error {
	u := &x.reuse
	answer, ok := u.answer.take()
	if !ok || !x.reusable(j) {
		return nil
	}
	text, _ := j.c.Text()
	u.add(&remembered{id: x.watch.StatementID, text: string(text), made: x.making(), answer: answer})
	for len(u.all) > u.limit {
		oldest, _ := u.order.Front().Value.(*remembered)
		if err := x.forgetStatement(oldest); err != nil {
			return err
		}
	}
	return nil
}

// forgetStatement forgets one that is remembered, and closes it at the servers unless the client has it open.
func (x *session) forgetStatement(r *remembered) error {
	closed := r.closed
	if x.reuse.remove(r); !closed {
		return nil
	}
	return x.each(func(m *member) error { return m.forget(r.id) })
}

// unsettle forgets all statements that are remembered before a command that may change what they mean, or what is to be
// said of them.
func (x *session) unsettle(j *job) error {
	if x.reuse.limit == 0 || !x.unsettles(j.c, j.st) {
		return nil
	}
	for _, r := range x.reuse.all {
		if err := x.forgetStatement(r); err != nil {
			return err
		}
	}
	return nil
}

// unsettles reports whether statements that were prepared before c may need to be prepared anew after it.
func (x *session) unsettles(c *pipeline.Command, st *pipeline.Statement) bool {
	switch c.Com() {
	case protocol.ComQuery, protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		return st == nil || x.changes(c, st)
	case protocol.ComInitDB:
		x.reuse.used = string(c.Payload()[1:])
		return false
	case protocol.ComPing, protocol.ComStatistics, protocol.ComProcessInfo, protocol.ComFieldList,
		protocol.ComStmtFetch, protocol.ComStmtSendLongData:
		return false
	}
	return true
}

// changes reports whether a statement has others that were prepared before it need to be prepared anew.
func (x *session) changes(c *pipeline.Command, st *pipeline.Statement) bool {
	st, effects, _ := x.sit.executed(st)
	if effects&sqlscan.Uncertain != 0 {
		return true
	}
	switch st.Class {
	case sqlscan.Read, sqlscan.Show, sqlscan.Write, sqlscan.Begin, sqlscan.Commit, sqlscan.Rollback, sqlscan.Savepoint,
		sqlscan.XA, sqlscan.Prepare, sqlscan.Deallocate, sqlscan.Lock, sqlscan.Unlock, sqlscan.Kill, sqlscan.Handler:
		return false
	case sqlscan.Use:
		text, _ := c.Text()
		schema, ok := sqlscan.UseSchema(text, x.s.Mode())
		x.reuse.used = schema
		return !ok
	case sqlscan.Set:
		return !x.setsLittle(c)
	case sqlscan.Schema, sqlscan.Execute, sqlscan.Call, sqlscan.Admin, sqlscan.Compound, sqlscan.Many, sqlscan.Unknown:
	}
	return true
}

// setsLittle reports whether a SET is one that statements neither read nor are described otherwise after: applications
// send such ones all the time.
func (x *session) setsLittle(c *pipeline.Command) bool {
	text, ok := c.Text()
	if !ok || c.Part != protocol.Whole {
		return false
	}
	all, ok := sqlscan.Assignments(text, x.s.Mode())
	return ok && !slices.ContainsFunc(all, func(a sqlscan.Assignment) bool {
		switch a.Name {
		case "autocommit", "transaction isolation", "transaction access mode", "transaction_isolation", "tx_isolation",
			"transaction_read_only", "tx_read_only":
			return false
		}
		return a.Scope != "user"
	})
}
