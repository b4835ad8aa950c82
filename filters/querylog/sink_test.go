package querylog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// statements returns the statements in files of JSON records, oldest file first.
func statements(t *testing.T, paths ...string) (all []string) {
	t.Helper()
	for _, path := range paths {
		text, err := readAll(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var l logged
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %s: %q", err, path, line)
			}
			if l.Statement != nil {
				all = append(all, *l.Statement)
			}
		}
	}
	return all
}

// say sends n statements, numbered from 0, in a session of their own.
func say(t *testing.T, b bench, name string, n int) {
	t.Helper()
	chain := b.Open(t, pipelinetest.Session(7), pipelinetest.Always(pipelinetest.OK(0, 0)))
	for i := range n {
		if _, err := chain.Send(t.Context(), protocol.ComQuery, fmt.Appendf(nil, "%s %06d", name, i)); err != nil {
			t.Fatal(err)
		}
	}
	chain.Close()
}

// written waits until n records are written.
func (b bench) written(t *testing.T, n int) {
	t.Helper()
	read := b.Metrics["weir_querylog_written_records_total"].Read
	pipelinetest.Eventually(t, func() bool { return read() >= float64(n) }, func() string {
		return fmt.Sprintf("%v records are written of %d\n%s", read(), n, b.Log)
	})
}

// complete fails where not each of the sessions' statements is there once, in the order of its session.
func complete(t *testing.T, got []string, sessions, n int) {
	t.Helper()
	next := make([]int, sessions)
	for _, s := range got {
		var session, i int
		if _, err := fmt.Sscanf(s, "s%d %d", &session, &i); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if i != next[session] {
			t.Fatalf("session %d: statement %d where %d was expected", session, i, next[session])
		}
		next[session]++
	}
	for session, i := range next {
		if i != n {
			t.Errorf("session %d: %d statements of %d", session, i, n)
		}
	}
}

// Files are rotated, reopened and renamed by others while sessions write, and nothing is lost.
func TestRotationUnderLoad(t *testing.T) {
	const sessions, n = 4, 3000
	b := start(t, func(c *Config) { c.MaxSize, c.Compress = 100<<10, true })
	var wg sync.WaitGroup
	for session := range sessions {
		wg.Go(func() { say(t, b, fmt.Sprintf("s%d", session), n) })
	}
	wg.Go(func() {
		for range 5 {
			time.Sleep(10 * time.Millisecond)
			moved := b.path + time.Now().UTC().Format(rotatedName)
			if err := os.Rename(b.path, moved); err != nil && !errors.Is(err, fs.ErrNotExist) { // just being rotated
				t.Error(err)
			}
			b.Reopen()
		}
	})
	wg.Wait()
	b.Stop()
	files, err := rotatedFiles(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Errorf("only %d rotated files", len(files))
	}
	for _, path := range append(files, b.path) {
		if info, err := os.Stat(path); err != nil || info.Size() > 100<<10 {
			t.Errorf("%s: %d bytes, %v", path, info.Size(), err)
		}
	}
	// The names given here may be older than those that the writer has just thought of: only within a file there is order.
	seen := make(map[string]bool)
	for _, path := range append(files, b.path) {
		var last [sessions]int
		for _, s := range statements(t, path) {
			var session, i int
			if _, err := fmt.Sscanf(s, "s%d %d", &session, &i); err != nil || seen[s] || i < last[session] {
				t.Fatalf("%q in %s after %d: %v", s, path, last[session], err)
			}
			seen[s], last[session] = true, i
		}
	}
	if len(seen) != sessions*n {
		t.Errorf("%d statements of %d", len(seen), sessions*n)
	}
	if log := b.Log.String(); log != "" {
		t.Errorf("log: %s", log)
	}
}

func TestRetention(t *testing.T) {
	b := start(t, func(c *Config) { c.MaxSize, c.Keep, c.Compress = minSize, 3, true })
	say(t, b, "s0", 500)
	b.written(t, 500)
	pipelinetest.Eventually(t, func() bool {
		files, err := rotatedFiles(b.path)
		return err == nil && len(files) == 3 && !slices.ContainsFunc(files, func(f string) bool { return !strings.HasSuffix(f, ".gz") })
	}, func() string { files, err := rotatedFiles(b.path); return fmt.Sprint(files, err) })
	b.Stop()
	files, _ := rotatedFiles(b.path)
	got := statements(t, append(files, b.path)...)
	if last := got[len(got)-1]; last != "s0 000499" || len(got) < 40 {
		t.Errorf("%d statements are left, the last is %q", len(got), last)
	}
	if others, _ := filepath.Glob(b.path + "*.part"); len(others) > 0 {
		t.Errorf("left behind: %q", others)
	}
}

// A file ends at a multiple of its age, also where the process did not run then.
func TestRotationByAge(t *testing.T) {
	r := rotation{maxAge: 24 * time.Hour}
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		then, now time.Duration
		want      bool
	}{{-2, -1, false}, {-1, 0, true}, {0, 23 * time.Hour, false}, {0, 24 * time.Hour, true}} {
		if got := r.aged(midnight.Add(tt.then), midnight.Add(tt.now)); got != tt.want {
			t.Errorf("last written to at %v, now %v: %v", tt.then, tt.now, got)
		}
	}
	path := filepath.Join(t.TempDir(), "query.jsonl")
	if err := os.WriteFile(path, []byte("{\"statement\":\"old\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(path, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	b := bench{pipelinetest.Start(t, Kind, settings(path, func(c *Config) { c.MaxAge = 24 * time.Hour })), path}
	say(t, b, "s0", 1)
	b.Stop()
	files, err := rotatedFiles(path)
	if err != nil || len(files) != 1 || !slices.Equal(statements(t, files[0]), []string{"old"}) {
		t.Errorf("rotated: %q, %v", files, err)
	}
	complete(t, statements(t, path), 1, 1)
}

// A file that cannot be renamed is written on, and the log says so.
func TestRotationFails(t *testing.T) {
	b := start(t, func(c *Config) { c.MaxSize = minSize })
	say(t, b, "s0", 1)
	b.written(t, 1)
	f := b.Filter.(*Filter)
	f.queue.do(func() {
		s := f.output.only
		path := s.path
		s.path = string(append([]byte(path), "/no/such"...)) // that is no folder; the open file stays
		if err := s.rotate(time.Now()); err != nil || s.file == nil {
			t.Errorf("%v, file %v", err, s.file)
		}
		s.path, s.ends = path, []int{minSize}
		if s.dueForRotation(time.Now()) || !s.dueForRotation(time.Now().Add(2*retryRotation)) {
			t.Error("it is to be tried again after a minute")
		}
		s.ends = nil
	})
	if log := b.Log.String(); !strings.Contains(log, "cannot rotate") {
		t.Errorf("log: %s", log)
	}
}

// The folder goes, statements wait or their records are dropped, and all goes on when it is back.
func TestVanishedFolder(t *testing.T) {
	for _, drop := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "log")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		b := start(t, func(c *Config) {
			c.Path = filepath.Join(dir, "query.jsonl")
			if drop {
				c.WhenFull = "drop"
			}
		})
		say(t, b, "s0", 10)
		b.written(t, 10)
		moved := dir + ".moved"
		if err := os.Rename(dir, moved); err != nil {
			t.Fatal(err)
		}
		const n = 10000 // more than the queue holds
		done := make(chan struct{})
		go func() {
			defer close(done)
			say(t, b, "s0", n)
		}()
		q := b.Filter.(*Filter).queue
		if drop {
			<-done // statements go on
		} else {
			pipelinetest.Eventually(t, q.blocked.Load, func() string { return "no session waits" })
		}
		pipelinetest.Eventually(t, func() bool { return strings.Contains(b.Log.String(), "cannot write") }, b.Log.String)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		b.Reopen() // or within a second
		<-done
		b.Stop()
		old := statements(t, filepath.Join(moved, "query.jsonl"))
		text, err := os.ReadFile(b.path)
		if err != nil {
			t.Fatal(err)
		}
		complete(t, old, 1, 10)
		gaps, lost := 0, 0
		records := 0
		for line := range strings.Lines(string(text)) {
			var l struct {
				Event string
				Lost  int
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			if l.Event == "gap" {
				gaps, lost = gaps+1, lost+l.Lost
			} else {
				records++
			}
		}
		if records+lost != n || drop != (gaps > 0) || float64(lost) != b.Metrics["weir_querylog_dropped_records_total"].Read() {
			t.Errorf("drop %v: %d records and %d gaps of %d in all, of %d", drop, records, gaps, lost, n)
		}
		for _, want := range []string{"cannot write", "writing again"} {
			if got := strings.Count(b.Log.String(), want); got != 1 {
				t.Errorf("%q is %d times in the log:\n%s", want, got, b.Log)
			}
		}
	}
}

// A file system that is full takes no half records, and the rest once there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "weir-test", dir).CombinedOutput(); err != nil {
		t.Fatalf("this test needs the right to mount a file system: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 192<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *Config) { c.Path, c.Integrity = filepath.Join(dir, "query.jsonl"), true })
	say(t, b, "s0", 400) // more than 64 KiB
	pipelinetest.Eventually(t, func() bool { return strings.Contains(b.Log.String(), "no space left on device") },
		b.Log.String)
	text, err := os.ReadFile(b.path)
	if err != nil || len(text) > 0 && text[len(text)-1] != '\n' {
		t.Errorf("the file ends with half a record: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b.Reopen()
	b.Stop()
	complete(t, statements(t, b.path), 1, 400)
	verify(t, nil, b.path)
}

func TestTruncatedByOthers(t *testing.T) {
	b := start(t, asCSV)
	say(t, b, "s0", 5)
	b.written(t, 5)
	if err := os.Truncate(b.path, 0); err != nil { // as logrotate does with copytruncate
		t.Fatal(err)
	}
	say(t, b, "s0", 5)
	b.Stop()
	file, err := os.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) != 6 || rows[0][0] != "time" {
		t.Errorf("%d rows, %v: %q", len(rows), err, rows)
	}
}

// What a killed process has left of a record does not spoil the next one, and a file with other columns is put aside.
func TestFileLeftByAnother(t *testing.T) {
	head := string(header([]field{fieldTime, fieldStatement}, false))
	for _, tt := range []struct{ left, want string }{
		{"", head},
		{head, head},
		{head + "x,\"select 1\",\n", head + "x,\"select 1\",\n"},
		{head + "x,\"sel", head + "x,\"sel\"\n"},
		{head + "x,\"select\n", head + "x,\"select\n\"\n"},
		{head + "x", head + "x\n"},
		{"time,rows,event\nx,1,\n", head},
	} {
		path := filepath.Join(t.TempDir(), "query.csv")
		if err := os.WriteFile(path, []byte(tt.left), 0o600); err != nil {
			t.Fatal(err)
		}
		b := bench{pipelinetest.Start(t, Kind, settings(path, asCSV, func(c *Config) { c.Fields = []string{"time", "statement"} })), path}
		say(t, b, "s0", 1)
		b.Stop()
		got, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(got), tt.want) || bytes.Count(got[len(tt.want):], []byte{'\n'}) != 1 {
			t.Errorf("left %q: got %q, %v", tt.left, got, err)
		}
		if _, aside, _ := strings.Cut(tt.left, "rows"); aside != "" {
			if files, err := rotatedFiles(path); err != nil || len(files) != 1 {
				t.Errorf("put aside: %q, %v", files, err)
			}
		}
	}
}

func TestFilePerSession(t *testing.T) {
	b := start(t, func(c *Config) { c.Per, c.Path = "session", c.Path+"."+sessionMark })
	chains := make(map[uint32]*pipelinetest.Chain)
	for id := range uint32(20) {
		chains[id] = b.Open(t, pipelinetest.Session(id), pipelinetest.Always(pipelinetest.OK(0, 0)))
	}
	for i := range 30 {
		for id, chain := range chains {
			if _, err := chain.Send(t.Context(), protocol.ComQuery, fmt.Appendf(nil, "s%d %d", id, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, chain := range chains {
		if id != 3 {
			chain.Close()
		}
	}
	o := b.Filter.(*Filter)
	open := func() (n int) {
		o.queue.do(func() { n = len(o.output.sessions) })
		return n
	}
	pipelinetest.Eventually(t, func() bool { return open() == 1 }, func() string { return fmt.Sprint(open(), " files are open") })
	b.Stop()
	for id := range chains {
		path := strings.ReplaceAll(b.path, sessionMark, fmt.Sprint(id))
		got := statements(t, path)
		if len(got) != 30 || got[0] != fmt.Sprintf("s%d 0", id) || got[29] != fmt.Sprintf("s%d 29", id) {
			t.Errorf("session %d: %d statements", id, len(got))
		}
	}
}

// What a session loses is said in its own file, where that is to be found.
func TestGapOfASession(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *Config) { c.Per, c.Path, c.WhenFull = "session", filepath.Join(dir, sessionMark), "drop" })
	server := pipelinetest.Always(pipelinetest.OK(0, 0))
	goesOn, ends := b.Open(t, pipelinetest.Session(1), server), b.Open(t, pipelinetest.Session(2), server)
	send := func(chain *pipelinetest.Chain, n int) {
		for range n {
			if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte("do 1")); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(goesOn, 1)
	b.written(t, 1)
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	send(goesOn, 6000)
	send(ends, 6000)
	ends.Close()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.Reopen()
	q := b.Filter.(*Filter).queue
	pipelinetest.Eventually(t, func() bool { return !q.ring.filling() }, func() string { return "the queue stays full" })
	send(goesOn, 1)
	b.Stop()
	total := 0.0
	for id, want := range map[int]int{1: 6001, 2: 6000} {
		text, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(id)))
		if err != nil {
			t.Fatal(err)
		}
		records, lost := 0, 0
		for line := range strings.Lines(string(text)) {
			var l struct{ Lost int }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			records++
			if l.Lost > 0 {
				records, lost = records-1, lost+l.Lost
			}
		}
		total += float64(lost)
		if records+lost != want || lost == 0 {
			t.Errorf("session %d: %d records and %d lost, want %d", id, records, lost, want)
		}
	}
	if got := b.Metrics["weir_querylog_dropped_records_total"].Read(); got != total {
		t.Errorf("%v counted as dropped, %v in the files", got, total)
	}
}

func TestFigures(t *testing.T) {
	b := start(t)
	say(t, b, "s0", 10)
	b.Stop()
	info, err := os.Stat(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"weir_querylog_written_records_total": 10, "weir_querylog_written_bytes_total": float64(info.Size()),
		"weir_querylog_errors_total": 0, "weir_querylog_dropped_records_total": 0, "weir_querylog_queue_bytes": 0,
	} {
		m, ok := b.Metrics[name]
		if !ok || m.Read() != want || m.Counter != strings.HasSuffix(name, "_total") || m.Help == "" {
			t.Errorf("%s: %+v, want %v", name, m, want)
		}
	}
}
