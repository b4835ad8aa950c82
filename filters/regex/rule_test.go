package regex

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReferences(t *testing.T) {
	tests := []struct {
		template string
		names    []string
		own      int
	}{
		{"", nil, 0},
		{"abc", nil, 3},
		{"$1", []string{"1"}, 0},
		{"${1}x", []string{"1"}, 1},
		{"$1x", []string{"1x"}, 0},
		{"a${name}b$2", []string{"name", "2"}, 2},
		{"$$1", nil, 2},
		{"5 $", nil, 3},
		{"${1", nil, 3},
		{"${}", nil, 3},
		{"$-$1", []string{"1"}, 2},
		{"$ü", []string{"ü"}, 0},
	}
	for _, tt := range tests {
		names, own := references(tt.template)
		if diff := cmp.Diff(tt.names, names); diff != "" || own != tt.own {
			t.Errorf("%q: %q and %d bytes of its own, want %q and %d", tt.template, names, own, tt.names, tt.own)
		}
		// regexp must read it the same way: a template without references is its own text.
		if got := regexp.MustCompile("(x)").Expand(nil, []byte(tt.template), []byte("x"), []int{0, 1, 0, 1}); len(names) == 0 &&
			len(got) != own {
			t.Errorf("%q expands to %q", tt.template, got)
		}
	}
}

func TestRuleMistakes(t *testing.T) {
	tests := []struct {
		rule Rule
		want string
	}{
		{Rule{Match: "", Replace: "x"}, "match: must not be empty: the empty pattern matches everywhere"},
		{Rule{Match: "(", Replace: "x"}, "match: error parsing regexp: missing closing ): `(`"},
		{Rule{Match: "(a)", Replace: "$2"}, "replace: match has no group for $2"},
		{Rule{Match: "(a)", Replace: "$1x"}, "replace: match has no group for $1x"},
		{Rule{Match: "(?P<a>a)", Replace: "$b"}, "replace: match has no group for $b"},
		{Rule{Match: "(a)", Replace: "$01"}, "replace: match has no group for $01"},
	}
	for _, tt := range tests {
		_, err := newRule(tt.rule, "")
		if err == nil {
			t.Errorf("%+v: no error", tt.rule)
			continue
		}
		if got, _, _ := strings.Cut(err.Error(), "\n"); got != tt.want {
			t.Errorf("%+v: error %q, want %q", tt.rule, got, tt.want)
		}
	}
	for _, good := range []Rule{{Match: "a", Replace: ""}, {Match: "(?P<a>.)(b)", Replace: "$a$1$2$0"}, {Match: "a", Replace: "$"}} {
		if _, err := newRule(good, ""); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func generous() *limits {
	return &limits{
		held: lease{budget: &budget{limit: 1 << 30}}, result: 1 << 30, until: time.Now().Add(time.Hour),
	}
}

func apply(t *testing.T, c Rule, text string, within *limits) (after []byte, matched bool, limit string) {
	t.Helper()
	r, err := newRule(c, "")
	if err != nil {
		t.Fatal(err)
	}
	return r.apply([]byte(text), within)
}

func TestApply(t *testing.T) {
	first := new(bool)
	tests := []struct {
		rule    Rule
		text    string
		want    string // empty: nothing else
		matched bool
	}{
		{Rule{Match: "a", Replace: "b"}, "select a, a", "select b, b", true},
		{Rule{Match: "a", Replace: "b", All: first}, "select a, a", "select b, a", true},
		{Rule{Match: "a", Replace: "b"}, "select 1", "", false},
		{Rule{Match: `(?i)from (\w+)\.(\w+)`, Replace: "from $2.${1}_x"}, "select 1 FROM t.u", "select 1 from u.t_x", true},
		{Rule{Match: `(?P<n>\d+)`, Replace: "<$n>", All: first}, "select 1, 2", "select <1>, 2", true},
		{Rule{Match: `(?P<n>\d+)`, Replace: "<${n}>"}, "select 1, 2", "select <1>, <2>", true},
		{Rule{Match: "a", Replace: "$$"}, "a", "$", true},
		{Rule{Match: "a", Replace: "a"}, "select a", "", true},
		{Rule{Match: "(a|b)", Replace: "$1"}, "select a b", "", true},
		{Rule{Match: ".+", Replace: ""}, "select a", "", true},
		{Rule{Match: "select a", Replace: " ; "}, "select a", "", true},
		{Rule{Match: "b*", Replace: "-"}, "abc", "-a-c-", true},
		{Rule{Match: `(?m)^`, Replace: "-"}, "a\nb", "-a\n-b", true},
		{Rule{Match: `\bx`, Replace: "y"}, "x xx ax", "y yx ax", true},
		{Rule{Match: "grüße", Replace: "hallo"}, "select 'grüße'", "select 'hallo'", true},
		// Bytes that are no UTF-8 are kept, in and outside of what matches, and are a U+FFFD to the expression.
		{Rule{Match: "a(.)c", Replace: "<$1>"}, "\xfea\xffc\x00", "\xfe<\xff>\x00", true},
		{Rule{Match: "\uFFFD", Replace: "?"}, "a\xffb", "a?b", true},
		{Rule{Match: "a\x00b", Replace: "c"}, "a\x00b\x00", "c\x00", true},
	}
	for _, tt := range tests {
		after, matched, limit := apply(t, tt.rule, tt.text, generous())
		if string(after) != tt.want || matched != tt.matched || limit != "" {
			t.Errorf("%+v on %q: %q, matched %v, limit %q; want %q, %v", tt.rule, tt.text, after, matched, limit, tt.want, tt.matched)
		}
	}
}

func TestApplyKeepsWithinItsLimits(t *testing.T) {
	text := strings.Repeat("a", 1000)
	grow := Rule{Match: "(a)", Replace: "${1}23456789."}
	for _, tt := range []struct {
		result int
		limit  string
	}{{10_000, ""}, {9_999, limitResult}} {
		within := generous()
		within.result = tt.result
		after, matched, limit := apply(t, grow, text, within)
		if !matched || limit != tt.limit || limit == "" && len(after) != 10_000 {
			t.Errorf("result of %d: %d bytes, limit %q", tt.result, len(after), limit)
		}
	}
	first := Rule{Match: "(a+)", Replace: "$1$1", All: new(bool)}
	within := generous()
	within.result = 1999
	if _, _, limit := apply(t, first, text, within); limit != limitResult {
		t.Errorf("the first only: limit %q", limit)
	}

	long := strings.Repeat("a", 100_000)
	within = generous()
	within.held.budget.limit = 999_999
	if _, _, limit := apply(t, grow, long, within); limit != limitMemory || within.held.n != 0 {
		t.Errorf("memory: limit %q, %d bytes held", limit, within.held.n)
	}
	within.held.budget.limit++
	if after, _, limit := apply(t, grow, long, within); limit != "" || len(after) != 1_000_000 || within.held.n != 1_000_000 {
		t.Errorf("memory: limit %q, %d bytes, %d held", limit, len(after), within.held.n)
	}
	within.held.release()
	if n := within.held.budget.held.Load(); n != 0 {
		t.Errorf("%d bytes are held in the end", n)
	}
}

// Finding all matches can take a search to the end of the text for each of them.
func TestApplyTakesNoMoreThanItsTime(t *testing.T) {
	text := string(bytes.Repeat([]byte("a"), 256<<10))
	within := generous()
	within.until = time.Now().Add(50 * time.Millisecond)
	start := time.Now()
	_, matched, limit := apply(t, Rule{Match: "a(.*z)?", Replace: "b"}, text, within)
	if !matched || limit != limitTime {
		t.Errorf("matched %v, limit %q", matched, limit)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
