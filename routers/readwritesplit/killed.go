package readwritesplit

import (
	"context"
	"errors"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// errKilled says that somebody has killed the statement: the client is told, as by a server, and the session goes on.
var errKilled = errors.New("somebody has killed the statement")

// wait runs f elsewhere until the context that it is given is done: after d, at the session's end, and where somebody kills
// the statement. It returns f's error, errKilled, or why the session ends.
func (x *session) wait(d time.Duration, f func(ctx context.Context) error) error {
	killable, stop := x.s.Killable(x.ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(killable, d)
	defer cancel()
	err := x.s.Do(func() error { return f(ctx) })
	switch {
	case context.Cause(x.ctx) != nil:
		return context.Cause(x.ctx)
	case x.s.Killed():
		return errKilled
	}
	return err
}

// pause waits for d. Its errors are wait's.
func (x *session) pause(d time.Duration) error {
	return x.wait(d, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// over reports whether no more is to be done about a command that somebody has tried to serve, where err is what came of it,
// and what Serve is to return.
func (x *session) over(j *job, err error) (bool, error) {
	switch {
	case err == nil, errors.Is(err, errAnswered):
		return true, nil
	case errors.Is(err, errKilled), errors.Is(err, errAgain) && x.s.Killed():
		return true, x.killed(j)
	case errors.Is(err, errAgain):
		return false, nil
	}
	return true, err
}

// killed tells the client that its statement was killed.
func (x *session) killed(j *job) error {
	if !j.c.ExpectsReply() {
		x.replay.untold = pipeline.ErrInterrupted
		return nil
	}
	return pipeline.Error(j.w, pipeline.ErrInterrupted)
}

// putOff leaves a transaction that was open at m, and that a killed statement was to have run again, to the next one: as at a
// server, nothing but the statement is over.
func (x *session) putOff(m *member) {
	if m.link != nil {
		m.link.Close() // the transaction is not open there any more
	}
	x.trx = m
}
