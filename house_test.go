package weir_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/weirproxy/weir"

// A pkg is what `go list` says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// packages lists the packages of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// below reports whether path is root or lies below it.
func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// An importRule says what the packages below a path may not import.
type importRule struct {
	of     string   // below the module; "*" stands for one folder
	not    []string // import paths; those of the module begin with "./"
	but    []string // exceptions to not
	tests  bool     // the tests of the packages keep the rule too
	reason string
}

// importRules are the arrows of the tree: protocol <- pipeline <- filters, routers, monitors, hcl, telemetry <- cmd. .golangci.yml says
// the same to editors.
var importRules = []importRule{
	{
		of: "protocol", not: []string{"./"}, but: []string{"./protocol"}, tests: true,
		reason: "protocol turns bytes into packets and back, for anyone; it knows nothing of Weir",
	},
	{
		of: "pipeline", not: []string{"./"}, but: []string{"./protocol", "./pipeline"}, tests: true,
		reason: "the contract does not know who keeps it, or where settings were written",
	},
	{
		of: "pipeline/loop", not: []string{"./"}, but: []string{"./pipeline/loop"}, tests: true,
		reason: "loop moves bytes and waits; it knows neither sessions nor packets",
	},
	{
		of: "filters/*", not: []string{"./", "github.com/hashicorp/hcl"}, but: []string{"./protocol", "./pipeline"},
		tests:  true,
		reason: "a filter is understood, and removed, without any other; its settings are a struct that hcl fills",
	},
	{
		of: "routers/*", not: []string{"./", "github.com/hashicorp/hcl"}, but: []string{"./protocol", "./pipeline"},
		tests:  true,
		reason: "a router is understood, and removed, without any other; its settings are a struct that hcl fills",
	},
	{
		of: "monitors/*", not: []string{"./", "github.com/hashicorp/hcl"}, but: []string{"./protocol", "./pipeline"},
		tests:  true,
		reason: "a monitor is understood, and removed, without any other; its settings are a struct that hcl fills",
	},
	{
		of: "monitors", not: []string{"./"}, but: []string{"./pipeline", "./protocol", "./monitors"},
		reason: "the list of monitors lists, and no more",
	},
	{
		of: "filters", not: []string{"./"}, but: []string{"./pipeline", "./protocol", "./filters"},
		reason: "the list of filters lists, and no more",
	},
	{
		of: "routers", not: []string{"./"}, but: []string{"./pipeline", "./protocol", "./routers"},
		reason: "the list of routers lists, and no more",
	},
	{
		of: "hcl", not: []string{"./"}, but: []string{"./protocol", "./pipeline", "./hcl"},
		reason: "hcl is handed the kinds there are, so that a test can hand it others",
	},
	{
		of: "telemetry/*", not: []string{"./", "github.com/hashicorp/hcl"}, but: []string{"./protocol", "./pipeline"},
		tests:  true,
		reason: "telemetry tells one system of any process; no other part of Weir knows which systems there are",
	},
	{of: "protocol", not: telemetrySystems, tests: true, reason: noTelemetry},
	{of: "pipeline", not: telemetrySystems, tests: true, reason: noTelemetry},
	{of: "filters", not: telemetrySystems, tests: true, reason: noTelemetry},
	{of: "routers", not: telemetrySystems, tests: true, reason: noTelemetry},
	{of: "monitors", not: telemetrySystems, tests: true, reason: noTelemetry},
	{of: "hcl", not: telemetrySystems, tests: true, reason: noTelemetry},
	{
		of: "pipeline", not: []string{"syscall", "golang.org/x/sys"}, but: []string{}, reason: systemCalls,
	},
	{of: "protocol", not: []string{"syscall", "golang.org/x/sys"}, reason: systemCalls},
	{of: "filters", not: []string{"syscall", "golang.org/x/sys"}, reason: systemCalls},
	{of: "routers", not: []string{"syscall", "golang.org/x/sys"}, reason: systemCalls},
	{of: "monitors", not: []string{"syscall", "golang.org/x/sys"}, reason: systemCalls},
	{of: "hcl", not: []string{"syscall", "golang.org/x/sys"}, reason: systemCalls},
}

// telemetrySystems are the modules that figures and spans leave through.
var telemetrySystems = []string{"github.com/prometheus", "go.opentelemetry.io"}

const noTelemetry = "figures and spans are handed to telemetry as they are; what becomes of them is its business"

const systemCalls = "pipeline/loop is the only package that makes system calls"

// covers reports whether the rule is about the package with that path.
func (r importRule) covers(path string) bool {
	if r.reason == systemCalls && below(path, module+"/pipeline/loop") {
		return false
	}
	if dir, ok := strings.CutSuffix(r.of, "/*"); ok {
		return strings.HasPrefix(path, module+"/"+dir+"/")
	}
	return below(path, module+"/"+r.of)
}

// forbids reports whether the package with the path from may not import the one with the path to.
func (r importRule) forbids(from, to string) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(root string) bool {
			if rest, ours := strings.CutPrefix(root, "./"); ours {
				root = strings.TrimSuffix(module+"/"+rest, "/")
			}
			return below(to, root)
		})
	}
	if dir, ok := strings.CutSuffix(r.of, "/*"); ok && in([]string{"./" + dir}) {
		// Its own folder is no other's, and internal is what all share.
		own, _, _ := strings.Cut(strings.TrimPrefix(from, module+"/"+dir+"/"), "/")
		return !below(to, module+"/"+dir+"/"+own) && !in([]string{"./" + dir + "/internal"})
	}
	return in(r.not) && !in(r.but)
}

func TestImportsGoOneWay(t *testing.T) {
	all := packages(t)
	for _, r := range importRules {
		covered := false
		for _, p := range all {
			if !r.covers(p.ImportPath) {
				continue
			}
			covered = true
			imports := p.Imports
			if r.tests {
				imports = slices.Concat(imports, p.TestImports, p.XTestImports)
			}
			for _, to := range imports {
				if r.forbids(p.ImportPath, to) {
					t.Errorf("%s imports %s: %s", p.ImportPath, to, r.reason)
				}
			}
		}
		if !covered {
			t.Errorf("no package is below %s: the rule %q says nothing", r.of, r.reason)
		}
	}
}

// The rules must bite, whatever the tree is like at present.
func TestImportRulesBite(t *testing.T) {
	tests := []struct {
		from, to string
		ok       bool
	}{
		{"protocol", "./pipeline", false},
		{"protocol/protocoltest", "./protocol", true},
		{"pipeline", "./filters", false},
		{"pipeline", "./hcl", false},
		{"pipeline", "./pipeline/loop", true},
		{"pipeline", "syscall", false},
		{"pipeline", "golang.org/x/sys/unix", false},
		{"pipeline/loop", "syscall", true},
		{"pipeline/loop", "./pipeline", false},
		{"pipeline/loop", "./protocol", false},
		{"filters/querylog", "./pipeline/pipelinetest", true},
		{"filters/querylog", "./filters/regex", false},
		{"filters/querylog", "./filters/querylog/inner", true},
		{"filters/querylog", "./filters", false},
		{"filters/querylog", "./routers/connection", false},
		{"filters/querylog", "github.com/hashicorp/hcl/v2", false},
		{"filters", "./filters/querylog", true},
		{"filters", "./hcl", false},
		{"routers/connection", "./filters/querylog", false},
		{"routers/connection", "./routers/other", false},
		{"routers/connection", "./cmd/weir", false},
		{"monitors/replication", "./monitors/internal/poll", true},
		{"monitors/replication", "./monitors/static", false},
		{"monitors/replication", "./routers/connection", false},
		{"monitors/internal/poll", "./monitors/static", false},
		{"monitors", "./monitors/static", true},
		{"pipeline", "./monitors", false},
		{"hcl", "./filters", false},
		{"hcl", "./pipeline", true},
		{"telemetry/metrics", "./pipeline", true},
		{"telemetry/metrics", "./telemetry/traces", false},
		{"telemetry/metrics", "./filters/querylog", false},
		{"telemetry/metrics", "github.com/prometheus/client_golang/prometheus", true},
		{"pipeline", "./telemetry/metrics", false},
		{"pipeline", "github.com/prometheus/client_golang/prometheus", false},
		{"filters/querylog", "go.opentelemetry.io/otel", false},
		{"filters/querylog", "./telemetry/metrics", false},
		{"hcl", "./telemetry/metrics", false},
		{"cmd/weir", "./telemetry/metrics", true},
		{"cmd/weir", "./hcl", true},
		{"cmd/weir", "syscall", true},
	}
	for _, tt := range tests {
		to := tt.to
		if rest, ours := strings.CutPrefix(to, "./"); ours {
			to = module + "/" + rest
		}
		forbidden := slices.ContainsFunc(importRules, func(r importRule) bool {
			return r.covers(module+"/"+tt.from) && r.forbids(module+"/"+tt.from, to)
		})
		if forbidden == tt.ok {
			t.Errorf("%s imports %s: allowed is %v, want %v", tt.from, tt.to, !forbidden, tt.ok)
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for _, p := range packages(t) {
		var in []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil,
				parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				in = append(in, name)
			}
		}
		if len(p.GoFiles) > 0 && len(in) != 1 {
			t.Errorf("%s has %d package comments, want one: %v", p.ImportPath, len(in), in)
		}
	}
}

// folders returns the names of the kinds in a folder of kinds.
func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "internal" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no folders", dir)
	}
	return names
}

// kindDirs are the folders whose folders are kinds.
var kindDirs = []string{"filters", "routers", "monitors"}

// nameSection is what follows a README's title.
var nameSection = regexp.MustCompile(`^\n## Name\n\n[^\n]+\n\n##`)

// sections are what the README of every kind has, in this order.
var sections = []string{"Name", "What it does", "Settings", "Example", "Cost", "Limits"}

func TestReadmesHaveTheirSections(t *testing.T) {
	for _, dir := range kindDirs {
		for _, name := range folders(t, dir) {
			path := filepath.Join(dir, name, "README.md")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
				continue
			}
			title, rest, _ := strings.Cut(string(text), "\n")
			if title != "# "+name {
				t.Errorf("%s: the first line is %q, want %q", path, title, "# "+name)
			}
			if !nameSection.MatchString(rest) {
				t.Errorf("%s: the section Name is not one line", path)
			}
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
				got = append(got, m[1])
			}
			if !slices.Equal(got, sections) {
				t.Errorf("%s: the sections are %q, want %q", path, got, sections)
			}
			if !strings.Contains(string(text), "```hcl\n") {
				t.Errorf("%s: no example", path)
			}
		}
	}
}

func TestEverySettingIsInItsReadme(t *testing.T) {
	for _, dir := range kindDirs {
		for _, name := range folders(t, dir) {
			folder := filepath.Join(dir, name)
			text, err := os.ReadFile(filepath.Join(folder, "README.md"))
			if err != nil {
				t.Error(err)
				continue
			}
			found := settings(t, folder)
			if found == nil {
				t.Errorf("%s: no struct called Config", folder)
			}
			for _, setting := range found {
				if !bytes.Contains(text, []byte("| `"+setting+"` |")) {
					t.Errorf("%s: the setting %s has no row in the table of its README", folder, setting)
				}
			}
		}
	}
}

// settings returns the names in the hcl tags of a folder's structs, nil where none of them is called Config.
func settings(t *testing.T, folder string) []string {
	t.Helper()
	names, config := []string{}, false
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				config = config || n.Name.Name == "Config"
			case *ast.Field:
				if m := hclTag.FindStringSubmatch(tag(n)); m != nil {
					names = append(names, m[1])
				}
			}
			return true
		})
	}
	if !config {
		return nil
	}
	return names
}

var hclTag = regexp.MustCompile(`hcl:"(\w+)`)

func tag(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	return f.Tag.Value
}

// The lists name every folder. That they name nothing else, the compiler sees to.
func TestListsNameEveryFolder(t *testing.T) {
	for _, dir := range kindDirs {
		list, err := os.ReadFile(filepath.Join(dir, dir+".go"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range folders(t, dir) {
			if !bytes.Contains(list, []byte(name+".Kind")) {
				t.Errorf("%s/%s.go does not list %s.Kind", dir, dir, name)
			}
		}
	}
}

// Every filter and every router passes the conformance test.
func TestEveryStepIsTested(t *testing.T) {
	for dir, call := range map[string]string{
		"filters": "pipelinetest.TestFilter(t, ", "routers": "pipelinetest.TestRouter(t, ",
	} {
		for _, name := range folders(t, dir) {
			if !called(t, filepath.Join(dir, name), call) {
				t.Errorf("%s/%s: no test calls %s...)", dir, name, call)
			}
		}
	}
}

// called reports whether a test below folder has the call.
func called(t *testing.T, folder, call string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || bytes.Contains(text, []byte(call))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The filter in CONTRIBUTING.md compiles, and passes its tests.
func TestContributingIsTrue(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var code, tests string
	for _, m := range regexp.MustCompile("(?s)\n```go\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
		switch {
		case strings.HasPrefix(m[1], "// Package readonly"):
			code = m[1]
		case strings.HasPrefix(m[1], "func Test"):
			tests += m[1]
		}
	}
	if code == "" || strings.Count(tests, "func Test") != 2 {
		t.Fatal("the code of the filter, or one of its two tests, is not where it was")
	}
	tests = `package readonly

import (
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

` + tests
	dir := t.TempDir()
	replace := map[string]string{} // what the go command is to see in the tree, without its being there
	for name, content := range map[string]string{"readonly.go": code, "readonly_test.go": tests} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		seen, err := filepath.Abs(filepath.Join("filters", "readonly", name))
		if err != nil {
			t.Fatal(err)
		}
		replace[seen] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	// The package's folder is not there for the test to run in, so that this takes two steps.
	program := filepath.Join(dir, "readonly.test")
	build := exec.Command("go", "test", "-vet=off", "-overlay", path, "-c", "-o", program, "./filters/readonly")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
