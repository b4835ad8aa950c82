package hcl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad checks of any file that it is loaded or its mistakes are reported, without a panic, at places that
// exist, and that no two errors are the same.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.hcl"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no files in testdata/%s (%v)", dir, err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src))
		}
	}
	f.Add("\xef\xbb\xbf\x00")
	f.Add(strings.Repeat("a{\n", 600))
	f.Add("server x {\n address = <<EOT\n${")
	f.Fuzz(func(t *testing.T, src string) {
		p, diags, _ := loadText(src)
		if (p == nil) != diags.HasErrors() {
			t.Errorf("loaded: %t, errors: %t", p != nil, diags.HasErrors())
		}
		lines := strings.Count(src, "\n") + 1
		seen := make(map[string]bool)
		for _, d := range diags {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Summary == "" {
				t.Errorf("%d:%d: %q", d.Line, d.Column, d.Summary)
			}
			key := fmt.Sprintf("%d:%d: %s", d.Line, d.Column, d.Summary)
			if seen[key] {
				t.Errorf("twice: %s", key)
			}
			seen[key] = true
			_ = d.String()
		}
	})
}
