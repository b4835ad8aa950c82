package sqlfacts

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A statement is what a worker knows of one.
type statement struct {
	text, canonical []byte
	digest          uint64
}

func scan(text string) statement {
	var s sqlscan.Scanner
	canonical, digest, _ := s.Scan([]byte(text), 0)
	return statement{[]byte(text), canonical, digest}
}

func (s statement) facts(c *Cache) (*Facts, bool) { return c.Facts(s.digest, s.canonical, s.text, 0) }

// await asks for the facts until they are known.
func await(t testing.TB, c *Cache, s statement) *Facts {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if f, ok := s.facts(c); ok {
			return f
		}
	}
	t.Fatalf("the facts of %q are still not known", s.text)
	return nil
}

func newCache(t testing.TB, entries int) *Cache {
	t.Helper()
	c := NewCache(entries)
	t.Cleanup(c.Close)
	return c
}

func TestCache(t *testing.T) {
	c := newCache(t, 100)
	s := scan("SELECT a FROM t WHERE b = 1")
	if _, ok := s.facts(c); ok {
		t.Fatal("known before it was parsed")
	}
	if got, want := say(*await(t, c, s)), "t | a b | "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	other := scan("SELECT a FROM t WHERE b = 2")
	if _, ok := other.facts(c); !ok {
		t.Error("not known by another literal")
	}
	if _, ok := c.Facts(s.digest, s.canonical, s.text, sqlscan.MariaDB); ok {
		t.Error("MariaDB's is known by MySQL's")
	}
	if got := say(*await(t, c, scan("nonsense"))); got != "-" {
		t.Errorf("%q, want none", got)
	}
	if got := c.Stats(); got.Misunderstood != 1 || got.Parsed < 2 || got.Dropped != 0 {
		t.Errorf("%+v", got)
	}
}

// The bytes that a worker lends are its own again.
func TestCacheKeepsNoBytes(t *testing.T) {
	c := newCache(t, 100)
	s := scan("SELECT a FROM t")
	s.facts(c)
	clear(s.text)
	clear(s.canonical)
	if got, want := say(*await(t, c, s)), "t | a | "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCacheOfLongTexts(t *testing.T) {
	c := newCache(t, 100)
	rows := scan("INSERT INTO t (a) VALUES (1)" + strings.Repeat(", (1)", MaxText))
	if got, want := say(*await(t, c, rows)), "t | a | "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	names := scan("SELECT a" + strings.Repeat(", a", MaxText))
	if f, ok := names.facts(c); !ok || f.Understood {
		t.Error("a long text is to be known at once not to be understood")
	}
}

// A cache stays within its size, and keeps what is in use.
func TestCacheForgets(t *testing.T) {
	const entries = 64
	c := newCache(t, entries)
	kept := scan("SELECT kept FROM t")
	await(t, c, kept)
	var all []statement
	for i := range 20 * entries {
		s := scan(fmt.Sprintf("SELECT a%d FROM t", i))
		await(t, c, s)
		all = append(all, s)
		if _, ok := kept.facts(c); !ok {
			t.Fatal("a statement that is asked for all the time is forgotten")
		}
	}
	known := 0
	for _, s := range all {
		if c.find(keyOf(s.digest, 0)) != nil {
			known++
		}
	}
	if known < entries/2 || known > entries {
		t.Errorf("%d are known of %d entries", known, entries)
	}
}

// What does not fit in the queue is counted, and asked again.
func TestCacheQueue(t *testing.T) {
	c := &Cache{sets: make([]set, 64), queue: make(chan task, 2), stop: make(chan struct{})} // without its goroutine
	var all []statement
	for i := range 10 {
		s := scan(fmt.Sprintf("SELECT a FROM t%d", i))
		for range 3 {
			if _, ok := s.facts(c); ok {
				t.Fatal("known before it was parsed")
			}
		}
		all = append(all, s)
	}
	queued, dropped := len(c.queue), c.Stats().Dropped
	if queued != 2 || dropped < 8 {
		t.Errorf("%d are queued and %d dropped", queued, dropped)
	}
	c.stopped.Go(c.run)
	for _, s := range all {
		await(t, c, s)
	}
	c.Close()
	c.Close()
	if _, ok := all[0].facts(c); !ok {
		t.Error("what was known is not known after the end")
	}
	if _, ok := scan("SELECT 1").facts(c); ok {
		t.Error("a closed cache has parsed something")
	}
}

// Several workers ask at the same time, while entries come and go.
func TestCacheOfManyWorkers(t *testing.T) {
	c := newCache(t, 32)
	var all []statement
	var want []string
	for i := range 100 {
		all = append(all, scan(fmt.Sprintf("SELECT a%d FROM t%d", i, i)))
		want = append(want, fmt.Sprintf("t%d | a%d | ", i, i))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				n := (i*(worker+1) + i/100) % len(all)
				if f, ok := all[n].facts(c); ok && say(*f) != want[n] {
					t.Errorf("%q: %q, want %q", all[n].text, say(*f), want[n])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestHitAllocatesNothing(t *testing.T) {
	c := newCache(t, 1000)
	s := scan("SELECT c FROM sbtest1 WHERE id=1")
	await(t, c, s)
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := s.facts(c); !ok {
			t.Fatal("forgotten")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkHit(b *testing.B) {
	c := newCache(b, 1000)
	s := scan("SELECT c FROM sbtest1 WHERE id=1")
	await(b, c, s)
	b.ReportAllocs()
	for b.Loop() {
		s.facts(c)
	}
}

func BenchmarkHitOfMany(b *testing.B) {
	c := newCache(b, 4096)
	var all []statement
	for i := range 1024 {
		all = append(all, scan(fmt.Sprintf("SELECT a%d FROM t", i)))
		await(b, c, all[i])
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			all[i%len(all)].facts(c)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Parse("SELECT c FROM sbtest1 WHERE id=1", 0)
	}
}
