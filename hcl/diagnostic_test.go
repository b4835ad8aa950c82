package hcl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrint pins what a reader sees, to the column.
func TestPrint(t *testing.T) {
	_, diags, _ := loadText(`server "db1" {
  adress = "127.0.0.1:3306"
  weight = "2"
}
accounts "main" {
	user "app" {
		password = "ünï${env("NO_SUCH")}"
	}
}
listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.mian
  pipeline = pipeline.app
}
pipeline "app" {
  filter "evry" {
  }
  router "fan" {
    servers = [server.db1, server.db2]
  }
}
`)
	var b strings.Builder
	if err := diags.Print(&b); err != nil {
		t.Fatal(err)
	}
	const want = `dir/test.hcl:2:3: unknown setting "adress" in server "db1"
  2 |   adress = "127.0.0.1:3306"
    |   ^^^^^^
  Did you mean "address"? Its settings are: address, connect_timeout, rank, weight.

dir/test.hcl:3:12: "weight" must be a whole number, not a string
  3 |   weight = "2"
    |            ^^^
  Write it without quotes: 2.

dir/test.hcl:7:20: environment variable "NO_SUCH" is not set
  7 | 		password = "ünï${env("NO_SUCH")}"
    | 		                 ^^^^^^^^^^^^^^
  Set it before weir starts.

dir/test.hcl:12:14: unknown reference accounts.mian
  12 |   accounts = accounts.mian
     |              ^^^^^^^^^^^^^
  Did you mean accounts.main? Known are: accounts.main.

dir/test.hcl:16:10: unknown filter "evry"
  16 |   filter "evry" {
     |          ^^^^^^
  Did you mean "every"? Known are: every, moody, plain, tee.

dir/test.hcl:19:28: unknown reference server.db2
  19 |     servers = [server.db1, server.db2]
     |                            ^^^^^^^^^^
  Did you mean server.db1? Known are: server.db1.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("printed (- want, + got):\n%s", diff)
	}
}

// TestSnippet checks lines that are not fit to be shown as they are.
func TestSnippet(t *testing.T) {
	long := strings.Repeat("ä", 300)
	for name, test := range map[string]struct {
		d            Diagnostic
		line, marked string
	}{
		"empty":         {Diagnostic{}, "", "^"},
		"end":           {Diagnostic{source: "ab", offset: 2}, "ab", "  ^"},
		"control":       {Diagnostic{source: "a\x1b[31m", offset: 0, length: 1}, "a?[31m", "^"},
		"long":          {Diagnostic{source: long, offset: 0, length: 4}, long[:160], "^^"},
		"long at end":   {Diagnostic{source: long, offset: 598, length: 2}, long[518:], strings.Repeat(" ", 40) + "^"},
		"mark too long": {Diagnostic{source: "abc", offset: 1, length: 9}, "abc", " ^^"},
	} {
		t.Run(name, func(t *testing.T) {
			line, padding, mark := test.d.snippet()
			if line != test.line || padding+mark != test.marked {
				t.Errorf("%q, %q", line, padding+mark)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"address", "weight", "connect_timeout", "db1"}
	for given, want := range map[string]string{
		"adress": "address", "addr": "address", "ADDRESS": "address", "wieght": "weight", "timeout": "",
		"connect-timeout": "connect_timeout", "db2": "db1", "x": "", "colour": "", "": "",
	} {
		if got := nearest(given, known); got != want {
			t.Errorf("nearest to %q is %q, not %q", given, got, want)
		}
	}
}
