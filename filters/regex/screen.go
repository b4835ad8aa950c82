package regex

import (
	"bytes"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxNeedles is how many words are looked for before the expression itself is as fast.
const maxNeedles = 8

// A screen is a quick test for an expression: what it matches contains one of the needles. One without needles says
// nothing.
type screen []needle

// A needle is text that is looked for byte by byte, in fold without regard to the case of ASCII letters.
type needle struct {
	text   []byte // in lower case where fold is set
	fold   bool
	odd    []byte // bytes of characters outside ASCII that are letters of the text in another case
	at     int    // of the byte that is looked for first, the one expected to be the rarest
	lo, up byte   // that byte in both cases
}

// Two ASCII letters have a third case: the Kelvin sign is a k, ſ is an s. Their first bytes in UTF-8:
const (
	kelvinSign = 0xe2
	longS      = 0xc5
)

// screenOf returns the screen of an expression that compiles.
func screenOf(expr string) screen {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return required(tree)
}

// required returns needles of which every match contains at least one, nil where it knows none.
func required(re *syntax.Regexp) screen {
	switch re.Op {
	case syntax.OpLiteral:
		return literal(re.Rune, re.Flags&syntax.FoldCase != 0)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best screen
		for _, sub := range re.Sub {
			if s := required(sub); s.better(best) {
				best = s
			}
		}
		return best
	case syntax.OpAlternate:
		var all screen
		for _, sub := range re.Sub {
			s := required(sub)
			if s == nil || len(all)+len(s) > maxNeedles {
				return nil
			}
			all = append(all, s...)
		}
		return all
	}
	return nil
}

// better reports whether s is likely to let less pass than old.
func (s screen) better(old screen) bool {
	if s == nil || old == nil {
		return s != nil
	}
	if a, b := s.shortest(), old.shortest(); a != b {
		return a > b
	}
	return len(s) < len(old)
}

func (s screen) shortest() int {
	n := len(s[0].text)
	for _, one := range s {
		n = min(n, len(one.text))
	}
	return n
}

// literal returns the longest part of a literal that bytes alone can be compared with.
func literal(runes []rune, fold bool) screen {
	var best, run []byte
	for _, r := range runes {
		if !plain(r, fold) {
			run = nil
			continue
		}
		if fold && r < utf8.RuneSelf {
			r = rune(lower(byte(r)))
		}
		if run = utf8.AppendRune(run, r); len(run) > len(best) {
			best = bytes.Clone(run)
		}
	}
	if best == nil {
		return nil
	}
	return screen{newNeedle(best, fold)}
}

// plain reports whether a rune of an expression is found by comparing bytes. U+FFFD matches bytes that are not UTF-8.
func plain(r rune, fold bool) bool {
	if fold {
		return r < utf8.RuneSelf
	}
	return r != utf8.RuneError
}

// common are the bytes that statements mostly consist of, the commonest first.
const common = " etraosnilcdumpfhgby0123456789,'=_`()."

func newNeedle(text []byte, fold bool) needle {
	n := needle{text: text, fold: fold}
	rarest := -1
	for i, b := range text {
		rank := strings.IndexByte(common, lower(b))
		if rank < 0 {
			rank = len(common)
		}
		if rank > rarest {
			rarest, n.at = rank, i
		}
	}
	n.lo, n.up = text[n.at], text[n.at]
	if !fold {
		return n
	}
	if 'a' <= n.lo && n.lo <= 'z' {
		n.up -= 'a' - 'A'
	}
	if bytes.IndexByte(text, 'k') >= 0 {
		n.odd = append(n.odd, kelvinSign)
	}
	if bytes.IndexByte(text, 's') >= 0 {
		n.odd = append(n.odd, longS)
	}
	return n
}

// passes reports whether the expression may match the text.
func (s screen) passes(text []byte) bool {
	for i := range s {
		if s[i].in(text) {
			return true
		}
	}
	return len(s) == 0
}

// in reports whether the needle may be in the text.
func (n *needle) in(text []byte) bool {
	if !n.fold {
		return bytes.Contains(text, n.text)
	}
	for _, b := range n.odd {
		if bytes.IndexByte(text, b) >= 0 {
			return true
		}
	}
	end := len(text) - (len(n.text) - n.at) + 1
	lo := index(text, n.at, end, n.lo)
	up := end
	if n.up != n.lo {
		up = index(text, n.at, end, n.up)
	}
	for {
		i := min(lo, up)
		switch {
		case i >= end:
			return false
		case equalFold(text[i-n.at:], n.text):
			return true
		case i == lo:
			lo = index(text, i+1, end, n.lo)
		default:
			up = index(text, i+1, end, n.up)
		}
	}
}

// index returns where in text[from:end] b is, end or more where it is not.
func index(text []byte, from, end int, b byte) int {
	if from >= end {
		return end
	}
	if i := bytes.IndexByte(text[from:end], b); i >= 0 {
		return from + i
	}
	return end
}

// equalFold reports whether text begins with needle, which is in lower case and no longer than it.
func equalFold(text, needle []byte) bool {
	for i, b := range needle {
		if lower(text[i]) != b {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}
