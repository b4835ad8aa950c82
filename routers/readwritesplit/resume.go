package readwritesplit

import (
	"errors"

	"github.com/weirproxy/weir/protocol"
)

// A delivered is the part of a reply that the client had got when the server was lost: so many packets, with this sum. The
// statement's reply when it is run again must begin with the same; that part is left out then, and the client gets the rest.
type delivered struct {
	packets int
	sum     uint64
}

// errOtherReply says that a reply does not begin with what has been delivered of it.
var errOtherReply = errors.New("its last statement has another result than the part of it that was delivered")

// resumable reports whether the reply that a command had begun to get can go on where the open transaction is run again. It
// notes how much of it there was.
func (x *session) resumable(j *job) bool {
	r := &x.passage
	if r.sum == nil || r.sum.blind || r.unlike || r.inside && r.packets >= j.told.packets {
		return false
	}
	if r.packets > j.told.packets { // otherwise it was lost anew before it had caught up
		j.told = delivered{r.packets, r.sum.sum()}
	}
	return j.told.packets > 0
}

// differs goes on where a reply does not begin with what has been delivered of it. Its connection has the rest, and the
// transaction, which nobody is to have.
func (x *session) differs(m *member, j *job) error {
	m.link.Close()
	if x.r.config.TransactionReplayOnMismatch {
		return x.again(j, m, errOtherReply)
	}
	return x.rolledBack(j, errOtherReply.Error(), errOtherReply)
}

// sumUp adds a chunk to the sum of its reply, and returns what of it the client has not got yet, nil for nothing.
func (r *passage) sumUp(p *protocol.Chunk) (*protocol.Chunk, error) {
	left := r.told.packets - r.packets
	if left <= 0 || p.Kind == protocol.KindErr { // which ends rows that have been sent, too
		r.note(p)
		return p, nil
	}
	front, rest := split(p, left)
	r.note(front)
	if r.packets == r.told.packets && r.sum.sum() != r.told.sum || r.packets < r.told.packets && p.Final {
		return nil, errOtherReply
	}
	if rest != nil {
		r.note(rest)
	}
	return rest, nil
}

// note adds a chunk to the sum and counts its packets.
func (r *passage) note(p *protocol.Chunk) {
	r.sum.add(p)
	switch p.Kind {
	case protocol.KindColumns, protocol.KindColumn, protocol.KindEOF, protocol.KindRow:
	default:
		r.unlike = true
	}
	switch r.inside = p.Part == protocol.First || p.Part == protocol.Middle; p.Part {
	case protocol.Whole:
		r.packets += p.Count
	case protocol.Last:
		r.packets++
	}
}

// split cuts a chunk behind its first n packets. rest is nil where there is nothing behind them.
func split(p *protocol.Chunk, n int) (front, rest *protocol.Chunk) {
	if p.Part != protocol.Whole || p.Count <= n {
		return p, nil
	}
	at := 0
	for range n {
		at += protocol.HeaderSize + protocol.PayloadLen(p.Data[at:])
	}
	a, b := *p, *p
	a.Data, a.Count, a.Final = p.Data[:at], n, false
	b.Data, b.Count = p.Data[at:], p.Count-n
	return &a, &b
}
