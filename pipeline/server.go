package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// A Server is one configured server.
type Server struct {
	Config   ServerConfig
	network  string
	links    atomic.Int64
	greeting atomic.Pointer[protocol.Greeting] // the last one seen
	failed   atomic.Int64                      // when the server could last not be reached, in Unix nanoseconds
	prober   prober
	slot     int // its number among the process's servers, from 1
	counts   serverCounts
	watch    serverWatch
}

// NewServer checks a server block. The mistakes in its settings are Invalid errors, joined.
func NewServer(c ServerConfig) (*Server, error) {
	srv := &Server{Config: c, network: "tcp", watch: serverWatch{doubts: make(chan struct{}, 1)}}
	var errs []error
	if strings.HasPrefix(c.Address, "/") {
		srv.network = "unix"
	} else if err := validAddress(c.Address, 1); err != nil {
		errs = append(errs, Invalid("address", fmt.Errorf("%w, nor the path of a socket", err)))
	}
	if c.Weight < 1 {
		errs = append(errs, Invalid("weight", errors.New("a weight is at least 1")))
	}
	if c.Rank < 1 {
		errs = append(errs, Invalid("rank", errors.New("a rank is at least 1")))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, Invalid("connect_timeout", errors.New("a timeout is longer than 0")))
	}
	return srv, errors.Join(errs...)
}

// Name is the server's name in the configuration file.
func (srv *Server) Name() string { return srv.Config.Name }

// Links is the number of sessions' connections to the server, being opened ones included. Any goroutine may call it.
func (srv *Server) Links() int64 { return srv.links.Load() }

// A ServerError says that a server could not be used, and which one.
type ServerError struct {
	Server *Server
	Err    error // a *protocol.SQLError where the server itself refused
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("server %s (%s): %v", e.Server.Config.Name, e.Server.Config.Address, e.Err)
}

func (e *ServerError) Unwrap() error { return e.Err }

// NoServer makes one error of those of all servers that were tried for a session: the servers' own where they agree on
// one, as for an unknown schema, and otherwise a NoServerError.
func NoServer(tried []error) error {
	first, agreed := errors.AsType[*protocol.SQLError](tried[0])
	for _, err := range tried {
		e, ok := errors.AsType[*protocol.SQLError](err)
		agreed = agreed && ok && e.Code == first.Code
	}
	if agreed {
		return tried[0]
	}
	return &NoServerError{tried}
}

// A NoServerError says that no server would take a session, and why each would not. The client is told the servers' names.
type NoServerError struct {
	Tried []error // *ServerError each
}

func (e *NoServerError) Error() string { return errors.Join(e.Tried...).Error() }

// Brief names the servers, each with what was wrong with it.
func (e *NoServerError) Brief() string {
	texts := make([]string, len(e.Tried))
	for i, err := range e.Tried {
		texts[i] = err.Error()
		if one, ok := errors.AsType[*ServerError](err); ok {
			texts[i] = one.Server.Name() + ": " + one.Err.Error()
		}
	}
	return strings.Join(texts, "; ")
}

// dial connects and reads the greeting. The connection has a deadline of ConnectTimeout. The error is a *ServerError.
func (srv *Server) dial(ctx context.Context) (*packets, *protocol.Greeting, error) {
	conn, g, err := srv.reach(ctx)
	if err != nil {
		err = givenUp(ctx, err)
		if !errors.Is(context.Cause(ctx), ErrInterrupted) { // that says nothing of the server
			srv.failed.Store(time.Now().UnixNano())
			srv.Doubt()
			srv.counts.fail(err, connectUnreachable)
		}
		return nil, nil, &ServerError{srv, err}
	}
	srv.failed.Store(0)
	srv.greeting.Store(g)
	return conn, g, nil
}

func (srv *Server) reach(ctx context.Context) (*packets, *protocol.Greeting, error) {
	deadline := time.Now().Add(srv.Config.ConnectTimeout)
	dialer := net.Dialer{Deadline: deadline}
	nc, err := dialer.DialContext(ctx, srv.network, srv.Config.Address)
	if err != nil {
		return nil, nil, bareDialError(err)
	}
	_ = nc.SetDeadline(deadline)
	defer abandon(ctx, nc)()
	conn := newPackets(nc)
	payload, err := conn.readPacket()
	if err != nil {
		_ = nc.Close()
		return nil, nil, fmt.Errorf("waiting for its greeting: %w", err)
	}
	g, err := protocol.DecodeGreeting(payload)
	if err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	return conn, &g, nil
}

// abandon has what is under way on nc fail when ctx is done, until stop is called.
func abandon(ctx context.Context, nc net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
}

// givenUp is why something failed under ctx: the server was found to be down, or else err.
func givenUp(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errWentDown) {
		return errWentDown
	}
	return err
}

// bareDialError takes the address away from what net says, since ServerError names it.
func bareDialError(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// linkCaps are the capabilities that concern one end of a session alone, and not what commands and replies look like.
const linkCaps = protocol.ClientMySQL | protocol.ClientConnectWithDB | protocol.ClientProtocol41 |
	protocol.ClientSecureConnection | protocol.ClientPluginAuth | protocol.ClientPluginAuthLenencClientData |
	protocol.ClientConnectAttrs | protocol.ClientReserved

// foreignCaps are the capabilities Weir does not offer its clients, whatever the servers can do: they would need
// something at its own ends that is not there.
const foreignCaps = protocol.ClientCompress | protocol.ClientSSL | protocol.ClientZstdCompression |
	protocol.ClientMultiFactorAuthentication | protocol.ClientCapabilityExtension |
	protocol.ClientSSLVerifyServerCert | protocol.ClientRememberOptions | protocol.MariaDBClientComMulti
