package loop

import (
	"errors"
	"io/fs"
	"syscall"
)

// WithMode is what a net.ListenConfig's Control is to be so that a Unix socket is made with a mode: Linux gives the file
// that of the descriptor, less the umask (unix_bind). A chmod afterwards alone would come too late for who connects at once.
func WithMode(mode fs.FileMode) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(err, failed)
	}
}
