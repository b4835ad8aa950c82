package tee

import (
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// An execution of a prepared statement means more than it says: the types that an earlier one has bound, and the values
// that were sent ahead of it. Where the branch does not get an execution, what comes later must not mean less there, or
// more.

// A missing is what has not been copied of the commands about one prepared statement.
type missing struct {
	untold bool   // an execution that bound types
	types  []byte // them; nil where they could not be made out
	ahead  bool   // values have been sent ahead of the next execution, and copied
	torn   bool   // one of them has not been copied
	stale  bool   // values were sent ahead of an execution that has not been copied: the branch is to forget them
}

// miss notes that c, which is about the statement, is not copied.
func (sl *slot) miss(c *pipeline.Command, caps protocol.Capability) {
	switch c.Com() {
	case protocol.ComStmtSendLongData:
		sl.missing.torn = true
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		if types, bound, ok := protocol.BoundTypes(c.Payload(), sl.params, caps); bound || !ok {
			sl.missing.untold, sl.missing.types = true, types
		}
		sl.missing.used()
	case protocol.ComStmtReset:
		sl.missing.used()
	}
}

// used is for when the main servers have used, or forgotten, what was sent ahead.
func (m *missing) used() {
	m.stale = m.stale || m.ahead
	m.ahead, m.torn = false, false
}

// copied notes that a command about the statement is copied, as it.
func (sl *slot) copied(it *item) {
	m := &sl.missing
	switch it.com {
	case protocol.ComStmtSendLongData:
		m.ahead = true
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		m.ahead, m.untold, m.types = false, false, nil
	case protocol.ComStmtReset:
		*m = missing{untold: m.untold, types: m.types}
		return
	default:
		return
	}
	it.afresh, m.stale = m.stale, false
}

// whole returns the first part of c with all that its copy needs to say. ok is false where some of that is lost.
func (sl *slot) whole(c *pipeline.Command, caps protocol.Capability) (data []byte, ok bool) {
	if com := c.Com(); com != protocol.ComStmtExecute && com != protocol.ComStmtBulkExecute {
		return c.Data, true
	}
	if sl.missing.torn {
		return nil, false
	}
	if !sl.missing.untold {
		return c.Data, true
	}
	_, bound, ok := protocol.BoundTypes(c.Payload(), sl.params, caps)
	if bound || !ok {
		return c.Data, ok
	}
	data, ok = protocol.BindTypes(make([]byte, protocol.HeaderSize), c.Payload(), sl.params, sl.missing.types, caps)
	length := protocol.PayloadLen(c.Data)
	if length += len(data) - len(c.Data); !ok || length >= protocol.MaxPayload { // its packets would have to be cut anew
		return nil, false
	}
	protocol.PutHeader(data, length, c.Data[3])
	return data, true
}

// untaken notes that an execution has come as far as the feed, but not to the branch.
func (d *feed) untaken(it *item) {
	sl := it.slot
	if sl == nil || it.com != protocol.ComStmtExecute && it.com != protocol.ComStmtBulkExecute {
		return
	}
	if _, bound, ok := protocol.BoundTypes(it.data[protocol.HeaderSize:], sl.params, d.l.s.Capabilities()); bound || !ok {
		sl.unbound = true
	}
	sl.afresh = sl.afresh || sl.long != nil
}

// binds reports whether the branch knows the types that an execution means.
func (d *feed) binds(it *item) bool {
	sl := it.slot
	if sl.unbound {
		_, bound, ok := protocol.BoundTypes(it.data[protocol.HeaderSize:], sl.params, d.l.s.Capabilities())
		sl.unbound = !bound || !ok
	}
	return !sl.unbound
}

// forgets reports whether the branch must forget values that were sent ahead before it gets it, and makes the command.
func (d *feed) forgets(it *item) bool {
	sl := it.slot
	if sl == nil || sl.state != slotReady || !it.afresh && !sl.afresh {
		return false
	}
	it.afresh, sl.afresh, sl.long = false, false, nil
	d.command = *pipeline.NewCommand(protocol.ComStmtReset, binary.LittleEndian.AppendUint32(nil, sl.id), 0)
	d.watch.reset(nil, false)
	return true
}
