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
	s     *pipeline.Session
	next  pipeline.Handler
	watch pipeline.Watch
	clock clock
	// constants are the fields that never change in a session, encoded: see encoder.constants.
	constants [][]byte
	prepared  pipeline.Prepared
	params    protocol.Params // of the command being logged
	gap       span            // what was dropped since the last record, where the session has a file of its own
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
	r := record{
		session: l, com: c.Com(), schema: clipName(schema), watch: &l.watch, err: l.watch.Err,
		aborted: err != nil || c.ExpectsReply() && !l.watch.Done,
	}
	if r.aborted && r.err == nil {
		r.err = told(err)
	}
	if l.config.OnlyErrors && r.err == nil && !r.aborted || l.config.MinDuration > 0 && l.tooShort() ||
		!l.selection.Command(c, &l.prepared) {
		return nil
	}
	l.watch.Server = clipName(l.watch.Server)
	l.describe(&r, c)
	return l.put(ctx, &r, mayWait)
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

// shortRecord is the length of records that are made on the stack: what is in the ring was last in another processor's
// hands, and is better touched once.
const shortRecord = 1 << 10

// put queues the record.
func (l *link) put(ctx context.Context, r *record, mayWait bool) error {
	l.putGap()
	size := r.size(l.encoder) + tagSize
	var line []byte
	if size <= shortRecord {
		var short [shortRecord]byte
		line = l.encode(short[:0], r)
		size = len(line)
	}
	for !l.reserve(size, line, r) {
		if l.queue.drop {
			l.drop()
			return nil
		}
		if mayWait {
			err := l.wait(ctx)
			if err == nil {
				continue
			}
			l.queue.putLate(l.encode(nil, r), r.watch.Start)
			return err
		}
		l.queue.putLate(l.encode(nil, r), r.watch.Start)
		return nil
	}
	return nil
}

// reserve puts the record into the ring, of which line is it encoded, or empty. It reports false where there is no room.
func (l *link) reserve(size int, line []byte, r *record) bool {
	reserved, at, ok := l.queue.ring.reserve(size)
	if !ok {
		return false
	}
	if len(line) > 0 {
		line = append(reserved, line...)
	} else {
		line = l.encode(reserved, r)
	}
	if !l.queue.ring.commit(reserved, line, at) {
		l.queue.gap.add(r.watch.Start, at)
	}
	l.queue.committed()
	return true
}

// encode appends the record to dst as it lies in the ring.
func (l *link) encode(dst []byte, r *record) []byte {
	if l.output.perSession {
		dst = binary.LittleEndian.AppendUint32(dst, l.s.ID())
	}
	return l.encoder.append(dst, r)
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
	reserved, at, ok := l.queue.ring.reserve(tagSize + l.output.columns + gapSize)
	if !ok {
		return
	}
	line := l.output.appendGap(binary.LittleEndian.AppendUint32(reserved, l.s.ID()), l.gap)
	l.queue.ring.commit(reserved, line, at)
	l.queue.committed()
	l.gap = span{}
}
