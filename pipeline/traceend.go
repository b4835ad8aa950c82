package pipeline

import (
	"crypto/rand"
	mrand "math/rand/v2"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// spanInterval is how long spans wait on a worker for others before they are handed on.
const spanInterval = time.Second

// endTrace writes the spans of the command that has been served, where they are kept. err is what Serve returned.
func (s *Session) endTrace(c *Command, err error) {
	t := s.trace
	if t.known {
		t.remember(c)
	}
	if !t.open {
		return
	}
	t.open = false
	h := &s.watch
	if t.End = h.Last; !h.Done {
		t.End = time.Since(h.Start)
	}
	failed := err != nil || h.Err != nil
	if !t.sampled {
		switch {
		case failed && t.tracing.errors:
			t.Kept = keptError
		case t.tracing.slow > 0 && t.End >= t.tracing.slow:
			t.Kept = keptSlow
		default:
			return
		}
	}
	if err != nil && h.Err == nil {
		t.Failure = outcomeNames[aborted(err)]
	}
	t.Batch = s.batchSize(c)
	t.state = protocol.AppendTracestate(t.state[:0], t.client.state, t.client.escaped)
	t.State = t.state
	s.home.writeTrace(&t.Trace)
}

// endBranchTrace writes the legs of a branch's command.
func (s *Session) endBranchTrace(err error) {
	t := s.trace
	if !t.open {
		return
	}
	t.open = false
	t.End = time.Since(t.Start)
	if err != nil {
		t.Failure = outcomeNames[aborted(err)]
	}
	s.home.writeTrace(&t.Trace)
}

// remember keeps the context for commands about the same statement.
func (t *traceState) remember(c *Command) {
	switch c.Com() {
	case protocol.ComStmtPrepare:
		if t.client.Parent.To > 0 && t.Session.watch.Prepared {
			t.prepared.keep(t.Session.watch.StatementID, t.client.Context, &t.client)
		}
	case protocol.ComStmtExecute:
		id, _ := t.Session.prepared.id(c)
		switch {
		case t.sampled:
			t.executed.keep(id, t.Context, &t.client)
		case t.Parent != [8]byte{}:
			t.executed.keep(id, t.client.Context, &t.client)
		default:
			t.executed.set = false
		}
	}
}

// batchSize is the number of statements in a command, or of rows, where it is known and not 1.
func (s *Session) batchSize(c *Command) int {
	n := 1
	switch st := s.trace.Statement; {
	case c.Com() == protocol.ComQuery && st != nil && c.Part == protocol.Whole:
		n = st.Statements
	case c.Com() == protocol.ComStmtBulkExecute && c.Part == protocol.Whole:
		if st := s.prepared.Of(c); st != nil {
			n = protocol.BulkRows(c.Payload(), st.Params)
		}
	}
	if n <= 1 {
		return 0
	}
	return n
}

// startTraces has the worker trace, where the process does.
func (p *Process) startTraces(w *worker) {
	if p.Telemetry.Traces == nil || p.Spans == nil {
		return
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // does not fail
	w.tracing, w.spans, w.ids = newTracing(p.Telemetry.Traces), p.Spans(), mrand.NewChaCha8(seed)
}

// stopTraces hands on what the worker, which has stopped, still holds.
func (w *worker) stopTraces() {
	if w.spans != nil {
		w.spans.Flush()
	}
}

// writeTrace hands a trace to the worker's writer.
func (w *worker) writeTrace(t *Trace) {
	w.spans.WriteTrace(t)
	if !w.flushing {
		w.flushing = true
		w.After(spanInterval, w.flushSpans)
	}
}

func (w *worker) flushSpans() {
	w.flushing = false
	w.spans.Flush()
}
