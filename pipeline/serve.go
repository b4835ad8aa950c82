package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// lingerFor is how long a client that was sent an error may take to hang up, so that what it still sends does not
// make the kernel throw the error away.
const lingerFor = time.Second

// Run is loop.Runner's: it serves the commands that have come, and ends the session when it is over.
func (s *Session) Run() {
	if s.ended {
		return
	}
	s.task = s.worker.Current()
	s.countAs(s.listener.Config.Pipeline, false)
	s.client.borrow()
	if err := s.serveAll(); err != nil {
		s.end(err)
	}
	s.client.release()
	s.task = nil
	if s.awaited != nil {
		s.goOn()
	}
}

func (s *Session) serveAll() (err error) {
	defer s.recovered(&err)
	if err := s.client.flush(); err != nil { // the OK packet of the login
		return err
	}
	for served := 1; ; served++ {
		if err := s.isOver(); err != nil {
			return err
		}
		if s.linkSpoke || s.errand != nil {
			if err := s.between(); err != nil {
				return cmp.Or(s.cancelled, err)
			}
			continue // somebody may have said meanwhile that the session is to end
		}
		more, err := s.client.nextCommand(&s.command)
		if err != nil && s.cancelled != nil {
			return s.cancelled
		}
		if err != nil || !more {
			s.killable.end()
			return err
		}
		s.killable.begin()
		err = s.serve(&s.command)
		s.killable.end()
		if err != nil && s.cancelled != nil { // what has failed, has by that
			return s.cancelled
		}
		if err != nil {
			return err
		}
		s.client.answering = false
		if served%fairReads == 0 {
			if err := s.task.Yield(); err != nil {
				return err
			}
		}
	}
}

// isOver returns why no further command is to be served, nil where it may.
func (s *Session) isOver() error {
	switch {
	case s.cancelled != nil:
		return s.cancelled
	case s.draining:
		return errDraining
	case s.leaving != nil && s.atRest():
		return s.leaving
	}
	return nil
}

// errDraining ends an idle session when the process stops.
var errDraining = &protocol.SQLError{
	Code: protocol.ErServerShutdown, State: "08S01", Message: "Server shutdown in progress",
}

// idleInput looks whether a server has closed, or said something, while no command was running.
func (s *Session) idleInput() error {
	s.linkSpoke = false
	for _, l := range slices.Backward(s.links) { // one that is lost leaves the list
		if !l.conn.HasInput() || !l.reader.Done() {
			continue
		}
		if err := l.idleInput(); err != nil {
			if l.config.Lost == nil {
				return err
			}
			l.Server.Doubt()
			l.Close()
			l.config.Lost(l, err)
		}
	}
	return nil
}

// serve has one command answered and sees to what the contract promises.
func (s *Session) serve(c *Command) (err error) {
	c.caps, s.results = s.caps, 0
	s.home.note(s)
	s.watch.Reset(&s.client)
	s.countCommand(c)
	statement := s.statementOf(c)
	if s.home.tracing != nil {
		s.beginTrace(c, statement)
	}
	if c.Com() == protocol.ComChangeUser {
		err = s.changeUser(c)
	} else {
		err = s.chain.Serve(s.ctx, &s.watch, c)
	}
	if err == nil {
		s.prepared.Learn(s, c, &s.watch)
		err = s.client.flush()
	}
	s.countReply(c, statement, err)
	if s.trace != nil {
		s.endTrace(c, err)
	}
	if err != nil {
		return err
	}
	if c.Com() == protocol.ComQuit {
		return errQuit
	}
	if !c.ExpectsReply() {
		return s.client.discardBody()
	}
	if !s.client.final {
		return fmt.Errorf("%s got no complete reply from the pipeline", protocol.CommandName(c.Com()))
	}
	if err := s.client.discardBody(); err != nil {
		return err
	}
	s.noteStatement(c, statement, s.client.last)
	if s.client.last == protocol.KindOK && c.Com() == protocol.ComResetConnection {
		return s.beginAnew()
	}
	return nil
}

// recovered, deferred, makes an error of a panic.
func (s *Session) recovered(err *error) {
	if r := recover(); r != nil {
		s.Log().Error("panic in a session", "panic", r, "stack", string(debug.Stack()))
		*err = loop.ErrPanic
	}
}

// end closes everything the session has on its worker and leaves the rest to a goroutine.
func (s *Session) end(err error) {
	s.ended = true
	if s.uncounted { // a panic
		s.countReply(&s.command, s.command.statement, err)
	}
	s.countEnded()
	if s.trace != nil && s.trace.open {
		s.endTrace(&s.command, err)
	}
	s.tell(err)
	s.closeLinks()
	s.client.conn.Close()
	s.client.at = s.client.have
	s.listener.process.leave(s)
	go s.finish(err)
}

func (s *Session) closeLinks() {
	for _, l := range s.links {
		l.close()
	}
	for _, l := range s.carried {
		l.close()
	}
	s.links, s.carried = nil, nil
}

// tell sends the client an ERR packet about the end of its session, where it can still take one.
func (s *Session) tell(err error) {
	c := &s.client
	if errors.Is(err, errClientGone) || !c.conn.IsOpen() {
		return
	}
	// What the client still has to send, or to take, it gets time for, but not for ever.
	defer s.worker.After(c.timeout, c.conn.Close).Stop()
	if errors.Is(err, errQuit) {
		_ = c.conn.Flush(c.timeout) // of replies, where it has not waited for them
		return
	}
	if e := clientError(err); e != nil && !c.inside && !(c.answering && c.final) {
		if !c.answering { // nothing was asked: the client will take it for the answer to its next command
			c.seq, c.final, c.answering = 1, false, true
		}
		if Error(c, e) != nil {
			return
		}
	}
	if c.flush() == nil && c.conn.Flush(c.timeout) == nil && (c.conn.HasInput() || c.body != bodyNone) {
		s.linger()
	}
}

// clientError is what the client is told of err, nil where that is nothing: a server that closes an idle connection
// without a word would not have said anything to the client either.
func clientError(err error) *protocol.SQLError {
	var e *protocol.SQLError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrServerLost):
		return nil
	}
	return &protocol.SQLError{Code: protocol.ErUnknown, State: "HY000", Message: err.Error()}
}

// linger waits for the client to hang up, and throws away what it sends until then.
func (s *Session) linger() {
	c := &s.client
	c.conn.CloseWrite()
	timer := s.worker.After(lingerFor, c.conn.Close)
	defer timer.Stop()
	if c.piece == nil {
		c.piece = s.worker.Large()
	}
	for {
		if _, err := c.conn.Read(c.piece); err != nil {
			return
		}
	}
}

// finish runs what may block at a session's end.
func (s *Session) finish(err error) {
	s.cancel()
	s.close()
	switch {
	case errors.Is(err, loop.ErrPanic): // has been logged
	case errors.Is(err, errQuit), errors.Is(err, errClientGone) && errors.Is(err, io.EOF):
		s.Log().Debug("session ended", "reason", err)
	case errors.Is(err, errDraining), errors.As(err, new(*cut)):
		s.Log().Info("session ended", "reason", err)
	default:
		s.Log().Warn("session ended", "error", err)
	}
	s.uncount()
	s.listener.counts.lasted.observe(time.Since(s.began))
	s.listener.counts.ended[endOf(err)].Add(1)
	s.listener.process.sessions.Done()
}

// close runs what handlers have registered, last first.
func (s *Session) close() {
	closers := s.closers
	s.closers = nil
	for _, closer := range slices.Backward(closers) {
		func() {
			var err error
			defer s.recovered(&err)
			closer()
		}()
	}
}
