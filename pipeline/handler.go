package pipeline

import (
	"context"

	"github.com/weirproxy/weir/protocol"
)

// A Handler serves one command of one session: it answers by writing to w, or passes the command on.
//
// c and w are valid until Serve returns; to keep a command, Clone it. A session's commands are served one
// after another, on one worker, so what belongs to a session needs no lock. An SQL error is a reply, not an
// error: a returned error ends the session. Serve may wait (the session's own waits: Sleep, Do, a Link), must
// not block the worker otherwise, and stops waiting when the session is cancelled.
type Handler interface {
	Serve(ctx context.Context, w ReplyWriter, c *Command) error
}

// A ReplyWriter takes a reply on its way to the client, chunk by chunk. p is valid until WriteReply returns. It
// may wait while the client does not read. An error means that the reply cannot go on, mostly because the client is
// gone: whoever gets one returns it, and the session ends.
type ReplyWriter interface {
	WriteReply(p *protocol.Chunk) error
}

// A Filter is one configured step of a pipeline. Open is called once per session, and again when the session changes user
// or is reset: what was registered with OnClose has run by then. It runs on an ordinary goroutine, where it may block, and
// returns the handler that stands before next. A filter with no interest in this session returns next, and is not in the
// chain. Open of several sessions may run at the same time. An error refuses the session: the client gets it as an ERR
// packet, word for word where it is a *protocol.SQLError.
type Filter interface {
	Open(s *Session, next Handler) (Handler, error)
}

// A Target is something a session can be opened on: a server, a router, or a whole pipeline. What is said of
// Filter.Open holds for Open.
type Target interface {
	Open(s *Session) (Handler, error)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(ctx context.Context, w ReplyWriter, c *Command) error

// Serve calls f.
func (f HandlerFunc) Serve(ctx context.Context, w ReplyWriter, c *Command) error { return f(ctx, w, c) }
