package top

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// statement makes what is known of the statement number n.
func statement(n uint64) *pipeline.Statement {
	return &pipeline.Statement{Digest: n*0x9e3779b97f4a7c15 + 1, Canonical: fmt.Sprintf("SELECT %d FROM t WHERE id = ?", n)}
}

// slotOf makes a slot as the queue has it.
func slotOf(st *pipeline.Statement, text string, r record) *slot {
	r.statement = st
	if r.at == 0 {
		r.at = 1
	}
	return &slot{record: r, text: []byte(text), length: len(text)}
}

func TestEntry(t *testing.T) {
	table := newTable(4)
	st := statement(1)
	st.Summary = "SELECT t"
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	trace := [16]byte{1, 2, 15: 3}
	table.add(slotOf(st, "SELECT 1 FROM t WHERE id = 7", record{
		at: at, took: 2 * time.Second, rows: 1, bytes: 100, session: 5, trace: trace, traced: true,
	}))
	table.add(slotOf(st, "SELECT 1 FROM t WHERE id = 8", record{at: at + 1e9, took: time.Second, rows: 1, bytes: 50, affected: 3}))
	table.add(slotOf(st, "more of it", record{at: at + 2e9, took: time.Second, rows: 8, bytes: 50, more: true}))
	table.add(slotOf(st, "SELECT 1 FROM t WHERE id = x", record{at: at + 3e9, took: time.Second, failed: true, code: 1054, session: 6}))
	table.add(slotOf(st, "SELECT 1 FROM t WHERE id = y", record{at: at + 4e9, took: time.Second, aborted: true, session: 7}))
	for code := range uint16(10) {
		table.add(slotOf(st, "e", record{at: at + 5e9, took: time.Second, failed: true, code: 2000 + code, session: 8}))
	}
	table.add(slotOf(nil, "", record{took: time.Second}))

	d := documentOf(table, 3)
	got := d.ByTime[0]
	for _, p := range []*float64{&got.P50, &got.P95, &got.P99} {
		if *p < 0.97 || *p > 2.05 {
			t.Errorf("a quantile is %v", *p)
		}
		*p = 0
	}
	want := Digest{
		Digest: fmt.Sprintf("%016x", st.Digest), Class: "unknown", Summary: "SELECT t", Statement: st.Canonical,
		Since: time.Unix(0, at).UTC(), Count: 14, Seconds: 16, SecondsAtMost: 16, Min: 1, Mean: 16. / 14, Max: 2,
		Rows: 10, AffectedRows: 3, Bytes: 200, Errors: 12, ErrorsAtMost: 12,
		Codes: map[string]uint64{
			"1054": 1, "2000": 1, "2001": 1, "2002": 1, "2003": 1, "2004": 1, "2005": 1, "2006": 1, "other": 3, "aborted": 1,
		},
		Slowest: &Example{
			Text: "SELECT 1 FROM t WHERE id = 7", Time: time.Unix(0, at).UTC(), Seconds: 2, Session: 5,
			TraceID: "01020000000000000000000000000003",
		},
		Failed: &Example{Text: "e", Time: time.Unix(0, at+5e9).UTC(), Seconds: 1, Session: 8, Error: 2009},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(d.ByP99) != 1 || len(d.ByErrors) != 1 {
		t.Errorf("%d by p99, %d by errors", len(d.ByP99), len(d.ByErrors))
	}
	d.ByTime, d.ByP99, d.ByErrors = nil, nil, nil
	all := Document{Statements: 15, Seconds: 17, Errors: 12, Unknown: 1, Kept: 1, QuantileError: accuracy}
	if diff := cmp.Diff(all, d); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// exact is what the lists are compared with.
type exact struct {
	times  []time.Duration
	total  time.Duration
	errors uint64
}

func (x *exact) quantile(q float64) float64 {
	slices.Sort(x.times)
	return x.times[int(math.Ceil(q*float64(len(x.times))))-1].Seconds()
}

// On a load as they are, few digests having most of the time, the lists are those of exact counts.
func TestListsAreTrue(t *testing.T) {
	const digests, statements, capacity, length = 50_000, 500_000, 1000, 10
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.2, 1, digests-1)
	table, truth := newTable(capacity), make(map[string]*exact)
	known := make(map[uint64]*pipeline.Statement)
	for range statements {
		n := zipf.Uint64()
		if known[n] == nil {
			known[n] = statement(n)
		}
		// Each digest has times of its own, spread over a decade and more.
		took := time.Duration(float64(time.Millisecond) * (1 + float64(n*7919%97)) / 10 * math.Exp(random.NormFloat64()/2))
		failed := random.Uint64()%1000 < n*31%50
		table.add(slotOf(known[n], "", record{took: took, failed: failed, code: 1}))
		name := fmt.Sprintf("%016x", known[n].Digest)
		x := truth[name]
		if x == nil {
			x = &exact{}
			truth[name] = x
		}
		x.times, x.total = append(x.times, took), x.total+took
		if failed {
			x.errors++
		}
	}
	d := documentOf(table, length)
	if len(truth) < 5*capacity || d.MissingSeconds == 0 {
		t.Fatalf("%d digests fit into the table: the test says nothing", len(truth))
	}
	names := make([]string, 0, len(truth))
	for name := range truth {
		names = append(names, name)
	}
	top := func(by func(*exact) float64) []string {
		slices.SortFunc(names, func(a, b string) int {
			if x, y := by(truth[a]), by(truth[b]); x != y {
				return map[bool]int{true: -1, false: 1}[x > y]
			}
			return 0
		})
		return slices.Clone(names[:length])
	}
	check := func(what string, want []string, got []Digest) {
		for i := range want {
			if i >= len(got) || got[i].Digest != want[i] {
				t.Errorf("%s: place %d is not what exact counts say", what, i+1)
			}
		}
	}
	check("by time", top(func(x *exact) float64 { return x.total.Seconds() }), d.ByTime)
	check("by errors", top(func(x *exact) float64 { return float64(x.errors) }), d.ByErrors)

	for _, list := range [][]Digest{d.ByTime, d.ByErrors} {
		for _, one := range list {
			x := truth[one.Digest]
			if e := x.total.Seconds(); one.Seconds > e*1.000001 || one.SecondsAtMost < e*0.999999 {
				t.Errorf("%s: %v to %v seconds are said to be what is %v", one.Statement, one.Seconds, one.SecondsAtMost, e)
			}
			if one.Errors > x.errors || one.ErrorsAtMost < x.errors {
				t.Errorf("%s: %v to %v errors are said to be what is %v", one.Statement, one.Errors, one.ErrorsAtMost, x.errors)
			}
			for q, got := range map[float64]float64{0.5: one.P50, 0.95: one.P95, 0.99: one.P99} {
				if want := x.quantile(q); one.Count == uint64(len(x.times)) && math.Abs(got-want) > accuracy*want*1.01 {
					t.Errorf("%s: quantile %v is %v, want %v", one.Statement, q, got, want)
				}
			}
		}
	}
	// By p99, nothing that lies above the bound is missing.
	listed, least := make(map[string]bool), math.Inf(1)
	for _, one := range d.ByP99 {
		listed[one.Digest], least = true, min(least, one.P99)
	}
	for name, x := range truth {
		e := table.entries[known0(name)]
		if x.total.Seconds() > d.MissingSeconds*1.000001 && (e == nil || e.places[byTime].at < 0) {
			t.Errorf("%s has %v seconds and is missing, at most %v may", name, x.total.Seconds(), d.MissingSeconds)
		}
		if p99 := x.quantile(0.99); p99 > d.MissingSeconds && p99 > least*(1+2*accuracy) && !listed[name] &&
			e != nil && e.count == uint64(len(x.times)) {
			t.Errorf("%s has a p99 of %v, and is not among those down to %v", name, p99, least)
		}
	}
}

// known0 is the digest of a name.
func known0(name string) (digest uint64) {
	_, _ = fmt.Sscanf(name, "%x", &digest)
	return digest
}

// A million digests take no more memory than what fits the table.
func TestMemoryIsFixed(t *testing.T) {
	const capacity = 200
	table := newTable(capacity)
	s := slotOf(nil, string(make([]byte, 512)), record{})
	st := statement(0)
	add := func(n uint64) {
		st.Digest, s.statement = n*0x9e3779b97f4a7c15+1, st
		s.took = time.Duration(1 + n*2654435761%1_000_000_000)
		s.failed, s.code = n%3 == 0, uint16(n)
		table.add(s)
	}
	n := uint64(0)
	heap := func(until uint64) uint64 {
		for ; n < until; n++ {
			add(n)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	early, late := heap(50_000), heap(1_000_000)
	if len(table.entries) > 2*capacity || len(table.entries)+len(table.free) > 2*capacity+1 {
		t.Errorf("%d entries are kept, and %d for later", len(table.entries), len(table.free))
	}
	if int64(late-early) > 1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", early, late)
	}
}

// What the document says can be written down, whatever statements have in them.
func TestDocumentIsJSON(t *testing.T) {
	table := newTable(4)
	st := statement(1)
	st.Canonical = "SELECT \xff\x00 <&>"
	table.add(slotOf(st, "SELECT \xff\x00", record{took: 1}))
	b, err := json.Marshal(documentOf(table, 3))
	var back Document
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || back.ByTime[0].Statement != "SELECT \uFFFD\x00 <&>" {
		t.Errorf("%v, %s", err, b)
	}
	if b, err = json.Marshal(documentOf(newTable(1), 3)); err != nil || !json.Valid(b) {
		t.Errorf("an empty one: %v", err)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, bb := range []struct {
		name    string
		digests uint64
	}{{"one digest", 1}, {"500 digests", 500}, {"a million digests", 1_000_000}} {
		b.Run(bb.name, func(b *testing.B) {
			table := newTable(1000)
			random := rand.New(rand.NewPCG(1, 2))
			st := statement(1)
			s := slotOf(st, "SELECT c FROM sbtest1 WHERE id=4711", record{})
			b.ReportAllocs()
			for b.Loop() {
				st.Digest = random.Uint64N(bb.digests)
				s.statement, s.took = st, time.Duration(100_000+random.Uint64N(100_000))
				table.add(s)
			}
		})
	}
}

// TestFacts: the lists say what statements name, where the parser understands them.
func TestFacts(t *testing.T) {
	table := newTable(4)
	var scanner sqlscan.Scanner
	for i, text := range []string{
		"SELECT COUNT(*) FROM shop.items AS i JOIN orders USING (item) WHERE price IN (1, 2)",
		"DELETE FROM items WHERE id = 1 RETURNING name",
	} {
		canonical, digest, _ := scanner.Scan([]byte(text), sqlscan.MariaDB)
		st := statement(uint64(i))
		st.Digest, st.Canonical = digest, string(canonical)
		table.add(slotOf(st, text, record{took: time.Duration(2 - i)}))
	}
	d := documentOf(table, 3)
	d.addFacts()
	if got := d.ByTime[0]; !got.Understood || !slices.Equal(got.Tables, []string{"orders", "shop.items"}) || !slices.Equal(got.Functions, []string{"COUNT"}) {
		t.Errorf("%+v", got)
	}
	if got := d.ByTime[1]; got.Understood || got.Tables != nil {
		t.Errorf("what only MariaDB knows: %+v", got)
	}
}
