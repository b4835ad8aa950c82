package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/cmd/weir/control"
	"github.com/weirproxy/weir/pipeline"
)

// resettable is a router that keeps GTIDs, or says why it does not.
type resettable struct{ err error }

func (resettable) Open(*pipeline.Session) (pipeline.Handler, error) {
	return nil, errors.ErrUnsupported
}

func (r resettable) ResetGTID() error { return r.err }

// controlled makes a process of servers db1 and db2, and of pipelines app and report, that is not run, with a control socket whose path it returns.
func controlled(t *testing.T) (p *pipeline.Process, socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	p = &pipeline.Process{
		Log: slog.New(slog.DiscardHandler), Control: &pipeline.ControlConfig{Socket: socket, SocketMode: "0600"},
	}
	for _, name := range []string{"db1", "db2"} {
		c := pipeline.ServerDefaults
		c.Name, c.Address = name, "127.0.0.1:3306"
		srv, err := pipeline.NewServer(c)
		if err != nil {
			t.Fatal(err)
		}
		p.Servers = append(p.Servers, srv)
	}
	for name, target := range map[string]pipeline.Target{"app": resettable{}, "report": resettable{errors.New("it keeps none")}} {
		p.Pipelines = append(p.Pipelines, pipeline.NewPipeline(name, nil, target))
	}
	l, err := control.Listen(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return p, socket
}

// TestServersAndServer runs verbs one after another.
func TestServersAndServer(t *testing.T) {
	p, socket := controlled(t)
	file := configuration(t, "127.0.0.1:0", "control {\n  socket = \""+socket+"\"\n}\n")
	bare := configuration(t, "127.0.0.1:0", "")
	broken := configuration(t, "127.0.0.1:0", "control {\n  sokcet = \"/s\"\n}\n")
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("WEIR_SOCKET", socket)
	for _, tt := range []struct {
		args           string
		status         int
		stdout, stderr string
	}{
		{"servers", 0, "db1 127.0.0.1:3306 unmonitored none - - in service 0", ""},
		{"servers --socket " + socket, 0, "db2", ""},
		{"servers -config " + file, 0, "db2", ""},
		{"server drain db2", 0, "db2 is draining now, and was in service; sessions have 0 connections to it\nIt stays so until weir server resume db2", ""},
		{"servers", 0, "db2 127.0.0.1:3306 unmonitored none - - draining 0 ", ""},
		{"server drain db2", 0, "db2 is draining already", ""},
		{"server maintenance off db2", 1, "", "weir: server db2 is not in maintenance, it is draining; nothing is changed\n"},
		{"server maintenance on db2 --config " + file, 0, "db2 is in maintenance now, and was draining", ""},
		{"server --socket " + socket + " maintenance off db2", 0, "db2 is in service now, and was in maintenance\n", ""},
		{"server maintenance off db2", 0, "db2 is in service already\n", ""},
		{"server drain db1", 0, "db1 is draining now", ""},
		{"server resume db1", 0, "db1 is in service now, and was draining\n", ""},
		{"server drain db11", 1, "", `weir: no server "db11"; did you mean "db1"?; there are db1, db2` + "\n"},
		{"server drain", 2, "", "weir server: drain takes one server: drain db2\nusage: weir server drain NAME\n"},
		{"server drain db1 db2", 2, "", "drain takes one server"},
		{"server maintenance db2", 2, "", "maintenance takes on or off"},
		{"server maintenance yes db2", 2, "", "maintenance takes on or off"},
		{"server drian db2", 2, "", `unknown verb "drian"`},
		{"server", 2, "", "it needs a verb and a server"},
		{"server -x", 2, "", "-x"},
		{"server --help", 0, serverUsage, ""},
		{"servers --help", 0, serversUsage, ""},
		{"pipeline reset-gtid app", 0, "pipeline app has forgotten which GTIDs reads wait for\n", ""},
		{"pipeline --config " + file + " reset-gtid app", 0, "pipeline app", ""},
		{"pipeline reset-gtid report", 1, "", "weir: pipeline report: it keeps none\n"},
		{"pipeline reset-gtid apps", 1, "", `weir: no pipeline "apps"; did you mean "app"?; there are app, report` + "\n"},
		{"pipeline reset-gtid", 2, "", "weir pipeline: reset-gtid takes one pipeline: reset-gtid app\nusage: weir pipeline reset-gtid NAME\n"},
		{"pipeline reset-gtid app report", 2, "", "reset-gtid takes one pipeline"},
		{"pipeline reset app", 2, "", `unknown verb "reset"`},
		{"pipeline", 2, "", "it needs a verb and a pipeline"},
		{"pipeline --help", 0, pipelineUsage, ""},
		{"pipeline reset-gtid app --socket " + none, 1, "", "weir: " + none + ": no such socket. Is weir running"},
		{"servers db1", 2, "", "it takes no name"},
		{"servers --socket " + none, 1, "", "weir: " + none + ": no such socket. Is weir running"},
		{"server drain db1 --socket " + none, 1, "", "weir: " + none + ": no such socket. Is weir running"},
		{"servers --config " + bare, 1, "", bare + " has no control block"},
		{"servers --config " + broken, 1, "", `unknown setting "sokcet" in control`},
		{"explain", 2, "", "it takes a file and a statement"},
		{"explain " + bare, 2, "", "it takes a file and a statement"},
		{"explain " + bare + " SELECT 1", 2, "", "in quotes"},
		{"explain --dialect mysq " + bare + " COMMIT", 2, "", `unknown dialect "mysq"; did you mean "mysql"?`},
		{"explain " + bare + " COMMIT --pipeline apps", 1, "", `no listener leads to a pipeline "apps"; did you mean "app"?; there are app`},
		{"explain " + broken + " COMMIT", 1, "", `unknown setting "sokcet"`},
		{"explain --help", 0, explainUsage, ""},
	} {
		var stdout, stderr bytes.Buffer
		status := weir(strings.Fields(tt.args), &stdout, &stderr)
		out := stdout.String()
		if strings.HasPrefix(tt.args, "servers") {
			out = squeezed(out)
		}
		if status != tt.status || !strings.Contains(out, tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) ||
			(tt.stdout == "") != (out == "") || (tt.stderr == "") != (stderr.Len() == 0) {
			t.Errorf("weir %s: status %d\n%s%s", tt.args, status, out, &stderr)
		}
	}
	for _, srv := range p.Servers {
		if v := srv.State().Service; v != pipeline.InService {
			t.Errorf("%s is %v in the end", srv.Name(), v)
		}
	}
}

// squeezed makes each run of spaces one, as columns are as wide as their cells.
func squeezed(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

func TestServersJSON(t *testing.T) {
	p, socket := controlled(t)
	p.Servers[0].SetState(pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Primary, Lag: pipeline.UnknownLag})
	var stdout, stderr bytes.Buffer
	if status := weir([]string{"servers", "--json", "--socket", socket}, &stdout, &stderr); status != 0 {
		t.Fatal(status, stderr.String())
	}
	var list control.List
	if err := json.Unmarshal(stdout.Bytes(), &list); err != nil || len(list.Servers) != 2 || list.Servers[0].Role != "primary" {
		t.Errorf("%v: %s", err, &stdout)
	}
}

func TestPrintServers(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	err := printServers(&out, []control.Server{
		{
			Name: "db1", Address: "10.0.0.1:3306", Monitored: true, Up: true, Role: "primary", Service: "in service",
			Connections: 12, Version: "11.8.3-MariaDB", GTID: "0-1-17", Since: new(now.Add(-90 * time.Minute)),
		},
		{
			Name: "db2", Address: "10.0.0.2:3306", Monitored: true, Up: true, ReadOnly: true, Role: "replica", Of: "db1",
			LagSeconds: new(1.5), Service: "draining", GTID: strings.Repeat("x", 100), Since: new(now.Add(-1500 * time.Millisecond)),
		},
		{Name: "db3", Address: "10.0.0.3:3306", Monitored: true, Role: "none", Service: "in service", Reason: "access\tdenied\nhere\x1b]0;x\a"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := "" +
		"NAME  ADDRESS        STATE          ROLE     OF   LAG   SERVICE     CONNECTIONS  SINCE    VERSION         GTID" + strings.Repeat(" ", 61) + "REASON\n" +
		"db1   10.0.0.1:3306  up             primary  -    -     in service  12           1h30m0s  11.8.3-MariaDB  0-1-17" + strings.Repeat(" ", 59) + "-\n" +
		"db2   10.0.0.2:3306  up, read-only  replica  db1  1.5s  draining    0            1s       -               " + strings.Repeat("x", 60) + "...  -\n" +
		"db3   10.0.0.3:3306  down           none     -    -     in service  0            -        -               -" + strings.Repeat(" ", 64) + "access denied here\ufffd]0;x\ufffd\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseArguments(t *testing.T) {
	for _, tt := range []struct {
		args, words []string
		json        bool
	}{
		{nil, nil, false},
		{[]string{"a", "--json", "b"}, []string{"a", "b"}, true},
		{[]string{"--json", "a", "-- weir route to primary\nSELECT 1"}, []string{"a", "-- weir route to primary\nSELECT 1"}, true},
		{[]string{"a", "-- c", "--json"}, []string{"a", "-- c"}, true},
		{[]string{"a", "b", "-json=false"}, []string{"a", "b"}, false},
	} {
		flags := newFlags("test")
		asJSON := flags.Bool("json", false, "")
		words, err := parse(flags, tt.args)
		if err != nil || !slices.Equal(words, tt.words) || *asJSON != tt.json {
			t.Errorf("%q: %q, %v, %v", tt.args, words, *asJSON, err)
		}
	}
}

// TestControlSocketTaken checks that a process does not start whose socket another one has, and leaves that alone.
func TestControlSocketTaken(t *testing.T) {
	_, socket := controlled(t)
	out, err := program(t, "run", configuration(t, "127.0.0.1:0", "control {\n  socket = \""+socket+"\"\n}\n")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "weir: control: socket: "+socket+": another process listens on this socket") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		t.Error("the other's socket is gone")
	}
}
