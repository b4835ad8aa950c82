package protocoltest

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// Server plays a script for every connection it accepts, each on a goroutine of its own.
type Server struct {
	// Addr is what to dial.
	Addr string

	t     testing.TB
	ln    net.Listener
	ended chan struct{} // one for each script that has ended
	done  sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

// NewServer starts a server on a port of 127.0.0.1. script is called with the number of the connection, from 0,
// for the steps it is to play; after the last one the connection is closed. A step's error fails the test, unless
// the server has been closed. The test's end closes it.
func NewServer(t testing.TB, script func(n int) []Step) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, ln, script)
}

// Serve is NewServer on a listener of the caller's, which the server closes.
func Serve(t testing.TB, ln net.Listener, script func(n int) []Step) *Server {
	s := &Server{Addr: ln.Addr().String(), t: t, ln: ln, ended: make(chan struct{}, 1<<16)}
	t.Cleanup(s.Close)
	s.done.Go(func() {
		for n := 0; ; n++ {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			if s.add(nc) {
				s.done.Go(func() { s.play(n, nc, script(n)) })
			}
		}
	})
	return s
}

func (s *Server) add(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = nc.Close()
		return false
	}
	s.conns = append(s.conns, nc)
	return true
}

func (s *Server) play(n int, nc net.Conn, steps []Step) {
	err := Script(steps...)(NewConn(nc))
	_ = nc.Close()
	s.mu.Lock()
	if err != nil && !s.closed {
		s.t.Error(fmt.Errorf("server's connection %d: %w", n, err))
	}
	s.mu.Unlock()
	s.ended <- struct{}{}
}

// Accepted returns the number of connections accepted so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Wait returns when n more scripts have come to their end than earlier calls waited for, and fails the test where
// they do not.
func (s *Server) Wait(n int) {
	s.t.Helper()
	late := time.After(2 * Timeout)
	for i := range n {
		select {
		case <-s.ended:
		case <-late:
			s.t.Fatalf("%d of %d scripts of the server have ended", i, n)
		}
	}
}

// Close closes the listener and every connection, and returns when no script runs any more. What running
// scripts say of it is no error.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	conns := s.conns
	s.mu.Unlock()
	_ = s.ln.Close()
	for _, nc := range conns {
		_ = nc.Close()
	}
	s.done.Wait()
}
