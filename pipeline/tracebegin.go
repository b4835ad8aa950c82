package pipeline

import (
	"encoding/binary"

	"github.com/weirproxy/weir/protocol"
)

// A traceState is what a session keeps of the statement it serves, so that its spans can be written at the end, should
// they be worth it. Until then, nothing is made of it.
type traceState struct {
	Trace

	tracing *tracing
	open    bool // a statement is being served whose spans may be written
	known   bool // it has a trace id that somebody may meet again
	sampled bool // its spans will be written, whatever becomes of it

	client clientTrace
	state  []byte // what Trace.State lies in

	// prepared is the context that the command before has prepared a statement in. An execution right behind it belongs
	// there: its client would not have prepared it otherwise. Later ones may be anybody's.
	prepared statementTrace
	// executed is the context in which a statement was executed last: rows that are fetched of it belong there.
	executed statementTrace
	long     longValues
}

// A clientTrace is the context that a client has sent along. The ranges are of the command's payload.
type clientTrace struct {
	protocol.TraceCarrier
	escaped bool   // it stood in a comment
	state   []byte // the tracestate as it came, lent with the command
}

// A statementTrace is a context that belongs to a prepared statement.
type statementTrace struct {
	set     bool
	id      uint32 // of the statement
	context protocol.TraceContext
	state   []byte
	escaped bool
}

// of returns the context, where it belongs to the statement id.
func (p *statementTrace) of(id uint32) (found clientTrace, ok bool) {
	found.Context, found.state, found.escaped = p.context, p.state, p.escaped
	return found, p.set && p.id == id
}

// keep remembers a context for the statement id.
func (p *statementTrace) keep(id uint32, context protocol.TraceContext, from *clientTrace) {
	*p = statementTrace{true, id, context, append(p.state[:0], from.state...), from.escaped}
}

// traced returns the session's traceState.
func (s *Session) traced() *traceState {
	if s.trace == nil {
		s.trace = &traceState{tracing: s.home.tracing}
		s.trace.Session = s
		if s.tally != nil { // it is not nil but for a branch that is on no pipeline
			s.trace.Pipeline = s.tally.pipeline.Name
		}
	}
	return s.trace
}

// beginTrace decides whether the spans of a command are kept, or may be.
func (s *Session) beginTrace(c *Command, statement *Statement) {
	t := s.traced()
	t.open, t.known = false, false
	c.trace = protocol.TraceContext{}
	switch c.Com() {
	case protocol.ComQuery, protocol.ComStmtPrepare, protocol.ComStmtExecute, protocol.ComStmtBulkExecute,
		protocol.ComStmtFetch:
	case protocol.ComStmtSendLongData:
		t.sendAhead(c)
		return
	default:
		t.prepared.set = false
		return
	}
	if t.find(c) {
		t.known = true
		t.Context.TraceID, t.Parent = t.client.Context.TraceID, t.client.Context.SpanID
		t.Context.Flags = t.client.Context.Flags&traceRandom | protocol.TraceSampled
		t.sampled, t.Kept = t.client.Context.Flags&protocol.TraceSampled != 0, keptParent
	} else {
		t.Context.TraceID, t.Parent = s.home.newTraceID(), [8]byte{}
		t.Context.Flags = traceRandom | protocol.TraceSampled
		t.sampled, t.Kept = t.tracing.samples(t.Context.TraceID), keptRatio
	}
	t.prepared.set = false
	if t.open = t.sampled || t.tracing.late; !t.open {
		return
	}
	t.known = true
	t.Context.SpanID = s.home.newSpanID()
	t.Statement = statement
	t.begin(c)
}

// begin notes what there is at the beginning of a statement.
func (t *traceState) begin(c *Command) {
	s := t.Session
	t.Command, t.Reply, t.Start, t.Schema = c, &s.watch, s.watch.Start, s.schema
	t.Failure, t.Batch, t.State = "", 0, nil
	t.Legs, t.More = t.Legs[:0], 0
	if t.sampled {
		c.trace = t.Context // for branches that get a copy
	}
}

// beginBranchTrace has the legs of a branch's command kept where the span of the command it is a copy of is.
func (s *Session) beginBranchTrace(c *Command) {
	t := s.traced()
	t.open = c.trace.Flags&protocol.TraceSampled != 0 && c.ExpectsReply()
	t.known, t.sampled = t.open, t.open
	if t.open {
		t.Context, t.Kept = c.trace, keptParent
		t.begin(c)
	}
}

// traceRandom is the flag of a trace id that is random. https://www.w3.org/TR/trace-context-2/#random-trace-id-flag
const traceRandom byte = 0x02

// samples decides about a trace that begins here, by its id, as TraceIDRatioBased does: whoever else decides about the
// same trace decides alike. https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased
func (t *tracing) samples(id [16]byte) bool { return binary.BigEndian.Uint64(id[8:])>>1 < t.bound }

// newTraceID draws an id: nobody guards it, but it must not be another process's.
func (w *worker) newTraceID() (id [16]byte) {
	for id == [16]byte{} {
		binary.NativeEndian.PutUint64(id[:], w.ids.Uint64())
		binary.NativeEndian.PutUint64(id[8:], w.ids.Uint64())
	}
	return id
}

func (w *worker) newSpanID() (id [8]byte) {
	for id == [8]byte{} {
		binary.NativeEndian.PutUint64(id[:], w.ids.Uint64())
	}
	return id
}
