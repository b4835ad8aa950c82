package querylog

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A link logs the commands of one session.
type link struct {
	*Filter
	s            *pipeline.Session
	next         pipeline.Handler
	watch        pipeline.Watch
	user, client string
	prepared     pipeline.Prepared
	gap          span // what was dropped since the last record, where the session has a file of its own
}

// Serve passes c on and logs it when it has been served. While there is no room for records that are not to be dropped,
// it waits, before c is served and afterwards, and so does the client.
func (l *link) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	if l.queue.blocked.Load() {
		if err := l.wait(ctx); err != nil {
			return err
		}
	}
	schema := l.s.Schema() // of when the statement began
	l.watch.Reset(w)
	served := false
	defer func() {
		if !served { // a panic, which ends the session: there is no waiting any more
			_ = l.log(ctx, c, schema, errPanic, false)
		}
	}()
	err := l.next.Serve(ctx, &l.watch, c)
	served = true
	if logErr := l.log(ctx, c, schema, err, true); err == nil {
		err = logErr
	}
	l.prepared.Learn(l.s, c, &l.watch)
	return err
}

var errPanic = errors.New("panic")

// log queues the record of c, which has been served with that result, if there is to be one.
func (l *link) log(ctx context.Context, c *pipeline.Command, schema string, err error, mayWait bool) error {
	e := entry{
		com: c.Com(), id: l.s.ID(), user: l.user, client: l.client, schema: clipName(schema), watch: &l.watch, err: l.watch.Err,
	}
	if err != nil || c.ExpectsReply() && !l.watch.Done {
		e.flags |= aborted
		if e.err == nil {
			e.err = told(err)
		}
	}
	if e.err != nil {
		e.flags |= failed
	}
	if l.config.OnlyErrors && e.flags&(aborted|failed) == 0 || l.config.MinDuration > 0 && l.tooShort() ||
		!l.selection.Command(c, &l.prepared) {
		return nil
	}
	l.describe(&e, c)
	return l.put(ctx, &e, mayWait)
}

// told is the error that the client is told of one that ends the session, nil where there is none.
func told(err error) *protocol.SQLError {
	var e *protocol.SQLError
	errors.As(err, &e)
	return e
}

// tooShort reports whether the command took less than what is worth a record.
func (l *link) tooShort() bool {
	took := l.watch.Last
	if took == 0 { // it was aborted, or has no reply
		took = time.Since(l.watch.Start)
	}
	return took < l.config.MinDuration
}

// put queues the entry.
func (l *link) put(ctx context.Context, e *entry, mayWait bool) error {
	l.putGap()
	for !l.reserve(e) {
		if l.queue.drop {
			l.drop()
			return nil
		}
		if !mayWait {
			l.queue.putLate(e.append(nil), e.watch.Start)
			return nil
		}
		if err := l.wait(ctx); err != nil {
			l.queue.putLate(e.append(nil), e.watch.Start)
			return err
		}
	}
	return nil
}

// reserve puts the entry into the ring. It reports false where there is no room.
func (l *link) reserve(e *entry) bool {
	reserved, at, ok := l.queue.ring.reserve(e.size())
	if !ok {
		return false
	}
	if !l.queue.ring.commit(reserved, e.append(reserved), at) {
		l.queue.gap.add(e.watch.Start, at)
	}
	l.queue.committed()
	return true
}

// wait lets the session wait for room in the queue, and its worker go on with others.
func (l *link) wait(ctx context.Context) error {
	return l.s.Do(func() error { return l.queue.wait(ctx) })
}

// drop does without the record.
func (l *link) drop() {
	now := l.watch.Start
	l.queue.gap.add(now, l.queue.ring.head.Load())
	if l.output.perSession {
		l.gap.add(now)
	}
}

// putGap queues the record of what was dropped of the session, where it has a file of its own and there is room now.
func (l *link) putGap() {
	if l.gap.records == 0 {
		return
	}
	reserved, at, ok := l.queue.ring.reserve(eventOverhead + l.output.columns + gapSize)
	if !ok {
		return
	}
	line := binary.LittleEndian.AppendUint16(reserved, uint16(isEvent))
	line = binary.LittleEndian.AppendUint32(append(line, 0, 0), l.s.ID())
	l.queue.ring.commit(reserved, l.output.appendGap(line, l.gap), at)
	l.queue.committed()
	l.gap = span{}
}
