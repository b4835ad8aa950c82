package readwritesplit

import (
	"errors"
	"fmt"
	"slices"

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
	attempts int    // that the open transaction has had
	chosen   bool   // SET TRANSACTION has said how it is to be
	sum      checksum
}

// logged is one statement of the open transaction.
type logged struct {
	command *pipeline.Command
	stmt    *pipeline.PreparedStatement
	types   []byte // of its parameters, which another execution may have bound otherwise since
	sum     uint64
}

func (p *replay) begin(x *session) {
	p.on, p.deadlock = x.r.config.TransactionReplay, x.r.config.TransactionReplayOnDeadlock
}

// before has the reply of a command that may be part of a transaction be summed up.
func (p *replay) before(x *session, j *job, r *passage) {
	if !p.on {
		return
	}
	p.sum.reset()
	r.sum = &p.sum
	if x.trx == nil {
		p.chosen = x.sit.next
	}
	if x.trx == nil || p.spoilt != "" || x.needs(x.trx) != "" {
		return
	}
	switch {
	case !ends(j):
		r.hold |= p.hold()
	case j.st != nil && j.st.Class == sqlscan.Commit: // refused, it has rolled back
		r.hold |= heldReadOnly
	}
}

// hold are the errors in a transaction that are a reason to run it again.
func (p *replay) hold() held {
	if p.deadlock {
		return heldAway | heldReadOnly | heldDeadlock
	}
	return heldAway | heldReadOnly
}

// ends reports whether a command ends the open transaction, so that it must not be repeated once it has been sent.
func ends(j *job) bool {
	if j.st == nil {
		return true
	}
	switch j.st.Class {
	case sqlscan.Commit, sqlscan.Begin, sqlscan.Set, sqlscan.Schema, sqlscan.Lock, sqlscan.Unlock, sqlscan.Admin,
		sqlscan.XA, sqlscan.Call, sqlscan.Compound, sqlscan.Many, sqlscan.Execute, sqlscan.Unknown:
		return j.st.Class != sqlscan.Set || j.d.target != toAll || j.st.Effects != 0
	}
	return j.st.Effects&(sqlscan.ImplicitCommit|sqlscan.Uncertain) != 0
}

// mayEnd reports whether a command, after which a transaction is open, may have ended another one.
func mayEnd(j *job) bool {
	switch j.c.Com() {
	case protocol.ComQuery, protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
	default:
		return false
	}
	if j.st != nil && j.st.Class == sqlscan.Set { // SET autocommit may, and opens none
		return j.st.Effects&sqlscan.Uncertain != 0
	}
	return ends(j)
}

// after logs a command of the open transaction that has been served.
func (p *replay) after(x *session, j *job) {
	if !p.on {
		return
	}
	if x.trx == nil {
		p.forget()
		return
	}
	if mayEnd(j) { // what was before it may be committed: it is not run again
		p.forget()
		if j.st == nil || j.st.Class != sqlscan.Begin {
			p.spoil("one of its statements may have ended the one before")
			return
		}
	}
	if p.chosen {
		p.spoil("SET TRANSACTION came before it")
	}
	switch j.c.Com() {
	case protocol.ComStmtPrepare, protocol.ComPing:
		return
	case protocol.ComQuery, protocol.ComStmtExecute:
	default:
		p.spoil(protocol.CommandName(j.c.Com()) + " in it")
		return
	}
	switch {
	case p.spoilt != "":
		return
	case j.c.Part != protocol.Whole, j.stmt != nil && j.stmt.Truncated, j.only != nil:
		p.spoil("a statement of it was too long to be kept")
		return
	case p.size+len(j.c.Data) > x.r.config.TransactionReplayMaxSize:
		p.spoil("its statements are longer than transaction_replay_max_size")
		x.r.counts.replayTooLarge.Add(1)
		return
	}
	p.size += len(j.c.Data)
	l := logged{command: j.c.Clone(), stmt: j.stmt, sum: p.sum.sum()}
	if j.stmt != nil {
		l.types = slices.Clone(j.stmt.Types)
	}
	p.log = append(p.log, l)
}

func (p *replay) spoil(why string) {
	if p.spoilt == "" {
		p.spoilt, p.log, p.size = why, nil, 0
	}
}

func (p *replay) forget() {
	clear(p.log)
	p.log, p.size, p.spoilt, p.attempts = p.log[:0], 0, "", 0
}

// replayed runs the open transaction again at the primary there will be, where the one it was open at is lost, up to the
// command that was lost. It returns errAgain for that, or what ends the session.
func (x *session) replayed(j *job, lost *pipeline.LostError) error {
	p, m := &x.replay, x.trx
	cannot := func(why string) error { return x.rolledBack(j, why, lost) }
	switch {
	case !p.on || x.needs(m) != "":
		return x.gone(m, lost)
	case !lost.Unsent && ends(j):
		return x.gone(m, fmt.Errorf("it may have ended the transaction, which is not run again: %w", lost))
	case p.spoilt != "":
		return cannot(p.spoilt)
	case j.c.Part != protocol.Whole || j.only != nil:
		return cannot("its last command is not at hand any more")
	}
	wait := job{c: j.c, d: decision{target: toPrimary}}
	for p.attempts++; p.attempts <= x.r.config.TransactionReplayAttempts; p.attempts++ {
		x.trx = nil
		to, err := x.place(&wait)
		for errors.Is(err, errAgain) {
			to, err = x.place(&wait)
		}
		if none, ok := errors.AsType[*noServer](err); ok && x.r.config.OnPrimaryLoss == "read_only" {
			return cannot(none.Error())
		}
		if err != nil {
			return x.gone(m, err)
		}
		err = x.rerun(to)
		if err == nil {
			x.trx = to
			x.r.counts.replayed.Add(1)
			x.s.Log().Info("transaction run again", "server", to.server().Name(), "statements", len(p.log), "lost", lost)
			return errAgain
		}
		if differs, ok := errors.AsType[*errDiffers](err); ok {
			to.link.Close() // rolls back
			return cannot(differs.Error())
		}
		if _, again := errors.AsType[*pipeline.LostError](err); !again {
			return x.gone(m, err)
		}
	}
	return cannot(fmt.Sprintf("it has been run %d times", x.r.config.TransactionReplayAttempts))
}

// rolledBack tells the client that its transaction is over, as servers do after a deadlock: nothing of it is left, and the
// session goes on.
func (x *session) rolledBack(j *job, why string, lost error) error {
	x.s.Log().Warn("transaction rolled back, since it cannot be run again", "why", why, "lost", lost)
	x.r.counts.rolledBack.Add(1)
	x.trx = nil
	x.sit.lost()
	x.replay.forget()
	return j.answer(&protocol.SQLError{
		Code: protocol.ErLockDeadlock, State: "40001",
		Message: "Transaction rolled back, as its server was lost and it cannot be run again (" + why + "); try restarting transaction",
	})
}

// errDiffers says that a transaction that is run again does not go as it went.
type errDiffers struct{ statement int }

func (e *errDiffers) Error() string {
	return fmt.Sprintf("statement %d of it has another result than before", e.statement)
}

// rerun runs the logged statements at a server and compares what comes out.
func (x *session) rerun(m *member) error {
	if err := m.sync(); err != nil {
		return err
	}
	for i := range x.replay.log {
		l := &x.replay.log[i]
		j := job{c: l.command, stmt: l.stmt}
		if l.stmt != nil {
			l.stmt.Types = append(l.stmt.Types[:0], l.types...)
		}
		c, id, err := x.ready(m, &j)
		if err != nil {
			return err
		}
		x.replay.sum.reset()
		x.answer.reset()
		again := passage{w: &x.answer, sum: &x.replay.sum, hold: heldAway | heldReadOnly}
		if err := m.link.Try(&again, c, id); err != nil {
			return err
		}
		if again.held != nil {
			m.link.Close()
			return &pipeline.LostError{Server: m.server(), Err: again.held, Unsent: true}
		}
		if x.replay.sum.sum() != l.sum {
			return &errDiffers{i + 1}
		}
	}
	return nil
}
