package protocol

import (
	"bytes"
	"slices"
)

// The keys of a trace context. https://www.w3.org/TR/trace-context/#tracestate-header
var traceparentKey, tracestateKey = []byte("traceparent"), []byte("tracestate")

const (
	// maxTraceComment bounds how far back from a statement's end a comment is looked for.
	maxTraceComment = 4 << 10
	// maxTraceEntries bounds how many entries RemoveTraceComment takes out of a statement.
	maxTraceEntries = 16
)

// FindTraceComment finds the trace context that a statement carries in a comment at its beginning or, where whole says
// that text goes to its end, there. Such comments are written by sqlcommenter and its like: key='value' or key:value,
// the values in any quotes or none, with commas or white space between them. https://google.github.io/sqlcommenter/spec/
//
// For a statement that neither begins nor ends with a comment, it looks at a few bytes only.
func FindTraceComment(text []byte, whole bool) (c TraceCarrier, ok bool) {
	_, ok = traceComment(text, whole, &c)
	return c, ok
}

// traceComment finds the comment, delimiters included.
func traceComment(text []byte, whole bool, c *TraceCarrier) (comment Range, ok bool) {
	for at := 0; ; at = comment.To {
		at += leadingSpace(text[at:])
		if at+4 > len(text) || text[at] != '/' || text[at+1] != '*' {
			break
		}
		end := bytes.Index(text[at+2:], commentEnd)
		if end < 0 {
			return Range{}, false // all of what is there is a comment
		}
		comment = Range{at, at + 2 + end + 2}
		if c.read(text, comment) {
			return comment, true
		}
	}
	if whole {
		if comment = lastComment(text); comment.To > 0 && c.read(text, comment) {
			return comment, true
		}
	}
	return Range{}, false
}

var commentEnd = []byte("*/")

// lastComment returns where the comment is that a text ends with.
func lastComment(text []byte) (comment Range) {
	end := len(text)
	for end > 0 && (text[end-1] <= ' ' || text[end-1] == ';') {
		end--
	}
	if end < 4 || text[end-1] != '/' || text[end-2] != '*' {
		return Range{}
	}
	inside := text[max(0, end-maxTraceComment) : end-2]
	start := lastStart(inside)
	if start < 0 || bytes.Contains(inside[start+2:], commentEnd) {
		return Range{}
	}
	return Range{end - 2 - len(inside) + start, end}
}

// lastStart is bytes.LastIndex of the start of a comment, quicker where stars are rare.
func lastStart(b []byte) int {
	for star := len(b); ; {
		if star = bytes.LastIndexByte(b[:star], '*'); star <= 0 {
			return -1
		}
		if b[star-1] == '/' {
			return star - 1
		}
	}
}

func leadingSpace(b []byte) (n int) {
	for n < len(b) && b[n] <= ' ' {
		n++
	}
	return n
}

// read reads the trace context in a comment. Executable comments and optimizer hints are none.
func (c *TraceCarrier) read(text []byte, comment Range) bool {
	inside := Range{comment.From + 2, comment.To - 2}
	b := inside.Of(text)
	if len(b) < TraceparentLen || b[0] == '!' || b[0] == '+' || b[0] == 'M' && b[1] == '!' {
		return false
	}
	for from := inside.From; ; {
		_, value := traceEntry(text[:inside.To], from, traceparentKey)
		if value.To == 0 {
			return false
		}
		if context, ok := ParseTraceparent(value.Of(text)); ok {
			c.Context, c.Parent = context, value
			break
		}
		from = value.From
	}
	_, c.State = traceEntry(text[:inside.To], inside.From, tracestateKey)
	return true
}

// traceEntry finds key=value, or key:value, in b behind from, which is not 0. entry is all of it, quotes included.
func traceEntry(b []byte, from int, key []byte) (entry, value Range) {
	for {
		i := bytes.Index(b[from:], key)
		if i < 0 {
			return Range{}, Range{}
		}
		entry.From = from + i
		from = entry.From + len(key)
		at := from
		if before := b[entry.From-1]; isQuote(before) && at < len(b) && b[at] == before {
			entry.From--
			at++
		} else if !isBoundary(before) && before != '*' { // of the comment's beginning
			continue
		}
		at += leadingSpace(b[at:])
		if at == len(b) || b[at] != '=' && b[at] != ':' {
			continue
		}
		at++
		at += leadingSpace(b[at:])
		if value, entry.To = entryValue(b, at); entry.To > 0 {
			return entry, value
		}
	}
}

// entryValue returns the value that begins at at, and where it ends with its quotes; 0 where there is none.
func entryValue(b []byte, at int) (value Range, end int) {
	if at == len(b) {
		return Range{}, 0
	}
	quote := b[at]
	if !isQuote(quote) {
		value.From = at
		for at < len(b) && !isBoundary(b[at]) {
			at++
		}
		value.To = at
		return value, at
	}
	value.From = at + 1
	for at = value.From; at < len(b); at++ {
		switch b[at] {
		case '\\':
			at++
		case quote:
			value.To = at
			return value, at + 1
		}
	}
	return Range{}, 0
}

func isQuote(b byte) bool { return b == '\'' || b == '"' }

// isBoundary reports whether a byte stands between entries, and in no key or value without quotes.
func isBoundary(b byte) bool {
	switch b {
	case ',', ';', '&', '{', '}', '(', ')':
		return true
	}
	return b <= ' '
}

// RemoveTraceComment takes the entries of trace contexts out of the comments in which FindTraceComment finds them, and
// with them the comments that have no others. It changes text and returns what is left of it. Where whole says that this
// is not all of a statement, its length remains: there are spaces in their place.
func RemoveTraceComment(text []byte, whole bool) []byte {
	var c TraceCarrier
	for range maxTraceEntries {
		comment, ok := traceComment(text, whole, &c)
		if !ok {
			break
		}
		for _, key := range [...][]byte{traceparentKey, tracestateKey} {
			entry, _ := traceEntry(text[:comment.To-2], comment.From+2, key)
			switch {
			case entry.To == 0:
			case !whole:
				blank(entry.Of(text))
			default:
				entry = withSeparator(text, entry, comment)
				text = slices.Delete(text, entry.From, entry.To)
				comment.To -= entry.To - entry.From
			}
		}
		if whole {
			text = removeEmpty(text, comment)
		}
	}
	return text
}

func blank(b []byte) {
	for i := range b {
		b[i] = ' '
	}
}

// withSeparator adds to an entry the comma that stands between it and its neighbour in the comment.
func withSeparator(text []byte, entry, comment Range) Range {
	after := entry.To + leadingSpace(text[entry.To:comment.To-2])
	if after < comment.To-2 && text[after] == ',' {
		return Range{entry.From, after + 1 + leadingSpace(text[after+1:comment.To-2])}
	}
	before := bytes.TrimRight(text[:entry.From], spaces)
	if len(before) > comment.From+2 && before[len(before)-1] == ',' {
		return Range{len(before) - 1, entry.To}
	}
	return entry
}

const spaces = " \t\r\n"

// removeEmpty takes out a comment with nothing in it, and the white space by which it stood apart.
func removeEmpty(text []byte, comment Range) []byte {
	if leadingSpace(text[comment.From+2:comment.To-2]) != comment.To-comment.From-4 || !opensComment(text, comment.From) {
		return text
	}
	before := len(bytes.TrimRight(text[:comment.From], spaces))
	if before > 0 {
		comment.From = before
	} else {
		comment.To += leadingSpace(text[comment.To:])
	}
	return slices.Delete(text, comment.From, comment.To)
}

// opensComment reports whether the /* at start is known not to stand inside another comment. No string can hold it: what
// ends with a comment's end has none open there, and what it begins with is none.
func opensComment(text []byte, start int) bool {
	last := lastStart(text[:start])
	return last < 0 || bytes.Contains(text[last+2:start], commentEnd)
}
