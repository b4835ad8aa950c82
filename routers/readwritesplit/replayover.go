package readwritesplit

import (
	"errors"
	"slices"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// rolledBack tells the client that its transaction is over, as servers do after a deadlock: nothing of it is left, and the
// session goes on. Who asks for that, is told OK. It returns errAnswered.
func (x *session) rolledBack(j *job, why string, cause error) error {
	asked := x.plainRollback(j)
	x.s.Log().Warn("transaction rolled back, since it cannot be run again", "why", why, "cause", cause)
	x.r.counts.rolledBack.Add(1)
	x.trx = nil
	x.sit.lost()
	x.sit.wary = errors.Is(cause, errMoves)
	x.replay.forget(&x.history)
	if asked {
		return x.noTransaction(j)
	}
	text := "its server was lost and it cannot be run again"
	if errors.Is(cause, errMoves) {
		text = "it cannot go on at the primary"
	}
	told := &protocol.SQLError{
		Code: protocol.ErLockDeadlock, State: "40001",
		Message: "Transaction rolled back, as " + text + " (" + why + "); try restarting transaction",
	}
	if !j.c.ExpectsReply() {
		x.replay.untold = told
		return errAnswered
	}
	return j.answer(told)
}

// plainRollback reports whether a command does no more than to roll back the open transaction.
func (x *session) plainRollback(j *job) bool {
	st, _ := x.inner(j)
	if st == nil || st.Class != sqlscan.Rollback || !j.c.Executes() || st.Canonical != "ROLLBACK" && st.Canonical != "ROLLBACK WORK" {
		return false
	}
	begins := func(e entry) bool { return containsFold(string(e.command.Data), "completion_type") } // it begins another one
	return !slices.ContainsFunc(x.history.entries, begins)
}

// noTransaction answers a ROLLBACK, of which nothing is left to be done. It returns errAnswered.
func (x *session) noTransaction(j *job) error {
	status := x.s.Status() & protocol.StatusNoBackslashEscapes
	if !x.sit.manual {
		status |= protocol.StatusAutocommit
	}
	if err := x.tell(j.w, status); err != nil {
		return err
	}
	return errAnswered
}
