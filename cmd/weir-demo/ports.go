package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// ports is one listener on several ports. It is one so that connection ids, by which the engine tells sessions
// apart, are given out once.
type ports struct {
	listeners []net.Listener
	conns     chan net.Conn
	done      chan struct{}
	close     sync.Once
	accepting sync.WaitGroup
}

// listen opens the port of every role. A port of 0 becomes the one that is opened.
func listen(roles []role) (*ports, error) {
	p := &ports{conns: make(chan net.Conn), done: make(chan struct{})}
	for i, r := range roles {
		l, err := listenOn(r.port, "the "+r.name, r.variable)
		if err != nil {
			p.Close()
			return nil, err
		}
		roles[i].port = l.Addr().(*net.TCPAddr).Port
		p.listeners = append(p.listeners, l)
		p.accepting.Go(func() { p.accept(l) })
	}
	return p, nil
}

// listenOn opens a port. What it says of one that cannot be had names the setting that moves it.
func listenOn(port int, name, variable string) (net.Listener, error) {
	l, err := net.Listen("tcp", loopback(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d, for %s, is in use: set another, as in `make demo %s=%d`",
			port, name, variable, port+10_000)
	}
	return l, err
}

func (p *ports) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case p.conns <- conn:
		case <-p.done:
			conn.Close()
			return
		}
	}
}

// Accept returns the next client of any port.
func (p *ports) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close closes all ports and waits until none accepts.
func (p *ports) Close() error {
	var errs []error
	p.close.Do(func() {
		close(p.done)
		for _, l := range p.listeners {
			errs = append(errs, l.Close())
		}
	})
	p.accepting.Wait()
	return errors.Join(errs...)
}

// Addr returns the first port's address.
func (p *ports) Addr() net.Addr { return p.listeners[0].Addr() }
