package readwritesplit

import (
	"context"
	"errors"
	"fmt"
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
	settings      int    // counts those that change how statements read
	insert        insertID
	values        protocol.Params
	watch         pipeline.Watch // of replies to COM_STMT_PREPARE

	job     job
	passage passage
	answer  answer
	away    away
	causal  *causality // nil: reads need not see anything
	waiting []byte     // the statement by which a server waits, kept for its memory
	primary *member    // the one used last
	replay  replay
	seen    uint64 // changes of servers' states
	failing error  // why the session ends at its next command
}

// A job is a command on its way to a server.
type job struct {
	w    pipeline.ReplyWriter
	c    *pipeline.Command
	st   *pipeline.Statement         // nil where nothing is known
	stmt *pipeline.PreparedStatement // that c is about, nil where it is about none
	d    decision
	only *member // it cannot go elsewhere: what it needs is there
	// primary says that it goes to the primary after all, asked that the primary has told what it must see.
	primary, asked bool
	// tried are the members that could not serve it. until is when its wait for a server is over.
	tried uint64
	// astray are the members that could not prepare its statement as it was meant.
	astray uint64
	failed error // why the last of those tried could not
	until  time.Time
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
		j.st, j.only, j.astray = j.stmt.Statement, x.stuck(c, j.stmt.ID), x.astray(j.stmt)
	} else if isPrepared(c) {
		return x.unknownStatement(w, c)
	} else {
		j.st = x.s.Statement(c)
	}
	if err := x.unsettle(j); err != nil {
		return err
	}
	x.decide(j)
	switch {
	case x.trx == nil:
	case j.d.commit:
		x.replay.forget(&x.history)
		if err := x.endElsewhere("COMMIT"); err != nil {
			return err
		}
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
	if err == nil {
		err = x.bringInsertID(m, j)
	}
	if err != nil {
		return x.notReady(m, j, err)
	}
	r := &x.passage
	r.reset(j.w)
	r.weirID = x.nextID + 1
	r.caches = x.reuse.limit > 0 && x.s.Capabilities().Has(protocol.MariaDBClientCacheMetadata)
	if x.mayRetry(j) {
		r.hold |= heldAway
	}
	if x.r.config.DelayedRetry > 0 && x.trx == nil && j.only == nil && j.c.Part == protocol.Whole && x.needs(m) == "" &&
		!mayBegin(j.st) { // what consists of several statements may have carried out the first ones
		r.hold |= heldReadOnly // a new primary will take it
	}
	r.seek = x.showsInsertID(j)
	r.look = j.st != nil && j.st.Effects&sqlscan.LockFunction != 0
	if !j.d.beside {
		x.replay.before(x, j, r)
	}
	if j.d.target == toLast && x.trx == nil {
		x.sit.lastBeside = m != x.primary
	}
	x.sit.before(j.c, j.st, j.d)
	err = x.timed(m, r, c, id)
	lost, isLost := errors.AsType[*pipeline.LostError](err)
	switch {
	case err != nil && !isLost:
		return err
	case r.held != nil:
		m.link.Close()
		return x.lostAt(m, j, &pipeline.LostError{Server: m.server(), Err: r.held, Unsent: refusal(r.held)})
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
	if x.trx != nil && m != x.trx { // beside the transaction, or rows of a cursor that was opened before it: nothing changes there
		if j.d.beside {
			x.sit.granted = r.granted
			x.sit.after(c, j.st, j.d, m.link.Status(), r.failed)
			x.noteInsertID(m, j)
		}
		x.noteStatement(m, j)
		return nil
	}
	x.last, x.sit.granted = m, r.granted
	x.sit.after(c, j.st, j.d, m.link.Status(), r.failed)
	if r.failed && (r.mayEnd && x.trx != nil || j.d.target == toPrimary && executes(c) && mayBegin(j.st)) {
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
		if err := x.askWritten(m); err != nil {
			return err
		}
	}
	if j.d.target == toAll && kept(j.c, j.st) {
		x.keep(m, j)
	}
	if seen := x.r.watch.changes.Load(); seen != x.seen {
		x.seen = seen
		x.review(false)
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

// inquire has a server answer a command of the router's own, between two of the client's. Where it does not, that matters
// when the server is next needed, if at all.
func (x *session) inquire(m *member, c *pipeline.Command) (answered bool, err error) {
	err = m.ask(c)
	if err == nil || refusedBy(err) != nil || x.survives(m, err) {
		return err == nil, nil
	}
	return false, err
}

// keep remembers a session command that m has carried out, for the other servers.
func (x *session) keep(m *member, j *job) {
	c := x.asQuery(j)
	if x.r.tracks() && j.st != nil && containsFold(j.st.Canonical, "session_track") {
		for i := range x.members {
			x.members[i].ready = false // what the router has asked for is overruled
		}
	}
	if j.st != nil && changesReading(j.st) {
		x.settings++
	}
	t := traitsOf(c, j.st, x.s.Mode())
	if t.ends && !t.opaque() && !preparedAfter(x.history.entries, t.sets) { // others have not prepared it
		return
	}
	x.addRun(m, c, t)
}

// addRun adds to the history what m has run.
func (x *session) addRun(m *member, c *pipeline.Command, t traits) {
	if m.synced == x.history.next {
		m.synced++
	}
	x.history.add(c, t)
}

// asQuery is a session command as other servers run it, where the statement is not prepared.
func (x *session) asQuery(j *job) *pipeline.Command {
	if j.stmt != nil {
		return pipeline.NewQuery(j.stmt.Text, x.s.Capabilities())
	}
	return j.c
}

// confine has a session command that cannot be kept for other servers go to the primary alone, where the session stays.
func (x *session) confine(j *job) {
	var why string
	switch {
	case !kept(j.c, j.st):
		return
	case j.c.Part != protocol.Whole || len(j.c.Data) > maxKept:
		why = "a session command was too long to be kept"
	case j.stmt != nil && (j.stmt.Params > 0 || j.stmt.Truncated):
		why = "a prepared session command has parameters"
	case x.history.full(traitsOf(x.asQuery(j), j.st, x.s.Mode()), x.r.config.MaxHistory):
		why = "there were more session commands than are kept"
	default:
		return
	}
	if x.sit.bonds&boundSession == 0 {
		x.s.Log().Info("session stays with the primary from now on", "why", why)
	}
	j.d = decision{why: why, marks: marksBound, commit: x.sit.apart()}
}

// kept reports whether a command that goes to all servers is one that changes the session's state.
func kept(c *pipeline.Command, st *pipeline.Statement) bool {
	switch c.Com() {
	case protocol.ComInitDB, protocol.ComSetOption:
		return true
	case protocol.ComQuery, protocol.ComStmtExecute:
		return st != nil
	}
	return false
}

// needs says why the session cannot go on without m, "" where it can. What is said of an open transaction, which may be
// run again, is not meant.
func (x *session) needs(m *member) string {
	if m != x.primary {
		return ""
	}
	return x.sit.held(&x.r.policy)
}

// idleLoss is what a link says that was lost while no command was running.
func (x *session) idleLoss(l *pipeline.Link, err error) {
	m := x.member(l.Server)
	x.s.Log().Info("connection to a server lost while idle", "server", l.Server.Name(), "error", err)
	if x.needs(m) != "" {
		x.failing = x.gone(m, err)
	}
}

// gone is the session's end with the server it depended on.
func (x *session) gone(m *member, err error) error {
	why := x.needs(m)
	switch {
	case why != "":
	case m == x.trx:
		why = "a transaction was open there"
	default:
		why = "it may have carried out what it was asked for"
	}
	return &lostSession{server: m.server().Name(), why: why, err: err}
}

// lostSession ends a session by the loss of a server. The client is told.
type lostSession struct {
	server, why string
	err         error
}

func (e *lostSession) Error() string {
	return fmt.Sprintf("lost server %s, which the session cannot go on without (%s): %v", e.server, e.why, e.err)
}

func (e *lostSession) Unwrap() []error {
	return []error{&protocol.SQLError{
		Code: protocol.ErConnectionKilled, State: "08S01", Message: "Lost connection to server " + e.server + " during query",
	}, pipeline.ErrServerLost, e.err}
}
