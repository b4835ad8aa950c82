package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
)

// ControlConfig is the control block: the socket that operators speak to a running process by.
type ControlConfig struct {
	// Socket is the path of a Unix socket to make.
	Socket string `hcl:"socket,optional"`
	// SocketMode is the socket's permissions, in octal. Who may write to it may do all that can be done by it.
	SocketMode string `hcl:"socket_mode,optional"`
}

// ControlDefaults are the settings of an empty control block.
var ControlDefaults = ControlConfig{Socket: "/run/weir/weir.sock", SocketMode: "0600"}

// maxSocketPath is what sockaddr_un of unix(7) has room for, less the zero at its end.
const maxSocketPath = 107

// Check says which settings are wrong: Invalid errors, joined.
func (c *ControlConfig) Check() error {
	var errs []error
	if !filepath.IsAbs(c.Socket) {
		errs = append(errs, Invalid("socket", fmt.Errorf("%q is not the path of a socket, which begins with a slash", c.Socket)))
	}
	if len(c.Socket) > maxSocketPath {
		errs = append(errs, Invalid("socket", fmt.Errorf("it has %d bytes, and the path of a socket has at most %d", len(c.Socket), maxSocketPath)))
	}
	if _, err := socketMode(c.SocketMode); err != nil {
		errs = append(errs, Invalid("socket_mode", err))
	}
	return errors.Join(errs...)
}

// Mode is SocketMode, which has been checked.
func (c *ControlConfig) Mode() fs.FileMode {
	mode, _ := socketMode(c.SocketMode)
	return mode
}

// socketMode reads the permissions of a socket.
func socketMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 9)
	if err != nil {
		return 0, fmt.Errorf("%q is not three octal digits such as 0770", text)
	}
	return fs.FileMode(mode), nil
}
