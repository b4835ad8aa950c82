package pipeline

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/protocol"
)

// errServed is the end of a branch that has served everything.
var errServed = errors.New("all is served")

// errPaused is what a branch stops serving for between two commands, so that its session can move.
var errPaused = errors.New("paused")

// Run is loop.Runner's: it serves what the feed has, and ends the branch when it is over.
func (b *Branch) Run() {
	b.woken = false
	s := b.s
	switch {
	case b.state == branchEnded || s.task != nil:
		return
	case b.state != branchServing: // opened sees that it was cancelled
		return
	}
	if s.worker != nil {
		s.task = s.worker.Current()
	}
	if p, ok := b.target.(*Pipeline); ok {
		s.countAs(p, true)
	}
	err := b.serveAll()
	s.task = nil
	switch {
	case errors.Is(err, errServed):
		b.end(nil)
	case errors.Is(err, errPaused):
		b.letGo()
	case err != nil:
		b.end(err)
	}
}

func (b *Branch) serveAll() (err error) {
	s := b.s
	defer s.recovered(&err)
	for served := 1; ; served++ {
		if s.cancelled != nil {
			return s.cancelled
		}
		if s.leaving != nil && s.atRest() {
			return s.leaving
		}
		if s.linkSpoke || s.errand != nil {
			if err := s.between(); err != nil {
				return cmp.Or(s.cancelled, err)
			}
			continue
		}
		c, w := b.feed.Next()
		if c == nil {
			if b.closed {
				return errServed
			}
			return nil
		}
		if err := b.serve(c, w); err != nil {
			return err
		}
		if s.worker != nil && b.inTheWay() {
			return errPaused
		}
		if served%fairReads == 0 && s.worker != nil {
			if err := s.task.Yield(); err != nil {
				return err
			}
		}
	}
}

// serve has one command answered, as Session.serve does for a client.
func (b *Branch) serve(c *Command, w ReplyWriter) error {
	s := b.s
	switch c.Com() {
	case protocol.ComQuit, protocol.ComChangeUser, protocol.ComResetConnection:
		return fmt.Errorf("a branch was given a %s", protocol.CommandName(c.Com()))
	}
	c.caps, s.results = s.caps, 0
	b.front.w, b.front.final = w, false
	s.watch.Reset(&b.front)
	s.countCommand(c)
	statement := s.statementOf(c)
	if s.home != nil && s.home.tracing != nil {
		s.beginBranchTrace(c)
	}
	err := s.chain.Serve(s.ctx, &s.watch, c)
	s.countReply(c, statement, err)
	if s.trace != nil {
		s.endBranchTrace(err)
	}
	if err != nil {
		if s.cancelled != nil {
			return s.cancelled
		}
		return err
	}
	s.prepared.Learn(s, c, &s.watch)
	if !c.ExpectsReply() {
		return nil
	}
	if !b.front.final {
		return fmt.Errorf("%s got no complete reply from the pipeline", protocol.CommandName(c.Com()))
	}
	s.noteStatement(c, statement, b.front.last)
	return nil
}

// end closes everything the branch has on its worker and leaves the rest to a goroutine.
func (b *Branch) end(err error) {
	s := b.s
	started := b.state != branchForked
	b.state, s.ended = branchEnded, true
	if b.timer != nil {
		b.timer.Stop()
	}
	s.countEnded()
	s.closeLinks()
	b.tellFeed(err)
	if s.listener == nil || !started {
		b.finish(err)
		return
	}
	delete(s.home.branches, b)
	go func() {
		b.finish(err)
		s.listener.process.sessions.Done()
	}()
}

// tellFeed keeps a panic of the feed's from ending more than the branch.
func (b *Branch) tellFeed(err error) {
	var failed error
	defer b.s.recovered(&failed)
	b.feed.End(err)
}

// finish runs what may block at a branch's end. Who has opened the branch says what of it is worth saying.
func (b *Branch) finish(err error) {
	b.s.cancel()
	b.s.close()
	b.s.chain = nil
	b.s.Log().Debug("branch ended", "error", err)
	close(b.ended)
}
