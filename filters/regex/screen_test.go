package regex

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	tests := []struct {
		expr string
		want []string // in lower case where case does not matter; nil: none
	}{
		{`from secret`, []string{"from secret"}},
		{`(?i)from secret`, []string{"from secret"}},
		{`(?i)\bfrom\s+orders\b`, []string{"orders"}},
		{`(?i)insert|update`, []string{"insert", "update"}},
		{`^\s*(SELECT|SHOW)\b`, []string{"ELECT", "HOW"}}, // the parser takes the S out
		{`(?:abc){2,3}`, []string{"abc"}},
		{`(abc)+`, []string{"abc"}},
		{`(abc)?d`, []string{"d"}},
		{`(abc)*`, nil},
		{`\d+`, nil},
		{`.`, nil},
		{`abc|\d`, nil},
		{`grüße`, []string{"grüße"}},
		{`(?i)grüße`, []string{"gr"}},
		{"a\uFFFDb", []string{"a"}},
		{`(?i)ks`, []string{"ks"}},
		{`(?i)ſ`, []string{"s"}},
		{`(?i)ü`, nil},
		{`a|b|c|d`, nil}, // a class
		{`aa|bb|cc|dd|ee|ff|gg|hh|ii`, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, n := range screenOf(tt.expr) {
			got = append(got, string(n.text))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: needles are %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// What an expression matches passes its screen, whatever the text.
func TestScreenLetsMatchesPass(t *testing.T) {
	exprs := []string{
		`(?i)from secret`, `from`, `(?i)kelvin|ſ`, `(?i)a.b`, `(?i)s\d|t+`, `ü+x`, `(?i)(ab|ba){2}c?`, `(?i)xx|yy|[0-9]z`,
		`\x{fffd}a`, `^(?i:ab)`, `(?i)from|Into|jOIN`,
	}
	pieces := []string{
		"from", "FROM", "From ", "secret", "ſecret", "a", "b", "AB", "ba", "k", "\u212a", "s", "S", "1", "t", "ü", "x", "X",
		"\xff", "\xc3", "into", "INTO", "join", "y", "z", " ", "c", "elvin", "ELVIN",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, expr := range exprs {
		match, screen := regexp.MustCompile(expr), screenOf(expr)
		matches := 0
		for range 3000 {
			var b strings.Builder
			for range random.IntN(8) {
				b.WriteString(pieces[random.IntN(len(pieces))])
			}
			text := []byte(b.String())
			if match.Match(text) {
				matches++
				if !screen.passes(text) {
					t.Fatalf("%s matches %q, which its screen holds back", expr, text)
				}
			}
		}
		if matches == 0 {
			t.Errorf("%s matched nothing: the test says nothing of it", expr)
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add(`(?i)from secret`, "select 1 FROM Secret")
	f.Add(`(?i)k`, "\u212a")
	f.Add(`(a|bc)+d`, "bcd")
	f.Add("\uFFFD", "\xff")
	f.Fuzz(func(t *testing.T, expr, text string) {
		match, err := regexp.Compile(expr)
		if err != nil {
			return // no expression
		}
		if match.MatchString(text) && !screenOf(expr).passes([]byte(text)) {
			t.Errorf("%q matches %q, which its screen holds back", expr, text)
		}
	})
}
