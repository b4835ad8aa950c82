package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// A client runs the statements against the address and returns all that came back, as lines of text. infile is a
// file for LOAD DATA LOCAL INFILE.
type client struct {
	name string
	run  func(t *testing.T, addr, infile string) string
	// only is the one family it can log in at, empty for all.
	only string
}

var clients = []client{
	{name: "gosql", run: gosql},
	{name: "mariadb-cli", run: mariadbCLI},
	{name: "mysql-cli", run: mysqlCLI, only: "mysql"}, // has no mysql_native_password any more
	{name: "mysql2", run: mysql2},
	{name: "pymysql", run: pymysql},
}

// What a client gets through Weir is what it gets without.
func TestClients(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
			infile := write(t, "infile", lines(50_000))
			for _, c := range clients {
				if c.only != "" && c.only != family.name {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					cleanSlate(t, s)
					want := c.run(t, s.Addr, infile)
					cleanSlate(t, s)
					if len(want) < 1000 {
						t.Fatalf("the client did not do its work: %s", want)
					}
					compare(t, want, c.run(t, weir.Addr, infile))
				})
			}
		})
	}
}

// cleanSlate removes what clients leave at the server.
func cleanSlate(t *testing.T, s *server.Server) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(s.Addr, "multiStatements=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DROP DATABASE IF EXISTS weir_a; DROP DATABASE IF EXISTS weir_b"); err != nil {
		t.Fatal(err)
	}
}

// lines makes the content of the file that clients load.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%d,%s,%d.%02d\n", i, strings.Repeat("x", i%50), i, i%100)
	}
	return b.Bytes()
}

// compare fails the test where the transcripts differ, and shows the first place.
func compare(t *testing.T, direct, through string) {
	t.Helper()
	if direct == through {
		return
	}
	a, b := strings.Split(direct, "\n"), strings.Split(through, "\n")
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	around := func(lines []string) []string { return lines[max(0, at-5):min(len(lines), at+30)] }
	t.Errorf("line %d of the transcript (-direct +through weir):\n%s", at+1, cmp.Diff(around(a), around(b)))
}

// output runs a client's program and returns what it prints, long lines shortened.
func output(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if stdin != "" {
		f, err := os.Open(stdin)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = f
	}
	cmd.Env = append(cmd.Environ(), "NODE_PATH="+filepath.Join(server.Cache(), "npm/node_modules"), "TZ=UTC", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out[max(0, len(out)-2000):])
	}
	return shorten(string(out))
}

// shorten replaces long lines by their sums.
func shorten(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if len(line) > 500 {
			line = fmt.Sprintf("%d bytes, sha256 %x\n", len(line), sha256.Sum256([]byte(line)))
		}
		b.WriteString(line)
	}
	return b.String()
}

// arguments are what the scripts in clients/ are called with.
func arguments(t *testing.T, script, addr, infile string) []string {
	t.Helper()
	host, port := split(t, addr)
	return []string{
		filepath.Join("clients", script), host, port, server.User, server.Password, server.Schema,
		"clients/statements.sql", infile,
	}
}

func pymysql(t *testing.T, addr, infile string) string {
	t.Helper()
	// Debian's python3, which has Debian's packages.
	return output(t, "", "/usr/bin/python3", arguments(t, "client.py", addr, infile)...)
}

func mysql2(t *testing.T, addr, infile string) string {
	t.Helper()
	return output(t, "", "node", arguments(t, "client.js", addr, infile)...)
}

func split(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
