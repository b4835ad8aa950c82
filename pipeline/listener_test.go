package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// A socket has the permissions that were asked for, lets clients in, and goes when the process does.
func TestSocket(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o770, 0o777} {
		srv := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
		path := filepath.Join(t.TempDir(), "app.sock")
		f := run(t, srv.Addr, pipelinetest.Options{Listener: onSocket(path, mode)})
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != fs.ModeSocket|mode {
			t.Errorf("the socket's permissions are %v, want %v", got, mode)
		}
		f.Session().Run(t, pt.Query("x"), pt.ExpectOK())
		f.Stop()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the end the socket is there: %v", err)
		}
	}
}

func onSocket(path string, mode fs.FileMode) func(*pipeline.ListenerConfig) {
	return func(c *pipeline.ListenerConfig) {
		c.Address, c.Socket, c.SocketMode = "", path, fmt.Sprintf("%04o", mode)
	}
}

// A socket that a killed process left is replaced.
func TestStaleSocket(t *testing.T) {
	srv := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	path := filepath.Join(t.TempDir(), "app.sock")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	f := run(t, srv.Addr, pipelinetest.Options{Listener: onSocket(path, 0o600)})
	f.Session().Run(t, pt.Query("x"), pt.ExpectOK())
}

// A socket that another process has put in the place of ours is not removed with ours.
func TestReplacedSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	ours, err := pipeline.ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	theirs, err := pipeline.ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// What belongs to somebody else stays, and the error says what it is and which listener wanted it.
func TestAddressInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.sock")
	live, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	// A connection to this one is not refused, and not possible either.
	datagrams := filepath.Join(dir, "datagrams.sock")
	other, err := net.ListenPacket("unixgram", datagrams)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for name, c := range map[string]struct {
		change func(*pipeline.ListenerConfig)
		want   []string
	}{
		"a live socket":          {onSocket(path, 0o600), []string{path, "another process listens"}},
		"another sort of socket": {onSocket(datagrams, 0o600), []string{datagrams, "may be in use"}},
		"a file":                 {onSocket(file, 0o600), []string{file, "is no socket"}},
		"no folder":              {onSocket(filepath.Join(dir, "no", "app.sock"), 0o600), []string{dir, "there is no folder"}},
		"a port": {
			func(c *pipeline.ListenerConfig) { c.Address = tcp.Addr().String() },
			[]string{tcp.Addr().String(), "address already in use"},
		},
	} {
		before := mustStat(t, path, datagrams, file)
		err := start(t, c.change)
		if err == nil {
			t.Errorf("%s: the process started", name)
			continue
		}
		for _, want := range append(c.want, "listener app: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", name, want, err)
			}
		}
		for i, info := range mustStat(t, path, datagrams, file) {
			if !os.SameFile(info, before[i]) {
				t.Errorf("%s: %s was replaced", name, info.Name())
			}
		}
	}
}

func mustStat(t *testing.T, paths ...string) []fs.FileInfo {
	t.Helper()
	infos := make([]fs.FileInfo, len(paths))
	for i, path := range paths {
		var err error
		if infos[i], err = os.Lstat(path); err != nil {
			t.Fatal(err)
		}
	}
	return infos
}

// start runs a process with a changed listener until its first line in the log, and returns why it ended.
func start(t *testing.T, change func(*pipeline.ListenerConfig)) error {
	t.Helper()
	accounts, err := pipeline.NewAccounts(pipeline.AccountsConfig{
		Name: "main", Users: []pipeline.UserConfig{{Name: "app", Host: "%"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := pipeline.ListenerDefaults
	c.Name, c.Address, c.Accounts = "app", "127.0.0.1:0", accounts
	c.Pipeline = pipeline.NewPipeline("app", nil, single{})
	change(&c)
	l, err := pipeline.NewListener(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &pipeline.Process{Config: pipeline.ProcessDefaults, Listeners: []*pipeline.Listener{l}}
	p.Log = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		cancel() // it started
		return len(b), nil
	}), nil))
	p.Config.Workers = 1
	return p.Run(ctx)
}

// writerFunc is an io.Writer that is its Write.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestBadListenerAddress(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "127.0.0.1:abc", "127.0.0.1:99999"} {
		c := pipeline.ListenerDefaults
		c.Address = address
		_, err := pipeline.NewListener(c)
		if err == nil || !strings.Contains(err.Error(), `"`+address+`"`) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
