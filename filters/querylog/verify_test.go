package querylog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
)

// verify returns what is wrong in files, as line and problem; it is a mistake of the test where that is not what want
// says.
func verify(t *testing.T, want []string, paths ...string) Verdict {
	t.Helper()
	return verifyWith(t, "", want, paths...)
}

func verifyWith(t *testing.T, key string, want []string, paths ...string) Verdict {
	t.Helper()
	var got []string
	v, err := Verify(paths, []byte(key), func(f Finding) { got = append(got, fmt.Sprintf("%d: %s", f.Line, f.Problem)) })
	if err != nil {
		t.Fatal(err)
	}
	if v.Findings != len(got) {
		t.Errorf("%d findings counted of %d", v.Findings, len(got))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	return v
}

// intact makes a file of a chain's start and five records, and returns its lines.
func intact(t *testing.T, csv bool, changes ...func(*Config)) (path string, lines []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "query.log")
	c := settings(path, append(changes, func(c *Config) {
		c.Integrity = true
		if csv {
			c.Format = "csv"
		}
	})...)
	b := bench{pipelinetest.Start(t, Kind, c), path}
	say(t, b, "s0", 5)
	b.Stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, slices.Collect(strings.Lines(string(text)))
}

func TestVerifyIntact(t *testing.T) {
	for _, csv := range []bool{false, true} {
		path, _ := intact(t, csv)
		v := verify(t, nil, path)
		if v.Records != 6 || v.First != 1 || v.Last != 6 || len(v.Hash) != 64 {
			t.Errorf("%+v", v)
		}
		path, _ = intact(t, csv, func(c *Config) { c.IntegrityKey = "key" })
		verifyWith(t, "key", nil, path)
		verdict, err := Verify([]string{path}, []byte("other"), func(Finding) {})
		if err != nil || verdict.Findings != 6 {
			t.Errorf("with another key: %+v, %v", verdict, err)
		}
	}
}

// Lines are counted from 1: the first is the chain's start, in CSV the header. head is how many lines stand before the
// first record of a statement.
func TestVerifyFinds(t *testing.T) {
	cut := func(s string) string { return s[:len(s)/2] }
	for _, csv := range []bool{false, true} {
		head := 1
		if csv {
			head = 2
		}
		at := func(line int, problem string) string { return fmt.Sprintf("%d: %s", line, problem) }
		for _, tt := range []struct {
			name   string
			change func(lines []string) []string
			want   []string
		}{
			{"changed", func(l []string) []string {
				l[head+1] = strings.Replace(l[head+1], "000001", "000009", 1)
				return l
			}, []string{at(head+2, "record 3 was changed, or what stands before it")}},
			{"one byte more", func(l []string) []string {
				l[head+1] = " " + l[head+1]
				return l
			}, []string{at(head+2, "record 3 was changed, or what stands before it")}},
			{
				"missing", func(l []string) []string { return slices.Delete(l, head+1, head+2) },
				[]string{at(head+2, "record 3 is missing before record 4")},
			},
			{
				"several missing", func(l []string) []string { return slices.Delete(l, head+1, head+3) },
				[]string{at(head+2, "records 3 to 4 are missing before record 5")},
			},
			{"exchanged", func(l []string) []string {
				l[head+1], l[head+2] = l[head+2], l[head+1]
				return l
			}, []string{
				at(head+2, "record 3 is missing before record 4"), at(head+3, "record 3 is out of order: record 4 stands before it"),
				at(head+4, "record 4 is missing before record 5"),
			}},
			{
				"twice", func(l []string) []string { return slices.Insert(l, head+1, l[head]) },
				[]string{at(head+2, "record 2 is out of order: record 2 stands before it")},
			},
			{"cut in the middle", func(l []string) []string {
				l[head+4] = cut(l[head+4])
				return l
			}, []string{at(head+5, "the record is cut off")}},
			{"no line break at the end", func(l []string) []string {
				l[head+4] = strings.TrimSuffix(l[head+4], "\n")
				return l
			}, []string{at(head+5, "the record is cut off")}},
			{
				"inserted", func(l []string) []string { return slices.Insert(l, head+1, "{}\n", "{}\n") },
				[]string{at(head+2, fmt.Sprintf("the records up to line %d have no sequence number and hash", head+3))},
			},
			{
				"begun later", func(l []string) []string { return slices.Delete(l, head-1, head) },
				[]string{at(head, "the log does not begin here: record 2 says nothing of what came before")},
			},
			{"numbered anew", func(l []string) []string {
				l = slices.Delete(l, head+1, head+2)
				old, anew := `"seq":4,`, `"seq":3,`
				if csv {
					old, anew = ",4,", ",3,"
				}
				before := strings.LastIndex(l[head+1], old)
				l[head+1] = l[head+1][:before] + anew + l[head+1][before+len(old):]
				return l
			}, []string{
				at(head+2, "record 3 was changed, or what stands before it"), at(head+3, "record 4 is missing before record 5"),
			}},
		} {
			path, lines := intact(t, csv)
			if err := os.WriteFile(path, []byte(strings.Join(tt.change(lines), "")), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("%s, csv %v", tt.name, csv), func(t *testing.T) { verify(t, tt.want, path) })
		}
	}
}

func TestVerifyHeader(t *testing.T) {
	path, lines := intact(t, true)
	lines[0] = strings.Replace(lines[0], "user,client", "client,user", 1)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	verify(t, []string{"2: record 1 was changed, or what stands before it"}, path)
}

// The chain goes on over rotation, a restart, SIGUSR1 and compression.
func TestChainGoesOn(t *testing.T) {
	for _, format := range []string{"json", "csv"} {
		path := filepath.Join(t.TempDir(), "query.log")
		c := settings(path, func(c *Config) { c.Integrity, c.Format, c.MaxSize, c.Compress = true, format, 20<<10, true })
		records := 0
		for range 3 {
			b := bench{pipelinetest.Start(t, Kind, c), path}
			say(t, b, "s\"\n", 200)
			b.written(t, 200)
			if err := os.Rename(path, path+".19990101T000000.000000Z"); err == nil {
				err = os.Rename(path+".19990101T000000.000000Z", path+"."+fmt.Sprintf("20990101T00000%d.000000Z", records/200))
				if err != nil {
					t.Fatal(err)
				}
			}
			b.Reopen()
			b.Stop()
			records += 200
		}
		files, err := rotatedFiles(path)
		if err != nil || len(files) < 5 {
			t.Fatalf("%q, %v", files, err)
		}
		// The names made here are those of the future: put them where they belong, by what they begin with.
		files = append(files, path)
		slices.SortFunc(files, func(a, b string) int { return int(firstSeq(t, a, format)) - int(firstSeq(t, b, format)) })
		v := verify(t, nil, files...)
		if v.Records < records || v.Last != uint64(v.Records) {
			t.Errorf("%+v", v)
		}
		// One file alone, which is compressed, is sound, and says where it begins. Without it, something is missing.
		v = verify(t, nil, files[2])
		if v.First == 1 {
			t.Errorf("%+v", v)
		}
		var findings []Finding
		if _, err := Verify(slices.Delete(slices.Clone(files), 2, 3), nil, func(f Finding) { findings = append(findings, f) }); err != nil {
			t.Fatal(err)
		}
		if len(findings) != 1 || !strings.Contains(findings[0].Problem, "goes on after record") || findings[0].File != files[3] {
			t.Errorf("with a file missing: %+v", findings)
		}
		findings = nil
		files[2], files[3] = files[3], files[2]
		if _, err := Verify(files, nil, func(f Finding) { findings = append(findings, f) }); err != nil || len(findings) == 0 {
			t.Errorf("with files exchanged: %+v, %v", findings, err)
		}
	}
}

func firstSeq(t *testing.T, path, format string) uint64 {
	t.Helper()
	text, err := readAll(path)
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(nil, format == "csv")
	m := chainEnd(c.csv).FindIndex(text)
	if m == nil || !c.resumeText(text[:m[1]]) {
		t.Fatalf("%s has no record", path)
	}
	return c.seq
}

// A process that was killed leaves half a record: the chain goes on behind it, and the record is found.
func TestChainAfterAKill(t *testing.T) {
	for _, csv := range []bool{false, true} {
		path, lines := intact(t, csv)
		text := strings.Join(lines, "")
		if err := os.WriteFile(path, []byte(text[:len(text)-100]), 0o600); err != nil {
			t.Fatal(err)
		}
		b := bench{pipelinetest.Start(t, Kind, settings(path, func(c *Config) {
			c.Integrity = true
			if csv {
				c.Format = "csv"
			}
		})), path}
		say(t, b, "s0", 2)
		b.Stop()
		verify(t, []string{fmt.Sprintf("%d: the record has no sequence number and hash", len(lines))}, path)
	}
}

// A new file goes on after the file that was rotated last, even if that has been compressed.
func TestChainOverAMissingFile(t *testing.T) {
	path, _ := intact(t, false)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text)
	_ = z.Close()
	old := path + ".20261119T000000.000000Z.gz"
	if err := os.WriteFile(old, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b := bench{pipelinetest.Start(t, Kind, settings(path, func(c *Config) { c.Integrity = true })), path}
	say(t, b, "s0", 2)
	b.Stop()
	if v := verify(t, nil, old, path); v.Last != 9 {
		t.Errorf("%+v", v)
	}
}

func TestVerifyOrder(t *testing.T) {
	old, older := "a/q.20261120T000000.000000Z", "a/q.20261119T000000.000000Z.gz"
	for _, tt := range []struct{ files, want []string }{
		{[]string{"a/q", older, old}, []string{older, old, "a/q"}},
		{[]string{older, old, "a/q"}, []string{older, old, "a/q"}},
		{[]string{"a/q", older, "b/q", old}, []string{older, "b/q", old, "a/q"}},
		{[]string{"b/q", older, old}, []string{"b/q", older, old}},
		{[]string{"a/q", "a/q.1"}, []string{"a/q", "a/q.1"}},
		{[]string{"a/q"}, []string{"a/q"}},
	} {
		if got := inOrder(tt.files); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q", tt.files, got)
		}
	}
}

func TestVerifyCannotRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify([]string{filepath.Join(dir, "none")}, nil, nil); err == nil {
		t.Error("no error for a file that is not there")
	}
	broken := filepath.Join(dir, "broken.gz")
	if err := os.WriteFile(broken, []byte{0x1f, 0x8b, 1, 2, 3}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify([]string{broken}, nil, nil); err == nil {
		t.Error("no error for a broken file")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("{\"event\":\"chain\",\"time\":\"\",\"reason\":\"x\",\"after_seq\":0,\"after_hash\":\"" + strings.Repeat("0", 64) +
		"\",\"seq\":1,\"hash\":\"" + strings.Repeat("0", 64) + "\"}\n{\"seq\":2}\n"))
	f.Add([]byte("a,event,seq,hash\n\"x\ny\",,1," + strings.Repeat("a", 64) + "\n\"x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(text, []byte{'\n'}) + 1
		v, err := Verify([]string{path}, nil, func(f Finding) {
			if f.Line < 1 || f.Line > lines {
				t.Errorf("line %d of %d", f.Line, lines)
			}
		})
		if err == nil && v.Findings == 0 && v.Records > 0 && bytes.Count(text, []byte("hash")) == 0 && text[0] == '{' {
			t.Errorf("sound: %q", text)
		}
	})
}
