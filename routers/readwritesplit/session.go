package readwritesplit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A session is one client's, over all servers of the router.
type session struct {
	r   *Router
	s   *pipeline.Session
	ctx context.Context // of the command being served
	sit situation

	members []member // one for each of the router's candidates
	last    *member  // where the last statement ran
	trx     *member  // where a transaction is open

	history  history
	prepared pipeline.Prepared
	nextID   uint32
	// long is where values of a statement's next execution have been sent ahead, cursors where its cursor is open.
	long, cursors map[uint32]*member
	made          map[uint32]reading // how statements read when they were prepared
	closed        []uint32           // statements that are closed, but that the open transaction may be run again with
	reuse         reuse
	opened        string // the default schema that the session began with
	insert        insertID
	values        protocol.Params
	watch         pipeline.Watch // of replies to COM_STMT_PREPARE

	job     job
	passage passage
	aside   *restating // nil until a reply has needed it
	answer  answer
	away    away
	causal  *causality     // nil: reads need not see anything
	waiting []byte         // the statement by which a server waits, kept for its memory
	steps   []step         // likewise
	primary *member        // the one used last
	own     *pipeline.Link // to the primary, where the session is to have no other; nil before there is one
	replay  replay
	unasked *pipeline.Link // which may have written what it has not told of
	seen    uint64         // changes of servers' states
	failing error          // why the session ends at its next command
}

// A job is a command on its way to a server.
type job struct {
	w    pipeline.ReplyWriter
	c    *pipeline.Command
	st   *pipeline.Statement         // nil where nothing is known
	stmt *pipeline.PreparedStatement // that c is about, nil where it is about none
	d    decision
	only *member // it cannot go elsewhere: what it needs is there
	// leaves is a replica in whose place the one that it goes to is connected; nil: there is none.
	leaves *member
	// primary says that it goes to the primary after all, asked that the primary has told what it must see.
	primary, asked bool
	// tried are the members that could not serve it. until is when its wait for a server is over.
	tried  uint64
	failed error // why the last of those tried could not
	until  time.Time
	told   delivered // what the client has got of its reply from servers that were lost
	// delayed says that it has waited.
	delayed bool
}

func newSession(r *Router, s *pipeline.Session) *session {
	x := &session{r: r, s: s, members: make([]member, len(r.candidates))}
	for i := range x.members {
		x.members[i] = member{x: x, index: i}
	}
	x.sit, x.opened = newSituation(s), s.Schema()
	x.causal = newCausality(r.scope, len(r.candidates), &r.service)
	x.history.within = x.anyWithin
	x.replay.begin(x)
	x.reuse.limit = r.config.ReusePreparedStatements
	return x
}

// anyWithin is history.within.
func (x *session) anyWithin(number, end uint64) bool {
	return slices.ContainsFunc(x.members, func(m member) bool { return m.connected() && m.synced >= number && m.synced <= end })
}

func (x *session) member(srv *pipeline.Server) *member {
	for i := range x.members {
		if x.members[i].server() == srv {
			return &x.members[i]
		}
	}
	return nil
}

// behind returns the server of a connection, nil where that is not there any more, or is nil.
func (x *session) behind(l *pipeline.Link) *member {
	if l == nil || !l.IsOpen() {
		return nil
	}
	if m := x.member(l.Server); m != nil && m.link == l {
		return m
	}
	return nil
}

// Serve is pipeline.Handler's.
func (x *session) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	x.ctx = ctx
	if x.failing != nil {
		return x.failing
	}
	if served, err := x.s.ServeKill(w, c); served {
		return err
	}
	if told := x.replay.untold; told != nil && c.ExpectsReply() {
		x.replay.untold = nil
		return pipeline.Error(w, told)
	}
	switch c.Com() {
	case protocol.ComQuit:
		return nil
	case protocol.ComStmtClose:
		return x.closeStatement(c)
	case protocol.ComStmtReset:
		return x.resetStatement(w, c)
	case protocol.ComResetConnection:
		return x.resetConnection(w, c)
	case protocol.ComStmtPrepare:
		return x.prepare(w, c)
	}
	j := &x.job
	*j = job{w: w, c: c}
	if j.stmt = x.prepared.Of(c); j.stmt != nil {
		j.st, j.only = j.stmt.Statement, x.stuck(c, j.stmt.ID)
	} else if isPrepared(c) {
		return x.unknownStatement(w, c)
	} else {
		j.st = x.s.Statement(c)
	}
	x.decide(j)
	if err := x.unsettle(j); err != nil {
		return err
	}
	switch {
	case x.trx == nil:
	case j.d.commit:
		x.replay.forget(&x.history)
		if err := x.endElsewhere("COMMIT"); err != nil {
			return err
		}
		x.sit.lost()
	case x.sit.optimistic && x.moves(j):
		if over, err := x.over(j, x.move(j)); over {
			return err
		}
	}
	return x.run(j)
}

// decide says where the command goes.
func (x *session) decide(j *job) {
	flags := j.c.Flags()
	if j.stmt != nil {
		flags = j.stmt.Statement.Flags
	}
	j.d = x.r.policy.decide(j.c, j.st, flags, &x.sit)
	if j.d.target == toAll {
		x.confine(j)
	}
}

// endElsewhere ends a transaction that is open on a replica, where nothing can have been written in it, by COMMIT or ROLLBACK.
func (x *session) endElsewhere(verb string) error {
	m := x.trx
	x.trx = nil
	if !m.connected() {
		return nil
	}
	err := m.ask(x.end(verb))
	if refusedBy(err) != nil || errors.Is(err, errKilled) {
		m.link.Close()
		return nil
	}
	if err != nil && !x.survives(m, err) {
		return err
	}
	return nil
}

// end is a COMMIT or ROLLBACK that no setting has begin another transaction, or end the session.
func (x *session) end(verb string) *pipeline.Command {
	return pipeline.NewQuery(verb+" AND NO CHAIN NO RELEASE", x.s.Capabilities())
}

// isPrepared reports whether c is about a prepared statement.
func isPrepared(c *pipeline.Command) bool {
	switch c.Com() {
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute, protocol.ComStmtFetch, protocol.ComStmtSendLongData:
		return true
	}
	return false
}

// run has a server serve the command: another one where the first cannot, and that does no harm.
func (x *session) run(j *job) error {
	for {
		m, err := x.place(j)
		if err == nil {
			err = x.runAt(m, j)
		}
		if over, err := x.over(j, err); over {
			return err
		}
	}
}

// errAgain has a command be tried at another server. errAnswered says that it has been answered without one.
var (
	errAgain    = errors.New("try another server")
	errAnswered = errors.New("the command has been answered")
)

// runAt has one server serve the command. errAgain says that another one may.
func (x *session) runAt(m *member, j *job) error {
	c, id, err := x.ready(m, j)
	if errors.Is(err, errAnswered) {
		return x.unexecuted(j)
	}
	if err != nil {
		return x.notReady(m, j, err)
	}
	r := &x.passage
	r.reset(j.w)
	if r.aside = x.isAside(m, j.c); r.aside {
		r.w = x.restate(j.w)
	}
	r.weirID = x.nextID + 1
	r.caches = x.reuse.limit > 0 && x.s.Capabilities().Has(protocol.MariaDBClientCacheMetadata)
	r.hold = heldAway | x.refusals(m, j) // heldAway whether or not it can be tried again
	r.seek = x.showsInsertID(j)
	r.look = j.st != nil && j.st.Effects&sqlscan.LockFunction != 0
	if !j.d.beside {
		x.replay.before(x, j, r)
	}
	r.told = j.told
	if j.d.target == toLast && x.trx == nil {
		x.sit.lastBeside = m != x.primary
	}
	x.sit.before(j.c, j.st, j.d)
	err = x.timed(m, r, c, id)
	lost, isLost := errors.AsType[*pipeline.LostError](err)
	switch {
	case errors.Is(err, errOtherReply):
		return x.differs(m, j)
	case err != nil && !isLost:
		return err
	case r.held != nil:
		m.link.Close()
		return x.lostAt(m, j, &pipeline.LostError{Server: m.server(), Err: r.held, Began: r.began, Unsent: refusal(r.held)})
	case isLost && !r.done && j.c.ExpectsReply():
		return x.lostAt(m, j, lost)
	}
	return x.served(m, j)
}

// timed has the server serve the command, and counts it among those that run there.
func (x *session) timed(m *member, r *passage, c *pipeline.Command, id uint32) error {
	var start time.Time
	if x.r.by == responseTime {
		start = time.Now()
	}
	m.load().begin()
	err := m.link.Try(r, c, id)
	took := time.Duration(-1)
	if x.r.by == responseTime && err == nil {
		took = time.Since(start)
	}
	m.load().end(took)
	return err
}

// served keeps up with what a command has changed.
func (x *session) served(m *member, j *job) error {
	r, c := &x.passage, j.c
	if r.aside && x.trx != nil { // nothing changes of the transaction
		if j.d.beside {
			x.sit.granted = r.granted
			x.sit.after(c, j.st, j.d, m.link.Status(), r.failed)
			x.noteInsertID(m, j)
		}
		x.noteStatement(m, j)
		x.replay.beside(m)
		return nil
	}
	x.last, x.sit.granted = m, r.granted
	if !r.aside {
		x.sit.after(c, j.st, j.d, m.link.Status(), r.failed)
	}
	if r.failed && (r.mayEnd && x.trx != nil || (j.d.target == toPrimary || x.sit.apart()) && c.Executes() && mayBegin(j.st)) {
		if err := x.askStatus(m); err != nil {
			return err
		}
	}
	switch {
	case !x.sit.inTransaction():
		x.trx = nil
	case x.trx == nil:
		if x.trx = m; m.server().State().Role == pipeline.Primary { // a replica was not to be had
			x.sit.settle()
		}
	}
	x.noteInsertID(m, j)
	x.noteStatement(m, j)
	x.noteVariables(m, j)
	x.replay.after(x, j)
	if r.failed {
		return nil
	}
	if x.wroteUntold(m, j) {
		x.unasked = m.link
	}
	if x.unasked != nil && x.r.scope == causalService {
		x.unasked = nil
		if err := x.askWritten(m); err != nil {
			return err
		}
	}
	if j.d.target == toAll && kept(j.c, j.st) {
		x.keep(m, j)
	}
	if seen := x.r.watch.changes.Load(); seen != x.seen || x.stranded() {
		x.seen = seen
		x.s.Between(x.rest)
	}
	return nil
}

// askStatus asks the server whether a transaction is open, after an error, which does not tell.
func (x *session) askStatus(m *member) error {
	answered, err := x.inquire(m, pipeline.NewCommand(protocol.ComPing, nil, x.s.Capabilities()))
	if answered {
		x.sit.note(m.link.Status())
	}
	return err
}

// inquire has a server answer a command of the router's own, between two of the client's. Where it does not, or somebody kills
// that, it matters when the server is next needed, if at all.
func (x *session) inquire(m *member, c *pipeline.Command) (answered bool, err error) {
	err = m.ask(c)
	if err == nil || refusedBy(err) != nil || errors.Is(err, errKilled) || x.survives(m, err) {
		return err == nil, nil
	}
	return false, err
}
