package sqlscan

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
		if s == symHints {
			for s != symHintsEnd && s != symEnd {
				s = l.next()
			}
			continue
		}
		if s == symEnd {
			return dst, l.flags
		}
		if l.start > end && len(dst) > begin {
			dst = append(dst, ' ')
		}
		end = l.pos
		dst = l.appendCode(dst, s)
	}
}

// appendCode appends the last token.
func (l *lexer) appendCode(dst []byte, s symbol) []byte {
	token := l.text[l.start:l.pos]
	switch s {
	case symIntroducer:
		return dst
	case symEllipsis: // more of the same: one is enough
		if n := len(dst); n > 1 && dst[n-2] == ',' && dst[n-1] == ' ' {
			return dst[:n-2]
		}
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
