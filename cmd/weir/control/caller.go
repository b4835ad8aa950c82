package control

import (
	"errors"
	"net"
	"os/user"
	"strconv"
	"syscall"
)

// A caller is who is at the other end of a connection, by what the kernel says.
type caller struct {
	uid, pid int
}

type callerKey struct{}

// callerOf asks the kernel. What it does not say is -1.
func callerOf(c net.Conn) caller {
	who := caller{-1, -1}
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return who
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return who
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); failed == nil {
			who = caller{int(cred.Uid), int(cred.Pid)}
		}
	})
	if errors.Join(err, failed) != nil {
		return caller{-1, -1}
	}
	return who
}

// name is the account's, where it has one.
func (c caller) name() string {
	id := strconv.Itoa(c.uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
