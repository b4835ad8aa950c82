package sqlscan

import "bytes"

// Code appends to dst what of a text a parser should see that knows neither the server's comments nor the session's
// settings: no comments and no hints, but what is in executable comments; an empty string for each string, whatever was
// in it; names in back-ticks where they were quoted; no character sets before strings. A canonical text is read too, but
// keeps its placeholders. The flags are those of Scan, without Multi.
func Code(dst, text []byte, mode Mode) (code []byte, flags Flags) {
	var l lexer
	l.reset(text, mode)
	begin := len(dst)
	end := 0 // of the last token
	for {
		s := l.next()
		switch s {
		case symHints:
			for s != symHintsEnd && s != symEnd {
				s = l.next()
			}
			continue
		case symIntroducer:
			continue
		case symEllipsis: // more of the same: one is enough
			if n := len(dst); n > begin && dst[n-1] == ',' {
				dst = dst[:begin+len(bytes.TrimRight(dst[begin:n-1], " "))]
				end = 0
				continue
			}
		case symEnd:
			return dst, l.flags
		}
		if len(dst) > begin && (l.start > end || apart(dst[len(dst)-1], s)) {
			dst = append(dst, ' ')
		}
		end = l.pos
		dst = l.appendCode(dst, s)
	}
}

// apart reports whether a token must not follow a byte at once: two dashes may become a comment, two strings one, and n
// and a string one.
func apart(b byte, s symbol) bool {
	switch s {
	case '-':
		return b == '-'
	case symText, symNumber, symName, symKeyword, symEllipsis:
		return b == '\'' || b == '`' || b == '\\' || inName[b]
	}
	return false
}

// appendCode appends the last token.
func (l *lexer) appendCode(dst []byte, s symbol) []byte {
	token := l.text[l.start:l.pos]
	switch s {
	case symEllipsis:
		return append(dst, '?')
	case symText, symNumber:
		if len(token) > 1 && (token[len(token)-1] == '\'' || token[len(token)-1] == '"' || token[0] == '$') {
			return append(dst, "''"...)
		}
	case symName:
		if l.inQuotes && token[0] == '"' {
			return l.appendName(dst)
		}
	case symKeyword:
		if token[0] == '\\' {
			return append(dst, "NULL"...)
		}
	}
	return append(dst, token...)
}

// appendName appends a name that was in double quotes.
func (l *lexer) appendName(dst []byte) []byte {
	dst = append(dst, '`')
	for i := l.from; i < l.to; i++ {
		switch l.text[i] {
		case '"':
			i++ // it was doubled
			dst = append(dst, '"')
		case '`':
			dst = append(dst, "``"...)
		default:
			dst = append(dst, l.text[i])
		}
	}
	return append(dst, '`')
}
