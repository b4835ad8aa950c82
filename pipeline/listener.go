package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
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
	mode, err := strconv.ParseUint(c.SocketMode, 8, 9)
	invalid(err != nil, "socket_mode", fmt.Sprintf("%q is not three octal digits such as 0770", c.SocketMode))
	l.mode = fs.FileMode(mode)
	return l, errors.Join(errs...)
}

// Addr is where the listener listens once the process runs, with the port it was given where it asked for any.
func (l *Listener) Addr() net.Addr { return l.net.Addr() }

func (l *Listener) listen(p *Process) error {
	l.process, l.log = p, p.Log.With("listener", l.Config.Name)
	var err error
	if l.Config.Socket != "" {
		l.net, err = listenUnix(l.Config.Socket, l.mode)
	} else {
		l.net, err = net.Listen("tcp", l.Config.Address)
	}
	if err != nil {
		return fmt.Errorf("listener %s: %w", l.Config.Name, err)
	}
	l.log.Info("listening", "address", l.net.Addr().String())
	return nil
}

// listenUnix makes the socket at path. One that is there already is replaced only where connecting to it is refused: that
// is what a process left that was killed. One that does not answer, or is not ours to connect to, has its owner.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another process listens on this socket", path)
		}
		if !loop.Refused(err) {
			return nil, fmt.Errorf("%s is there already, and may be in use: %w", path, bareDialError(err))
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	nl, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = nl.Close()
		return nil, err
	}
	return nl, nil
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
