package loop

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// What a worker that has a Ring is to send in one round of its loop, and what is small, it sends together: commands and
// replies that have come together are all read and seen to before the first goes on.

const (
	// soonSize is the number of bytes up to which WriteSoon keeps them.
	soonSize = 1 << 10
	// soonRoom is how many bytes of all connections are kept at most, and soonConns of how many connections, so that the
	// first of them does not wait for long.
	soonRoom  = 16 << 10
	soonConns = 32
)

// soon is what a worker is about to send.
type soon struct {
	buf   []byte
	conns []*Conn    // nil where one has sent its bytes meanwhile: it may be another worker's by now
	batch []outgoing // for the Ring
	// together is how many sends the Ring has done.
	together int
	// unsafe is a buffer that the kernel may read yet, for a Ring that has failed: it is never used again, nor freed.
	unsafe []byte
}

// errUnknown is why a connection fails of which it is not known what was sent.
var errUnknown = errors.New("send: io_uring does not tell what was sent")

func newSoon() soon {
	return soon{
		buf: make([]byte, 0, soonRoom), conns: make([]*Conn, 0, soonConns), batch: make([]outgoing, soonConns),
	}
}

// kept is where a connection's bytes are in the buffer of its worker's soon, and it itself among the connections.
type kept struct{ from, to, at int }

// WriteSoon is Write, but that a copy of what is small may be kept, to be sent with what else the worker's round has to
// send. An error of that, as where the peer takes nothing of it for timeout, shows at the next call of a method that reads
// or writes.
func (c *Conn) WriteSoon(b []byte, timeout time.Duration) error {
	w := c.w
	if w.ring == nil || len(b) > soonSize || len(c.late) > 0 {
		w.sendSoon()
		return c.Write(b, timeout)
	}
	if !c.open {
		return ErrClosed
	}
	if len(w.soon.buf)+len(b) > soonRoom || len(w.soon.conns) == soonConns {
		w.sendSoon()
	}
	at := len(w.soon.buf)
	if c.kept.to < at || at == 0 {
		c.sendKept()
	}
	if c.failed != nil || len(b) == 0 {
		return c.failed
	}
	if c.kept.to == 0 {
		c.kept.from, c.kept.at = at, len(w.soon.conns)
		w.soon.conns = append(w.soon.conns, c)
	}
	w.soon.buf = append(w.soon.buf, b...)
	c.kept.to, c.patience = len(w.soon.buf), timeout
	return nil
}

// Flush sends what WriteSoon has kept, waiting as Write does.
func (c *Conn) Flush(timeout time.Duration) error { return c.Write(nil, timeout) }

// sendSoon sends what has been kept of all connections.
func (w *Worker) sendSoon() {
	conns := w.soon.conns
	if len(conns) > 1 && w.ring != nil {
		w.sendTogether(conns)
	}
	for _, c := range conns {
		if c != nil {
			c.sendKept()
		}
	}
	w.soon.conns, w.soon.buf = conns[:0], w.soon.buf[:0]
}

// sendTogether sends what has been kept of connections as far as their sockets take it at once. The rest stays kept.
func (w *Worker) sendTogether(conns []*Conn) {
	batch := w.soon.batch[:len(conns)]
	for i, c := range conns {
		if batch[i] = (outgoing{fd: -1}); c != nil && len(c.late) == 0 && c.failed == nil {
			batch[i] = outgoing{fd: c.fd, b: w.soon.buf[c.kept.from:c.kept.to]}
		}
	}
	known := w.ring.send(batch)
	for i, c := range conns {
		switch o := &batch[i]; {
		case o.lost:
			conns[i], c.kept = nil, kept{}
			c.fail(errUnknown)
		case o.n == 0: // send will say why
		case o.n < len(o.b):
			c.kept.from += o.n
		default:
			w.soon.together++
			conns[i], c.kept = nil, kept{}
		}
	}
	if !known {
		w.log.Error("io_uring has not sent all it was given: connections are closed, and the event loop goes on without it")
		w.ring.Close()
		w.ring = nil
		w.soon.unsafe, w.soon.buf = w.soon.buf, append(make([]byte, 0, soonRoom), w.soon.buf...)
	}
}

// sendKept sends what has been kept of the connection. No task runs meanwhile.
func (c *Conn) sendKept() {
	if c.kept.to == 0 {
		return
	}
	soon := &c.w.soon
	b := soon.buf[c.kept.from:c.kept.to]
	soon.conns[c.kept.at] = nil
	c.kept = kept{}
	if c.failed != nil {
		return
	}
	if len(c.late) > 0 {
		c.late = append(c.late, b...)
		return
	}
	if rest := c.sendNow(b); len(rest) > 0 {
		c.late = append(c.late, rest...)
		c.watchLate()
	}
}

// sendLate sends what the socket did not take before.
func (c *Conn) sendLate() {
	before := len(c.late)
	if c.late = c.sendNow(c.late); len(c.late) < before {
		c.watchLate()
	}
}

// watchLate has the connection fail where the socket takes nothing of what is late, from now on, for as long as it may.
func (c *Conn) watchLate() {
	if c.impatience != nil {
		c.impatience.Stop()
		c.impatience = nil
	}
	if len(c.late) > 0 && c.patience > 0 {
		c.impatience = c.w.After(c.patience, func() {
			c.impatience, c.late = nil, nil
			c.fail(ErrTimeout)
		})
	}
}

// sendNow sends what the socket takes of b and returns the rest, for which the worker will hear when it takes more.
func (c *Conn) sendNow(b []byte) (rest []byte) {
	for len(b) > 0 {
		n, errno := send(int(c.fd), b)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			if err := c.hearWritable(); err != nil {
				c.fail(err)
				return nil
			}
			return b
		case errno != 0:
			c.fail(os.NewSyscallError("send", errno))
			return nil
		default:
			b = b[n:]
		}
	}
	return nil
}

// fail has whoever reads or writes next get err, unless there is something to read yet.
func (c *Conn) fail(err error) {
	c.failed, c.readable, c.hangup = err, true, true
	w, fd, at := c.w, c.fd, slot{c, c.gen}
	w.Post(func() {
		if w.slots[fd] == at {
			c.event(syscall.EPOLLHUP)
		}
	})
}
