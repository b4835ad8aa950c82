package readwritesplit

import (
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Clients go by the status flags of replies: some send no COMMIT where these say that no transaction is open. So do Weir's
// own metrics, and whether it may end an idle session. A reply that is not of the transaction's server gets the flags that
// this one would have sent.

// transactional are the status flags that are about the session's transactions.
const transactional = protocol.StatusInTrans | protocol.StatusInTransReadonly | protocol.StatusAutocommit

// lasting are the status flags that are about a session, and not about the statement before.
const lasting = transactional | protocol.StatusNoBackslashEscapes | protocol.StatusAnsiQuotes

// status is what a server would say of the session now.
func (x *session) status() uint16 { return x.s.Status()&lasting&^transactional | x.sit.transaction() }

// transaction is what status flags would say of the transaction.
func (sit *situation) transaction() (flags uint16) {
	if sit.open {
		flags |= protocol.StatusInTrans
	}
	if sit.readOnly {
		flags |= protocol.StatusInTransReadonly
	}
	if !sit.manual {
		flags |= protocol.StatusAutocommit
	}
	return flags
}

// isAside reports whether m, which is to serve c, is a server whose status flags do not tell of the session's transaction: c
// runs beside the one that is open, or fetches rows from a cursor that was opened before. Where none is open, the cursor's
// server may still take autocommit to be on that a procedure has turned off at the primary.
func (x *session) isAside(m *member, c *pipeline.Command) bool {
	if x.trx != nil {
		return m != x.trx
	}
	return c.Com() == protocol.ComStmtFetch && m != x.last
}

// restate returns what passes a reply on to w with the session's flags.
func (x *session) restate(w pipeline.ReplyWriter) pipeline.ReplyWriter {
	if x.aside == nil {
		x.aside = new(restating)
	}
	a := x.aside
	a.w, a.caps, a.flags = w, x.s.Capabilities(), x.sit.transaction()
	return a
}

// A restating passes a reply on with other flags about the transaction. Those about the reply stay what they are.
type restating struct {
	w       pipeline.ReplyWriter
	caps    protocol.Capability
	flags   uint16
	chunk   protocol.Chunk
	scratch []byte
}

// WriteReply is pipeline.ReplyWriter's.
func (a *restating) WriteReply(p *protocol.Chunk) error {
	if p.Kind != protocol.KindOK && p.Kind != protocol.KindEOF {
		return a.w.WriteReply(p)
	}
	a.chunk = *p
	told := &a.chunk
	told.Status = p.Status&^transactional | a.flags
	if p.Count > 0 { // otherwise it is a fragment of a packet, the flags of which have gone before
		at := protocol.StatusAt(p.Payload(), a.caps)
		if at == 0 {
			return a.w.WriteReply(p)
		}
		a.scratch = append(a.scratch[:0], p.Data...)
		told.Data = a.scratch
		binary.LittleEndian.PutUint16(told.Payload()[at:], told.Status)
	}
	return a.w.WriteReply(told)
}
