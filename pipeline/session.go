package pipeline

import (
	"log/slog"
	"time"
)

// A Session is one client's, from login to its end. Its methods may be called in Open, Serve and WriteReply,
// and from nowhere else unless they say so.
type Session struct{}

// ID is the connection id the client was greeted with. It is unique among the sessions of this process.
func (s *Session) ID() uint32 { return 0 }

// User is the name the client logged in with.
func (s *Session) User() string { return "" }

// ClientAddr is the client's "host:port", or "localhost" for one on a Unix socket.
func (s *Session) ClientAddr() string { return "" }

// Schema is the default schema as far as the servers' replies tell, empty where there is none.
func (s *Session) Schema() string { return "" }

// Log is the session's logger, with its id, user and address.
func (s *Session) Log() *slog.Logger { return nil }

// OnClose registers what is to run once when the chain being opened is closed: at the session's end, or when
// it changes user. It runs on an ordinary goroutine where it may block, after the last Serve has returned.
func (s *Session) OnClose(f func()) {}

// Do runs f on an ordinary goroutine and waits for it without blocking the worker. It returns f's error. f is
// not interrupted when the session is cancelled; Do then returns only after f has.
func (s *Session) Do(f func() error) error { return nil }

// Sleep waits without blocking the worker; it returns early with an error when the session is cancelled.
func (s *Session) Sleep(d time.Duration) error { return nil }
