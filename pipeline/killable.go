package pipeline

import (
	"context"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// Servers end the statement that a KILL QUERY finds running there. One that waits within Weir, for a server to take it,
// runs nowhere: whoever waits asks Killed, and waits by a context of Killable.

// killable is what a KILL QUERY needs to know of a session. It is the worker's.
type killable struct {
	// serial counts the beginnings and ends of commands: it is odd while one is being served, or waits for an errand. killed
	// is what it was when somebody has killed the command.
	serial, killed uint64
	wake           context.CancelCauseFunc // of the wait that is to end with the command; nil: there is none
	own            *Link                   // see Link.Own
	errand         bool                    // one runs, see Between
	patience       *loop.Timer             // gives up what the errand waits for; nil: no command waits for it
}

// begin counts a command that has come, once.
func (k *killable) begin() { k.serial |= 1 }

// end counts the end of a command, if one has come.
func (k *killable) end() { k.serial += k.serial & 1 }

// Killed reports whether somebody has killed the command being served, by KILL QUERY, so that it is to be answered by
// ErrInterrupted and not to be tried any further. What has been sent to a server, that ends there.
func (s *Session) Killed() bool {
	return s.killable.killed == s.killable.serial && s.killable.serial != 0
}

// ErrInterrupted is the answer to a statement that somebody has killed.
var ErrInterrupted = &protocol.SQLError{
	Code: protocol.ErQueryInterrupted, State: "70100", Message: "Query execution was interrupted",
}

// Killable returns a context that is done when ctx is, or once somebody kills the command being served, with ErrInterrupted as
// its cause. stop is to be called when it is not needed any more.
func (s *Session) Killable(ctx context.Context) (killable context.Context, stop func()) {
	killable, wake := context.WithCancelCause(ctx)
	if s.Killed() {
		wake(ErrInterrupted)
	}
	before := s.killable.wake
	s.killable.wake = wake
	return killable, func() {
		s.killable.wake = before
		wake(nil)
	}
}

// killCommand kills the command that the session was serving when its serial was that, if it still does. It runs on the
// worker. While the chain is being opened, waits are another goroutine's.
func (s *Session) killCommand(serial uint64) {
	if k := &s.killable; k.serial == serial && serial%2 == 1 && !s.opening {
		k.killed = serial
		if k.wake != nil {
			k.wake(ErrInterrupted)
		}
		if k.own != nil {
			time.AfterFunc(killPatience, func() { s.onWorker(func() { s.giveUpOwn(serial) }) })
		}
	}
}

// killPatience is how long a server may take to end a statement of the router's own that it was told to kill, or that a
// command waits for which has nothing to do with it.
const killPatience = 500 * time.Millisecond

// Own says whether what Try has the server serve from now on is the router's own, and the session can do without the
// connection. Where somebody kills the command for which it runs, and the server does not end it soon, as one that hangs, the
// connection is closed: Try finds the server lost, and Killed is true. It is the session's task that calls it.
func (l *Link) Own(own bool) {
	l.s.killable.own = nil
	if own {
		l.s.killable.own = l
	}
}

// giveUpOwn ends what the command with this serial, which was killed or not begun, still waits for. It runs on the worker.
func (s *Session) giveUpOwn(serial uint64) {
	if k := &s.killable; !s.ended && k.serial == serial && k.own != nil {
		k.own.Sever()
	}
}
