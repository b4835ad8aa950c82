package regex

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

const (
	// mayIgnore is the length up to which a result is not counted as memory held: commands of this length are
	// everybody's, and last as long as a statement.
	mayIgnore = 64 << 10
	// pieceSize is how much of a gathered command is passed on at a time.
	pieceSize = 64 << 10
)

// serveLong serves a command that comes in parts: they are gathered, and the rules applied to the whole.
func (l *link) serveLong(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	defer l.within.held.release()
	wire, rest, limit, err := l.gather(c)
	if err != nil {
		return err
	}
	// Whoever comes next sees the parts as they came, whether or not they have been here.
	parts := *c
	parts.Body = &rest
	if limit != "" {
		return l.oversize(ctx, w, &parts, limit)
	}
	whole := *c
	whole.Data, whole.Part = wire, protocol.Whole
	text, ok := whole.Text()
	if !ok || !l.mayMatch(text) {
		return l.next.Serve(ctx, w, &parts)
	}
	r, err := l.rewrite(text)
	if err != nil {
		return err
	}
	return l.pass(ctx, w, &parts, &whole, r)
}

// gather reads all of c. wire is what came over the wire, all of it unless a limit forbids more. rest delivers what came
// after c.Data once again, and then what has not come yet.
func (l *link) gather(c *pipeline.Command) (wire []byte, rest replay, limit string, err error) {
	rest.body = c.Body
	length := protocol.PayloadLen(c.Data)
	if length-1 > l.maxStatement {
		return nil, rest, limitStatement, nil
	}
	if !l.within.held.take(protocol.HeaderSize + length) {
		return nil, rest, limitMemory, nil
	}
	wire = append(make([]byte, 0, protocol.HeaderSize+length), c.Data...)
	for limit == "" {
		b, err := c.Body.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, rest, "", err
		}
		if wire, limit = l.add(wire, b); limit != "" {
			rest.last = b
		}
	}
	rest.held = wire[len(c.Data):]
	return wire, rest, limit, nil
}

// add appends b to wire, or returns the limit that forbids it.
func (l *link) add(wire, b []byte) (_ []byte, limit string) {
	need, most := len(wire)+len(b), maxWire(l.maxStatement)
	if need > most {
		return wire, limitStatement
	}
	if need > cap(wire) { // packets after the first
		grown := max(need, min(2*cap(wire), most))
		if !l.within.held.take(grown) { // the old one stays until it has been copied
			return wire, limitMemory
		}
		wire = append(make([]byte, 0, grown), wire...)
	}
	return append(wire, b...), ""
}

// maxWire is the length of a command with a statement of n bytes, headers included.
func maxWire(n int) int {
	payload := n + 1
	return payload + (payload/protocol.MaxPayload+1)*protocol.HeaderSize
}

// A replay is the Body of a command that has been read, in part or all of it.
type replay struct {
	held []byte // what has been read
	last []byte // what Next of body returned last, where it is not in held
	body pipeline.Body
}

// Next is Body's.
func (r *replay) Next() ([]byte, error) {
	switch {
	case len(r.held) > 0:
		n := min(len(r.held), pieceSize)
		b := r.held[:n:n]
		r.held = r.held[n:]
		return b, nil
	case len(r.last) > 0:
		b := r.last
		r.last = nil
		return b, nil
	}
	return r.body.Next()
}

// A budget is what all sessions share.
type budget struct {
	limit int64
	held  atomic.Int64
}

// A lease is what one statement has of it.
type lease struct {
	budget *budget
	n      int64
}

// take takes n bytes more. ok is false, and nothing taken, where there are not so many.
func (l *lease) take(n int) (ok bool) {
	if l.budget.held.Add(int64(n)) > l.budget.limit {
		l.budget.held.Add(int64(-n))
		return false
	}
	l.n += int64(n)
	return true
}

func (l *lease) release() {
	if l.n > 0 {
		l.budget.held.Add(-l.n)
		l.n = 0
	}
}
