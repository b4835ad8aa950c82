package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// ListenUnix makes the socket at path. One that is there already is replaced only where connecting to it is refused: that
// is what a process left that was killed. One that does not answer, or is not ours to connect to, has its owner. At no
// time does the socket have more permissions than mode.
func ListenUnix(path string, mode fs.FileMode) (net.Listener, error) {
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
	config := net.ListenConfig{Control: loop.WithMode(mode)}
	nl, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // what the umask has taken away
		_ = nl.Close()
		return nil, err
	}
	return nl, nil
}
