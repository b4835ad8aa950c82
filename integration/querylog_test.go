package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/proxy"
)

// Every statement has its line once weir has ended, with what the server said of it.
func TestQuerylog(t *testing.T) {
	type line struct {
		User, Command, Statement, Server string
		Rows, Error                      int
		Affected                         int `json:"affected_rows"`
	}
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			path := filepath.Join(t.TempDir(), "query.jsonl")
			weir := startWeir(t, proxy.Config{
				Servers: []string{s.Addr},
				Filters: fmt.Sprintf("  filter \"querylog\" {\n    path = %q\n  }", path),
			})
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

			written, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []line
			for text := range strings.Lines(string(written)) {
				var l line
				if err := json.Unmarshal([]byte(text), &l); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				// What the driver sends to close is not what this is about.
				if l.Statement != "" && l.Command != "COM_STMT_CLOSE" {
					got = append(got, l)
				}
			}
			app := func(l line) line { l.User, l.Server = "app", "db1"; return l }
			want := []line{
				app(line{Command: "COM_QUERY", Statement: "CREATE TEMPORARY TABLE logged (n INT PRIMARY KEY)"}),
				app(line{Command: "COM_QUERY", Statement: "INSERT INTO logged VALUES (1), (2), (3)", Affected: 3}),
				app(line{Command: "COM_QUERY", Statement: "SELECT n FROM logged ORDER BY n DESC", Rows: 3}),
				app(line{Command: "COM_STMT_PREPARE", Statement: "INSERT INTO logged VALUES (?)"}),
				app(line{Command: "COM_STMT_EXECUTE", Statement: "INSERT INTO logged VALUES (?)", Error: 1062}),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
