package readwritesplit

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "e7513a57-e54a-11f1-bac8-02fc00000001"
)

// parsed is a position from a text that has one.
func parsed(t testing.TB, text string) *position {
	t.Helper()
	p := new(position)
	if _, err := p.merge([]byte(text)); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

func TestPositionMerge(t *testing.T) {
	for _, c := range []struct{ texts, want string }{
		{"", ""},
		{" \n", ""},
		{"0-1-23", "0-1-23"},
		{"0-1-0", ""},
		{"0-1-23,5-2-7", "0-1-23,5-2-7"},
		{"0-1-23 , 5-2-7", "0-1-23,5-2-7"},
		{"0-1-23|0-2-24", "0-2-24"},
		{"0-1-23|0-2-22", "0-1-23"},
		{"0-1-23,0-2-24", "0-2-24"},
		{"4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"},
		{uuidA + ":1", uuidA + ":1"},
		{strings.ToUpper(uuidA) + ":1-5", uuidA + ":1-5"},
		{uuidA + ":1-5:7:9-11", uuidA + ":1-5:7:9-11"},
		{uuidA + ":9-11:1-5:7", uuidA + ":1-5:7:9-11"},
		{uuidA + ":1-5|" + uuidA + ":6", uuidA + ":1-6"},
		{uuidA + ":1-5:7|" + uuidA + ":6", uuidA + ":1-7"},
		{uuidA + ":1-5:7:9:11|" + uuidA + ":4-10", uuidA + ":1-11"},
		{uuidA + ":5|" + uuidA + ":2", uuidA + ":2:5"},
		{uuidA + ":5|" + uuidA + ":1-9223372036854775807", uuidA + ":1-9223372036854775807"},
		{uuidA + ":1,\n" + uuidB + ":2-3", uuidA + ":1," + uuidB + ":2-3"},
		{uuidA + ":1-2:weir:1-3:5:other:7", uuidA + ":1-2," + uuidA + ":weir:1-3:5," + uuidA + ":other:7"},
		{uuidA + ":WEIR:1|" + uuidA + ":weir:2", uuidA + ":weir:1-2"},
		{uuidA + ":_0123456789abcdefghijklmnopqrstu:1", uuidA + ":_0123456789abcdefghijklmnopqrstu:1"},
	} {
		var p position
		for text := range strings.SplitSeq(c.texts, "|") {
			if _, err := p.merge([]byte(text)); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		if got := p.String(); got != c.want {
			t.Errorf("%q is %q, want %q", c.texts, got, c.want)
		}
	}
}

func TestPositionMergeAdvances(t *testing.T) {
	p := parsed(t, "0-1-5,7-1-1")
	for _, c := range []struct {
		text string
		want bool
	}{
		{"", false},
		{"0-1-5", false},
		{"0-2-4", false},
		{"7-1-1,0-1-6", true},
		{"0-1-6", false},
		{"1-1-1", true},
		{uuidA + ":5", true},
		{uuidA + ":5", false},
		{uuidA + ":4-5", true},
		{uuidA + ":4:5", false},
		{uuidA + ":a:5", true},
	} {
		if got, err := p.merge([]byte(c.text)); got != c.want || err != nil {
			t.Errorf("%q advances: %v, %v", c.text, got, err)
		}
	}
}

func TestPositionMalformed(t *testing.T) {
	for _, text := range []string{
		"x", "0", "0-1", "0-1-", "0-1-2-3", "-1-2", "0--2", "0-1-x", "0-1-2,", ",0-1-2", "0-1-2 3", "0-1-+2",
		"4294967296-1-1", "0-4294967296-1", "0-1-18446744073709551616",
		uuidA, uuidA + ":", uuidA + ":0", uuidA + ":1-", uuidA + ":5-4", uuidA + ":1:", uuidA + "::1", uuidA + ":-1",
		uuidA + ":9223372036854775808", uuidA + ":a", uuidA + ":a:", uuidA + ":a:b:1", uuidA + ":1:a", uuidA + ":a-b:1",
		uuidA + ":_0123456789abcdefghijklmnopqrstuv:1", uuidA + ":\x00:1", uuidA + ":1a:1", uuidA + "1:1", uuidA[1:] + ":1",
		"3e11fa47x71ca-11e1-9e33-c80aa9429562:1", "3e11fa47-71ca-11e1-9e33-c80aa942956g:1", ":1", "a:1",
	} {
		if _, err := new(position).merge([]byte(text)); err == nil {
			t.Errorf("%q is no set of transactions", text)
		}
	}
}

func TestPositionCovers(t *testing.T) {
	for _, c := range []struct {
		has, wanted string
		want        bool
	}{
		{"", "", true},
		{"0-1-5", "", true},
		{"", "0-1-5", false},
		{"0-1-5", "0-2-5", true},
		{"0-1-5", "0-1-6", false},
		{"0-1-5,7-1-9", "7-1-9", true},
		{"0-1-5", "0-1-5,7-1-9", false},
		{uuidA + ":1-5", uuidA + ":2-5", true},
		{uuidA + ":1-5", uuidA + ":2-6", false},
		{uuidA + ":1-5:7-9", uuidA + ":5-7", false},
		{uuidA + ":1-5:7-9", uuidA + ":1:3:8-9", true},
		{uuidA + ":1-5:7-9", uuidA + ":1:3:6", false},
		{uuidA + ":1-5:7-9", uuidA + ":10", false},
		{uuidA + ":1-5", uuidB + ":1", false},
		{uuidA + ":1-5", uuidA + ":weir:1", false},
		{uuidA + ":1-5:weir:1-3", uuidA + ":weir:2:4", false},
		{uuidA + ":1-5:weir:1-3", uuidA + ":4:weir:2", true},
		{"0-1-5", uuidA + ":1", false},
	} {
		if got := parsed(t, c.has).covers(parsed(t, c.wanted)); got != c.want {
			t.Errorf("%q covers %q: %v", c.has, c.wanted, got)
		}
	}
}

// TestPositionPeer compares sets of MySQL's with another's.
func TestPositionPeer(t *testing.T) {
	var peers []mysql.GTIDSet
	var ours []*position
	for _, text := range []string{
		uuidA + ":1-5", uuidA + ":1-5:7-9", uuidA + ":3:8", uuidA + ":6", uuidB + ":1-5", uuidA + ":1-5:weir:1-3",
		uuidA + ":weir:2", uuidA + ":4:weir:2:4", uuidA + ":1-9:other:1:weir:1-9," + uuidB + ":1-9", uuidB + ":weir:5-7",
	} {
		peer, err := mysql.ParseMysqlGTIDSet(text)
		if err != nil {
			t.Fatal(err)
		}
		peers, ours = append(peers, peer), append(ours, parsed(t, text))
	}
	for i := range peers {
		for k := range peers {
			if got, want := ours[i].covers(ours[k]), peers[i].Contain(peers[k]); got != want {
				t.Errorf("%q covers %q: %v", ours[i], ours[k], got)
			}
			sum := peers[i].Clone()
			if err := sum.Update(peers[k].String()); err != nil {
				t.Fatal(err)
			}
			both := parsed(t, ours[i].String()+","+ours[k].String())
			if again, err := mysql.ParseMysqlGTIDSet(both.String()); err != nil || !again.Equal(sum) {
				t.Errorf("%q and %q together are %q, want %q: %v", ours[i], ours[k], both, sum, err)
			}
		}
	}
}

func TestPositionNarrow(t *testing.T) {
	// Every second transaction is the session's, and a block of a million lies between the tenth and the eleventh.
	var text strings.Builder
	text.WriteString(uuidA)
	n := 1
	for i := range 40 {
		fmt.Fprintf(&text, ":%d", n)
		if n += 2; i == 9 {
			n += 1_000_000
		}
	}
	p := parsed(t, text.String())
	all := parsed(t, text.String())
	p.narrow()
	runs := p.sources[0].runs
	if len(runs) != maxRuns {
		t.Errorf("%d runs are left", len(runs))
	}
	if !p.covers(all) {
		t.Errorf("%q lacks what %q has", p, all)
	}
	if !slices.ContainsFunc(runs, func(r run) bool { return r.first == 1_000_021 }) {
		t.Errorf("the large gap is closed: %v", runs)
	}
	p = parsed(t, uuidA+":1:3:5")
	if p.narrow(); p.String() != uuidA+":1:3:5" {
		t.Errorf("a short one has become %q", p)
	}
}

func TestPositionKeep(t *testing.T) {
	for _, c := range []struct{ p, other, want string }{
		{"0-1-9,5-1-3", "0-2-7,5-2-4", "0-2-7,5-1-3"},
		{"0-1-9,5-1-3", "5-2-4", "5-1-3"},
		{"0-1-9", "", ""},
		{uuidA + ":1-9:20," + uuidB + ":4", uuidA + ":1-3:5-6:15-30," + uuidB + ":1-3", uuidA + ":1-3:5-6:20"},
		{uuidA + ":1-9:weir:3," + uuidB + ":4", uuidA + ":weir:1-3," + uuidB + ":4", uuidA + ":weir:3," + uuidB + ":4"},
	} {
		p := parsed(t, c.p)
		p.keep(parsed(t, c.other), func(*source) bool { return true })
		if got := p.String(); got != c.want {
			t.Errorf("%q has of %q %q, want %q", c.other, c.p, got, c.want)
		}
	}
}

func TestPositionSet(t *testing.T) {
	var p position
	for _, text := range []string{uuidA + ":1-5:7:weir:3", "0-1-2,3-4-5", uuidB + ":9", "", uuidA + ":1-5:7:weir:3"} {
		from := parsed(t, text)
		p.set(from)
		want := from.String()
		from.keep(new(position), func(*source) bool { return true })
		if got := p.String(); got != want {
			t.Errorf("a copy of %q is %q", want, got)
		}
	}
}

func TestPositionAllocations(t *testing.T) {
	for _, form := range []string{"0-1-%d,5-1-%d", uuidA + ":%d:weir:%d," + uuidB + ":1-%[2]d"} {
		var told [][]byte
		for n := range 300 {
			told = append(told, fmt.Appendf(nil, form, 100+2*n, 101+2*n))
		}
		var p, other, old position
		var text []byte
		step := func() {
			if _, err := p.merge(told[0]); err != nil {
				t.Fatal(err)
			}
			p.narrow()
			other.set(&p)
			if !other.covers(&p) || old.covers(&p) {
				t.Fatalf("%q, %q, %q", &other, &p, &old)
			}
			text, told = p.appendText(text[:0]), told[1:]
		}
		for range 100 {
			step()
		}
		old.set(&p)
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%q: %v allocations", form, n)
		}
	}
}

func FuzzPosition(f *testing.F) {
	for _, text := range []string{
		"0-1-23,5-1-7", "0-1-0", uuidA + ":1-5:9:weir:1-3,\n" + uuidB + ":7", uuidA + ":5:1-3:4:4-6", "0-1-2," + uuidA + ":1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p position
		advanced, err := p.merge([]byte(text))
		if advanced == p.empty() {
			t.Fatalf("it is empty: %v; it has advanced: %v", p.empty(), advanced)
		}
		for _, s := range p.sources {
			for i, r := range s.runs {
				if r.first == 0 || r.first > r.last || i > 0 && r.first-1 <= s.runs[i-1].last {
					t.Fatalf("runs %v", s.runs)
				}
			}
		}
		if err != nil {
			return
		}
		again := parsed(t, p.String())
		if !again.covers(&p) || !p.covers(again) || again.String() != p.String() {
			t.Fatalf("%q is %q when read again", &p, again)
		}
		if advanced, err := p.merge([]byte(text)); advanced || err != nil {
			t.Fatalf("what it has is new to it: %v, %v", advanced, err)
		}
	})
}

// FuzzRuns compares runs with sets of small numbers.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{1, 3, 7, 2, 4, 9}, []byte{2, 1})
	f.Add([]byte{9, 1, 1, 1, 5, 0, 3, 60}, []byte{1, 60})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		sa, in := runsOf(t, a)
		sb, inB := runsOf(t, b)
		if got, want := sa.covers(sb.runs), inB&^in == 0; got != want {
			t.Fatalf("%v covers %v: %v", sa.runs, sb.runs, got)
		}
		narrow := position{sources: []source{{runs: slices.Clone(sa.runs)}}}
		if narrow.narrow(); !narrow.sources[0].covers(sa.runs) || len(narrow.sources[0].runs) > maxRuns {
			t.Fatalf("%v narrows to %v", sa.runs, narrow.sources[0].runs)
		}
		if left := sa.keep(sb); left != (in&inB != 0) || setOf(sa.runs) != in&inB {
			t.Fatalf("%v is left", sa.runs)
		}
	})
}

// runsOf adds runs, each of its first number below 64 and its length, and keeps a set of the numbers.
func runsOf(t *testing.T, pairs []byte) (s *source, in uint64) {
	t.Helper()
	s = new(source)
	for ; len(pairs) >= 2; pairs = pairs[2:] {
		first := uint64(pairs[0])%63 + 1
		last := min(first+uint64(pairs[1])%8, 63)
		before := in
		for n := first; n <= last; n++ {
			in |= 1 << n
		}
		if grown := s.add(run{first, last}); grown != (in != before) {
			t.Fatalf("adding %d-%d: %v", first, last, grown)
		}
	}
	if setOf(s.runs) != in || bits.OnesCount64(in&^(in<<1)) != len(s.runs) {
		t.Fatalf("%v are not the runs of %b", s.runs, in)
	}
	return s, in
}

func setOf(runs []run) (in uint64) {
	for _, r := range runs {
		for n := r.first; n <= r.last; n++ {
			in |= 1 << n
		}
	}
	return in
}
