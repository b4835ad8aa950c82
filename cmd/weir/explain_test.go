package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what weir explain says to testdata/explain")

// TestExplain compares what is said with testdata/explain, NAME.txt for each test. Run it with -update to write them.
func TestExplain(t *testing.T) {
	for _, name := range []string{"APP_PASSWORD", "REPORT_PASSWORD", "SHADOW_PASSWORD", "ANN_PASSWORD", "BOB_PASSWORD"} {
		t.Setenv(name, "secret")
	}
	dir := t.TempDir()
	for _, tt := range []struct {
		name, file string
		args       []string
	}{
		{"minimal", "minimal.hcl", []string{"SELECT 1"}},
		{"rewrite", "rewrite.hcl", []string{"SELECT total FROM orders FORCE INDEX (PRIMARY)\nWHERE id = 7"}},
		{"rewrite_report", "rewrite.hcl", []string{"--user", "report", "SELECT total FROM orders"}},
		{"shadow", "shadow.hcl", []string{"UPDATE items SET k = 8 WHERE id = 1"}},
		{"shadow_kill", "shadow.hcl", []string{"KILL 7"}},
		{"audit", "audit.hcl", []string{"SELECT name FROM items WHERE id = 1"}},
		{"audit_people", "audit.hcl", []string{"--pipeline=audited", "--user=bob", "SELECT name FROM items WHERE id = 1"}},
		{"filters", "filters.hcl", []string{"--pipeline", "app", "SELECT * FROM old_t WHERE id = 7"}},
		{"filters_state", "filters.hcl", []string{"--pipeline", "app", "SET sql_mode = 'same'"}},
		{"filters_source", "filters.hcl", []string{"--pipeline", "local", "SELECT 'a'"}},
		{"filters_reject", "filters.hcl", []string{"--pipeline", "local", "--client", "10.1.2.3", "SELECT 'a, a and a'"}},
		{"filters_json", "filters.hcl", []string{"SELECT 1 <> 2 FROM newest", "--json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join("testdata", "explain", tt.file)
			if source, err := os.ReadFile(filepath.Join(root, "examples", tt.file)); err == nil { // one that reads files
				path = filepath.Join(dir, tt.file)
				for name, content := range map[string]string{tt.file: string(source), "app.password": "x", "audit.key": "x"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			var stdout, stderr bytes.Buffer
			if status := weir(append([]string{"explain", path}, tt.args...), &stdout, &stderr); status != 0 || stderr.Len() > 0 {
				t.Fatalf("status %d: %s", status, &stderr)
			}
			golden := filepath.Join("testdata", "explain", tt.name+".txt")
			if *update {
				if err := os.WriteFile(golden, stdout.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), stdout.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestExplainHasNoEffects checks that no file is made of those that filters write.
func TestExplainHasNoEffects(t *testing.T) {
	dir := t.TempDir()
	path := configuration(t, "127.0.0.1:0", "control {\n  socket = \""+dir+"/s\"\n}\n")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(source), "  router", "  filter \"querylog\" {\n    path = \""+dir+"/log\"\n  }\n  router", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := weir([]string{"explain", "--json", path, "SELECT 1"}, &stdout, &stderr); status != 0 {
		t.Fatal(status, stderr.String())
	}
	if !json.Valid(stdout.Bytes()) || !strings.Contains(stdout.String(), "logs it to "+dir+"/log") {
		t.Errorf("%s", &stdout)
	}
	made, err := os.ReadDir(dir)
	if err != nil || len(made) > 0 {
		t.Errorf("%v was made, %v", made, err)
	}
}

// TestExplainSituation checks that the flags reach the router: what becomes of statements is its own tests' matter.
func TestExplainSituation(t *testing.T) {
	path := configuration(t, "127.0.0.1:0", "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"connection"`), []byte(`"readwritesplit"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	const read = "SELECT name FROM items WHERE id = 1"
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"replica", []string{path, read}},
		{"replica", []string{"--dialect", "mysql", path, read}},
		{"primary", []string{path, "DELETE FROM items"}},
		{"primary", []string{path, "-- weir route to primary\n" + read}},
		{"replica at most 10s behind", []string{path, read + " -- weir max_lag=10"}},
		{"primary", []string{"--in-transaction", path, read}},
		{"primary", []string{"--no-autocommit", path, read}},
	} {
		var stdout, stderr bytes.Buffer
		status := weir(append([]string{"explain"}, tt.args...), &stdout, &stderr)
		if status != 0 || !strings.Contains(stdout.String(), "\n  router readwritesplit: "+tt.want) {
			t.Errorf("%q: status %d, without %s\n%s%s", tt.args, status, tt.want, &stdout, &stderr)
		}
	}
}
