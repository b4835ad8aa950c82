package metrics

import (
	"net"
	"sync"
)

// limited is a listener with so many connections at a time as there are slots; others wait in the kernel's queue.
type limited struct {
	net.Listener
	slots chan struct{}
}

// Accept waits for a slot, and a client. It must not wait for a slot when the listener has been closed: connections end
// with their server, which is what closes it.
func (l *limited) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	nc, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: nc, leave: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection and leaves its slot.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
