package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// An Owner hears of what happens on a connection while no task reads from it.
type Owner interface {
	// Ready is called on the worker, outside tasks, when c has bytes to read or, where hangup is set, has been
	// closed by the peer.
	Ready(c *Conn, hangup bool)
}

// A Conn is a socket on a worker. The zero Conn is not open. It must not be copied once it is.
type Conn struct {
	w        *Worker
	owner    Owner
	reader   *Task // waits to read
	writer   *Task // waits to write
	fd       int32
	gen      uint32
	open     bool
	readable bool // there may be bytes to read
	hangup   bool // the peer has closed its side, or there was an error: a read will tell
	wantOut  bool // registered for EPOLLOUT

	kept   kept   // what WriteSoon has kept
	late   []byte // what was kept, and the socket did not take at once
	failed error  // of sending what was kept

	patience   time.Duration // for the peer to take anything of what is late; 0: any
	impatience *Timer        // for which it has taken nothing, see watchLate
}

// ErrTimeout is what a wait returns that lasted longer than it was allowed to.
var ErrTimeout = os.ErrDeadlineExceeded

// Take duplicates the descriptor of nc, closes nc, and returns the duplicate, for Open. Any goroutine may call it.
func Take(nc net.Conn) (fd int, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return -1, errors.New("connection has no descriptor")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(old uintptr) { fd, err = dup(int(old)) })
	if err = errors.Join(cerr, err); err != nil {
		return -1, err
	}
	return fd, nc.Close()
}

// CloseDescriptor closes a descriptor that Take returned and that no worker was given.
func CloseDescriptor(fd int) { _ = syscall.Close(fd) }

// Open registers fd, a non-blocking socket that now belongs to c, with the worker. owner hears of it.
func (c *Conn) Open(w *Worker, fd int, owner Owner) error {
	w.gen++
	*c = Conn{w: w, owner: owner, fd: int32(fd), gen: w.gen, open: true}
	for fd >= len(w.slots) {
		w.slots = append(w.slots, slot{})
	}
	w.slots[fd] = slot{c, c.gen}
	if err := w.register(fd, c.gen); err != nil {
		c.Close()
		return err
	}
	return nil
}

// Close closes the socket. Tasks that wait for it get ErrClosed.
func (c *Conn) Close() {
	if !c.open {
		return
	}
	c.sendKept()
	c.late = nil
	c.watchLate()
	c.open = false
	c.w.slots[c.fd] = slot{}
	_ = syscall.Close(int(c.fd))
	if t := c.reader; t != nil {
		c.reader = nil
		c.w.resume(t)
	}
	if t := c.writer; t != nil {
		c.writer = nil
		c.w.resume(t)
	}
}

// Leave takes the socket off its worker and returns its descriptor, which may be given to another Conn. It must have been
// Settled just before. What has happened on it and has not been read, that Conn's worker hears of again.
func (c *Conn) Leave() (fd int) {
	c.open = false
	c.w.slots[c.fd] = slot{}
	c.w.unregister(int(c.fd))
	return int(c.fd)
}

// Settled sends what WriteSoon has kept, and reports whether the connection may Leave: no task waits for it, no bytes wait
// for it to take them, and nobody has still to hear that it has failed.
func (c *Conn) Settled() bool {
	c.sendKept()
	return c.reader == nil && c.writer == nil && len(c.late) == 0 && c.failed == nil
}

// CloseWrite tells the peer that no more will come. What it sends can still be read.
func (c *Conn) CloseWrite() {
	if c.open {
		c.sendKept()
		_ = syscall.Shutdown(int(c.fd), syscall.SHUT_WR)
	}
}

// IsOpen reports whether the socket is open on this side.
func (c *Conn) IsOpen() bool { return c.open }

// HasInput reports whether there may be bytes to read, or the end of them.
func (c *Conn) HasInput() bool { return c.open && c.readable }

// Ended reports whether the peer has hung up and nothing it sent is left to read. It costs nothing while the peer has
// not hung up.
func (c *Conn) Ended() bool { return c.open && c.hangup && ended(int(c.fd)) }

// event is what epoll says of the socket. Who hears of it may have the connection leave, which is another worker's then.
func (c *Conn) event(ev uint32) {
	w, fd, at := c.w, c.fd, slot{c, c.gen}
	if ev&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.readable = true
		if ev&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			c.hangup = true
		}
		if t := c.reader; t != nil {
			c.reader = nil
			w.resume(t)
		} else {
			c.owner.Ready(c, c.hangup)
		}
	}
	if ev&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) == 0 || w.slots[fd] != at {
		return
	}
	if t := c.writer; t != nil {
		c.writer = nil
		w.resume(t)
	} else if len(c.late) > 0 {
		c.sendLate()
	}
}

// WaitReadable waits until there may be bytes to read. Callers that borrow a buffer to read into do so after it.
func (c *Conn) WaitReadable() error {
	t := c.w.cur
	for {
		switch {
		case !c.open:
			return ErrClosed
		case c.readable:
			return nil
		}
		c.reader = t
		err := t.wait()
		c.reader = nil
		if err != nil {
			return err
		}
	}
}

// Read waits for bytes and reads what is there, up to len(b), which must not be 0. It returns io.EOF when the peer
// has closed its side.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		if err := c.WaitReadable(); err != nil {
			return 0, err
		}
		if n, err := c.ReadNow(b); n > 0 || err != nil {
			return n, err
		}
	}
}

// ReadNow is Read without the wait: it returns 0 where nothing is there.
func (c *Conn) ReadNow(b []byte) (int, error) {
	for c.open && c.readable {
		n, errno := recv(int(c.fd), b)
		switch {
		case errno == syscall.EAGAIN && c.failed != nil:
			return 0, c.failed
		case errno == syscall.EAGAIN:
			c.readable = false
		case errno == syscall.EINTR:
		case errno != 0:
			return 0, os.NewSyscallError("recv", errno)
		case n == 0:
			return 0, io.EOF
		default:
			// A short read has emptied the socket: the next bytes come with an event of their own.
			if n < len(b) && !c.hangup {
				c.readable = false
			}
			return n, nil
		}
	}
	if !c.open {
		return 0, ErrClosed
	}
	return 0, nil
}

// Write writes all of b, waiting while the peer takes nothing. It returns ErrTimeout where the peer took nothing at
// all for timeout; 0 waits for ever. After an error nothing more can be written.
func (c *Conn) Write(b []byte, timeout time.Duration) error {
	c.sendKept()
	if c.failed != nil {
		return c.failed
	}
	if late := c.late; len(late) > 0 {
		c.late = nil
		c.watchLate()
		if err := c.write(late, timeout); err != nil {
			return err
		}
	}
	return c.write(b, timeout)
}

func (c *Conn) write(b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		if !c.open {
			return ErrClosed
		}
		n, errno := send(int(c.fd), b)
		switch {
		case errno == syscall.EAGAIN:
			if err := c.waitWritable(timeout); err != nil {
				c.failed = err // what comes later must not go out in place of the rest
				return err
			}
		case errno == syscall.EINTR:
		case errno != 0:
			return os.NewSyscallError("send", errno)
		default:
			b = b[n:]
		}
	}
	return nil
}

// hearWritable has the worker hear when the socket takes bytes again.
func (c *Conn) hearWritable() error {
	if c.wantOut {
		return nil
	}
	c.wantOut = true
	return c.w.registerOut(int(c.fd), c.gen)
}

func (c *Conn) waitWritable(timeout time.Duration) error {
	if err := c.hearWritable(); err != nil {
		return err
	}
	t := c.w.cur
	expired := false
	if timeout > 0 {
		timer := c.w.After(timeout, func() {
			if c.writer == t {
				expired = true
				c.writer = nil
				c.w.resume(t)
			}
		})
		defer timer.Stop()
	}
	c.writer = t
	err := t.wait()
	c.writer = nil
	if err == nil && expired {
		err = ErrTimeout
	}
	return err
}

// WriteNow is Write without the wait: it returns how much of b the socket has taken at once. That it fails, reading tells.
func (c *Conn) WriteNow(b []byte) (n int) {
	c.sendKept()
	if c.open && len(c.late) == 0 && c.failed == nil {
		n, _ = send(int(c.fd), b)
	}
	return max(n, 0)
}
