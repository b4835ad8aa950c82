package pipeline

import (
	"net/netip"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// A SpanWriter takes the spans of the statements that one worker serves. Its methods are called on that worker, one after
// the other: they must neither block nor wait.
type SpanWriter interface {
	// WriteTrace takes the spans of a statement that has been served. t and all it refers to is lent until it returns.
	WriteTrace(t *Trace)
	// Flush hands on what WriteTrace has taken so far. It is called a while after WriteTrace, and after the worker's last
	// statement: only the worker knows when, without a lock.
	Flush()
}

// A Trace is what is known of a statement that has been served: the figures of its span, and of those of its legs.
type Trace struct {
	Session *Session
	// Pipeline is the name of the one that the session is served by.
	Pipeline  string
	Command   *Command
	Statement *Statement // nil where it is not known
	// Context is that of the statement's span, Parent the span that it is part of, zero where it begins a trace.
	Context protocol.TraceContext
	Parent  [8]byte
	// State is the tracestate that came with the parent.
	State []byte
	// Kept says why: the caller records the trace, or else a sample, slow, or an error.
	Kept string
	// Schema is the default schema when the statement came.
	Schema string
	// Batch is the number of statements of a COM_QUERY, or of rows of a COM_STMT_BULK_EXECUTE, where it is known and not 1.
	Batch int
	// Reply has watched the reply.
	Reply *Watch
	// Start is when the statement came, End how long after it the last byte was passed on, or the session ended.
	Start time.Time
	End   time.Duration
	// Failure is how the session ended in this statement, empty where it did not: client_gone, server_lost or aborted.
	Failure string
	// Legs are what servers have done for it, in the order in which they were asked. More is the number of those left out.
	Legs []Leg
	More int
}

// Branch reports whether the trace is of a branch: Context is then that of the span of the client's statement, which its
// own session has, and there are but the legs to be told of.
func (t *Trace) Branch() bool { return t.Session.Branch() }

// A Leg is what one server has done for a statement.
type Leg struct {
	SpanID   [8]byte
	Server   *Server
	ThreadID uint32         // the server's own id of the connection
	Peer     netip.AddrPort // not valid for a Unix socket
	Command  byte
	// Statement is the one that the server was sent.
	Statement *Statement
	// Start, First and End are how long after Trace.Start the server was asked, and its first and last bytes came. First
	// is 0 where none has.
	Start, First, End time.Duration
	Rows, Bytes       uint64
	// Code and State are those of the error that the server answered with, if it did.
	Code  uint16
	State [5]byte
	// Lost says that the leg did not come to its end.
	Lost bool
}

// Why a trace is kept.
const (
	keptParent = "parent" // its caller records it
	keptRatio  = "ratio"
	keptSlow   = "slow"
	keptError  = "error"
)

// Span is the span of the statement that c belongs to, where it is sure to be kept: its flags are 0 otherwise. Who keeps a
// copy of a command for a branch has the copy's SetSpan called with it, so that what the branch's servers do is told of
// there. A Clone has it.
func (c *Command) Span() protocol.TraceContext { return c.trace }

// SetSpan says which span a copy of a command belongs to.
func (c *Command) SetSpan(span protocol.TraceContext) { c.trace = span }

// TraceID is the id of the trace that the statement being served belongs to: what its client sent along, or the one its
// span begins. ok is false where it has none. It may be called in Serve.
func (s *Session) TraceID() (id [16]byte, ok bool) {
	if t := s.trace; t != nil {
		return t.Context.TraceID, t.known
	}
	// Nothing is traced; whoever asks is told what the client says.
	found, ok := s.clientTrace(&s.command)
	return found.Context.TraceID, ok
}
