package integration

import (
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

const regexFilters = `
  filter "regex" {
    match   = "(?i)\\bsecret_(\\w+)"
    replace = "public_$1"
  }
  filter "regex" {
    match = "(?i)^(select|insert|load|prepare)"
    rule {
      name    = "first"
      match   = "swapped"
      replace = "{{a}}"
    }
    rule {
      name    = "second"
      match   = "\\{\\{(\\w)\\}\\}"
      replace = "$${1}b"
    }
    rule {
      name    = "once"
      match   = "once"
      replace = "ONCE"
      all     = false
    }
    rule {
      name    = "dry"
      match   = "public"
      replace = "nowhere"
      dry_run = true
    }
  }`

// Clients that name one table are served from another, whichever way they send their statements.
func TestRegex(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			direct := session(t, s.Addr, "")
			execute(t, direct, "DROP TABLE IF EXISTS public_regex")
			execute(t, direct, "CREATE TABLE public_regex (n INT, v LONGTEXT)")
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Filters: regexFilters})
			conn := session(t, weir.Addr, "maxAllowedPacket=1073741824")

			execute(t, conn, "INSERT INTO secret_regex VALUES (1, 'swapped once once')")
			execute(t, conn, "INSERT INTO secret_regex VALUES (?, ?)", 2, "parameters, swapped, stay")
			prepared, err := conn.PrepareContext(t.Context(), "SELECT v FROM Secret_regex WHERE n = ?")
			if err != nil {
				t.Fatal(err)
			}
			defer prepared.Close()
			for n, want := range map[int]string{1: "ab ONCE once", 2: "parameters, swapped, stay"} {
				var got string
				if err := prepared.QueryRowContext(t.Context(), n).Scan(&got); err != nil || got != want {
					t.Errorf("row %d is %q, %v; want %q", n, got, err, want)
				}
			}
			regexFile(t, conn)
			execute(t, direct, "DROP TABLE public_regex")
		})
	}
}

// regexFile loads a file by a statement that is changed.
func regexFile(t *testing.T, conn *sql.Conn) {
	t.Helper()
	path := write(t, "secret_regex", []byte("10\tswapped\n11\tsecret_\n"))
	mysql.RegisterLocalFile(path)
	defer mysql.DeregisterLocalFile(path)
	// The first match is the file's name, so that the client is asked for another than it has named.
	changed := strings.ReplaceAll(path, "secret_", "public_")
	mysql.RegisterLocalFile(changed)
	defer mysql.DeregisterLocalFile(changed)
	if _, err := conn.ExecContext(t.Context(), "LOAD DATA LOCAL INFILE '"+path+"' INTO TABLE secret_regex"); err == nil ||
		!strings.Contains(err.Error(), "public_regex") {
		t.Errorf("a file of another name: %v", err)
	}
	plain := write(t, "rows", []byte("10\tswapped\n11\tsecret_\n"))
	mysql.RegisterLocalFile(plain)
	defer mysql.DeregisterLocalFile(plain)
	execute(t, conn, "LOAD DATA LOCAL INFILE '"+plain+"' INTO TABLE secret_regex")
	if n := count(t, conn, "SELECT COUNT(*) FROM secret_regex WHERE n > 9 AND v IN ('swap' 'ped', 'secret' '_')"); n != 2 {
		t.Errorf("%d rows have been loaded, want 2", n)
	}
}

// The command line client sees what the rules make, of results too.
func TestRegexCommandLine(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Filters: regexFilters})
	host, port := split(t, weir.Addr)
	cmd := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "--host="+host, "--port="+port, "--protocol=tcp",
		"--user="+server.User, "--password="+server.Password, "--batch", "--skip-column-names", server.Schema, "--execute",
		"SELECT 'swapped', 'once once'; SET @q = 'swapped'; PREPARE p FROM 'SELECT @q, ''swapped'''; EXECUTE p")
	out, err := cmd.CombinedOutput()
	if want := "ab\tONCE once\nswapped\tab\n"; err != nil || string(out) != want {
		t.Errorf("%v, %q; want %q", err, out, want)
	}
}

// Statements of any length are changed, within the limits set.
func TestRegexLongStatements(t *testing.T) {
	const mib = 1 << 20
	s := require(t, sharedMariaDB)
	filters := func(more string) string {
		return fmt.Sprintf("  filter \"regex\" {\n    match   = \"0123456789abcdef|long_regex\"\n    replace = \"<$${0}>\"\n%s\n  }\n"+
			"  filter \"regex\" {\n    match   = \"<long_regex>\"\n    replace = \"long_regex\"\n    max_statement = %d\n"+
			"    max_result = %d\n  }", more, 64*mib, 64*mib)
	}
	direct := session(t, s.Addr, "")
	execute(t, direct, "CREATE OR REPLACE TABLE long_regex (v LONGTEXT)")
	defer execute(t, direct, "DROP TABLE long_regex")
	for _, tt := range []struct {
		name    string
		n       int // times 16 bytes
		more    string
		changed bool
		refused string
	}{
		{"some buffers", 40_000 / 16, "", true, ""},
		{"grows past 16 MiB", 15 * mib / 16, "", true, ""},
		{"begins past 16 MiB", 24 * mib / 16, "    max_statement = 33554432", true, ""},
		{"too long", 24 * mib / 16, "", false, ""},
		{"too long a result", 15 * mib / 16, "    max_result = 16777216\n    oversize = \"reject\"", false, "max_result"},
		{"too long, rejected", 24 * mib / 16, "    oversize = \"reject\"", false, "max_statement"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Filters: filters(tt.more)})
			conn := session(t, weir.Addr, "maxAllowedPacket=1073741824")
			execute(t, direct, "DELETE FROM long_regex")
			value := strings.Repeat("0123456789abcdef", tt.n)
			_, err := conn.ExecContext(t.Context(), "INSERT INTO long_regex VALUES ('"+value+"')")
			if tt.refused != "" {
				wantError(t, err, 1105, tt.refused)
				if n := count(t, conn, "SELECT 1 /* the session goes on */"); n != 1 {
					t.Errorf("got %d", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []byte(value)
			if tt.changed {
				want = bytes.ReplaceAll(want, []byte("0123456789abcdef"), []byte("<0123456789abcdef>"))
			}
			var got string
			err = direct.QueryRowContext(t.Context(), "SELECT MD5(v) FROM long_regex").Scan(&got)
			if sum := md5.Sum(want); err != nil || got != hex.EncodeToString(sum[:]) {
				t.Errorf("the server has MD5 %s, %v; want %x", got, err, sum)
			}
		})
	}
}
