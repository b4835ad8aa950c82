package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A Session is one client's, from login to its end. Its methods may be called in Open, Serve and WriteReply, and from
// nowhere else unless they say so.
type Session struct {
	// What every statement touches stands together.
	worker    *loop.Worker
	task      *loop.Task // serving a command; nil while idle
	chain     Handler
	ctx       context.Context
	cancelled error               // why waits end at once
	caps      protocol.Capability // what client and servers agreed on
	linkSpoke bool                // a server may have something to say, or have closed
	errand    func() error        // see Between
	draining  bool                // to end before the next command
	leaving   error               // why it is to end before the next command outside a transaction
	ended     bool
	opening   bool   // the chain is being closed and opened on another goroutine
	counted   bool   // in listener.clients
	look      uint32 // of the balancer, since which a command was served last
	mode      sqlscan.Mode
	status    uint16 // server status flags, as a reply has last carried them
	results   int    // statements of the command being served that are done, but for the last
	killable  killable
	client    client
	command   Command
	watch     Watch // of the reply to command
	trx       openTransaction
	tally     *tally    // of the session's pipeline on its worker, where commands are counted
	uncounted bool      // the command being served is yet to be counted by how it went
	clock     stepClock // measures the steps of some statements
	prepared  Prepared  // as the client prepared them
	trace     *traceState

	id      uint32
	life    int
	began   time.Time // when the client was let in
	account *account
	user    string
	from    peer
	schema  string
	reset   bool // by COM_RESET_CONNECTION: new connections begin as those do that were
	logger  *slog.Logger

	// What servers are logged in to with.
	maxPacket    uint32
	collation    uint8
	connectAttrs []byte

	listener *Listener   // nil where Detached
	own      *statements // what is known of statements where there is no worker
	greeted  greeted
	links    []*Link
	carried  []*Link
	branch   *Branch   // the session is this branch's, and has no client
	branches []*Branch // forked of this session; those that have ended are forgotten at the next Fork
	cutter   *Cutter   // of the chain, where it has one
	acks     *acks     // of the binlog dump being relayed
	closers  []func()
	cancel   context.CancelFunc
	home     *worker
	index    int                    // in home.sessions
	place    atomic.Pointer[worker] // home, for other goroutines
	awaited  *worker                // where to move to as soon as nothing is under way
}

// greeted is what the client was greeted with, for when it changes user.
type greeted struct {
	nonce  []byte
	plugin string
	status uint16
	// dialect is that of the servers: sqlscan.MariaDB or 0.
	dialect sqlscan.Mode
}

// errQuit is the end of a session whose client says goodbye.
var errQuit = errors.New("quit")

// ID is the connection id the client was greeted with. It is unique among the sessions of this process. Its highest
// bit is set, so that it is not mistaken for a server's own id of a connection.
func (s *Session) ID() uint32 { return s.id }

// Life counts how often the session's chain has been opened: 1 from the login on, and one more after each
// COM_CHANGE_USER and COM_RESET_CONNECTION. ID and Life together tell what one handler has seen from all else.
func (s *Session) Life() int { return s.life }

// User is the name the client logged in with.
func (s *Session) User() string { return s.user }

// ClientAddr is the client's "host:port", or "localhost" for one on a Unix socket.
func (s *Session) ClientAddr() string { return s.from.text }

// Schema is the default schema as far as the servers' replies tell, empty where there is none.
func (s *Session) Schema() string { return s.schema }

// Capabilities is what the client and the servers agreed on: it says what commands and replies look like.
func (s *Session) Capabilities() protocol.Capability { return s.caps }

// Log is the session's logger, with its id, user and address.
func (s *Session) Log() *slog.Logger {
	return s.logger.With("session", s.id, "user", s.user, "client", s.from.text)
}

// OnClose registers what is to run once when the chain being opened is closed: at the session's end, or when it
// changes user. It runs on an ordinary goroutine where it may block, after the last Serve has returned.
func (s *Session) OnClose(f func()) { s.closers = append(s.closers, f) }

// Do runs f on an ordinary goroutine and waits for it without blocking the worker. It returns f's error. f is not
// interrupted when the session is cancelled; Do then returns only after f has.
func (s *Session) Do(f func() error) error {
	if s.worker == nil || s.task == nil || s.opening {
		return f()
	}
	return s.worker.Await(f)
}

// Sleep waits without blocking the worker; it returns early with an error when the session is cancelled.
func (s *Session) Sleep(d time.Duration) error {
	if s.worker != nil && s.task != nil && !s.opening {
		return s.worker.Sleep(d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// The front of a session is its client. A branch has none: its client is the zero one, which does not hang up and for
// which nothing is ever queued, so that links need not tell the two apart. What they ask of the front is gone, flush and
// holds.

// gone reports whether the client has hung up and nothing of it is left to serve.
func (s *Session) gone() bool { return s.client.gone() }

// holds reports whether bytes of a link's buffer are queued for the client.
func (s *Session) holds() bool { return len(s.client.pend) > 0 }

// flush sends what is queued for the client.
func (s *Session) flush() error {
	if s.worker == nil {
		return nil
	}
	return s.client.flush()
}

// Ready is what the worker says when the client speaks, or hangs up, while no task reads from it.
func (s *Session) Ready(_ *loop.Conn, hangup bool) {
	if s.task == nil {
		s.worker.Go(s)
		return
	}
	switch {
	case hangup:
		s.interrupt(errClientGone)
	case s.killable.errand:
		s.hurry()
	case s.acks != nil:
		s.acks.ready()
	}
}

// linkReady is what a link says when its server speaks unasked.
func (s *Session) linkReady() {
	s.linkSpoke = true
	if s.task == nil && !s.ended {
		s.wake()
	}
}

// wake has the session looked after that is idle.
func (s *Session) wake() {
	if s.branch != nil {
		s.branch.Wake()
		return
	}
	s.worker.Go(s)
}

// interrupt ends the session from outside its task.
func (s *Session) interrupt(err error) {
	if s.cancelled == nil {
		s.cancelled = err
		s.cancel()
	}
	if s.task != nil {
		s.task.Interrupt(err)
		return
	}
	s.wake()
}

// drain ends the session once it is idle. A branch ends with the session it was forked of.
func (s *Session) drain() {
	s.draining = true
	switch {
	case s.ended, s.branch != nil:
	case s.task == nil:
		s.worker.Go(s)
	case s.betweenCommands():
		s.interrupt(errDraining)
	}
}
