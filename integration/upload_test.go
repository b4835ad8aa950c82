package integration

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// half is more of a file than buffers on the way hold.
var half = bytes.Repeat([]byte("12345678\n"), 4<<20/9)

// TestKilledInUpload: clients that send a file to a server that is killed meanwhile are told so, once they have sent it.
func TestKilledInUpload(t *testing.T) {
	s := startMariaDB(t)
	for _, split := range []bool{false, true} {
		weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Split: split})
		for name, upload := range map[string]func(t *testing.T, addr string, kill func()) string{
			"go": goUpload, "mariadb": cliUpload, "python": pythonUpload,
		} {
			t.Run(name+" through "+map[bool]string{false: "connection", true: "readwritesplit"}[split], func(t *testing.T) {
				direct := session(t, s.Addr, "")
				executeAll(t, direct, "CREATE OR REPLACE TABLE test.uploaded (n INT) ENGINE=MEMORY")
				eventually(t, "Weir finds the server", func() bool {
					conn, err := connect(t, weir.Addr, "")
					if err != nil {
						return false
					}
					_, err = conn.ExecContext(t.Context(), "DO GET_LOCK('upload', 0)")
					return err == nil
				})
				failed := upload(t, weir.Addr, s.Kill)
				if !strings.Contains(failed, "1927") || !strings.Contains(failed, "Lost connection to server db1 during query") {
					t.Errorf("the client is told %q", failed)
				}
				must(t, s.Restart())
			})
		}
	}
}

const uploadTo = "' INTO TABLE test.uploaded"

// goUpload has the server killed in mid-upload and returns what the client is told.
func goUpload(t *testing.T, addr string, kill func()) string {
	t.Helper()
	name := t.Name()
	mysql.RegisterReaderHandler(name, func() io.Reader {
		killed := sync.OnceFunc(kill)
		return io.MultiReader(bytes.NewReader(half), readerFunc(func([]byte) (int, error) {
			killed()
			return 0, io.EOF
		}), bytes.NewReader(half))
	})
	defer mysql.DeregisterReaderHandler(name)
	_, err := session(t, addr, "").ExecContext(t.Context(), "LOAD DATA LOCAL INFILE 'Reader::"+name+uploadTo)
	wantError(t, err, protocol.ErConnectionKilled, "")
	if err == nil {
		return ""
	}
	return err.Error()
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func cliUpload(t *testing.T, addr string, kill func()) string {
	t.Helper()
	host, port := split(t, addr)
	return pipeUpload(t, kill, "mariadb", "--no-defaults", "--host="+host, "--port="+port, "--protocol=tcp",
		"--user="+server.User, "--password="+server.Password, "--local-infile=1", "--execute")
}

// pythonUpload is with a client that minds the numbers of packets.
func pythonUpload(t *testing.T, addr string, kill func()) string {
	t.Helper()
	host, port := split(t, addr)
	return pipeUpload(t, kill, "/usr/bin/python3", "-c", `
import sys, pymysql
host, port, user, password, statement = sys.argv[1:]
pymysql.connect(host=host, port=int(port), user=user, password=password, local_infile=True).cursor().execute(statement)
`, host, port, server.User, server.Password)
}

// pipeUpload is goUpload for a program, which gets the statement as its last argument and reads the file from a pipe.
func pipeUpload(t *testing.T, kill func(), name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	f, err := os.OpenFile(pipe, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, f.SetWriteDeadline(time.Now().Add(patience)))
	cmd := exec.CommandContext(ctx, name, append(args, "LOAD DATA LOCAL INFILE '"+pipe+uploadTo)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	_, err = f.Write(half)
	kill()
	if err == nil {
		_, err = f.Write(half)
	}
	must(t, f.Close())
	if ended := cmd.Wait(); ended == nil || err != nil {
		t.Errorf("the upload has ended with %v, the pipe with %v", ended, err)
	}
	return out.String()
}
