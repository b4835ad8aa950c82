package pipeline

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// What happens once in a session, or less often, any goroutine counts.

// listenerCounts is what happens at a listener.
type listenerCounts struct {
	refused [numRefusals]atomic.Uint64
	opened  atomic.Uint64 // sessions
	ended   [numEnds]atomic.Uint64
	lasted  rareDurations // sessions that have ended
}

// rareDurations is a histogram that any goroutine may use.
type rareDurations struct {
	mu sync.Mutex
	h  *histogram // nil: nothing is counted yet
}

func (r *rareDurations) observe(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made().observe(d)
}

func (r *rareDurations) distribution(classic []time.Duration) *Distribution {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made().distribution(classic)
}

func (r *rareDurations) made() *histogram {
	if r.h == nil {
		r.h = newHistogram()
	}
	return r.h
}

// refusalReason is why a client was not let in.
type refusalReason uint8

const (
	refusedFull      refusalReason = iota // max_connections
	refusedAccess                         // name, password or host
	refusedServer                         // no server could be reached, or the server refused
	refusedTimeout                        // login_timeout
	refusedHandshake                      // what it sent is no login
	refusedLeft                           // it hung up
	refusedShutdown                       // Weir is stopping
	refusedOther                          // a step's error
	numRefusals      = iota
)

var refusalNames = [numRefusals]string{
	refusedFull: "full", refusedAccess: "access", refusedServer: "server", refusedTimeout: "timeout",
	refusedHandshake: "handshake", refusedLeft: "left", refusedShutdown: "shutdown", refusedOther: "other",
}

// refusalOf sorts the error of a login.
func refusalOf(err error) refusalReason {
	e, answered := errors.AsType[*protocol.SQLError](err)
	_, unserved := errors.AsType[*NoServerError](err)
	_, server := errors.AsType[*ServerError](err)
	switch {
	case errors.Is(err, errFull):
		return refusedFull
	case errors.Is(err, errDraining):
		return refusedShutdown
	case unserved || server:
		return refusedServer
	case answered && e.Code == protocol.ErAccessDenied:
		return refusedAccess
	case answered && e.Code == protocol.ErHandshake, errors.Is(err, protocol.ErrMalformed),
		errors.As(err, new(errSequence)):
		return refusedHandshake
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusedTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, new(*net.OpError)):
		return refusedLeft
	}
	return refusedOther
}

// sessionEnd is what ended a session.
type sessionEnd uint8

const (
	endQuit       sessionEnd = iota // COM_QUIT
	endClientGone                   // the client hung up, or took no reply
	endServerLost
	endShutdown // Weir is stopping
	endCut      // a router had it end: its server's role has changed, or it drains
	endPanic
	endOther
	numEnds = iota
)

var endNames = [numEnds]string{
	endQuit: "quit", endClientGone: "client_gone", endServerLost: "server_lost", endShutdown: "shutdown",
	endCut: "cut", endPanic: "panic", endOther: "other",
}

// endOf sorts what ended a session.
func endOf(err error) sessionEnd {
	switch {
	case errors.Is(err, errQuit):
		return endQuit
	case errors.Is(err, loop.ErrPanic):
		return endPanic
	case errors.Is(err, errClientGone):
		return endClientGone
	case errors.Is(err, ErrServerLost):
		return endServerLost
	case errors.Is(err, errDraining):
		return endShutdown
	case errors.As(err, new(*cut)):
		return endCut
	}
	return endOther
}

// serverCounts is what comes of connecting to a server.
type serverCounts struct {
	connects atomic.Uint64 // of sessions that have logged in
	failed   [numConnectErrors]atomic.Uint64
}

// connectError is why a server could not be connected to.
type connectError uint8

const (
	connectUnreachable connectError = iota // nobody answers, or not in time, or not as a server does
	connectRefused                         // the server has said why it will not
	connectLogin                           // logging in went wrong otherwise
	numConnectErrors   = iota
)

var connectErrorNames = [numConnectErrors]string{
	connectUnreachable: "unreachable", connectRefused: "refused", connectLogin: "login",
}

// fail counts an error; otherwise is for one that is not the server's own.
func (n *serverCounts) fail(err error, otherwise connectError) {
	if _, refused := errors.AsType[*protocol.SQLError](err); refused {
		otherwise = connectRefused
	}
	n.failed[otherwise].Add(1)
}
