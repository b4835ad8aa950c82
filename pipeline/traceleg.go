package pipeline

import (
	"encoding/binary"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// maxLegs is how many legs of a statement are told of. A router that brings a connection up to date asks a server more
// than once.
const maxLegs = 64

// servedTraced serves a command in a session whose statements are traced.
func (l *Link) serveTraced(w ReplyWriter, c *Command) error {
	t := l.s.trace
	at := t.beginLeg(l, c)
	sent, buf := l.withContext(c, at)
	err := l.exchange(w, sent)
	if buf != nil {
		l.s.worker.PutSmall(buf)
	}
	l.endLeg(at, err)
	return err
}

// endLeg notes how a leg has ended. 0 is none.
func (l *Link) endLeg(at int, err error) {
	if l.leg = 0; at == 0 {
		return
	}
	t := l.s.trace
	leg := &t.Legs[at-1]
	if leg.End == 0 {
		leg.End = time.Since(t.Start)
	}
	leg.Lost = err != nil
}

// beginLeg adds a leg, where the statement's spans may be written, and returns its number; 0 is none.
func (t *traceState) beginLeg(l *Link, c *Command) (at int) {
	if !t.open || !c.ExpectsReply() {
		return 0
	}
	if len(t.Legs) == maxLegs {
		t.More++
		return 0
	}
	t.Legs = append(t.Legs, Leg{
		SpanID: t.Session.home.newSpanID(), Server: l.Server, ThreadID: l.ThreadID, Peer: l.peer, Command: c.Com(),
		Statement: t.Session.statementOf(c), Start: time.Since(t.Start),
	})
	l.leg = len(t.Legs)
	return l.leg
}

// arrived notes that bytes of the reply have come. Where it was the last of them, they will have been chunked when the
// next come, and these never do.
func (l *Link) arrived() {
	leg := &l.s.trace.Legs[l.leg-1]
	leg.End = time.Since(l.s.trace.Start)
	if leg.First == 0 {
		leg.First = leg.End
	}
}

// passed notes a chunk of the reply.
func (l *Link) passed(p *protocol.Chunk) {
	leg := &l.s.trace.Legs[l.leg-1]
	leg.Bytes += uint64(len(p.Data))
	switch p.Kind {
	case protocol.KindRow:
		leg.Rows += uint64(p.Count)
	case protocol.KindErr:
		// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
		if b := p.Payload(); len(b) >= 9 && p.Count > 0 {
			leg.Code = binary.LittleEndian.Uint16(b[1:])
			copy(leg.State[:], b[4:9])
		}
	}
}
