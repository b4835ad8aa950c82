package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/filters/querylog"
	"github.com/weirproxy/weir/pipeline"
)

// writeLog makes a query log that has no record but those of its chain.
func writeLog(t *testing.T, path, key string, starts int) {
	t.Helper()
	config := querylog.Kind.Defaults.(querylog.Config)
	config.Path, config.Integrity, config.IntegrityKey = path, true, key
	for range starts {
		var start func() error
		var stop func()
		_, err := querylog.Kind.New(config, pipeline.Env{
			Log: slog.New(slog.DiscardHandler), OnStart: func(f func() error) { start = f }, OnStop: func(f func()) { stop = f },
			OnReopen: func(func()) {}, Expose: func(pipeline.Metric) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := start(); err != nil {
			t.Fatal(err)
		}
		stop()
	}
}

func TestVerifyLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "query.jsonl")
	keyed, key := filepath.Join(dir, "keyed.jsonl"), filepath.Join(dir, "key")
	writeLog(t, path, "", 3)
	writeLog(t, keyed, "secret", 2)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "changed.jsonl")
	for name, content := range map[string]string{
		key: "secret\n", changed: strings.Replace(string(text), "\"after_seq\":1", "\"after_seq\":9", 1),
		filepath.Join(dir, "plain"): "{}\n", filepath.Join(dir, "empty"): "",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{path}, 0, "ok: 3 records, 1 to 3; the last hash is ", ""},
		{[]string{"-key-file", key, keyed}, 0, "ok: 2 records, 1 to 2", ""},
		{[]string{keyed}, 1, keyed + ":1: record 1 was changed", ""},
		{[]string{changed}, 1, changed + ":2: record 2 goes on after record 9 ", ""},
		{[]string{filepath.Join(dir, "plain")}, 1, "plain:1: the record has no sequence number and hash\n", ""},
		{[]string{filepath.Join(dir, "empty")}, 1, "no record has", ""},
		{[]string{filepath.Join(dir, "none")}, 1, "", "no such file"},
		{[]string{"-key-file", filepath.Join(dir, "none"), path}, 1, "", "no such file"},
		{nil, 2, "", verifyUsage},
		{[]string{"-wrong", path}, 2, "", "-wrong"},
		{[]string{"-help"}, 0, verifyUsage, ""},
	} {
		var stdout, stderr bytes.Buffer
		status := weir(append([]string{"verify-log"}, tt.args...), &stdout, &stderr)
		if status != tt.status || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%q: status %d\n%s%s", tt.args, status, &stdout, &stderr)
		}
	}
}
