package integration

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// logLine is what a line of a query log says, as far as it does not differ from run to run.
type logLine struct {
	User, Command, Statement, Server string
	Params                           json.RawMessage
	Rows, Error                      int
	Affected                         int    `json:"affected_rows"`
	SQLState                         string `json:"sqlstate"`
	Message                          string `json:"error_message"`
}

// logLines reads a query log, but for what the driver sends to close.
func logLines(t *testing.T, path string) (all []logLine) {
	t.Helper()
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(written)) {
		var l logLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if l.Statement != "" && l.Command != "COM_STMT_CLOSE" {
			all = append(all, l)
		}
	}
	return all
}

// withQuerylog is a Weir with a querylog of these settings before the server.
func withQuerylog(t *testing.T, s *server.Server, format string, args ...any) *proxy.Proxy {
	t.Helper()
	return startWeir(t, proxy.Config{
		Servers: []string{s.Addr}, Filters: "  filter \"querylog\" {\n" + fmt.Sprintf(format, args...) + "\n  }",
	})
}

// Every statement has its line once weir has ended, with what the server said of it.
func TestQuerylog(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			path := filepath.Join(t.TempDir(), "query.jsonl")
			weir := withQuerylog(t, s, "path = %q", path)
			conn := session(t, weir.Addr, "")
			execute(t, conn, "CREATE TEMPORARY TABLE logged (n INT PRIMARY KEY)")
			execute(t, conn, "INSERT INTO logged VALUES (1), (2), (3)")
			if n := count(t, conn, "SELECT n FROM logged ORDER BY n DESC"); n != 3 {
				t.Errorf("got %d", n)
			}
			_, err := conn.ExecContext(t.Context(), "INSERT INTO logged VALUES (?)", 1)
			wantError(t, err, 1062, "Duplicate entry")
			if err := weir.Stop(); err != nil {
				t.Fatal(err)
			}
			app := func(l logLine) logLine { l.User, l.Server = "app", "db1"; return l }
			want := []logLine{
				app(logLine{Command: "COM_QUERY", Statement: "CREATE TEMPORARY TABLE logged (n INT PRIMARY KEY)"}),
				app(logLine{Command: "COM_QUERY", Statement: "INSERT INTO logged VALUES (1), (2), (3)", Affected: 3}),
				app(logLine{Command: "COM_QUERY", Statement: "SELECT n FROM logged ORDER BY n DESC", Rows: 3}),
				app(logLine{Command: "COM_STMT_PREPARE", Statement: "INSERT INTO logged VALUES (?)"}),
				app(logLine{
					Command: "COM_STMT_EXECUTE", Statement: "INSERT INTO logged VALUES (?)", Error: 1062, SQLState: "23000",
					Params: json.RawMessage("[1]"),
				}),
			}
			got := logLines(t, path)
			for i := range got {
				if (got[i].Error != 0) != strings.Contains(got[i].Message, "Duplicate entry '1'") {
					t.Errorf("message %q", got[i].Message)
				}
				got[i].Message = "" // the servers differ in the key's name
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The parameters of prepared statements are in the log as a real client has sent them.
func TestQuerylogParams(t *testing.T) {
	large := strings.Repeat("x", 5<<20) // go-sql-driver sends it ahead
	date := time.Date(2026, 11, 20, 18, 46, 7, 1_234_000, time.UTC)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			path := filepath.Join(t.TempDir(), "query.jsonl")
			weir := withQuerylog(t, s, "path = %q", path)
			conn := session(t, weir.Addr, "maxAllowedPacket=4194304")
			st, err := conn.PrepareContext(t.Context(), "SELECT ?, ?, ?")
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			for _, args := range [][]any{
				{-42, uint64(1<<64 - 1), 0.25},
				{"it's \"quoted\"\n", nil, []byte{0xff, 0}},
				{date, true, "Grüße 世界"},
				{large, 7, large},
				{1, 2, 3},
			} {
				rows, err := st.QueryContext(t.Context(), args...)
				if err != nil {
					t.Fatal(err)
				}
				rows.Close()
			}
			if err := weir.Stop(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range logLines(t, path) {
				if l.Command == "COM_STMT_EXECUTE" {
					got = append(got, string(l.Params))
				}
			}
			want := []string{
				`[-42,18446744073709551615,0.25]`, `["it's \"quoted\"\n",null,{"base64":"/wA="}]`,
				`["2026-11-20 18:46:07.001234",1,"Grüße 世界"]`,
				fmt.Sprintf(`[{"long_data":%d},7,{"long_data":%d}]`, len(large), len(large)), `[1,2,3]`,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// logrotate's way: the file is renamed, SIGUSR1 is sent, and no record is lost, while files are rotated by size too.
// The chain goes on through all of it, and over a restart.
func TestQuerylogRotation(t *testing.T) {
	const clients, statements = 4, 400
	s := require(t, sharedMariaDB)
	path := filepath.Join(t.TempDir(), "query.jsonl")
	settings := `path = %q
    max_size  = 64 * 1024
    compress  = true
    integrity = true`
	for restart := range 2 {
		weir := withQuerylog(t, s, settings, path)
		var wg sync.WaitGroup
		for range clients {
			conn := session(t, weir.Addr, "")
			wg.Go(func() {
				for i := range statements {
					if _, err := conn.ExecContext(t.Context(), fmt.Sprintf("DO %d", i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 3 {
			err := os.Rename(path, fmt.Sprintf("%s.moved%d%d", path, restart, i))
			if err != nil && !os.IsNotExist(err) {
				t.Error(err)
			}
			if err := weir.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			if err := weir.Await(patience, func() error { _, err := os.Stat(path); return err }); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		if err := weir.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	done, records := 0, 0
	for _, file := range files {
		text := read(t, file)
		done += strings.Count(text, `"statement":"DO `)
		records += strings.Count(text, "\n")
	}
	if want := 2 * clients * statements; done != want || len(files) < 10 {
		t.Errorf("%d statements are in %d files, want %d", done, len(files), want)
	}
	bin := require(t, program)
	sortByStart(t, files)
	out, err := exec.Command(bin, append([]string{"verify-log"}, files...)...).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), fmt.Sprintf("ok: %d records, 1 to %d;", records, records)) {
		t.Errorf("%v: %s", err, out)
	}
	const record = `"statement":"DO `
	at := slices.IndexFunc(files, func(file string) bool { return strings.Contains(read(t, file), record) })
	files[at] = write(t, "changed.jsonl", []byte(strings.Replace(read(t, files[at]), record, `"statement":"do `, 1)))
	out, err = exec.Command(bin, append([]string{"verify-log"}, files...)...).CombinedOutput()
	if err == nil || strings.Count(string(out), "was changed") != 1 {
		t.Errorf("a changed record: %v: %s", err, out)
	}
}

// read returns a file's text, decompressed.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := exec.Command("gzip", "-dcf", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sortByStart sorts files by the number of their first record.
func sortByStart(t *testing.T, files []string) {
	t.Helper()
	starts := make(map[string]int)
	for _, file := range files {
		var l struct{ Seq int }
		line, _, _ := strings.Cut(read(t, file), "\n")
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		starts[file] = l.Seq
	}
	slices.SortFunc(files, func(a, b string) int { return starts[a] - starts[b] })
}

// With a full disk, statements wait, or go on without a record, until there is room again.
func TestQuerylogFullDisk(t *testing.T) {
	s := require(t, sharedMariaDB)
	for _, whenFull := range []string{"block", "drop"} {
		t.Run(whenFull, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "weir-test", dir).CombinedOutput(); err != nil {
				t.Fatalf("this test needs the right to mount a file system: %v: %s", err, out)
			}
			t.Cleanup(func() {
				if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 900<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "query.jsonl")
			weir := withQuerylog(t, s, "path = %q\n    queue = 1024 * 1024\n    when_full = %q", path, whenFull)
			conn := session(t, weir.Addr, "")
			const statements = 250
			comment := strings.Repeat("x", 10<<10) // 2.5 MB of records in all, for a queue of 1 MiB
			ended := make(chan error, 1)
			go func() { ended <- many(t, conn, "DO %d /* "+comment+" */", statements) }()
			if err := weir.Await(patience, func() error { return logged(weir, "cannot write") }); err != nil {
				t.Fatal(err)
			}
			if whenFull == "drop" {
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
			} else {
				select {
				case err := <-ended:
					t.Fatalf("statements did not wait: %v", err)
				case <-time.After(500 * time.Millisecond):
				}
			}
			// There is room for some 3 MB now.
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("mount", "-o", "remount,size=8m", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := weir.Await(patience, func() error { return logged(weir, "writing again") }); err != nil {
				t.Fatal(err)
			}
			if whenFull == "block" {
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
			}
			if err := weir.Stop(); err != nil {
				t.Fatal(err)
			}
			text := read(t, path)
			records, lost := strings.Count(text, `"statement":"DO `), 0
			for line := range strings.Lines(text) {
				var l struct{ Lost int }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				lost += l.Lost
			}
			// The last of what is dropped may be the client's farewell.
			if records+lost < statements || whenFull == "block" && records != statements || (whenFull == "drop") != (lost > 0) {
				t.Errorf("%d records and %d lost of %d", records, lost, statements)
			}
			for _, want := range []string{"cannot write", "writing again"} {
				if n := strings.Count(weir.Log(), want); n != 1 {
					t.Errorf("%q is %d times in the log", want, n)
				}
			}
		})
	}
}

// A process that is stopped while statements wait for a disk that stays full ends, and says what is lost.
func TestQuerylogShutdownWhileFull(t *testing.T) {
	s := require(t, sharedMariaDB)
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, fs.ModePerm); err != nil {
		t.Fatal(err)
	}
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr}, Process: "  shutdown_timeout = \"1s\"",
		Filters: fmt.Sprintf("  filter \"querylog\" {\n    path  = %q\n    queue = 1024 * 1024\n  }", filepath.Join(dir, "query.jsonl")),
	})
	conn := session(t, weir.Addr, "")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- many(t, conn, "DO %d /* "+strings.Repeat("x", 10<<10)+" */", 1000) }()
	if err := weir.Await(patience, func() error { return logged(weir, "cannot write") }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // for the queue to fill up
	began := time.Now()
	if err := weir.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("weir took %v to end", took)
	}
	if err := <-ended; err == nil {
		t.Error("all statements were served")
	}
	if err := logged(weir, "records are missing from it"); err != nil {
		t.Error(err)
	}
}

// many runs a statement with the numbers below n.
func many(t *testing.T, conn *sql.Conn, statement string, n int) error {
	t.Helper()
	for i := range n {
		if _, err := conn.ExecContext(t.Context(), fmt.Sprintf(statement, i)); err != nil {
			return err
		}
	}
	return nil
}

// logged reports whether Weir's log has the text.
func logged(weir *proxy.Proxy, text string) error {
	if !strings.Contains(weir.Log(), text) {
		return fmt.Errorf("not logged: %s", text)
	}
	return nil
}

// Each session has a file of its own, of its own statements.
func TestQuerylogPerSession(t *testing.T) {
	s := require(t, sharedMariaDB)
	dir := t.TempDir()
	weir := withQuerylog(t, s, "path = %q\n    per  = \"session\"\n    fields = [\"statement\", \"session\"]",
		filepath.Join(dir, "{session}.jsonl"))
	for i := range 5 {
		conn := session(t, weir.Addr, "")
		if err := many(t, conn, fmt.Sprintf("DO %d + %%d", i), 20); err != nil {
			t.Fatal(err)
		}
	}
	if err := weir.Stop(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		text := read(t, file)
		if n := strings.Count(text, `"session":`+id+"}"); n < 20 || n != strings.Count(text, "\n") {
			t.Errorf("%s: %d lines of the session in\n%s", file, n, text)
		}
		for i := range 20 {
			if !strings.Contains(text, fmt.Sprintf(" + %d\"", i)) {
				t.Errorf("%s: statement %d is missing", file, i)
			}
		}
	}
}

// With path "-", records go to the standard output, for others to collect.
func TestQuerylogStandardOutput(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := withQuerylog(t, s, "path = \"-\"\n    format = \"csv\"\n    fields = [\"statement\", \"rows\"]")
	conn := session(t, weir.Addr, "")
	if n := count(t, conn, "SELECT 1"); n != 1 {
		t.Error(n)
	}
	if err := weir.Await(patience, func() error { return logged(weir, "\"SELECT 1\",1,\n") }); err != nil {
		t.Error(err)
	}
	if !strings.Contains(weir.Log(), "statement,rows,event\n") {
		t.Errorf("no header: %s", weir.Log())
	}
}
