package querylog

import "time"

const (
	// flushEvery is how long records are collected before they are written together, so that neither a wake-up nor a
	// system call is paid per statement.
	flushEvery = 20 * time.Millisecond
	// pieceSize is how much is written with one system call, or a record more.
	pieceSize = 64 << 10
	// retryEvery is the pause between two attempts to write while that fails.
	retryEvery = time.Second
	// closeTimeout is how long the end of the process waits for the writer, which a disk may hang.
	closeTimeout = 5 * time.Second
)

// run is the writer.
func (q *queue) run() {
	defer close(q.done)
	timer := time.NewTimer(flushEvery)
	for {
		q.sleep()
		for { // as long as records keep coming nobody has to wake us
			stopped := q.nap(timer)
			if stopped {
				q.finish()
				return
			}
			if !q.drain() {
				break
			}
		}
	}
}

// sleep waits until there is something to write.
func (q *queue) sleep() {
	q.state.Store(asleep)
	// A line committed before the store has told nobody; one committed after it wakes.
	for !q.pending() {
		select {
		case <-q.wake:
			return
		case f := <-q.requests:
			f()
		case <-q.stop:
			return
		}
	}
}

// nap lets lines collect, and reports whether it is time to stop.
func (q *queue) nap(timer *time.Timer) (stopped bool) {
	q.state.Store(napping)
	defer q.state.Store(awake)
	if q.ring.filling() {
		select {
		case <-q.stop:
			return true
		default:
			return false
		}
	}
	timer.Reset(flushEvery)
	for {
		select {
		case <-timer.C:
			return false
		case <-q.wake:
			return false
		case f := <-q.requests:
			f()
		case <-q.stop:
			return true
		}
	}
}

// drain writes what has been committed, and reports whether that was anything.
func (q *queue) drain() (wrote bool) {
	for {
		n := q.stage()
		if n == 0 {
			q.ring.rewind()
			q.endSessions()
			return wrote
		}
		wrote = true
		q.write()
	}
}

// stage takes up to a piece from the ring, gives its room back, and returns how many records there are to write.
func (q *queue) stage() (n int) {
	for size := 0; size < pieceSize; n++ {
		line, ok := q.ring.next()
		if !ok {
			break
		}
		size += q.out.add(line)
	}
	q.ring.release()
	q.unblock()
	for _, line := range q.takeLate() {
		q.out.add(line)
		n++
	}
	if q.gap.due(q.ring.read) {
		q.out.addGap(0, q.gap.take())
		n++
	}
	return n
}

// endSessions closes the files of sessions that have ended.
func (q *queue) endSessions() {
	for _, e := range q.takeEnded() {
		if e.gap.records > 0 {
			q.out.addGap(e.id, e.gap)
			q.write()
		}
		q.out.end(e.id)
	}
}

// write writes what is staged, for as long as that takes. While that fails the ring fills up, and then sessions wait or
// records are dropped; the log says so once. It gives up when the process stops.
func (q *queue) write() {
	failing := false
	for {
		err := q.out.flush(time.Now())
		switch {
		case err == nil:
			if failing {
				q.log.Info("query log: writing again", "dropped", q.gap.dropped.Load())
			}
			return
		case !failing:
			failing = true
			consequence := "statements wait once the queue is full"
			if q.drop {
				consequence = "records are dropped once the queue is full"
			}
			q.log.Error("query log: cannot write; "+consequence, "err", err, "queue", len(q.ring.buf))
		}
		q.out.figures.errors.Add(1)
		if !q.pause() {
			return
		}
	}
}

// pause waits for the next attempt, and reports false where the process stops.
func (q *queue) pause() bool {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	for {
		select {
		case <-q.stop:
			return false
		case f := <-q.requests:
			f()
			return true
		case <-timer.C:
			return true
		}
	}
}

// finish writes what is queued, in one attempt, and closes the files. No session uses the queue any more.
func (q *queue) finish() {
	for q.stage() > 0 {
		if err := q.out.flush(time.Now()); err != nil {
			q.log.Error("query log: cannot write at the end", "err", err)
			break
		}
	}
	q.endSessions()
	unwritten := q.out.discard() + len(q.takeLate())
	for {
		if _, ok := q.ring.next(); !ok {
			break
		}
		unwritten++
	}
	q.out.close()
	if dropped := q.gap.dropped.Load(); dropped > 0 || unwritten > 0 {
		q.log.Error("query log: records are missing from it", "dropped", dropped, "unwritten", unwritten)
	}
}

// close ends the writer. Where the disk hangs, so that it does not end, it is left behind.
func (q *queue) close() {
	close(q.stop)
	select {
	case <-q.done:
	case <-time.After(closeTimeout):
		q.log.Error("query log: the file takes no writes; what is queued is missing from it",
			"bytes", q.ring.used()*granule)
	}
}
