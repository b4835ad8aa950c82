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

	"github.com/weirproxy/weir/protocol"
)

// A Listener accepts clients at one address.
type Listener struct {
	Config  ListenerConfig
	mode    fs.FileMode
	clients atomic.Int64

	process *Process
	log     *slog.Logger
	net     net.Listener
}

// NewListener checks a listener block. It does not open the address: Process.Run does.
func NewListener(c ListenerConfig) (*Listener, error) {
	l := &Listener{Config: c}
	switch {
	case c.Address == "" && c.Socket == "":
		return nil, Invalid("address", errors.New("a listener needs an address or a socket"))
	case c.Address != "" && c.Socket != "":
		return nil, Invalid("socket", errors.New("a listener has an address or a socket, not both"))
	case c.Accounts == nil:
		return nil, Invalid("accounts", errors.New("a listener needs accounts"))
	case c.Pipeline == nil:
		return nil, Invalid("pipeline", errors.New("a listener needs a pipeline"))
	case c.LoginTimeout <= 0:
		return nil, Invalid("login_timeout", errors.New("a timeout is longer than 0"))
	case c.WriteTimeout <= 0:
		return nil, Invalid("write_timeout", errors.New("a timeout is longer than 0"))
	case c.MaxConnections < 0:
		return nil, Invalid("max_connections", errors.New("a number of connections is not negative"))
	}
	if c.Address != "" {
		if _, _, err := net.SplitHostPort(c.Address); err != nil {
			return nil, Invalid("address", fmt.Errorf("%q is not host:port", c.Address))
		}
	}
	mode, err := strconv.ParseUint(c.SocketMode, 8, 9)
	if err != nil {
		return nil, Invalid("socket_mode", fmt.Errorf("%q is not three octal digits such as 0770", c.SocketMode))
	}
	l.mode = fs.FileMode(mode)
	return l, nil
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

// listenUnix makes the socket at path. A socket that is there already and that nobody listens on is what a process
// left that was killed: it is replaced.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another process listens on this socket", path)
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
				go l.login(ctx, nc)
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

// full is the answer to a client too many.
var errFull = &protocol.SQLError{Code: protocol.ErConCount, State: "08004", Message: "Too many connections"}
