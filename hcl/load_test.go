package hcl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFiles loads every file of testdata. Each line that is to be reported says so itself:
// "# ERROR: summary" or "# WARNING: summary", several of them one after another.
func TestFiles(t *testing.T) {
	for _, dir := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.hcl"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files in testdata/%s (%v)", dir, err)
		}
		for _, path := range paths {
			t.Run(dir+"/"+strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				p, diags, _ := loadText(string(src))
				if (p != nil) != (dir == "good") || diags.HasErrors() != (dir == "bad") {
					t.Errorf("loaded: %t, errors: %t", p != nil, diags.HasErrors())
				}
				if diff := cmp.Diff(announced(string(src)), found(diags)); diff != "" {
					t.Errorf("diagnostics (- announced, + found):\n%s", diff)
				}
			})
		}
	}
}

var announcement = regexp.MustCompile(`# (ERROR|WARNING): (.*?)\s*(?:$|\s# )`)

// announced returns what the lines of src say of themselves.
func announced(src string) map[int][]string {
	all := make(map[int][]string)
	for i, line := range strings.Split(src, "\n") {
		for {
			m := announcement.FindStringSubmatchIndex(line)
			if m == nil {
				break
			}
			all[i+1] = append(all[i+1], line[m[2]:m[3]]+": "+line[m[4]:m[5]])
			line = line[m[5]:]
		}
	}
	return all
}

func found(diags Diagnostics) map[int][]string {
	all := make(map[int][]string)
	for _, d := range diags {
		kind := "ERROR: "
		if d.Warning {
			kind = "WARNING: "
		}
		all[d.Line] = append(all[d.Line], kind+d.Summary)
	}
	return all
}
