package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
)

// A bench is a process with servers db1 to db3 that is not run, and its control socket.
type bench struct {
	*pipeline.Process
	*Client
	log bytes.Buffer
}

func listen(t *testing.T, mode string) *bench {
	t.Helper()
	b := new(bench)
	b.Process = &pipeline.Process{
		Log:     slog.New(slog.NewTextHandler(&b.log, nil)),
		Control: &pipeline.ControlConfig{Socket: filepath.Join(t.TempDir(), "s"), SocketMode: mode},
	}
	for i := range 3 {
		c := pipeline.ServerDefaults
		c.Name, c.Address = fmt.Sprintf("db%d", i+1), fmt.Sprintf("127.0.0.%d:3306", i+1)
		srv, err := pipeline.NewServer(c)
		if err != nil {
			t.Fatal(err)
		}
		b.Process.Servers = append(b.Process.Servers, srv)
	}
	l, err := Listen(b.Process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	b.Client = NewClient(b.Control.Socket)
	return b
}

func TestServers(t *testing.T) {
	b := listen(t, "0600")
	db := b.Process.Servers
	db[0].SetState(pipeline.ServerState{
		Monitored: true, Up: true, Role: pipeline.Primary, Lag: pipeline.UnknownLag, Version: "11.8.3-MariaDB", GTID: "0-1-17",
	})
	db[1].SetState(pipeline.ServerState{
		Monitored: true, Role: pipeline.Replica, Of: db[0], Lag: 1500 * time.Millisecond, ReadOnly: true, Reason: "access denied",
	})
	got, err := b.Client.Servers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if since := got.Servers[i].Since; since == nil || !since.Equal(db[i].State().Since) {
			t.Errorf("%s: since %v", got.Servers[i].Name, since)
		}
		got.Servers[i].Since = nil
	}
	want := List{Servers: []Server{
		{
			Name: "db1", Address: "127.0.0.1:3306", Monitored: true, Up: true, Role: "primary", Service: "in service",
			Version: "11.8.3-MariaDB", GTID: "0-1-17",
		},
		{
			Name: "db2", Address: "127.0.0.2:3306", Monitored: true, Role: "replica", Of: "db1", LagSeconds: new(1.5),
			Service: "in service", ReadOnly: true, Reason: "access denied",
		},
		{Name: "db3", Address: "127.0.0.3:3306", Up: true, Role: "none", Service: "in service"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSetService(t *testing.T) {
	b := listen(t, "0600")
	db2 := b.Process.Servers[1]
	maintenance := pipeline.InMaintenance.String()
	for _, step := range []struct {
		server  string
		to      pipeline.Service
		from    string
		before  string
		problem string
	}{
		{"db2", pipeline.Draining, "", "in service", ""},
		{"db2", pipeline.Draining, "", "draining", ""},
		{"db2", pipeline.InService, maintenance, "", "server db2 is not in maintenance, it is draining; nothing is changed"},
		{"db2", pipeline.InMaintenance, "", "draining", ""},
		{"db2", pipeline.InService, maintenance, "maintenance", ""},
		{"db2", pipeline.InService, maintenance, "in service", ""},
		{"bd2", pipeline.Draining, "", "", `no server "bd2"`},
		{"db22", pipeline.Draining, "", "", `no server "db22"; did you mean "db2"?; there are db1, db2, db3`},
		{"a/b?c", pipeline.Draining, "", "", `no server "a/b?c"; there are db1, db2, db3`},
	} {
		was := db2.State().Service
		change, err := b.SetService(t.Context(), step.server, step.to, step.from)
		if step.problem != "" {
			if err == nil || !strings.Contains(err.Error(), step.problem) || db2.State().Service != was {
				t.Errorf("%v: %v, now %v", step, err, db2.State().Service)
			}
			continue
		}
		if err != nil || change.Before != step.before || change.Server.Service != step.to.String() || db2.State().Service != step.to {
			t.Errorf("%v: %+v, %v", step, change, err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`server=db2 service=maintenance before=draining by=%s uid=%d pid=%d`, me.Username, os.Getuid(), os.Getpid())
	if log := b.log.String(); !strings.Contains(log, want) || strings.Count(log, "set by an operator") != 3 {
		t.Errorf("the log does not say %q, or more than that:\n%s", want, log)
	}
}

// keeps is a router that keeps GTIDs.
type keeps struct{ resets *int }

func (keeps) Open(*pipeline.Session) (pipeline.Handler, error) { return nil, errors.ErrUnsupported }

func (k keeps) ResetGTID() error {
	*k.resets++
	return nil
}

// other is a router that keeps none.
type other struct{}

func (other) Open(*pipeline.Session) (pipeline.Handler, error) { return nil, errors.ErrUnsupported }

func TestResetGTID(t *testing.T) {
	b := listen(t, "0600")
	resets := 0
	b.Pipelines = []*pipeline.Pipeline{
		pipeline.NewPipeline("app", nil, pipeline.NewPipeline("inner", nil, keeps{&resets})), pipeline.NewPipeline("report", nil, other{}),
	}
	for name, problem := range map[string]string{
		"app":    "",
		"report": "pipeline report: its router keeps no GTIDs",
		"db1":    `no pipeline "db1"; there are app, report`,
	} {
		if err := b.ResetGTID(t.Context(), name); problem == "" && err != nil || problem != "" && (err == nil || err.Error() != problem) {
			t.Errorf("%s: %v, want %q", name, err, problem)
		}
	}
	want := `msg="GTIDs reset by an operator" pipeline=app by=`
	if log := b.log.String(); resets != 1 || strings.Count(log, want) != 1 || strings.Count(log, "reset by") != 1 {
		t.Errorf("%d resets, and the log does not say %q once:\n%s", resets, want, log)
	}
}

// TestRequests sends what the program itself would not.
func TestRequests(t *testing.T) {
	b := listen(t, "0600")
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/servers", "", 200, `"name": "db1"`},
		{"PUT", "/v1/servers/db1/service", `{"service": "away"}`, 400, "unknown service \\\"away\\\": a server is in service, draining, maintenance"},
		{"PUT", "/v1/servers/db1/service", `{`, 400, "cannot be read"},
		{"PUT", "/v1/servers/db1/service", `{"service": "` + strings.Repeat("x", 1<<11) + `"}`, 400, "too large"},
		{"POST", "/v1/servers", "", 404, "no POST /v1/servers here"},
		{"GET", "/v2/servers", "", 404, "no GET /v2/servers here"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://weir"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := b.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != tt.status || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s %s %s: %s, %v\n%s", tt.method, tt.path, tt.body, response.Status, err, text)
		}
	}
}

// TestSocketMode checks that the socket has its mode, whatever the umask is, and is gone in the end.
func TestSocketMode(t *testing.T) {
	for _, umask := range []int{0, 0o077} {
		old := syscall.Umask(umask)
		t.Cleanup(func() { syscall.Umask(old) })
		b := listen(t, "0660")
		info, err := os.Stat(b.Control.Socket)
		if err != nil || info.Mode() != fs.ModeSocket|0o660 {
			t.Errorf("umask %o: %v, %v", umask, info.Mode(), err)
		}
		syscall.Umask(old)
	}
	p := &pipeline.Process{Log: slog.New(slog.DiscardHandler), Control: &pipeline.ControlConfig{
		Socket: filepath.Join(t.TempDir(), "s"), SocketMode: "0600",
	}}
	for range 2 { // the first one leaves nothing that is in the way of the second
		l, err := Listen(p)
		if err != nil {
			t.Fatal(err)
		}
		l.Stop()
		if _, err := os.Stat(p.Control.Socket); !os.IsNotExist(err) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}

// TestSocketThere checks that a socket is replaced that nobody listens on, and no other.
func TestSocketThere(t *testing.T) {
	b := listen(t, "0600")
	if _, err := Listen(b.Process); err == nil || !strings.Contains(err.Error(), "control: socket: "+b.Control.Socket+": another process") {
		t.Errorf("a live socket: %v", err)
	}
	stale := filepath.Join(t.TempDir(), "s")
	nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	nl.SetUnlinkOnClose(false)
	if err := nl.Close(); err != nil {
		t.Fatal(err)
	}
	b.Control.Socket = stale
	l, err := Listen(b.Process)
	if err != nil {
		t.Fatal(err)
	}
	l.Stop()
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(b.Process); err == nil || !strings.Contains(err.Error(), stale+" is there already, and is no socket") {
		t.Errorf("a file: %v", err)
	}
	b.Control.Socket = filepath.Join(stale+"s", "s")
	if _, err := Listen(b.Process); err == nil || !strings.Contains(err.Error(), "there is no folder "+stale+"s") {
		t.Errorf("no folder: %v", err)
	}
}

// TestNobodyThere checks that errors say what to do.
func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	nl.SetUnlinkOnClose(false)
	_ = nl.Close()
	other := filepath.Join(dir, "other")
	page := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }),
		ReadHeaderTimeout: time.Second,
	}
	nl, err = net.ListenUnix("unix", &net.UnixAddr{Name: other, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = page.Serve(nl); close(done) }()
	t.Cleanup(func() { _ = page.Close(); <-done })
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such socket. Is weir running, and does its file have a control block?",
		stale:                      "nobody listens on this socket. The weir that made it has ended",
		other:                      "is this the control socket of a weir?",
	} {
		_, err := NewClient(path).Servers(context.Background())
		if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
