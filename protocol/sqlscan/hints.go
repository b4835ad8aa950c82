package sqlscan

import "bytes"

// Hints returns the comments in text that are addressed to the proxy: those whose first word is weir or maxscale,
// without that word and the white space around: "route to primary".
func Hints(text []byte, mode Mode) []string {
	var hints []string
	var l lexer
	l.reset(text, mode)
	l.noted = func(hint []byte) { hints = append(hints, string(hint)) }
	for l.next() != symEnd {
		continue
	}
	return hints
}

// note sets Hinted where the comment text[i:end] is for the proxy.
func (l *lexer) note(i, end int) {
	for i < end && classes[l.text[i]] == byteSpace {
		i++
	}
	if i == end || l.text[i]|0x20 != 'w' && l.text[i]|0x20 != 'm' {
		return
	}
	hint, ok := hintOf(l.text[i:end])
	if !ok {
		return
	}
	l.flags |= Hinted
	if l.noted != nil {
		l.noted(hint)
	}
}

// hintOf returns what a comment says to the proxy, without its first word, if it is for the proxy.
func hintOf(comment []byte) (hint []byte, ok bool) {
	end := 0
	for end < len(comment) && classes[comment[end]] != byteSpace {
		end++
	}
	if word := comment[:end]; !bytes.EqualFold(word, []byte("weir")) && !bytes.EqualFold(word, []byte("maxscale")) {
		return nil, false
	}
	return bytes.TrimSpace(comment[end:]), true
}
