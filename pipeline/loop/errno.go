package loop

import (
	"errors"
	"syscall"
)

// Refused reports whether err says that nobody listens where a connection was wanted.
func Refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
