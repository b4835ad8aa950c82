package pipeline

import "github.com/weirproxy/weir/protocol"

// find finds the context that a command belongs to.
func (t *traceState) find(c *Command) (found bool) {
	s := t.Session
	switch c.Com() {
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		id, _ := s.prepared.id(c)
		if t.client, found = s.executeTrace(c, t.long.of(id)); !found {
			t.client, found = t.prepared.of(id)
		}
	case protocol.ComStmtFetch:
		id, _ := s.prepared.id(c)
		t.client, found = t.executed.of(id)
	default:
		t.client, found = s.clientTrace(c)
	}
	return found
}

// clientTrace finds the context that a command comes with: in its query attributes or else in a comment.
func (s *Session) clientTrace(c *Command) (found clientTrace, ok bool) {
	if c.Com() == protocol.ComStmtExecute {
		return s.executeTrace(c, nil)
	}
	text, whole, ok := c.firstText()
	if !ok {
		return found, false
	}
	payload := c.Payload()
	if c.Com() == protocol.ComQuery {
		if found.TraceCarrier, ok = protocol.FindTraceAttrs(payload[:text.To], c.caps); ok {
			found.state = found.State.Of(payload)
			return found, true
		}
	}
	if found.TraceCarrier, ok = protocol.FindTraceComment(text.Of(payload), whole); ok {
		found.Parent = found.Parent.Behind(text.From)
		found.State = found.State.Behind(text.From)
		found.state, found.escaped = found.State.Of(payload), true
	}
	return found, ok
}

// firstText returns where the text of a COM_QUERY or COM_STMT_PREPARE lies in the payload, as far as it lies in its first
// packet. whole says that this is all of it.
func (c *Command) firstText() (text protocol.Range, whole, ok bool) {
	if com := c.Com(); com != protocol.ComQuery && com != protocol.ComStmtPrepare {
		return text, false, false
	}
	payload := c.Payload()
	length := protocol.PayloadLen(c.Data)
	text = protocol.Range{From: 1, To: min(length, len(payload))}
	ok = true
	if c.Com() == protocol.ComQuery {
		text.From, ok = protocol.QueryTextOffset(payload[:text.To], c.caps)
	}
	return text, c.Part == protocol.Whole && length < protocol.MaxPayload, ok
}

// executeTrace finds the context in the query attributes of a COM_STMT_EXECUTE. MariaDB, whose COM_STMT_BULK_EXECUTE is,
// has none.
func (s *Session) executeTrace(c *Command, long []uint64) (found clientTrace, ok bool) {
	if !c.caps.Has(protocol.ClientQueryAttributes) || c.Com() != protocol.ComStmtExecute {
		return found, false
	}
	st := s.prepared.Of(c)
	if st == nil {
		return found, false
	}
	found.TraceCarrier, ok = protocol.FindExecuteTrace(c.Payload(), st.Params, long, c.caps)
	found.state = found.State.Of(c.Payload())
	return found, ok
}

// longValues says which values of a statement have been sent ahead of its execution: they are not where query attributes
// are looked for.
type longValues struct {
	id     uint32
	params []uint64
}

// of returns those of a statement that is executed.
func (v *longValues) of(id uint32) []uint64 {
	if v.id != id {
		return nil
	}
	v.id = 0
	return v.params
}

// sendAhead notes that a value has been sent ahead.
func (t *traceState) sendAhead(c *Command) {
	st := t.Session.prepared.Of(c)
	if st == nil || !c.caps.Has(protocol.ClientQueryAttributes) {
		return
	}
	_, param, length, ok := protocol.LongData(c.Data)
	if !ok || param >= st.Params {
		return
	}
	v := &t.long
	if v.id != st.ID {
		v.id, v.params = st.ID, v.params[:0]
	}
	for len(v.params) <= param {
		v.params = append(v.params, 0)
	}
	v.params[param] = max(v.params[param], 1) + length
}
