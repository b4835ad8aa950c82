package sqlscan

import "bytes"

// quoted returns where the string with the quote at i ends.
func (l *lexer) quoted(i int) int {
	t := l.text
	quote := t[i]
	if l.mode&pairs != 0 {
		return l.quotedPairs(i+1, quote)
	}
	escapes := l.mode&NoBackslashEscapes == 0
	for i++; i < len(t); {
		// Backslashes before the next quote are looked for one by one, so that no byte is looked at often.
		n := bytes.IndexByte(t[i:], quote)
		if n < 0 {
			break
		}
		end := i + n
		for escapes && i < end {
			n := bytes.IndexByte(t[i:end], '\\')
			if n < 0 {
				break
			}
			i += n + 2
		}
		if escapes && i > end {
			continue // that quote was escaped
		}
		if end+1 == len(t) || t[end+1] != quote {
			return end + 1
		}
		i = end + 2
	}
	l.flags |= Incomplete
	return len(t)
}

// quotedPairs returns where the string ends that goes on at i, in a character set with pairs.
func (l *lexer) quotedPairs(i int, quote byte) int {
	t := l.text
	escape := byte('\\')
	if l.mode&NoBackslashEscapes != 0 {
		escape = quote
	}
	for ; i < len(t); i++ {
		switch c := t[i]; {
		case c == quote:
			if i+1 == len(t) || t[i+1] != quote {
				return i + 1
			}
			i++
		case c == escape:
			i++
		case c >= 0x80 && i+1 < len(t) && l.mode.pair(c, t[i+1]):
			i++
		}
	}
	l.flags |= Incomplete
	return len(t)
}

// quotedDigits returns where the digits of x'41' end whose quote is at i. Quotes are not doubled there.
func (l *lexer) quotedDigits(i int) int {
	n := bytes.IndexByte(l.text[i+1:], '\'')
	if n < 0 {
		l.flags |= Incomplete
		return len(l.text)
	}
	return i + 1 + n + 1
}

// quotedName reads a quoted name.
func (l *lexer) quotedName(i int) symbol {
	t := l.text
	quote := t[i]
	paired := l.mode&pairs != 0
	l.from, l.to, l.inQuotes = i+1, len(t), true
	for i++; i < len(t); i++ {
		switch c := t[i]; {
		case c == quote:
			if i+1 == len(t) || t[i+1] != quote {
				l.to = i
				return l.token(symName, i+1)
			}
			i++
		case paired && c >= 0x80 && i+1 < len(t) && l.mode.pair(c, t[i+1]):
			i++
		}
	}
	l.flags |= Incomplete
	return l.token(symName, len(t))
}

// dollar reads a name that begins with a dollar, or MySQL's strings in two equal tags: $$a$$, $tag$a$tag$.
func (l *lexer) dollar(i int) symbol {
	if l.mode&MariaDB != 0 {
		return l.plainName(i)
	}
	j := i + 1
	for l.inName(l.at(j)) && l.at(j) != '$' {
		j++
	}
	if l.at(j) != '$' {
		return l.plainName(i)
	}
	l.flags |= Doubtful // before 8.0.34 it is a name
	tag := l.text[i : j+1]
	end := bytes.Index(l.text[j+1:], tag)
	if end < 0 {
		l.flags |= Incomplete
		return l.token(symText, len(l.text))
	}
	return l.token(symText, j+1+end+len(tag))
}
