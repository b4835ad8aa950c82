package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/hcl"
	"github.com/weirproxy/weir/pipeline"
)

// root is the top of the tree.
const root = "../.."

// TestExamples loads examples/*.hcl, and every fenced hcl block of every .md file there is.
func TestExamples(t *testing.T) {
	count := 0
	for _, path := range files(t, ".hcl", ".md") {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, path)
		switch {
		case filepath.Ext(path) == ".md":
			for i, example := range fenced(string(content)) {
				t.Run(fmt.Sprintf("%s/%d", name, i+1), func(t *testing.T) { loadExample(t, completed(example)) })
				count++
			}
		case filepath.Dir(name) == "examples":
			t.Run(name, func(t *testing.T) { loadExample(t, string(content)) })
			count++
		}
	}
	if count < 10 {
		t.Errorf("only %d examples were found", count)
	}
}

// files returns the files of the tree with one of the extensions, but for those of hidden folders and testdata.
func files(t *testing.T, extensions ...string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(entry.Name(), ".") && path != root
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case slices.Contains(extensions, filepath.Ext(path)):
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// fenced returns the hcl blocks of a page, each with as many empty lines before it that its lines keep their numbers.
func fenced(page string) []string {
	var all []string
	var inside *strings.Builder
	for i, line := range strings.Split(page, "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case inside == nil && trimmed == "```hcl":
			inside = &strings.Builder{}
			inside.WriteString(strings.Repeat("\n", i+1))
		case inside != nil && trimmed == "```":
			all = append(all, inside.String())
			inside = nil
		case inside != nil:
			inside.WriteString(line + "\n")
		}
	}
	return all
}

var (
	declaration = regexp.MustCompile(`(?m)^(server|accounts|listener|pipeline|filter|router|user)\b +"([^"]*)"`)
	reference   = regexp.MustCompile(`\b(server|accounts|pipeline)\.([-\w]+)`)
	variable    = regexp.MustCompile(`env\("([^"]+)"\)`)
	textFile    = regexp.MustCompile(`file\("([^"/][^"]*)"\)`)
)

// stubs are what a page need not repeat in each of its examples.
var stubs = map[string]string{
	"server":   "server %q {\n  address = \"127.0.0.1:3306\"\n}\n",
	"accounts": "accounts %q {\n  user \"app\" {\n    password = \"secret\"\n  }\n}\n",
	"pipeline": "pipeline %q {\n  router \"connection\" {\n    servers = [server.stub]\n  }\n}\n",
}

// completed adds to an example that shows only a part of a file what is missing between a listener and a server. An
// example that has them all must load as it stands.
func completed(example string) string {
	declared := make(map[string][]string)
	for _, m := range declaration.FindAllStringSubmatch(example, -1) {
		declared[m[1]] = append(declared[m[1]], m[2])
	}
	if declared["listener"] != nil && declared["accounts"] != nil && declared["pipeline"] != nil && declared["server"] != nil {
		return example
	}
	switch {
	case declared["user"] != nil:
		example = "accounts \"stub\" {" + example + "}\n"
		declared["accounts"] = append(declared["accounts"], "stub")
	case declared["filter"] != nil && declared["router"] == nil:
		example += "router \"connection\" {\n  servers = [server.stub]\n}\n"
		fallthrough
	case declared["router"] != nil:
		example = "pipeline \"stub\" {" + example + "}\n"
		declared["pipeline"] = append(declared["pipeline"], "stub")
	}
	if declared["listener"] == nil {
		accounts, line := append(declared["accounts"], "stub")[0], append(declared["pipeline"], "stub")[0]
		example += fmt.Sprintf("listener \"stub\" {\n  address = \"127.0.0.1:0\"\n  accounts = accounts.%s\n  pipeline = pipeline.%s\n}\n", accounts, line)
	}
	for _, kind := range []string{"accounts", "pipeline", "server"} { // a pipeline's stub has a server
		for _, m := range reference.FindAllStringSubmatch(example, -1) {
			if m[1] == kind && !slices.Contains(declared[kind], m[2]) {
				example += fmt.Sprintf(stubs[kind], m[2])
				declared[kind] = append(declared[kind], m[2])
			}
		}
	}
	return example
}

// loadExample loads text where the environment variables and files it names exist.
func loadExample(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		t.Setenv(m[1], "3306") // may be a password, and a port
	}
	for _, m := range textFile.FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "example.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, diags := hcl.Load(path, kinds, func(pipeline.LogConfig) *slog.Logger { return slog.New(slog.DiscardHandler) })
	for _, d := range diags {
		if !d.Warning {
			t.Error(d)
		}
	}
}

// TestEverySettingIsDocumented compares docs/configuration.md with the structs: each setting has a row there, with its
// default.
func TestEverySettingIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, defaults := range []any{
		pipeline.ServerDefaults, pipeline.UserDefaults, pipeline.ListenerDefaults, pipeline.ProcessDefaults, pipeline.LogDefaults,
		pipeline.MetricsConfig{},
		pipeline.TracesDefaults, pipeline.ControlDefaults,
	} {
		v := reflect.ValueOf(defaults)
		for i := range v.NumField() {
			name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ",")
			if option != "" && option != "optional" {
				continue
			}
			row := fmt.Sprintf("(?m)^\\| `%s` \\|[^|]*\\| %s \\|", name, regexp.QuoteMeta(shown(v.Field(i), option)))
			if !regexp.MustCompile(row).Match(page) {
				t.Errorf("%s has no row for %s with default %s", v.Type().Name(), name, shown(v.Field(i), option))
			}
		}
	}
	for _, kind := range kinds.Filters {
		if !strings.Contains(string(page), "filter [`"+kind.Name+"`]") {
			t.Errorf("filter %s is not named", kind.Name)
		}
	}
	for _, kind := range kinds.Monitors {
		if !strings.Contains(string(page), "monitor [`"+kind.Name+"`]") {
			t.Errorf("monitor %s is not named", kind.Name)
		}
	}
	for _, kind := range kinds.Routers {
		if !strings.Contains(string(page), "router [`"+kind.Name+"`]") {
			t.Errorf("router %s is not named", kind.Name)
		}
	}
}

// shown is how the page shows a default.
func shown(v reflect.Value, option string) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		text := strings.TrimSuffix(value.String(), "m0s")
		if text != value.String() {
			text += "m"
		}
		return fmt.Sprintf("`%q`", text)
	case string:
		if option == "" {
			return "required"
		}
		if value == "" {
			return "none"
		}
		return fmt.Sprintf("`%q`", value)
	case int, bool, float64:
		return fmt.Sprintf("`%v`", value)
	case []string:
		return "none"
	}
	return "required"
}
