package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// ListenUnix makes the socket at path. One that is there already is replaced only where connecting to it is refused: that
// is what a process left that was killed. One that does not answer, or is not ours to connect to, has its owner. At no
// time does the socket have more permissions than mode.
func ListenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s is there already, and is no socket", path)
	}
	if err == nil {
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
	config := net.ListenConfig{Control: loop.WithMode(mode)}
	nl, err := config.Listen(context.Background(), "unix", path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no folder %s to make the socket in", path, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	l := &unixListener{UnixListener: nl.(*net.UnixListener), path: path}
	l.SetUnlinkOnClose(false)
	if l.info, err = os.Lstat(path); err == nil {
		err = os.Chmod(path, mode) // what the umask has taken away
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// A unixListener removes its socket when it is closed, but not one that another process has put in its place.
type unixListener struct {
	*net.UnixListener

	path string
	info fs.FileInfo // of the socket; nil: not known
}

// Close is net.Listener's.
func (l *unixListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && l.info != nil && os.SameFile(now, l.info) {
		_ = os.Remove(l.path) // before it is closed: afterwards another process may take it for a stale one
	}
	return l.UnixListener.Close()
}
