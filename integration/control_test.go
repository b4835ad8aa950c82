package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// A verb is a run of the program beside a Weir that runs.
type verb struct {
	stdout, stderr string
	status         int
}

// runVerb runs the program.
func runVerb(t *testing.T, args ...string) verb {
	t.Helper()
	return runCommand(t, exec.CommandContext(t.Context(), require(t, program), args...))
}

func runCommand(t *testing.T, cmd *exec.Cmd) verb {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return verb{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// want checks the status and that the output has each of texts.
func (v verb) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if v.status != status || !strings.Contains(v.stdout+v.stderr, text) {
			t.Errorf("status %d, not %d, or no %q:\n%s%s", v.status, status, text, v.stdout, v.stderr)
		}
	}
}

// socketFor is a path for a socket that others may come as far as.
func socketFor(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // t.TempDir has made both
		t.Fatal(err)
	}
	return filepath.Join(dir, "s")
}

// shown is a server as weir servers --json shows it.
type shown struct {
	Name, Address, Service string
	Connections            int
}

func servers(t *testing.T, socket string) (list []shown) {
	t.Helper()
	v := runVerb(t, "servers", "--json", "--socket", socket)
	var answer struct{ Servers []shown }
	if err := json.Unmarshal([]byte(v.stdout), &answer); err != nil || v.status != 0 {
		t.Fatalf("%v: %+v", err, v)
	}
	return answer.Servers
}

func TestControl(t *testing.T) {
	s := require(t, sharedMariaDB)
	socket := socketFor(t)
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr, s.Addr}, More: fmt.Sprintf("\ncontrol {\n  socket = %q\n}\n", socket),
	})
	conn := session(t, weir.Addr, "")
	execute(t, conn, "DO 1")

	db1, db2 := shown{"db1", s.Addr, "in service", 0}, shown{"db2", s.Addr, "in service", 0}
	list := servers(t, socket)
	if len(list) == 2 && list[0].Connections+list[1].Connections == 1 {
		list[0].Connections, list[1].Connections = 0, 0
	}
	if diff := cmp.Diff([]shown{db1, db2}, list); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	runVerb(t, "servers", "--socket", socket).want(t, 0, "NAME", "db1 ", "db2 ", s.Addr)

	runVerb(t, "server", "drain", "db2", "--socket", socket).want(t, 0, "db2 is draining now, and was in service")
	if list := servers(t, socket); list[0].Service != "in service" || list[1].Service != "draining" {
		t.Errorf("%+v", list)
	}
	runVerb(t, "server", "maintenance", "on", "db2", "--socket", socket).want(t, 0, "db2 is in maintenance now, and was draining")
	runVerb(t, "servers", "--socket", socket).want(t, 0, "maintenance")
	runVerb(t, "server", "maintenance", "off", "db2", "--socket", socket).want(t, 0, "db2 is in service now")
	runVerb(t, "server", "drain", "db3", "--socket", socket).want(t, 1, `weir: no server "db3"; did you mean`, "there are db1, db2")
	if list := servers(t, socket); list[0].Service != "in service" || list[1].Service != "in service" {
		t.Errorf("%+v", list)
	}
	if log, want := weir.Log(), `server=db2 service=draining before="in service" by=`; strings.Count(log, want) != 1 {
		t.Errorf("not logged once: %s", want)
	}
	execute(t, session(t, weir.Addr, ""), "DO 1")

	if err := weir.Stop(); err != nil {
		t.Error(err)
	}
	runVerb(t, "servers", "--socket", socket).want(t, 1, socket+": no such socket. Is weir running")
}

// What is drained gets no sessions, and loses those it has as they come to rest.
func TestDrain(t *testing.T) {
	s := require(t, sharedMariaDB)
	socket := socketFor(t)
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr, s.Addr}, More: fmt.Sprintf("\ncontrol {\n  socket = %q\n}\n", socket),
	})
	for range 4 {
		execute(t, session(t, weir.Addr, ""), "DO 1")
	}
	if list := servers(t, socket); list[0].Connections != 2 || list[1].Connections != 2 {
		t.Errorf("before: %+v", list)
	}
	runVerb(t, "server", "drain", "db2", "--socket", socket).want(t, 0, "db2 is draining now")
	eventually(t, "db2 has no connections", func() bool { return servers(t, socket)[1].Connections == 0 })
	for range 4 {
		execute(t, session(t, weir.Addr, ""), "DO 1")
	}
	if list := servers(t, socket); list[0].Connections != 6 || list[1].Connections != 0 {
		t.Errorf("drained: %+v", list)
	}
	runVerb(t, "server", "resume", "db2", "--socket", socket).want(t, 0, "db2 is in service now, and was draining")
	execute(t, session(t, weir.Addr, ""), "DO 1")
	if list := servers(t, socket); list[0].Connections != 6 || list[1].Connections != 1 {
		t.Errorf("resumed: %+v", list)
	}
}

// Others than the user that Weir runs as are kept out, unless the file lets them in.
func TestControlPermissions(t *testing.T) {
	s := require(t, sharedMariaDB)
	for mode, status := range map[fs.FileMode]int{0o600: 1, 0o666: 0} {
		socket := socketFor(t)
		startWeir(t, proxy.Config{
			Servers: []string{s.Addr}, More: fmt.Sprintf("\ncontrol {\n  socket = %q\n  socket_mode = \"%04o\"\n}\n", socket, mode),
		})
		if info, err := os.Stat(socket); err != nil || info.Mode() != fs.ModeSocket|mode {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if os.Getuid() != 0 {
			continue // nobody else can be had, and the mode is all there is
		}
		copied := filepath.Join(filepath.Dir(socket), "weir")
		if out, err := exec.Command("install", "-m", "755", require(t, program), copied).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.CommandContext(t.Context(), copied, "servers", "--socket", socket)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		runCommand(t, cmd).want(t, status, map[int]string{0: "db1", 1: socket + ": permission denied"}[status])
	}
}

// A socket that a killed Weir has left is replaced, and that of one that lives is not.
func TestControlSocketLeft(t *testing.T) {
	s := require(t, sharedMariaDB)
	socket := socketFor(t)
	c := proxy.Config{Servers: []string{s.Addr}, More: fmt.Sprintf("\ncontrol {\n  socket = %q\n}\n", socket)}
	first, err := proxy.StartWeir(require(t, program), t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Kill)
	if second, err := proxy.StartWeir(require(t, program), t.TempDir(), c); err == nil {
		second.Kill()
		t.Error("two processes have one socket")
	} else if want := "weir: control: socket: " + socket + ": another process listens on this socket"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
	runVerb(t, "servers", "--socket", socket).want(t, 0, "db1")
	first.Kill()
	runVerb(t, "servers", "--socket", socket).want(t, 1, socket+": nobody listens on this socket")
	startWeir(t, c)
	runVerb(t, "servers", "--socket", socket).want(t, 0, "db1")
}

// What weir explain says of the examples, with no server there, is what cmd/weir's own tests have it say.
func TestExplainExamples(t *testing.T) {
	for _, name := range []string{"APP_PASSWORD", "REPORT_PASSWORD", "SHADOW_PASSWORD"} {
		t.Setenv(name, server.Password)
	}
	for golden, args := range map[string][]string{
		"minimal": {"../examples/minimal.hcl", "SELECT 1"},
		"rewrite": {"../examples/rewrite.hcl", "SELECT total FROM orders FORCE INDEX (PRIMARY)\nWHERE id = 7"},
		"shadow":  {"../examples/shadow.hcl", "UPDATE items SET k = 8 WHERE id = 1"},
	} {
		want, err := os.ReadFile(filepath.Join("..", "cmd", "weir", "testdata", "explain", golden+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		v := runVerb(t, append([]string{"explain"}, args...)...)
		if diff := cmp.Diff(verb{string(want), "", 0}, v, cmp.AllowUnexported(verb{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", golden, diff)
		}
	}
	addr, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	// What is explained is what is done.
	s := require(t, sharedMariaDB)
	text := fmt.Sprintf(`server "db1" { address = %q }
accounts "main" {
  user %q { password = %q }
}
listener "app" {
  address  = %q
  accounts = accounts.main
  pipeline = pipeline.app
}
pipeline "app" {
  filter "regex" {
    match   = "'(\\w+)'"
    replace = "'<$1>'"
  }
  router "connection" { servers = [server.db1] }
}
`, s.Addr, server.User, server.Password, addr)
	weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(), text, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := weir.Stop(); err != nil {
			t.Error(err)
		}
	})
	var got string
	if err := session(t, addr, "").QueryRowContext(t.Context(), "SELECT 'cup'").Scan(&got); err != nil || got != "<cup>" {
		t.Errorf("%q, %v", got, err)
	}
	runVerb(t, "explain", write(t, "weir.hcl", []byte(text)), "SELECT 'cup'").want(t, 0, "rewrites it", "it is now: SELECT '<cup>'")
}
