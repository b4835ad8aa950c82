package loop

// Sizes of the buffers a worker lends, in bytes: small ones for commands, large ones for replies.
const (
	SmallBuffer = 16 << 10
	LargeBuffer = 64 << 10
)

// freeList keeps buffers of one size for the next borrower, up to keep of them; the rest is garbage.
type freeList struct {
	free       [][]byte
	size, keep int
	lent       int
}

func (l *freeList) get() []byte {
	l.lent++
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free[n-1] = nil
		l.free = l.free[:n-1]
		return b
	}
	return make([]byte, l.size)
}

func (l *freeList) put(b []byte) {
	l.lent--
	if len(l.free) < l.keep {
		l.free = append(l.free, b[:l.size])
	}
}

// Small lends a buffer of SmallBuffer bytes, to be given back with PutSmall.
func (w *Worker) Small() []byte { return w.small.get() }

// PutSmall takes a buffer back that Small lent. Nothing may refer to its bytes any more.
func (w *Worker) PutSmall(b []byte) { w.small.put(b) }

// Large lends a buffer of LargeBuffer bytes, to be given back with PutLarge.
func (w *Worker) Large() []byte { return w.large.get() }

// PutLarge takes a buffer back that Large lent. Nothing may refer to its bytes any more.
func (w *Worker) PutLarge(b []byte) { w.large.put(b) }
