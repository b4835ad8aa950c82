package tee

import (
	"context"
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// lastPrepared is the statement id by which MariaDB's clients mean the statement prepared last.
// https://mariadb.com/kb/en/com_stmt_execute/
const lastPrepared = 1<<32 - 1

// A link is the filter in one session. It runs on the session's worker, and so does its feed.
type link struct {
	f      *Filter
	s      *pipeline.Session
	next   pipeline.Handler
	branch *pipeline.Branch
	counts *counts
	queue  queue
	watch  watch // of the main reply
	body   body
	feed   feed
	slots  map[uint32]*slot // of the prepared statements that were copied, by their ids in the main session
	last   *slot            // of the statement prepared last, nil where that was not copied

	accounted int // of queue.held, in counts
	over      bool
	session   summary
}

// A slot is a prepared statement of the session and of its branch.
type slot struct {
	statement *pipeline.Statement
	state     slotState
	id        uint32 // in the branch
	params    int
	long      []uint64 // parameters whose values were sent ahead
	text      []byte   // of a slotText
	// orphan is set where the main session failed to prepare: what the branch prepares then, nobody will close.
	orphan bool

	missing missing // the link's
	unbound bool    // the branch does not know the types that were bound last
	afresh  bool    // the branch has values that were sent ahead of what it did not get
}

type slotState uint8

const (
	slotWaiting slotState = iota // the branch is still to prepare it
	slotReady
	slotText    // the branch cannot prepare it, but execute its text
	slotMissing // lost on the way, or the branch failed to prepare it
)

// Serve passes c on, and copies it when it has been served.
func (l *link) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	if l.over {
		err := l.next.Serve(ctx, w, c)
		if v, _ := l.judge(c); v == take {
			l.drop("")
		}
		return err
	}
	l.watch.reset(w, l.f.digests != nil)
	err := l.next.Serve(ctx, &l.watch, l.body.around(c))
	l.watch.w = nil
	l.copy(c, err)
	l.body.drop()
	l.account()
	return err
}

// copy does for the branch what is due after a command that the main servers have answered, or not.
func (l *link) copy(c *pipeline.Command, err error) {
	v, sl := l.judge(c)
	if c.Com() == protocol.ComStmtPrepare {
		l.last = nil // until it is known what it has become
	}
	switch {
	case v == leave:
	case v == skip:
		l.skip()
	case err != nil || c.ExpectsReply() && !l.watch.done:
		l.drop("the session ended in the middle of a statement")
	case l.over:
		l.drop("")
	case momentary(l.watch.code) && c.Executes():
		l.leaveOut(c, sl)
	default:
		l.take(c, sl)
	}
}

// take queues a copy of c for the branch.
func (l *link) take(c *pipeline.Command, sl *slot) {
	statement := l.s.Statement(c)
	switch c.Com() {
	case protocol.ComStmtPrepare:
		sl = &slot{statement: statement, params: l.watch.params, orphan: !l.watch.prepared}
		if l.watch.prepared {
			if l.slots == nil {
				l.slots = make(map[uint32]*slot)
			}
			l.slots[l.watch.id], l.last = sl, sl
		}
	case protocol.ComStmtClose:
		delete(l.slots, statementID(c))
		if sl == l.last {
			l.last = nil
		}
	}
	if statement == nil && sl != nil {
		statement = sl.statement
	}
	data, ok := c.Data, true
	if sl != nil {
		data, ok = sl.whole(c, l.s.Capabilities())
	}
	if !ok {
		l.lose(c, sl, "what an execution needs was dropped")
		return
	}
	it := l.copied(c, data)
	if it == nil {
		l.lose(c, sl, "its queue was full")
		return
	}
	if sl != nil {
		sl.copied(it)
	}
	it.slot, it.statement, it.main = sl, statement, l.watch.outcome
	l.push(it)
}

// lose drops a command about sl, where it is about one.
func (l *link) lose(c *pipeline.Command, sl *slot, why string) {
	if sl != nil {
		sl.miss(c, l.s.Capabilities())
		if c.Com() == protocol.ComStmtPrepare {
			sl.state = slotMissing
		}
	}
	l.drop(why)
}

func (l *link) push(it *item) {
	l.queue.push(it)
	l.counts.statements.Add(1)
	l.branch.Wake()
}

// copied returns a copy of c, whose first part is to be data, with all that has come with it; nil where there is no room.
func (l *link) copied(c *pipeline.Command, data []byte) *item {
	if l.queue.statements >= l.f.config.QueueStatements || !l.body.complete(c) {
		return nil
	}
	it := l.queue.get(len(data))
	if it == nil {
		return nil
	}
	n := min(len(data), cap(it.data))
	it.data = append(it.data, data[:n]...)
	var rest chain // of a command that a filter has made longer than the client could send in one piece
	if !rest.add(&l.queue, data[n:]) {
		l.queue.put(it)
		return nil
	}
	it.com, it.span = c.Com(), c.Span()
	l.body.give(it, rest)
	return it
}

// leaveOut is for a statement that the main servers have not carried out for reasons of the moment, which are not the
// branch's: it is not tried there, or the two would part. Where it has cost the main session its transaction, it costs
// the branch its own.
func (l *link) leaveOut(c *pipeline.Command, sl *slot) {
	if sl != nil {
		sl.miss(c, l.s.Capabilities())
	}
	if st := l.s.Statement(c); st != nil && st.Statements > 1 {
		l.drop("one of several statements in one text failed for a reason of the moment")
		return
	}
	l.skip()
	if !rollsBack(l.watch.code) {
		return
	}
	text := "ROLLBACK"
	if l.s.Capabilities().Has(protocol.ClientQueryAttributes) {
		text = "\x00\x01" + text // no attributes, in one set
	}
	it := l.queue.get(0)
	if it == nil {
		l.drop("its queue was full")
		return
	}
	it.com, it.own = protocol.ComQuery, true
	it.data = protocol.AppendPacket(it.data, 0, append([]byte{protocol.ComQuery}, text...))
	l.push(it)
}

// statementID returns the id in a command that names a prepared statement.
func statementID(c *pipeline.Command) uint32 {
	payload := c.Payload()
	if len(payload) < 5 {
		return 0 // no statement has it
	}
	return binary.LittleEndian.Uint32(payload[1:])
}

func (l *link) slotOf(c *pipeline.Command) *slot {
	id := statementID(c)
	if id == lastPrepared {
		return l.last
	}
	return l.slots[id]
}

// account brings the filter's figure of memory up to date.
func (l *link) account() {
	if d := l.queue.held - l.accounted; d != 0 {
		l.accounted = l.queue.held
		l.counts.bytes.Add(int64(d))
	}
}

// drop counts a command that is lost. why is empty where that has been said.
func (l *link) drop(why string) {
	l.session.dropped++
	l.counts.dropped.Add(1)
	if why != "" {
		l.part(why)
	}
}

// skip counts a command that does not go to the branch, and should not.
func (l *link) skip() {
	l.session.skipped++
	l.counts.skipped.Add(1)
}

// part says that the branch is no longer what the session is.
func (l *link) part(why string) {
	if l.session.unfaithful == "" {
		l.session.unfaithful = why
		l.counts.unfaithful.Add(1)
	}
}
