package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
)

// topDigest is what is looked at of a digest in top's report.
type topDigest struct {
	Statement string
	Class     string
	Count     uint64
	Rows      uint64
	Errors    uint64
	Seconds   float64
	P50       float64           `json:"p50_seconds"`
	Codes     map[string]uint64 `json:"errors_by_code"`
	Slowest   struct{ Text string }
	Failed    struct{ Text string }
}

type topReport struct {
	Statements, Errors, Dropped, Unknown uint64
	ByTime                               []topDigest `json:"by_time"`
	ByP99                                []topDigest `json:"by_p99"`
	ByErrors                             []topDigest `json:"by_errors"`
}

// Text and prepared statements of real clients are in the lists, and each session has its report.
func TestTop(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			dir := t.TempDir()
			metrics, err := process.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			weir := startWeir(t, proxy.Config{
				Servers: []string{s.Addr}, Metrics: metrics,
				Filters: fmt.Sprintf("  filter \"top\" {\n    path   = %q\n    report = %q\n    count  = 5\n  }",
					filepath.Join(dir, "session"), filepath.Join(dir, "report.json")),
			})
			conn := session(t, weir.Addr, "")
			execute(t, conn, "CREATE TEMPORARY TABLE tops (n INT PRIMARY KEY)")
			prepared, err := conn.PrepareContext(t.Context(), "INSERT INTO tops VALUES (?)")
			if err != nil {
				t.Fatal(err)
			}
			for n := range 20 {
				_, err := prepared.ExecContext(t.Context(), n%15)
				if n >= 15 {
					wantError(t, err, 1062, "Duplicate entry")
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := prepared.Close(); err != nil {
				t.Fatal(err)
			}
			for n := range 30 {
				if got := count(t, conn, fmt.Sprintf("SELECT COUNT(*) FROM tops WHERE n = %d", n)); got != (29-n)/15 {
					t.Errorf("%d: got %d", n, got)
				}
			}
			count(t, conn, "SELECT SLEEP(0.3) /* slow */")
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			if family.name == "mariadb" {
				topCommandLine(t, weir.Addr)
			}
			status, page := get(t, "http://"+metrics+"/pipelines/main/filter-top/top")
			if err := weir.Stop(); err != nil {
				t.Fatal(err)
			}
			if status != http.StatusOK {
				t.Fatalf("the page is answered with status %d, %s", status, page)
			}
			checkTopReport(t, []byte(page))
			report, err := os.ReadFile(filepath.Join(dir, "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			checkTopReport(t, report)
			checkSessionReport(t, dir)
		})
	}
}

// topCommandLine runs statements of the command line client's.
func topCommandLine(t *testing.T, addr string) {
	t.Helper()
	host, port := split(t, addr)
	cmd := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "--host="+host, "--port="+port, "--protocol=tcp",
		"--user="+server.User, "--password="+server.Password, "--batch", server.Schema,
		"--execute", "SELECT SLEEP(0.2); SELECT 'of the command line'; SELECT SLEEP(0.4)")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v, %s", err, out)
	}
}

func checkTopReport(t *testing.T, text []byte) {
	t.Helper()
	var r topReport
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Errors != 5 || r.Dropped != 0 || r.Unknown != 0 || r.Statements < 52 {
		t.Errorf("sums: %+v", r)
	}
	for name, list := range map[string][]topDigest{"time": r.ByTime, "p99": r.ByP99} {
		if len(list) < 4 || !strings.HasPrefix(list[0].Slowest.Text, "SELECT SLEEP(0.") || list[0].Seconds < 0.3 || list[0].P50 < 0.19 {
			t.Fatalf("by %s: %s", name, text)
		}
	}
	if len(r.ByErrors) != 1 {
		t.Fatalf("by errors: %s", text)
	}
	insert := r.ByErrors[0]
	if insert.Count != 20 || insert.Errors != 5 || insert.Codes["1062"] != 5 || insert.Class != "write" ||
		insert.Failed.Text != "INSERT INTO tops VALUES (?)" {
		t.Errorf("by errors: %+v", insert)
	}
	for _, list := range [][]topDigest{r.ByTime, r.ByP99} {
		found := false
		for _, one := range list {
			if strings.HasPrefix(one.Slowest.Text, "SELECT COUNT(*) FROM tops") {
				found = one.Count == 30 && one.Rows == 30 && strings.HasSuffix(one.Statement, "= ?")
			}
		}
		if !found && len(list) < 5 {
			t.Errorf("30 statements that differ in a number are not one digest: %s", text)
		}
	}
}

func checkSessionReport(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "session.*"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		report := string(text)
		if !strings.Contains(report, "/* slow */") {
			continue
		}
		found = true
		lines := strings.Split(report, "\n")
		if !strings.HasPrefix(report, "Top 5 longest running queries in session.\n") || len(lines) < 17 ||
			!strings.HasSuffix(lines[5], " |  SELECT SLEEP(0.3) /* slow */") || !strings.Contains(report, "Username        app\n") ||
			!strings.Contains(report, "Connection from 127.0.0.1\n") || !strings.Contains(report, "Total of 52 statements executed.\n") {
			t.Errorf("the report is\n%s", report)
		}
	}
	if !found {
		t.Errorf("no report of the session among %q", paths)
	}
}

// Reports count a session's lives, for a client that resets its connection.
func TestTopAfterReset(t *testing.T) {
	s := require(t, sharedMariaDB)
	dir := t.TempDir()
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr},
		Filters: fmt.Sprintf("  filter \"top\" {\n    path = %q\n  }", filepath.Join(dir, "session")),
	})
	client := dialRaw(t, weir.Addr, plain)
	client.query("SELECT 'first life'")
	client.send(protocol.ComResetConnection, "")
	client.query("SELECT 'second life'")
	client.send(protocol.ComResetConnection, "")
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := weir.Stop(); err != nil {
		t.Fatal(err)
	}
	lives := map[string]int{}
	paths, err := filepath.Glob(filepath.Join(dir, "session.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, life := range []string{"first life", "second life"} {
			if strings.Contains(string(text), life) {
				lives[life] = strings.Count(filepath.Base(path), ".")
			}
		}
	}
	if lives["first life"] != 1 || lives["second life"] != 2 {
		t.Errorf("of %q, the numbers of dots are %v", paths, lives)
	}
}
