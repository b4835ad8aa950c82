package querylog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendEscaped(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ``},
		{"select 1", `select 1`},
		{`select "a\b"`, `select \"a\\b\"`},
		{"a\nb\rc\td", `a\nb\rc\td`},
		{"\x00\x1f\x7f", "\\u0000\\u001f\x7f"},
		{"Grüße 世界 🐘", "Grüße 世界 🐘"},
		{"latin1 \xfcber \"x\"", `latin1 \ufffdber \"x\"`},
		{"cut \xe4\xb8", `cut \ufffd\ufffd`},
	}
	for _, tt := range tests {
		if got := string(appendEscaped(nil, tt.in)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
		if got := escapedLen([]byte(tt.in)); got != len(tt.want) {
			t.Errorf("%q: length %d, want %d", tt.in, got, len(tt.want))
		}
	}
}

func FuzzAppendEscaped(f *testing.F) {
	for _, s := range []string{"select 1", "a\"\\\n\x00", "Grüße \xff 世", "\xf0\x9f\x90", strings.Repeat("ü", 40)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := appendEscaped([]byte(`"`), in)
		if len(out)-1 != escapedLen(in) {
			t.Fatalf("%q: %d bytes, expected %d", in, len(out)-1, escapedLen(in))
		}
		if len(out)-1 > 6*len(in) {
			t.Fatalf("%q: %d bytes is more than six for one", in, len(out)-1)
		}
		var back string
		if err := json.Unmarshal(append(out, '"'), &back); err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if utf8.Valid(in) && back != string(in) {
			t.Fatalf("%q came back as %q", in, back)
		}
	})
}

func TestPlain(t *testing.T) {
	long := strings.Repeat("select 1 ", 5)
	for b := range 256 {
		want := b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\'
		for _, at := range []int{0, 7, 8, 20, len(long)} {
			s := long[:at] + string([]byte{byte(b)}) + long[at:]
			if got := plain(s); got != want {
				t.Errorf("%q: %v", s, got)
			}
		}
	}
	if !plain("") || plain([]byte("12345678\x009")) || !plain([]byte("12345678")) {
		t.Error("wrong about short ones")
	}
	text := strings.Repeat("x", 1000)
	if n := testing.AllocsPerRun(100, func() { plain(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendCell(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ``},
		{"select 1", `select 1`},
		{`a"b""c`, `a""b""""c`},
		{"a,b\r\nc\td", "a,b\r\nc\td"},
		{"latin1 \xfc\"", "latin1 \ufffd\"\""},
		{"世界 🐘", "世界 🐘"},
	} {
		if got := string(appendCell(nil, tt.in)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
		if got, want := string(quoteCell([]byte("x,"+tt.in), 2)), `x,"`+strings.ReplaceAll(tt.in, `"`, `""`)+`"`; got != want {
			t.Errorf("%q in quotes: got %q, want %q", tt.in, got, want)
		}
	}
}

func FuzzAppendCell(f *testing.F) {
	for _, s := range []string{"select 1", "a\"\\\n\x00", "Grüße \xff 世", `"""`, "a,b\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		cell := appendCell([]byte(`"`), in)
		if len(cell) > 1+3*len(in) {
			t.Fatalf("%q: %d bytes is more than three for one", in, len(cell)-1)
		}
		rows, err := csv.NewReader(bytes.NewReader(append(cell, "\",x\n"...))).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 2 {
			t.Fatalf("%q: %q, %v", in, rows, err)
		}
		// The reader takes a line break of two bytes for one of one.
		if want := strings.ReplaceAll(string(in), "\r\n", "\n"); utf8.Valid(in) && rows[0][0] != want {
			t.Fatalf("%q came back as %q", in, rows[0][0])
		}
		quoted := quoteCell(bytes.Clone(in), 0)
		if want := `"` + strings.ReplaceAll(string(in), `"`, `""`) + `"`; string(quoted) != want {
			t.Fatalf("%q in quotes is %q", in, quoted)
		}
	})
}

func TestClip(t *testing.T) {
	tests := []struct {
		in        string
		truncated bool
		n         int
		want      string
	}{
		{"select 1", false, 100, "select 1"},
		{"select 1", false, 6, "select"},
		{"größe", false, 3, "gr"},
		{"größe", false, 4, "grö"},
		{"a 世", true, 100, "a 世"},
		{"a \xe4\xb8", true, 100, "a "},
		{"a \xe4\xb8", false, 100, "a \xe4\xb8"},
		{"\xf0\x9f", true, 100, ""},
		{"latin1 \xfc", true, 100, "latin1 \xfc"},
		{"\x80\x80\x80\x80\x80", true, 100, "\x80\x80\x80\x80\x80"},
	}
	for _, tt := range tests {
		got, truncated := clip([]byte(tt.in), tt.n, tt.truncated)
		if string(got) != tt.want {
			t.Errorf("%q cut at %d: got %q, want %q", tt.in, tt.n, got, tt.want)
		}
		if want := tt.truncated || len(tt.in) > tt.n; truncated != want {
			t.Errorf("%q cut at %d: truncated %v, want %v", tt.in, tt.n, truncated, want)
		}
	}
}
