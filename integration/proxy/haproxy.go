package proxy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/weirproxy/weir/integration/process"
)

const haproxyConfig = `global
  nbthread 2
  maxconn 8000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen mysql
  bind %s
  server db %s
`

// StartHAProxy starts HAProxy in TCP mode in front of the server at backend, with its files in dir, and waits
// until it listens.
func StartHAProxy(dir, backend string) (*Proxy, error) {
	bin, err := exec.LookPath("haproxy")
	if errors.Is(err, exec.ErrNotFound) {
		bin, err = exec.LookPath("/usr/sbin/haproxy")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: run integration/install.sh", err)
	}
	addr, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "haproxy-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, addr, backend), 0o600); err != nil {
		return nil, err
	}
	return start("haproxy", exec.Command(bin, "-db", "-f", file), dir, addr)
}
