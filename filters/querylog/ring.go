package querylog

import "sync/atomic"

// granule is the unit a ring is handed out in, a cache line, so that two workers never write the same one.
const granule = 64

// A ring is a queue of lines from many sessions to one writer, in memory of fixed size. Sessions take part in it
// without a lock: one compare-and-swap reserves room for a line, which is then written in place, and one store
// commits it.
type ring struct {
	buf []byte
	// marks says, for every granule a reservation begins at, how many granules it has (upper half) and how
	// many bytes of them are its line (lower half). It is 0 until the reservation is committed.
	marks []atomic.Uint64
	size  uint64 // in granules, a power of two

	// head and tail count granules since the beginning; each has a cache line of its own. read is the writer's.
	_    [granule]byte
	head atomic.Uint64 // reserved
	_    [granule]byte
	tail atomic.Uint64 // given back by the writer
	_    [granule]byte
	read uint64 // taken by the writer
}

// newRing makes a ring of at least the given number of bytes.
func newRing(bytes int) *ring {
	size := uint64(1)
	for size*granule < uint64(bytes) {
		size *= 2
	}
	return &ring{buf: make([]byte, size*granule), marks: make([]atomic.Uint64, size), size: size}
}

// reserve finds room for a line of up to n bytes, which must be no more than a quarter of the ring. The returned
// slice is empty and has that capacity; the caller appends its line to it and commits at once, because the writer
// gets no further until then. ok is false when there is no room.
func (r *ring) reserve(n int) (line []byte, at uint64, ok bool) {
	need := uint64(n+granule-1) / granule
	for {
		head := r.head.Load()
		at = head & (r.size - 1)
		var skip uint64 // a line lies in one piece: what is left at the end of buf may be too short
		if left := r.size - at; left < need {
			skip = left
		}
		if head+skip+need-r.tail.Load() > r.size {
			if r.head.Load() != head { // the tail may be another head's, far ahead of this one
				continue
			}
			return nil, 0, false
		}
		if !r.head.CompareAndSwap(head, head+skip+need) {
			continue
		}
		if skip > 0 {
			r.marks[at].Store(skip << 32)
			at = 0
		}
		return r.buf[at*granule : at*granule : (at+need)*granule], at, true
	}
}

// commit hands a line to the writer, which was appended to what reserve returned. One that has outgrown its room, which
// must not happen, is left out, and commit reports false.
func (r *ring) commit(reserved, line []byte, at uint64) bool {
	need, n := uint64(cap(reserved))/granule, uint64(len(line))
	fits := len(line) <= cap(reserved)
	if !fits {
		n = 0
	}
	r.marks[at].Store(need<<32 | n)
	return fits
}

// next takes the first committed line that has not been taken. It is valid until release. ok is false where the ring is
// empty, or its first line is still being written. Only the writer calls it.
func (r *ring) next() (line []byte, ok bool) {
	for {
		at := r.read & (r.size - 1)
		mark := r.marks[at].Load()
		if mark == 0 {
			return nil, false
		}
		r.marks[at].Store(0)
		r.read += mark >> 32
		if n := uint64(uint32(mark)); n > 0 {
			return r.buf[at*granule:][:n], true
		}
	}
}

// release gives back the room of the lines that have been taken. Only the writer calls it.
func (r *ring) release() { r.tail.Store(r.read) }

// rewind lets the next line begin at the front of the ring, if the ring is empty: memory that has just been used is
// quick to write to, and what a quiet process never reaches takes no memory. Only the writer calls it, having released
// all that it took.
func (r *ring) rewind() {
	head := r.head.Load()
	if head != r.read || head&(r.size-1) == 0 {
		return
	}
	front := (head | (r.size - 1)) + 1
	if r.head.CompareAndSwap(head, front) {
		r.read = front
		r.tail.Store(front)
	}
}

// ready reports whether a committed line waits. Only the writer calls it.
func (r *ring) ready() bool { return r.marks[r.read&(r.size-1)].Load() != 0 }

// filling reports whether more than half of the ring is in use.
func (r *ring) filling() bool { return r.used() > r.size/2 }

// used is the number of granules in use.
func (r *ring) used() uint64 {
	tail := r.tail.Load() // first: head may only have grown since
	return r.head.Load() - tail
}
