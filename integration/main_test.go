package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

// stops holds what is to run after the last test, last first.
var stops []func() error

func run(m *testing.M) (code int, err error) {
	install := exec.Command("./install.sh")
	install.Stdout, install.Stderr = os.Stderr, os.Stderr
	if err := install.Run(); err != nil {
		return 1, fmt.Errorf("install.sh: %w", err)
	}
	if os.Getenv("WEIR_NO_MYSQL") != "" {
		fmt.Fprintln(os.Stderr, "integration:", server.ErrNoMySQL)
	}
	defer func() {
		for len(stops) > 0 {
			last := stops[len(stops)-1]
			stops = stops[:len(stops)-1]
			err = errors.Join(err, last())
		}
	}()
	return m.Run(), nil
}

var (
	mariadb = sync.OnceValues(func() (*server.Template, error) { return template(server.MariaDB()) })
	mysql9  = sync.OnceValues(func() (*server.Template, error) { return template(server.MySQL()) })

	// Servers that several tests use; a test that breaks its server starts one of its own.
	sharedMariaDB = sync.OnceValues(func() (*server.Server, error) { return shared(mariadb()) })
	sharedMySQL   = sync.OnceValues(func() (*server.Server, error) { return shared(mysql9()) })

	program = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "weir-program-")
		if err != nil {
			return "", err
		}
		stops = append(stops, func() error { return os.RemoveAll(dir) })
		return proxy.Build(dir)
	})
)

func template(t *server.Template, err error) (*server.Template, error) {
	if err == nil {
		stops = append(stops, t.Remove)
	}
	return t, err
}

func shared(t *server.Template, err error) (*server.Server, error) {
	if err != nil {
		return nil, err
	}
	s, err := t.Start()
	if err == nil {
		stops = append(stops, s.Stop)
	}
	return s, err
}

// families are the servers that tests run against.
var families = []struct {
	name  string
	start func() (*server.Server, error)
}{{"mariadb", sharedMariaDB}, {"mysql", sharedMySQL}}

// require returns what a start function returns, or ends the test. Only a machine declared to have no MySQL
// skips one.
func require[T any](t *testing.T, start func() (T, error)) T {
	t.Helper()
	v, err := start()
	if errors.Is(err, server.ErrNoMySQL) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// startWeir starts a Weir for one test, at whose end it must stop cleanly.
func startWeir(t *testing.T, c proxy.Config) *proxy.Proxy {
	t.Helper()
	bin := require(t, program)
	p, err := proxy.StartWeir(bin, t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("weir's log ends:\n%s", p.LogEnd())
		}
	})
	return p
}

// startMariaDB starts a MariaDB for one test.
func startMariaDB(t *testing.T, args ...string) *server.Server {
	t.Helper()
	s, err := require(t, mariadb).Start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// write makes a file of the test's.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
