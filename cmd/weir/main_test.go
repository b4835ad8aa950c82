package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
)

// asProgram is set for a copy of the test binary that is to be the program.
const asProgram = "WEIR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns the command that runs weir with args.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// configuration writes a file with a listener at address, and what else is to be in it.
func configuration(t *testing.T, address, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.hcl")
	text := fmt.Sprintf(`
server "db1" {
  address = "127.0.0.1:1"
}
accounts "main" {
  user "app" {
    password = "secret"
  }
}
listener "app" {
  address  = %q
  accounts = accounts.main
  pipeline = pipeline.app
}
pipeline "app" {
  router "connection" {
    servers = [server.db1]
  }
}
%s`, address, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerbs(t *testing.T) {
	good := configuration(t, "127.0.0.1:0", "")
	warned := configuration(t, "127.0.0.1:0", "server \"spare\" {\n  address = \"127.0.0.1:2\"\n}\n")
	bad := configuration(t, "127.0.0.1:0", "sever \"db2\" {\n}\n")
	missing := filepath.Join(t.TempDir(), "missing.hcl")
	for name, test := range map[string]struct {
		args           []string
		status         int
		stdout, stderr string // what it contains; nothing where empty
	}{
		"nothing":       {nil, 2, "", "Usage:"},
		"help":          {[]string{"help"}, 0, "Usage:", ""},
		"-h":            {[]string{"-h"}, 0, "Usage:", ""},
		"unknown":       {[]string{"walk"}, 2, "", `no verb "walk"`},
		"version":       {[]string{"version"}, 0, "weir ", ""},
		"check":         {[]string{"check", good}, 0, good + ": ok\n", ""},
		"check warned":  {[]string{"check", warned}, 0, warned + ": ok\n", `: warning: server "spare" is not used`},
		"check bad":     {[]string{"check", bad}, 1, "", bad + `:20:1: unknown block "sever"`},
		"check missing": {[]string{"check", missing}, 1, "", missing + ": cannot be read: no such file"},
		"check no file": {[]string{"check"}, 2, "", "takes one file"},
		"run bad":       {[]string{"run", bad}, 1, "", `unknown block "sever"`},
		"run missing":   {[]string{"run", missing}, 1, "", missing + ": cannot be read: no such file"},
		"run two files": {[]string{"run", good, good}, 2, "", "takes one file"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if status := weir(test.args, &stdout, &stderr); status != test.status {
				t.Errorf("status %d, not %d", status, test.status)
			}
			for _, stream := range []struct{ name, got, want string }{
				{"stdout", stdout.String(), test.stdout}, {"stderr", stderr.String(), test.stderr},
			} {
				if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("%s is %q, and should have %q", stream.name, stream.got, stream.want)
				}
			}
		})
	}
}

// TestRun starts the program, has it open its files anew, which does not end it, and ends it with each of the signals.
func TestRun(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			c := program(t, "run", configuration(t, "127.0.0.1:0", "process {\n  workers = 1\n  log {\n    format = \"json\"\n  }\n}\n"))
			stderr, err := c.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			lines := bufio.NewScanner(stderr)
			for lines.Scan() {
				said.WriteString(lines.Text() + "\n")
				next := syscall.Signal(0)
				switch {
				case strings.Contains(lines.Text(), `"msg":"listening"`):
					next = syscall.SIGUSR1
				case strings.Contains(lines.Text(), `"msg":"opening files anew"`):
					next = signal
				default:
					continue
				}
				if err := c.Process.Signal(next); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			for _, want := range []string{`"msg":"starting"`, `"workers":1`, `"msg":"stopping","signal":"` + signal.String(), `"msg":"stopped"`} {
				if !strings.Contains(said.String(), want) {
					t.Errorf("the log does not say %s:\n%s", want, &said)
				}
			}
		})
	}
}

// TestPortInUse checks that a listener that cannot listen is named.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	out, err := program(t, "run", configuration(t, taken.Addr().String(), "")).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{"weir: listener app", taken.Addr().String(), "address already in use"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
}

// TestMetricsPortInUse checks that the setting is named, and that nothing is left of a process that did not start.
func TestMetricsPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	block := fmt.Sprintf("telemetry {\n  metrics {\n    address = %q\n  }\n}\n", taken.Addr())
	out, err := program(t, "run", configuration(t, "127.0.0.1:0", block)).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("ended with %v", err)
	}
	if want := "weir: telemetry: metrics: address: listen tcp " + taken.Addr().String(); !strings.Contains(string(out), want) {
		t.Errorf("does not say %q:\n%s", want, out)
	}
}

// TestObey checks that the first signal stops the process and the second the program.
func TestObey(t *testing.T) {
	signals, events := make(chan os.Signal), make(chan string)
	go obey(signals, slog.New(slog.NewTextHandler(io.Discard, nil)),
		func() { events <- "stop" }, func(status int) { events <- fmt.Sprintf("exit %d", status) })
	for _, want := range []string{"stop", "exit 1"} {
		signals <- syscall.SIGTERM
		if got := <-events; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestDescribeBuild(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.modified", Value: "true"},
			{Key: "vcs.time", Value: "2026-11-20T10:00:00Z"},
			{Key: "vcs.revision", Value: "3f2a"},
		},
	}
	if got, want := describeBuild(info), "weir v1.2.0 (3f2a, 2026-11-20T10:00:00Z, modified) go1."; !strings.HasPrefix(got, want) {
		t.Errorf("%q does not begin with %q", got, want)
	}
	if got, want := describeBuild(&debug.BuildInfo{}), "weir (devel) go1."; !strings.HasPrefix(got, want) {
		t.Errorf("%q does not begin with %q", got, want)
	}
}
