package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/integration/proxy"
)

// The names of the peers bench starts itself.
const (
	direct       = "direct"
	haproxy      = "haproxy"
	weir         = "weir"
	weirQuerylog = "weir-querylog"
)

// A peer is one way to the server.
type peer struct {
	name string
	addr string
	pid  int // 0: no process stands between
	// start starts a process of its own; nil for a peer that runs already.
	start   func() (*proxy.Proxy, error)
	running *proxy.Proxy
}

func parseExternal(s string) (*peer, error) {
	name, rest, ok := strings.Cut(s, "=")
	addr, id, found := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(id)
	if !ok || !found || err != nil {
		return nil, fmt.Errorf("%q is not name=host:port,pid", s)
	}
	return &peer{name: name, addr: addr, pid: pid}, nil
}

// newPeer makes a peer of ours, whose files go to dir.
func newPeer(name, database, dir, bin string) *peer {
	p := &peer{name: name}
	switch name {
	case direct:
		p.addr = database
	case haproxy:
		p.start = func() (*proxy.Proxy, error) { return proxy.StartHAProxy(dir, database) }
	case weir:
		p.start = func() (*proxy.Proxy, error) {
			return proxy.StartWeir(bin, dir, proxy.Config{Servers: []string{database}})
		}
	case weirQuerylog:
		log := fmt.Sprintf("  filter \"querylog\" {\n    path = %q\n  }", filepath.Join(dir, "query.jsonl"))
		p.start = func() (*proxy.Proxy, error) {
			return proxy.StartWeir(bin, dir, proxy.Config{Servers: []string{database}, Filters: log})
		}
	}
	return p
}

// ready starts the peer's process where it does not run, or no longer.
func (p *peer) ready() error {
	if p.start == nil {
		return nil
	}
	if p.running != nil {
		select {
		case <-p.running.Done():
		default:
			return nil
		}
	}
	running, err := p.start()
	if err != nil {
		return err
	}
	p.running, p.addr, p.pid = running, running.Addr, running.PID()
	return nil
}

// stop ends the peer's process where it is ours.
func (p *peer) stop() {
	if p.running != nil {
		p.running.Kill()
		p.running = nil
	}
}

// explain adds to an error what the peer's process said last.
func (p *peer) explain(err error) error {
	if err == nil || p.running == nil {
		return err
	}
	select {
	case <-p.running.Done():
		return fmt.Errorf("%w; the process has ended: %w: %s", err, p.running.Err(), p.running.LogEnd())
	default:
		return fmt.Errorf("%w; its log ends: %s", err, p.running.LogEnd())
	}
}
