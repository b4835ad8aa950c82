// Package proxy runs what stands between client and server in tests and benchmarks: Weir itself, and HAProxy to
// compare it with.
package proxy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/server"
)

const startTimeout = 10 * time.Second

// A Proxy is a running proxy.
type Proxy struct {
	*process.Process
	Addr string // host:port
}

// Build compiles Weir into the folder dir and returns the program's path.
func Build(dir string) (string, error) {
	bin := filepath.Join(dir, "weir")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/weirproxy/weir/cmd/weir")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return bin, nil
}

// Config says what Weir is to be.
type Config struct {
	Servers []string // addresses of the servers of its router
	// Split has its router be readwritesplit, with the first server as the primary of the others.
	Split   bool
	Filters string // HCL of the pipeline's filter blocks
	Process string // HCL of the process block's content
	Metrics string // address of its metrics, if any
	More    string // HCL of further blocks
}

// StartWeir starts the program bin, with its files in dir, and waits until it listens. Stop ends it with SIGTERM
// and returns an error where its exit code is not 0.
func StartWeir(bin, dir string, c Config) (*Proxy, error) {
	addr, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	return StartWeirWith(bin, dir, c.hcl(addr), addr)
}

// StartWeirWith is StartWeir with the text of a configuration file, which has a listener at addr.
func StartWeirWith(bin, dir, config, addr string) (*Proxy, error) {
	dir, err := os.MkdirTemp(dir, "weir-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "weir.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return start("weir", exec.Command(bin, "run", file), dir, addr)
}

func start(name string, cmd *exec.Cmd, dir, addr string) (*Proxy, error) {
	p, err := process.Start(name, cmd, filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	if err := p.AwaitAddress(addr, startTimeout); err != nil {
		p.Kill()
		return nil, err
	}
	return &Proxy{Process: p, Addr: addr}, nil
}

func (c Config) hcl(addr string) string {
	var b strings.Builder
	var names []string
	for i, address := range c.Servers {
		fmt.Fprintf(&b, "server \"db%d\" {\n  address = %q\n}\n\n", i+1, address)
		names = append(names, fmt.Sprintf("server.db%d", i+1))
	}
	fmt.Fprintf(&b, "accounts \"main\" {\n  user %q {\n    password = %q\n  }\n}\n\n", server.User, server.Password)
	fmt.Fprintf(&b, "listener \"main\" {\n  address  = %q\n  accounts = accounts.main\n  pipeline = pipeline.main\n}\n\n",
		addr)
	router, servers := "connection", "["+strings.Join(names, ", ")+"]"
	if c.Split {
		fmt.Fprintf(&b, "monitor \"static\" \"main\" {\n  primary  = %s\n  replicas = [%s]\n  user     = %q\n  password = %q\n}\n\n",
			names[0], strings.Join(names[1:], ", "), server.User, server.Password)
		router, servers = "readwritesplit", "monitor.main.servers"
	}
	fmt.Fprintf(&b, "pipeline \"main\" {\n%s\n  router %q {\n    servers = %s\n  }\n}\n", c.Filters, router, servers)
	if c.Process != "" {
		fmt.Fprintf(&b, "\nprocess {\n%s\n}\n", c.Process)
	}
	b.WriteString(c.More)
	if c.Metrics != "" {
		fmt.Fprintf(&b, "\ntelemetry {\n  metrics {\n    address = %q\n  }\n}\n", c.Metrics)
	}
	return b.String()
}
