package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/integration/proxy"
)

// The names of the peers bench starts itself. Others are weir's variants.
const (
	direct  = "direct"
	haproxy = "haproxy"
	weir    = "weir"
)

// usual are the peers that are measured where no others are asked for.
var usual = []string{direct, haproxy, weir, "weir-readwritesplit", "weir-querylog"}

// variants are configurations of Weir by the names of their peers. dir is for their files, collector the URL of one that
// takes everything.
var variants = map[string]func(dir, collector string) proxy.Config{
	weir: func(string, string) proxy.Config { return proxy.Config{} },
	// Its replica is the primary by another name: reads have a connection of their own.
	"weir-readwritesplit": func(string, string) proxy.Config { return proxy.Config{Split: true} },
	"weir-readwritesplit-no-io-uring": func(string, string) proxy.Config {
		return proxy.Config{Split: true, Process: "io_uring = false"}
	},
	"weir-querylog": func(dir, _ string) proxy.Config {
		return proxy.Config{Filters: fmt.Sprintf("filter \"querylog\" {\n path = %q\n}", filepath.Join(dir, "query.jsonl"))}
	},
	"weir-regex": func(string, string) proxy.Config {
		return proxy.Config{Filters: "filter \"regex\" {\n match = \"(?i)from secret\"\n replace = \"from public\"\n}"}
	},
	"weir-top": func(string, string) proxy.Config { return proxy.Config{Filters: "filter \"top\" {}"} },
	"weir-traces-unsampled": func(_, collector string) proxy.Config {
		return traces(collector, "sample_ratio = 0\n slow = \"10s\"\n errors = true")
	},
	"weir-traces-all": func(_, collector string) proxy.Config { return traces(collector, "sample_ratio = 1") },
}

func traces(collector, settings string) proxy.Config {
	return proxy.Config{More: fmt.Sprintf("telemetry {\n traces {\n endpoint = %q\n %s\n}\n}\n", collector, settings)}
}

// peerNames are all peers that bench can start.
func peerNames() []string {
	return append([]string{direct, haproxy}, slices.Sorted(maps.Keys(variants))...)
}

// startCollector starts what takes spans over HTTP and forgets them.
func startCollector() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
}

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
func newPeer(name, database, collector, dir, bin string) *peer {
	p := &peer{name: name}
	switch name {
	case direct:
		p.addr = database
	case haproxy:
		p.start = func() (*proxy.Proxy, error) { return proxy.StartHAProxy(dir, database) }
	default:
		p.start = func() (*proxy.Proxy, error) {
			config := variants[name](dir, collector)
			config.Servers = []string{database}
			if config.Split {
				config.Servers = []string{database, database}
			}
			return proxy.StartWeir(bin, dir, config)
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
