package sqlscan

import (
	"bytes"
	"testing"
)

// fuzzModes are the modes that fuzzers choose from.
var fuzzModes = []Mode{
	0, MariaDB, AnsiQuotes, NoBackslashEscapes, SJIS, GBK, MariaDB | AnsiQuotes | SJIS, AnsiQuotes | NoBackslashEscapes | GBK,
	Big5, Latin, MariaDB | DOS,
}

func addSeeds(f *testing.F) {
	f.Helper()
	for i, c := range scanTests {
		f.Add([]byte(c.text), uint8(i))
	}
	for i, c := range describeTests {
		f.Add([]byte(c.text), uint8(i))
	}
}

// Whatever the text, nothing panics, and the canonical text of a canonical text is itself.
func FuzzScan(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte, m uint8) {
		mode := fuzzModes[int(m)%len(fuzzModes)]
		var first, second Scanner
		before := bytes.Clone(text)
		canonical, digest, flags := first.Scan(text, mode)
		if !bytes.Equal(text, before) {
			t.Fatal("Scan changed the text")
		}
		again, digestAgain, _ := second.Scan(canonical, mode)
		if !bytes.Equal(canonical, again) || digest != digestAgain {
			t.Errorf("%q, mode %b\n      is %q\n which is %q", text, mode, canonical, again)
		}
		d := Describe(canonical, mode)
		if len(d.Summary) > maxSummary || int(d.Class) >= NumClasses || d.Statements > 1 != (flags&Multi != 0) {
			t.Errorf("%q is described by %+v, flags %b", canonical, d, flags)
		}
		UseSchema(text, mode)
		LastUseSchema(text, mode, 2)
		PreparedText(text, mode)
		Assignments(text, mode)
		if hints := Hints(text, mode); len(hints) > 0 != (flags&Hinted != 0) {
			t.Errorf("%q has the hints %q, flags %b", text, hints, flags)
		}
	})
}

// Statements that differ in nothing but their literals have the same digest.
func FuzzLiterals(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte, m uint8) {
		mode := fuzzModes[int(m)%len(fuzzModes)]
		var a, b Scanner
		other := otherLiterals(text, mode)
		first, digest, flags := a.Scan(text, mode)
		second, otherDigest, _ := b.Scan(other, mode)
		if flags&Incomplete == 0 && digest != otherDigest {
			t.Errorf("mode %b\n%q\n is %q\n%q\n is %q", mode, text, first, other, second)
		}
	})
}

// otherLiterals puts other literals of the same kind in the place of those in a text.
func otherLiterals(text []byte, mode Mode) (other []byte) {
	var l lexer
	l.reset(text, mode)
	// MySQL tells columns from numbers: see order.go.
	ordinals := mode&MariaDB == 0 && bytes.Contains(bytes.ToUpper(text), []byte("BY"))
	copied := 0
	last := symEnd
	for s := l.next(); s != symEnd; s = l.next() {
		token := text[l.start:l.end]
		replaced := ""
		switch {
		case last == '@', last == ':', len(token) == 0: // a name
		case s == symText && (token[0] == '\'' || token[0] == '"'):
			replaced = string(token[0]) + "it" + string(token[0]) + string(token[0]) + "s" + string(token[0]) + " "
		case s == symText && token[0]|0x20 == 'n':
			replaced = "n'' "
		case s != symNumber:
		case token[0]|0x20 == 'x':
			replaced = "X'4142' "
		case token[0]|0x20 == 'b':
			replaced = "b'0' "
		case token[0] == '.':
			replaced = ".75e-3 "
		case !ordinals:
			replaced = "12345.678 "
		}
		if replaced != "" {
			other = append(append(other, text[copied:l.start]...), replaced...)
			copied = l.end
		}
		last = s
	}
	return append(other, text[copied:]...)
}
