package querylog

import (
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
		got := statement{text: []byte(tt.in), truncated: tt.truncated}.clip(tt.n)
		if string(got.text) != tt.want {
			t.Errorf("%q cut at %d: got %q, want %q", tt.in, tt.n, got.text, tt.want)
		}
		if want := tt.truncated || len(tt.in) > tt.n; got.truncated != want {
			t.Errorf("%q cut at %d: truncated %v, want %v", tt.in, tt.n, got.truncated, want)
		}
	}
}
