package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Role is what a server does in its cluster.
type Role uint8

// The roles. A relay is a replica that others replicate from.
const (
	NoRole Role = iota
	Primary
	Replica
	Relay
)

var roleNames = [...]string{"none", "primary", "replica", "relay"}

// String names the role as settings and metrics do.
func (r Role) String() string { return roleNames[r] }

// Reads reports whether a server of this role is one that reads are spread over.
func (r Role) Reads() bool { return r == Replica || r == Relay }

// A Service is how far an operator lets a server be used.
type Service uint8

// What operators say of servers: a draining one gets no new connections and loses sessions as they come to rest, one in
// maintenance gets no statement that is not part of an open transaction.
const (
	InService Service = iota
	Draining
	InMaintenance
)

var serviceNames = [...]string{"in service", "draining", "maintenance"}

// String names it as the control socket does.
func (v Service) String() string { return serviceNames[v] }

// UnknownLag is the lag of a server of which it cannot be told.
const UnknownLag = time.Duration(-1)

// A ServerState is what is known of a server. It is immutable.
type ServerState struct {
	// Monitored says that somebody watches the server. What is said of one that nobody watches is that it is up.
	Monitored bool
	Up        bool
	Role      Role
	Service   Service
	// Of is the server that this one replicates from, nil where that is none of the configured ones.
	Of *Server
	// Lag is how far a replica is behind, UnknownLag where that cannot be told.
	Lag      time.Duration
	ReadOnly bool
	Version  string
	// GTID is what the server has executed, in its own notation: gtid_current_pos of MariaDB, gtid_executed of MySQL.
	GTID string
	// Reason says in words why the server is not used as it could be: access denied, broken replication. Empty: nothing
	// is wrong.
	Reason string
	// Problem is Reason in one word.
	Problem Problem
	// Since is when Up, Role or Service last changed.
	Since time.Time
}

// Takes reports whether the server may get statements of sessions that are not bound to it.
func (st *ServerState) Takes() bool { return st.Up && st.Service == InService }

// serverWatch is a server's state and who waits for it to change.
type serverWatch struct {
	state   atomic.Pointer[ServerState]
	mu      sync.Mutex
	service Service // outlives what monitors say
	waiting []chan<- struct{}
	doubts  chan struct{} // has room for one
	// opening are what gives up the connections that are being opened.
	opening map[*context.CancelCauseFunc]struct{}
}

var unmonitored = &ServerState{Up: true, Lag: UnknownLag}

// State returns what is known of the server, never nil. Any goroutine may call it; it takes no lock.
func (srv *Server) State() *ServerState {
	if st := srv.watch.state.Load(); st != nil {
		return st
	}
	return unmonitored
}

// SetState is for the server's monitor: it tells what it has found. Service is the operator's and stays what it was;
// Since is set where something of weight has changed. Any goroutine may call it.
func (srv *Server) SetState(st ServerState) {
	srv.watch.mu.Lock()
	defer srv.watch.mu.Unlock()
	st.Service = srv.watch.service
	srv.setState(st)
}

// SetService is for the operator. Any goroutine may call it.
func (srv *Server) SetService(v Service) {
	srv.watch.mu.Lock()
	defer srv.watch.mu.Unlock()
	srv.watch.service = v
	st := *srv.State()
	st.Service = v
	srv.setState(st)
}

// setState is called with mu held.
func (srv *Server) setState(st ServerState) {
	old := srv.State()
	if st.Up == old.Up && st.Role == old.Role && st.Service == old.Service && !old.Since.IsZero() {
		st.Since = old.Since
	} else {
		st.Since = time.Now()
	}
	srv.watch.state.Store(&st)
	if old.Up && !st.Up {
		for giveUp := range srv.watch.opening {
			(*giveUp)(errWentDown)
		}
	}
	for _, waiting := range srv.watch.waiting {
		select {
		case waiting <- struct{}{}:
		default: // it is about to look anyway
		}
	}
}

// errWentDown is why a connection is not waited for any more.
var errWentDown = errors.New("it was found to be down meanwhile")

// whileUp returns a context that is done when ctx is, or once the server is found to be down: a server that is stopped
// may take a connection, and say nothing on it. stop is to be called when the context is not needed any more.
func (srv *Server) whileUp(ctx context.Context) (up context.Context, stop func()) {
	up, giveUp := context.WithCancelCause(ctx)
	srv.watch.mu.Lock()
	defer srv.watch.mu.Unlock()
	if srv.watch.opening == nil {
		srv.watch.opening = make(map[*context.CancelCauseFunc]struct{})
	}
	srv.watch.opening[&giveUp] = struct{}{}
	return up, func() {
		srv.watch.mu.Lock()
		delete(srv.watch.opening, &giveUp)
		srv.watch.mu.Unlock()
		giveUp(nil)
	}
}

// Doubt tells the server's monitor, where it has one, that a session could not reach the server or has lost it, so that it
// looks at once. Any goroutine may call it, workers too.
func (srv *Server) Doubt() {
	select {
	case srv.watch.doubts <- struct{}{}:
	default: // nobody has looked since the last doubt
	}
}

// Doubts gets a value where there is reason to look at the server at once. It is for the server's monitor, and of no use
// to several.
func (srv *Server) Doubts() <-chan struct{} { return srv.watch.doubts }

// watchStates has changed get a value after each change of the state of any of servers, but for those that come while
// one is in it: it must have room for one. stop ends that. Any goroutine may call it.
func watchStates(servers []*Server, changed chan<- struct{}) (stop func()) {
	for _, srv := range servers {
		srv.watch.mu.Lock()
		srv.watch.waiting = append(srv.watch.waiting, changed)
		srv.watch.mu.Unlock()
	}
	return func() {
		for _, srv := range servers {
			srv.watch.mu.Lock()
			srv.watch.waiting = slices.DeleteFunc(srv.watch.waiting, func(c chan<- struct{}) bool { return c == changed })
			srv.watch.mu.Unlock()
		}
	}
}

// OnStates calls f, on a goroutine of its own, whenever the state of one of servers has changed; once for several changes
// that come while it runs. stop ends that, and returns when f has.
func OnStates(servers []*Server, f func()) (stop func()) {
	changed, quit, done := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	unwatch := watchStates(servers, changed)
	go func() {
		defer close(done)
		defer unwatch()
		for {
			select {
			case <-changed:
				f()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// AwaitStates blocks until ok, which it asks at once and after each change of the state of one of servers, or until ctx is
// done: then it returns why.
func AwaitStates(ctx context.Context, servers []*Server, ok func() bool) error {
	changed := make(chan struct{}, 1)
	defer watchStates(servers, changed)()
	for !ok() {
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// A Monitor watches servers and tells them what it finds.
type Monitor interface {
	// Servers are those it watches: what monitor.NAME.servers means in a file.
	Servers() []*Server
}
