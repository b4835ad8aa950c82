package pipeline

import (
	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// clientContext says what becomes of the client's trace context on the way to a server.
type clientContext uint8

const (
	passContext clientContext = iota
	stripContext
	replaceContext
)

// withContext returns the command as the server is to get it: as it is, without the client's trace context, or with the
// span of leg number at in its place. buf, where it is not nil, is what the returned command lies in: a small buffer to be
// given back once it has been sent.
func (l *Link) withContext(c *Command, at int) (_ *Command, buf []byte) {
	t := l.s.trace
	switch t.tracing.context {
	case stripContext:
		if c.Com() == protocol.ComQuery && l.carries(c) {
			edited, buf := l.edit(c)
			edited.Data = stripped(edited)
			return edited, buf
		}
	case replaceContext:
		// Where no span of the leg will be there to refer to, the client's own is the better parent.
		if at > 0 && t.sampled {
			own := t.Context
			own.SpanID = t.Legs[at-1].SpanID
			return l.replaced(c, own)
		}
	}
	return c, nil
}

// carries reports whether a COM_QUERY has a trace context.
func (l *Link) carries(c *Command) bool {
	_, ok := l.s.clientTrace(c)
	return ok
}

// edit returns a copy of a command, to be changed.
func (l *Link) edit(c *Command) (_ *Command, buf []byte) {
	if l.edited == nil {
		l.edited = new(Command)
	}
	*l.edited = *c
	if len(c.Data) > loop.SmallBuffer { // a filter has made it: it did not come in one piece
		l.edited.Data = append([]byte(nil), c.Data...)
		return l.edited, nil
	}
	buf = l.s.worker.Small()
	l.edited.Data = append(buf[:0], c.Data...)
	return l.edited, buf
}

// stripped takes the trace context out of a COM_QUERY. Where that is more than a packet, or goes on behind Data, its
// length remains: what stood in a comment is blank, and attributes pass.
func stripped(c *Command) []byte {
	payload := c.Payload()
	text, whole, _ := c.firstText()
	if !whole {
		protocol.RemoveTraceComment(text.Of(payload), false)
		return c.Data
	}
	payload = protocol.RemoveTraceAttrs(payload, c.caps)
	if at, ok := protocol.QueryTextOffset(payload, c.caps); ok {
		payload = payload[:at+len(protocol.RemoveTraceComment(payload[at:], true))]
	}
	data := c.Data[:protocol.HeaderSize+len(payload)]
	protocol.PutHeader(data, len(payload), c.Data[3])
	return data
}

// replaced puts a context of ours in the place of the client's, which has the same length.
func (l *Link) replaced(c *Command, own protocol.TraceContext) (_ *Command, buf []byte) {
	var places [2]protocol.Range // in the payload
	n := 0
	payload := c.Payload()
	switch c.Com() {
	case protocol.ComQuery:
		text, whole, ok := c.firstText()
		if !ok {
			return c, nil
		}
		if found, ok := protocol.FindTraceAttrs(payload[:text.To], c.caps); ok {
			places[n] = found.Parent
			n++
		}
		if found, ok := protocol.FindTraceComment(text.Of(payload), whole); ok {
			places[n] = found.Parent.Behind(text.From)
			n++
		}
	case protocol.ComStmtExecute:
		// Routers change the statement's id in it, and nothing else.
		if client := &l.s.trace.client; client.Parent.To > 0 && client.Parent.To <= len(payload) {
			if found, ok := protocol.ParseTraceparent(client.Parent.Of(payload)); ok && found == client.Context {
				places[n] = client.Parent
				n++
			}
		}
	}
	if n == 0 {
		return c, nil
	}
	edited, buf := l.edit(c)
	for _, place := range places[:n] {
		own.SetTraceparent(place.Of(edited.Payload()))
	}
	return edited, buf
}
