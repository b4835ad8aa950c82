package readwritesplit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A replay keeps the statements of the open transaction, with checksums of what the client was told, so that the
// transaction can be run again at another server when its own is lost.
type replay struct {
	on       bool
	deadlock bool // errors by which the server has rolled back are a reason, too
	log      []logged
	size     int
	spoilt   string // why the open transaction cannot be run again
	unsure   bool   // what may have ended the one before it has failed, and may have done so all the same
	attempts int    // that the open transaction has had, and how long they took
	took     time.Duration
	chosen   bool     // SET TRANSACTION has said how it is to be
	insert   insertID // what was known of LAST_INSERT_ID() when it began
	sum      checksum
	untold   *protocol.SQLError // for a client that could not be told yet that its transaction is over
}

// logged is one statement of the open transaction.
type logged struct {
	command *pipeline.Command
	stmt    *pipeline.PreparedStatement
	types   []byte // of its parameters, which another execution may have bound otherwise since
	sum     uint64
	blind   bool // the sum means nothing
	asks    asks
	numbers bool   // it may change LAST_INSERT_ID()
	next    uint64 // the session's history went as far as before this number
}

func (p *replay) begin(x *session) {
	c := &x.r.config
	p.on, p.deadlock = c.TransactionReplay || c.OptimisticTransactions, c.TransactionReplayOnDeadlock
	p.sum.resultsOnly = c.TransactionReplayChecksum == "results"
	p.sum.noInsertID = c.TransactionReplayChecksum == "no_insert_id"
}

// before has the reply of a command that may be part of a transaction be summed up.
func (p *replay) before(x *session, j *job, r *passage) {
	if !p.on {
		return
	}
	st, effects := x.inner(j)
	p.sum.reset(p.sum.blindTo(effects))
	r.sum = &p.sum
	if x.trx == nil {
		p.chosen, p.insert = x.sit.next, x.insert
	}
	if x.trx == nil || p.spoilt != "" || x.needs(x.trx) != "" {
		return
	}
	switch {
	case !x.ends(j):
		r.hold |= p.hold()
		r.resumes = true
	case st != nil && st.Class == sqlscan.Commit: // refused, it has not committed
		r.hold |= heldReadOnly | heldUnready
	}
	if x.sit.apart() && !x.sit.optimistic { // a replica refuses what writes: that is the answer, within a read-only transaction
		r.hold &^= heldReadOnly
	}
}

// hold are the errors in a transaction that are a reason to run it again.
func (p *replay) hold() held {
	if p.deadlock {
		return heldAway | heldReadOnly | heldUnready | heldDeadlock
	}
	return heldAway | heldReadOnly | heldUnready
}

// inner is the statement that a command executes, as far as it is known, and its effects.
func (x *session) inner(j *job) (*pipeline.Statement, sqlscan.Effects) {
	if j.st == nil {
		return nil, 0
	}
	st, effects, _ := x.sit.executed(j.st)
	return st, effects
}

// ends reports whether a command ends the open transaction, so that it must not be repeated once it has been sent.
func (x *session) ends(j *job) bool {
	switch j.c.Com() {
	case protocol.ComInitDB, protocol.ComSetOption, protocol.ComPing, protocol.ComFieldList, protocol.ComStatistics:
		return false
	}
	st, effects := x.inner(j)
	if st == nil {
		return true
	}
	switch st.Class {
	case sqlscan.Commit, sqlscan.Begin, sqlscan.Set, sqlscan.Schema, sqlscan.Lock, sqlscan.Unlock, sqlscan.Admin,
		sqlscan.XA, sqlscan.Call, sqlscan.Compound, sqlscan.Many, sqlscan.Execute, sqlscan.Unknown:
		return st.Class != sqlscan.Set || j.d.target != toAll || effects != 0
	}
	return effects&(sqlscan.ImplicitCommit|sqlscan.Uncertain) != 0
}

// mayEnd reports whether a command, after which a transaction is open, may have ended another one.
func (x *session) mayEnd(j *job) bool {
	if !j.c.Executes() {
		return false
	}
	if st, effects := x.inner(j); st != nil && st.Class == sqlscan.Set { // SET autocommit may, and opens none
		return effects&sqlscan.Uncertain != 0
	}
	return x.ends(j)
}

// after logs a command of the open transaction that has been served.
func (p *replay) after(x *session, j *job) {
	if !p.on {
		return
	}
	if x.trx == nil {
		p.forget(&x.history)
		return
	}
	if x.mayEnd(j) { // what was before it may be committed: it is not run again
		p.forget(&x.history)
		p.insert = x.insert
		if st, _ := x.inner(j); st == nil || st.Class != sqlscan.Begin || x.passage.failed {
			p.spoil("one of its statements may have ended the one before")
			p.unsure = x.passage.failed && (x.passage.code != protocol.ErParse || mayBegin(st)) // a misspelt one does nothing
			return
		}
	}
	if p.chosen {
		p.spoil("SET TRANSACTION came before it")
	}
	if p.spoilt != "" || passing(j.c) {
		return
	}
	if x.passage.uploaded { // by the client, and not through the router
		p.spoil("a file of the client's was loaded in it")
		return
	}
	if why := p.unkept(x, j); why != "" {
		if p.spoil(why); why == whyTooLarge {
			x.r.counts.replayTooLarge.Add(1)
		}
		return
	}
	p.size += len(j.c.Data)
	l := logged{command: j.c.Clone(), stmt: j.stmt, sum: p.sum.sum(), blind: p.sum.blind, next: x.history.next, asks: x.asksFor(j)}
	_, l.numbers, _ = x.changesInsertID(j)
	if j.stmt != nil {
		l.types = slices.Clone(j.stmt.Types)
	}
	if len(p.log) == 0 { // what the session was like then must be found when it is run again
		x.history.pinned = l.next
	}
	p.log = append(p.log, l)
}

// passing reports whether a command leaves no trace in a transaction.
func passing(c *pipeline.Command) bool {
	com := c.Com()
	return com == protocol.ComStmtPrepare || com == protocol.ComPing || com == protocol.ComStatistics
}

const whyTooLarge = "its statements are longer than transaction_replay_max_size"

// unkept says why a command cannot be kept to be run again, "" where it can.
func (p *replay) unkept(x *session, j *job) string {
	switch j.c.Com() {
	case protocol.ComQuery, protocol.ComStmtExecute, protocol.ComInitDB, protocol.ComSetOption:
	default:
		return protocol.CommandName(j.c.Com()) + " in it"
	}
	switch {
	case j.c.Part != protocol.Whole, j.stmt != nil && j.stmt.Truncated, j.only != nil:
		return "a statement of it was too long to be kept"
	case p.size+len(j.c.Data) > x.r.config.TransactionReplayMaxSize:
		return whyTooLarge
	}
	return ""
}

func (p *replay) spoil(why string) {
	if p.spoilt == "" {
		p.spoilt, p.log, p.size = why, nil, 0
	}
}

func (p *replay) forget(h *history) {
	h.pinned = 0
	clear(p.log)
	p.log, p.size, p.spoilt, p.attempts, p.took = p.log[:0], 0, "", 0, 0
	p.unsure = false
}

// replayed runs the open transaction again at the primary there will be, where the one it was open at is lost, up to the
// command that was lost. It returns errAgain for that, errAnswered where the client is told that this cannot be,
// or what ends the session.
func (x *session) replayed(j *job, lost *pipeline.LostError) error {
	p, m := &x.replay, x.trx
	switch {
	case !p.on || x.needs(m) != "":
		return x.gone(m, lost)
	case !lost.Unsent && x.ends(j) && !x.sit.optimistic: // on a replica, there was nothing to be committed
		return x.gone(m, fmt.Errorf("it may have ended the transaction, which is not run again: %w", lost))
	case p.unsure && !x.sit.apart(): // what comes after a COMMIT that was answered by an error, as by 1053
		return x.gone(m, fmt.Errorf("what may have committed the transaction has failed, so that this is not known: %w", lost))
	case p.spoilt != "":
		return x.rolledBack(j, p.spoilt, lost)
	case j.c.Part != protocol.Whole || j.only != nil:
		return x.rolledBack(j, "its last command is not at hand any more", lost)
	}
	return x.again(j, m, lost)
}

// again runs the transaction that was open at m again at the primary there will be, as often and for as long as the
// settings allow. What it returns is as of replayed.
func (x *session) again(j *job, m *member, cause error) error {
	start := time.Now()
	err := x.tryAgain(j, m, cause)
	if errors.Is(err, errKilled) {
		x.putOff(m)
	}
	if x.trx != nil {
		x.replay.took += time.Since(start)
	}
	return err
}

// tryAgain is again. Where somebody has killed the statement, nothing of the transaction is open anywhere, or all of it.
func (x *session) tryAgain(j *job, m *member, cause error) error {
	p, start := &x.replay, time.Now()
	until := start.Add(x.r.config.TransactionReplayTimeout - p.took)
	wait := job{c: j.c, d: decision{target: toPrimary}, until: until}
	why := "there was no time left to run it"
	var stale *member // has what an attempt has made of the session
	for time.Now().Before(until) {
		if p.attempts >= x.r.config.TransactionReplayAttempts {
			why = fmt.Sprintf("it has been run %d times", p.attempts)
			break
		}
		if stale != nil {
			if err := x.afresh(stale); err != nil {
				return err
			}
			stale = nil
		}
		if p.attempts > 0 { // what it met may take a moment to pass
			pause := connectPause << min(p.attempts-1, 6)
			if err := x.pause(min(pause, time.Until(until))); err != nil {
				return err
			}
		}
		p.attempts++
		x.trx = nil
		lost := m.link
		to, err := x.place(&wait)
		for errors.Is(err, errAgain) {
			to, err = x.place(&wait)
		}
		if none, ok := errors.AsType[*noServer](err); ok && x.r.config.OnPrimaryLoss == "read_only" {
			return x.rolledBack(j, none.Error(), cause)
		}
		if errors.Is(err, errKilled) {
			return err
		}
		if err != nil {
			return x.gone(m, err)
		}
		if to == m {
			err = x.evict(m, lost, cause)
		}
		if err == nil {
			err = x.rerun(to)
		}
		if err == nil {
			x.goOn(m, to, cause)
			return errAgain
		}
		differs, isDiffers := errors.AsType[*errDiffers](err)
		_, isLost := errors.AsType[*pipeline.LostError](err)
		switch {
		case errors.Is(err, errKilled), isLost && x.s.Killed():
			x.undo(to)
			if err := x.undoCommands(to, cause); err != nil {
				return err
			}
			return errKilled
		case isDiffers:
			x.undo(to)
			if why = differs.Error(); !differs.again || !x.r.config.TransactionReplayOnMismatch || x.keepsLink(to, cause) {
				return x.rolledBack(j, why, cause)
			}
			stale = to
		case !isLost:
			return x.gone(m, err)
		}
	}
	return x.rolledBack(j, why, cause)
}

// goOn has the transaction that was open at m be open where it has been run again.
func (x *session) goOn(m, to *member, cause error) {
	x.trx = to
	x.away.moved(m, to)
	for id, at := range x.cursors {
		if at == m {
			x.cursors[id] = to
		}
	}
	x.sit.settle()
	if errors.Is(cause, errMoves) {
		x.r.counts.moved.Add(1)
		return
	}
	x.r.counts.replayed.Add(1)
	x.s.Log().Info("transaction run again", "server", to.server().Name(), "statements", len(x.replay.log), "lost", cause)
}

// beside has the transaction not be run again where m, which is not its server, has run session commands of it.
func (p *replay) beside(m *member) {
	if len(p.log) > 0 && m.synced > p.log[0].next {
		p.spoil("session commands of it were run elsewhere")
	}
}
