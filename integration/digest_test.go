package integration

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Two statements share a digest of the scanner's exactly where they share one of the server's.
func TestDigestsAreTheServers(t *testing.T) {
	all, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, s := range all {
		texts[s.text] = true
	}
	if len(texts) < 500 {
		t.Errorf("%d statements, want 500 at least", len(texts))
	}
	t.Run("mysql", func(t *testing.T) {
		d := newDigester(t, require(t, sharedMySQL), server.User, server.Password)
		compareDigests(t, "mysql", all, func(t *testing.T, s corpusStatement) (digest, text string) {
			t.Helper()
			if s.prepared() {
				return d.observe(t, s)
			}
			return d.call(t, s)
		})
	})
	t.Run("mariadb", func(t *testing.T) {
		s := startMariaDB(t, "--performance-schema=ON", "--performance-schema-max-thread-instances=100",
			"--performance-schema-events-statements-history-long-size=100")
		createStranger(t, s)
		compareDigests(t, "mariadb", all, newDigester(t, s, stranger, stranger).observe)
	})
}

// A digested statement is one whose digests are known.
type digested struct {
	corpusStatement
	number           int    // in the corpus
	there, thereText string // the server's
	here, hereText   string // the scanner's
}

// compareDigests compares the digests of a family's statements.
func compareDigests(t *testing.T, family string, all []corpusStatement,
	ask func(*testing.T, corpusStatement) (digest, text string),
) {
	t.Helper()
	var scanner sqlscan.Scanner
	var known []digested
	for i, s := range all {
		if s.family != family && s.family != "both" {
			continue
		}
		d := digested{corpusStatement: s, number: i}
		d.there, d.thereText = ask(t, s)
		canonical, digest, _ := scanner.Scan([]byte(s.text), s.mode(family))
		d.here, d.hereText = fmt.Sprintf("%016x", digest), string(canonical)
		if s.prepared() {
			d.here += " prepared" // MySQL tells prepared statements from others
		}
		known = append(known, d)
	}
	if len(known) < 300 {
		t.Errorf("%d statements of %s, want 300 at least", len(known), family)
	}
	excepted := func(d digested) bool {
		return slices.ContainsFunc(digestExceptions, func(e digestException) bool { return e.has(family, d.corpusStatement) })
	}
	rest := slices.DeleteFunc(slices.Clone(known), excepted)
	for _, pair := range differences(rest) {
		a, b := pair[0], pair[1]
		t.Errorf("one digest on one side, two on the other\n  %s: %q\n  %s: %q\n    server: %s\n            %s\n"+
			"    here:   %s\n            %s", a.place, a.text, b.place, b.text, a.thereText, b.thereText, a.hereText, b.hereText)
	}
	for _, d := range known {
		if excepted(d) && len(differences(append(slices.Clone(rest), d))) == len(differences(rest)) {
			t.Errorf("%s: %q is no exception any more", d.place, d.text)
		}
	}
	for _, e := range digestExceptions {
		for _, text := range e.texts {
			if (e.family == family || e.family == "both") && !slices.ContainsFunc(known, func(d digested) bool {
				return d.text == text && e.has(family, d.corpusStatement)
			}) {
				t.Errorf("%q is an exception, but nowhere in the corpus", text)
			}
		}
	}
}

// differences returns pairs of statements that share one digest and not the other.
func differences(all []digested) [][2]digested {
	there, here := func(d digested) string { return d.there }, func(d digested) string { return d.here }
	return append(divided(all, there, here), divided(all, here, there)...)
}

// divided returns pairs of statements that have one key by one, and two by another: of each key by one, the first
// statement, and the first of each further key by another.
func divided(all []digested, one, another func(digested) string) (pairs [][2]digested) {
	firsts := map[string][]digested{}
	for _, d := range all {
		same := firsts[one(d)]
		if !slices.ContainsFunc(same, func(first digested) bool { return another(first) == another(d) }) {
			firsts[one(d)] = append(same, d)
		}
	}
	for _, same := range firsts {
		for _, d := range same[1:] {
			pairs = append(pairs, [2]digested{same[0], d})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]digested) int {
		return cmp.Compare(a[1].number, b[1].number)
	})
	return pairs
}
