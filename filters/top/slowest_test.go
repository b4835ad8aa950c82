package top

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSlowest(t *testing.T) {
	c := Config{Count: 3, MaxText: 8, MinDuration: 2 * time.Millisecond}
	s := newSlowest(c)
	for i, ms := range []int{5, 1, 9, 3, 7, 2, 10, 8} {
		note(s, time.Duration(ms)*time.Millisecond, "q"+string(rune('0'+i)), false)
	}
	s.started = time.Now().Add(-time.Minute)
	var b strings.Builder
	if err := s.write(&b, "massi", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	want := `^Top 3 longest running queries in session\.
=========================================

Time \(sec\) \| Query
-----------\+-----------------------------------------------------------------
     0\.010 \|  q6
     0\.009 \|  q2
     0\.008 \|  q7
-----------\+-----------------------------------------------------------------


Session started [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}
Connection from 127\.0\.0\.1
Username        massi

Total of 8 statements executed\.
Total statement execution time   0\.045 seconds
Average statement execution time 0\.006 seconds
Total connection time            60\.\d{3} seconds
$`
	if !regexp.MustCompile(want).MatchString(b.String()) {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestSlowestText(t *testing.T) {
	s := newSlowest(Config{Count: 4, MaxText: 12})
	note(s, 4*time.Second, "select\n\t1\x7f", false)
	note(s, 3*time.Second, []byte("select 'grü'"), false) // is 13 bytes long
	note(s, 2*time.Second, "begins", true)
	note(s, 1*time.Second, "\xff", false)
	var b strings.Builder
	if err := s.write(&b, "", ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4.000 |  select  1 \n", "3.000 |  select 'grü...\n", "2.000 |  begins...\n", "1.000 |  \uFFFD\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

func TestSlowestAllocatesNothing(t *testing.T) {
	s := newSlowest(Config{Count: 10, MaxText: 100})
	text := []byte(strings.Repeat("x", 200))
	for n := range 20 {
		note(s, time.Duration(n), text, false)
	}
	if n := testing.AllocsPerRun(1000, func() { note(s, 1, text, false) }); n != 0 {
		t.Errorf("%v allocations for one that is not among them", n)
	}
	took := time.Duration(100)
	if n := testing.AllocsPerRun(1000, func() { took++; note(s, took, text, false) }); n != 0 {
		t.Errorf("%v allocations for one that takes the place of another", n)
	}
}
