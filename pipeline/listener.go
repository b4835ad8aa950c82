package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// A Listener accepts clients at one address.
type Listener struct {
	Config  ListenerConfig
	mode    fs.FileMode
	clients atomic.Int64
	counts  listenerCounts

	process *Process
	log     *slog.Logger
	net     net.Listener
}

// NewListener checks a listener block. The mistakes in its settings are Invalid errors, joined. It does not open the
// address: Process.Run does.
func NewListener(c ListenerConfig) (*Listener, error) {
	l := &Listener{Config: c}
	var errs []error
	invalid := func(bad bool, setting, text string) {
		if bad {
			errs = append(errs, Invalid(setting, errors.New(text)))
		}
	}
	invalid(c.Address == "" && c.Socket == "", "address", "a listener needs an address or a socket")
	invalid(c.Address != "" && c.Socket != "", "socket", "a listener has an address or a socket, not both")
	invalid(c.Accounts == nil, "accounts", "a listener needs accounts")
	invalid(c.Pipeline == nil, "pipeline", "a listener needs a pipeline")
	invalid(c.LoginTimeout <= 0, "login_timeout", "a timeout is longer than 0")
	invalid(c.WriteTimeout <= 0, "write_timeout", "a timeout is longer than 0")
	invalid(c.MaxConnections < 0, "max_connections", "a number of connections is not negative")
	if c.Address != "" {
		if err := validAddress(c.Address, 0); err != nil {
			errs = append(errs, Invalid("address", err))
		}
	}
	mode, err := socketMode(c.SocketMode)
	if err != nil {
		errs = append(errs, Invalid("socket_mode", err))
	}
	l.mode = mode
	return l, errors.Join(errs...)
}

// Addr is where the listener listens once the process runs, with the port it was given where it asked for any.
func (l *Listener) Addr() net.Addr { return l.net.Addr() }

func (l *Listener) listen(p *Process) error {
	l.process, l.log = p, p.Log.With("listener", l.Config.Name)
	var err error
	if l.Config.Socket != "" {
		l.net, err = ListenUnix(l.Config.Socket, l.mode)
	} else {
		l.net, err = net.Listen("tcp", l.Config.Address)
	}
	if err != nil {
		return fmt.Errorf("listener %s: %w", l.Config.Name, err)
	}
	l.log.Info("listening", "address", l.net.Addr().String())
	return nil
}

// accept takes clients until the listener is closed.
func (l *Listener) accept(ctx context.Context) {
	pause := time.Duration(0)
	for {
		nc, err := l.net.Accept()
		if err == nil {
			pause = 0
			if l.process.arrive() {
				go loop.Elsewhere(func() { l.login(ctx, nc) })
			} else {
				_ = nc.Close()
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of descriptors, most likely: they come back when sessions end.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		l.log.Error("cannot accept clients; raise the limit of open files where that is the reason",
			"error", err, "again_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// errFull is the answer to a client too many.
var errFull = &protocol.SQLError{Code: protocol.ErConCount, State: "08004", Message: "Too many connections"}
