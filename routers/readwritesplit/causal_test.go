package readwritesplit

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// wroteMariaDB and wroteMySQL are session states as OK packets have them.
func wroteMariaDB(gtid string) []byte {
	change := protocol.AppendLenencString(protocol.AppendLenencString([]byte(nil), "last_gtid"), gtid)
	return protocol.AppendLenencString([]byte{protocol.SessionTrackSystemVariables}, change)
}

func wroteMySQL(gtid string) []byte {
	change := protocol.AppendLenencString([]byte{0}, gtid)
	return protocol.AppendLenencString([]byte{protocol.SessionTrackGTIDs}, change)
}

// row is the payload of a row of one value.
func row(value string) []byte { return protocol.AppendLenencString([]byte(nil), value) }

// causalOf begins two sessions of one service.
func causalOf(scope causalScope) (k, other *causality) {
	var service servicePosition
	return newCausality(scope, 3, &service), newCausality(scope, 3, &service)
}

// TestLearnCaptured has a session learn from what real servers have sent.
func TestLearnCaptured(t *testing.T) {
	for _, file := range []string{"mariadb", "mysql"} {
		f, err := os.Open("testdata/sessionstate/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		k, _ := causalOf(causalSession)
		checks, learned, number := 0, 0, 0
		for lines := bufio.NewScanner(f); lines.Scan(); {
			number++
			kind, rest, _ := strings.Cut(lines.Text(), " ")
			switch {
			case strings.HasPrefix(kind, "\t"):
				state, err := hex.DecodeString(kind[1:])
				if err != nil {
					t.Fatal(err)
				}
				if err := k.learn(0, state); err != nil {
					t.Errorf("%s:%d: %v", file, number, err)
				}
				learned++
			case kind == "position" || kind == "own":
				want := parsed(t, rest)
				if got := &k.must; !got.covers(want) || !want.covers(got) {
					t.Errorf("%s:%d: it has learned %q, and there is %q", file, number, got, want)
				}
				checks++
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if checks < 2 || learned < 20 {
			t.Errorf("%s: %d states and %d positions are there", file, learned, checks)
		}
	}
}

func TestLearnMalformed(t *testing.T) {
	for _, state := range []string{
		"\x03", "\x03\x05\x00", "\x03\x00", "\x03\x02\x01\x00", "\x03\x01\x00", "\x03\x03\x00\x05x", "\x03\x03\x00\x01x",
		"\x00\x0a\x09last_gtid", "\x00\x0c\x09last_gtid\x01x",
	} {
		k, _ := causalOf(causalSession)
		if err := k.learn(0, []byte(state)); err == nil || k.want() != nil {
			t.Errorf("%q: %v, %v", state, err, k.want())
		}
	}
	k, _ := causalOf(causalSession)
	for _, state := range []string{"\x01\x05\x04test", "\x00\x03\x01a\xfb", "\x04\x01\x00", "\x63\x01x", "\x00\x0b\x09last_gtid\x00"} {
		if err := k.learn(0, []byte(state)); err != nil || k.want() != nil {
			t.Errorf("%q concerns something else: %v, %v", state, err, k.want())
		}
	}
}

func TestCausalScopes(t *testing.T) {
	for scope, name := range causalScopeNames {
		if got, err := causalScopeOf(name); got != causalScope(scope) || err != nil {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if _, err := causalScopeOf("global"); err == nil {
		t.Errorf("global is none")
	}
	if k, _ := causalOf(causalNone); k != nil {
		t.Errorf("for nothing there is %v", k)
	}
	for _, c := range []struct {
		scope             causalScope
		writer, bystander string
	}{
		{causalSession, "0-1-5,3-1-7", ""},
		{causalService, "0-1-5,3-1-7", "0-1-5,3-1-7"},
		{causalCluster, "", ""},
	} {
		k, other := causalOf(c.scope)
		for _, gtid := range []string{"0-1-4", "3-1-7", "0-1-5"} {
			if err := k.learn(0, wroteMariaDB(gtid)); err != nil {
				t.Error(err)
			}
		}
		for who, want := range map[*causality]string{k: c.writer, other: c.bystander} {
			got := ""
			if p := who.want(); p != nil {
				got = p.String()
			}
			if got != want {
				t.Errorf("of scope %s, it wants %q, not %q", causalScopeNames[c.scope], got, want)
			}
		}
	}
}

// TestCausalWait follows one session through writes and reads.
func TestCausalWait(t *testing.T) {
	for _, scope := range []causalScope{causalSession, causalService} {
		all := cluster(t, aPrimary, aReplica.has("0-1-4"), aReplica.has("0-1-4"))
		k, _ := causalOf(scope)
		waits := func(what string, want ...bool) {
			t.Helper()
			for i := range all {
				if got := k.mustWait(i, &all[i]); got != want[i] {
					t.Errorf("%s: %d must wait: %v", what, i, got)
				}
			}
		}
		waits("at first", false, false, false)
		if err := k.learn(0, wroteMariaDB("0-1-5")); err != nil {
			t.Fatal(err)
		}
		waits("after a write", false, true, true)
		if got, want := string(k.appendWait(nil, 1500*time.Millisecond)), "SELECT CAST(MASTER_GTID_WAIT(_latin1'0-1-5',1.500) AS BINARY) LIMIT 1"; got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
		for _, answer := range [][]byte{row("-1"), row("1"), row("00"), row(""), {0xfb}, nil} {
			if k.waited(1, answer) {
				t.Errorf("%q is an answer", answer)
			}
		}
		waits("in vain", false, true, true)
		if !k.waited(1, row("0")) {
			t.Errorf("0 is no answer")
		}
		waits("with success", false, false, true)
		all[2].server.SetState(aReplica.has("0-2-5").with(func(n *node) { n.Monitored = true }).ServerState)
		waits("when the monitor knows", false, false, false)
		k.reconnected(1)
		waits("after a reconnect", false, true, false)
		k.appendWait(nil, time.Second)
		if err := k.learn(0, wroteMariaDB("0-1-6")); err != nil {
			t.Fatal(err)
		}
		if !k.waited(1, row("0")) {
			t.Errorf("0 is no answer")
		}
		waits("for what was written before", false, true, true)
	}
}

func TestCausalCluster(t *testing.T) {
	all := cluster(t, aPrimary, aReplica)
	k, _ := causalOf(causalCluster)
	for _, c := range []struct {
		position string
		must     bool
	}{
		{"", false},
		{uuidA + ":1-5", true},
		{uuidA + ":1-5", false},
		{uuidA + ":1-5:7,\n" + uuidB + ":1", true},
		{uuidA + ":1-7," + uuidB + ":1", true},
		{uuidA + ":1-7," + uuidB + ":1", false},
		{uuidB + ":1-2", true},
	} {
		if err := k.found(row(c.position)); err != nil {
			t.Fatal(err)
		}
		if got := k.mustWait(1, &all[1]); got != c.must {
			t.Errorf("at %q it must wait: %v", c.position, got)
		}
		if c.must {
			want := "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET(_latin1'" + strings.ReplaceAll(c.position, "\n", "") + "',0.001) AS BINARY) LIMIT 1"
			if got := string(k.appendWait(nil, time.Nanosecond)); got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
			k.waited(1, row("0"))
		}
	}
	for _, answer := range [][]byte{nil, {0xfb}, row("x"), append(row(uuidA+":1"), 0)} {
		if err := k.found(answer); err == nil {
			t.Errorf("%q is a position", answer)
		}
	}
}

func TestCausalTimeouts(t *testing.T) {
	p := parsed(t, "0-1-5")
	for timeout, want := range map[time.Duration]string{
		0: "0.001", time.Millisecond: "0.001", 1001 * time.Microsecond: "0.002", 10 * time.Second: "10.000",
		time.Hour + 70*time.Millisecond: "3600.070",
	} {
		if got := string(p.appendWait(nil, timeout)); got != "SELECT CAST(MASTER_GTID_WAIT(_latin1'0-1-5',"+want+") AS BINARY) LIMIT 1" {
			t.Errorf("for %s it is %q", timeout, got)
		}
	}
}

// TestCausalLost has a primary go down with transactions that nobody else has.
func TestCausalLost(t *testing.T) {
	for _, scope := range []causalScope{causalSession, causalService} {
		k, _ := causalOf(scope)
		for _, gtid := range []string{uuidA + ":8-9", uuidA + ":10"} {
			if err := k.learn(0, wroteMySQL(gtid)); err != nil {
				t.Fatal(err)
			}
		}
		done, err := k.lost(0, k.mark(), row(uuidA+":1-9,"+uuidB+":1"))
		if got := k.want().String(); !done || err != nil || got != uuidA+":8-9" {
			t.Errorf("it wants %q: %v, %v", got, done, err)
		}
		if done, err := k.lost(0, k.mark(), row("")); !done || err != nil || k.want() != nil {
			t.Errorf("it wants %q: %v, %v", k.want(), done, err)
		}
		if _, err := k.lost(0, k.mark(), nil); err == nil {
			t.Errorf("there is no position")
		}
	}
}

// TestServiceLost has other sessions write while one asks the new primary for its position.
func TestServiceLost(t *testing.T) {
	for name, c := range map[string]struct {
		before, while string // what is written
		has           string
		done          bool
		want          string
	}{
		"nothing lost":           {"0-1-9", "", "0-2-9", true, "0-1-9"},
		"lost":                   {"0-1-9", "", "0-2-7", true, "0-2-7"},
		"another domain written": {"0-1-9,5-1-1", "5-2-3", "0-2-7,5-1-1", true, "0-2-7,5-2-3"},
		"beyond":                 {"0-1-9", "0-2-10", "0-2-7", true, "0-2-10"},
		"within":                 {"0-1-9", "0-2-8", "0-2-7", false, "0-1-9"},
		"MySQL":                  {uuidA + ":9", uuidB + ":1", uuidA + ":1-7", true, uuidB + ":1"},
	} {
		var p servicePosition
		if err := p.wrote(0, []byte(c.before)); err != nil {
			t.Fatal(err)
		}
		mark := p.mark()
		if err := p.wrote(0, []byte(c.while)); err != nil {
			t.Fatal(err)
		}
		if done := p.lost(0, mark, parsed(t, c.has)); done != c.done || p.position.String() != c.want {
			t.Errorf("%s: %v, %q", name, done, &p.position)
		}
	}
}

// TestServiceHolder: a primary is asked what it lacks once, whoever told of what came before, and again where somebody tells
// of more.
func TestServiceHolder(t *testing.T) {
	var p servicePosition
	wrote := func(i int, gtid string) {
		t.Helper()
		if err := p.wrote(i, []byte(gtid)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, want ...bool) {
		t.Helper()
		for i := range want {
			if got := p.overtaken(i); got != want[i] {
				t.Errorf("%s, %d is overtaken: %v", when, i, got)
			}
		}
	}
	expect("before anything is written", false, false)
	wrote(0, "0-1-5")
	expect("once 0 has written", false, true)
	mark := p.mark()
	wrote(0, "0-1-6") // by an answer that came late
	p.lost(1, mark, parsed(t, "0-1-4"))
	expect("once 1 was asked before that", false, true)
	p.lost(1, p.mark(), parsed(t, "0-1-4"))
	expect("once 1 was asked", true, false)
	mark = p.mark()
	wrote(1, "0-2-7")
	p.lost(1, mark, parsed(t, "0-2-7"))
	expect("once 1 has written", true, false)
	mark = p.mark()
	wrote(0, "0-1-8") // by a session that has not noticed
	expect("once both have", true, true)
	p.lost(1, mark, parsed(t, "0-2-7"))
	expect("once 1 was asked before that", true, true)
	p.lost(1, p.mark(), parsed(t, "0-2-7"))
	expect("once 1 was asked after that", true, false)
	if got := p.position.String(); got != "0-2-7" {
		t.Errorf("it wants %q", got)
	}
}

// TestServiceReset: once everything is forgotten, the next primary to write need not say what it has.
func TestServiceReset(t *testing.T) {
	var p servicePosition
	for i := range 2 {
		if err := p.wrote(i, []byte("0-1-500")); err != nil {
			t.Fatal(err)
		}
		p.reset()
		if !p.position.empty() || p.overtaken(0) || p.overtaken(1) {
			t.Errorf("after a reset: %q, overtaken: %t, %t", &p.position, p.overtaken(0), p.overtaken(1))
		}
	}
}

func TestServiceShared(t *testing.T) {
	var service servicePosition
	var sessions sync.WaitGroup
	for s := range 4 {
		sessions.Go(func() {
			k := newCausality(causalService, 1, &service)
			for n := range 500 {
				own := fmt.Sprintf("%s:%d", uuidA, 4*n+s+1)
				if err := k.learn(0, wroteMySQL(own)); err != nil {
					t.Error(err)
				}
				if want := parsed(t, own); !k.want().covers(want) {
					t.Errorf("%q lacks %q", k.want(), want)
				}
			}
		})
	}
	sessions.Wait()
	if got := service.position.String(); got != uuidA+":1-2000" {
		t.Errorf("together they wrote %q", got)
	}
}

func TestTexts(t *testing.T) {
	for _, mariadb := range []bool{true, false} {
		for _, text := range []string{trackText(mariadb), positionText(mariadb)} {
			if strings.Contains(text, "last_gtid") && !mariadb || strings.Contains(text, "gtid_executed") && mariadb {
				t.Errorf("of the other family: %s", text)
			}
		}
	}
}

func TestCausalAllocations(t *testing.T) {
	for _, scope := range []causalScope{causalSession, causalService, causalCluster} {
		all := cluster(t, aPrimary, aReplica.has(uuidA+":1-5"))
		k, other := causalOf(scope)
		var states, rows [][]byte
		for n := range 300 {
			states = append(states, wroteMySQL(fmt.Sprintf("%s:%d", uuidA, 10+n)))
			rows = append(rows, row(fmt.Sprintf("%s:1-%d", uuidA, 10+n)))
		}
		var text []byte
		step := func() {
			if err := k.learn(0, states[0]); err != nil {
				t.Fatal(err)
			}
			if scope == causalCluster {
				if err := k.found(rows[0]); err != nil {
					t.Fatal(err)
				}
			}
			other.want()
			if !k.mustWait(1, &all[1]) {
				t.Fatal("it need not wait")
			}
			text = k.appendWait(text[:0], time.Second)
			k.waited(1, rows[0])
			states, rows = states[1:], rows[1:]
		}
		for range 10 {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("of scope %s: %v allocations", causalScopeNames[scope], n)
		}
	}
}

func TestHasParsesOnce(t *testing.T) {
	all := cluster(t, aReplica.has(strings.Repeat(uuidA+":1-5,", 20)+uuidB+":7"))
	want := parsed(t, uuidB+":7")
	st := all[0].server.State()
	if !all[0].load.has(st, want) {
		t.Errorf("it does not have it")
	}
	if n := testing.AllocsPerRun(100, func() { all[0].load.has(st, want) }); n != 0 {
		t.Errorf("%v allocations for a state that is known", n)
	}
	all[0].server.SetService(pipeline.Draining)
	if !all[0].load.has(all[0].server.State(), want) {
		t.Errorf("it does not have it any more")
	}
}

func FuzzLearn(f *testing.F) {
	f.Add(wroteMariaDB("0-1-5"))
	f.Add(wroteMySQL(uuidA + ":1-5:weir:7"))
	f.Add(append(wroteMySQL(uuidA+":1"), "\x05\x09\x08________"...))
	f.Add([]byte("\x00\x0c\x09last_gtid\x01x"))
	f.Fuzz(func(t *testing.T, state []byte) {
		for _, scope := range []causalScope{causalSession, causalService} {
			k, _ := causalOf(scope)
			if err := k.learn(0, state); err != nil || k.want() == nil {
				continue
			}
			text := k.want().String()
			if !parsed(t, text).covers(k.want()) {
				t.Fatalf("%q is not what is wanted", text)
			}
		}
	})
}

func BenchmarkLearn(b *testing.B) {
	for name, state := range map[string][]byte{"mariadb": wroteMariaDB("0-1-5"), "mysql": wroteMySQL(uuidA + ":1-5")} {
		for _, scope := range []causalScope{causalSession, causalService} {
			b.Run(name+"/"+causalScopeNames[scope], func(b *testing.B) {
				k, _ := causalOf(scope)
				for b.Loop() {
					if err := k.learn(0, state); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
