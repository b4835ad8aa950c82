package pipeline

import (
	"fmt"
	"net"
	"strconv"
)

// validAddress checks "host:port". The port is a number from lowest on: 0 is any free one, which only a listener can
// ask for. The host is not looked up, and may be empty.
func validAddress(address string, lowest uint64) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < lowest {
		return fmt.Errorf("%q: the port is a number from %d to 65535", address, lowest)
	}
	return nil
}
