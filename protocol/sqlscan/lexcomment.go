package sqlscan

import "bytes"

// lineComment returns where the comment at i ends that ends with its line.
func (l *lexer) lineComment(i int) int {
	end := bytes.IndexByte(l.text[i:], '\n')
	if end < 0 {
		end = len(l.text) - i
	}
	return i + end
}

// comment passes a comment from /* on, or, where it is executable, what makes it one.
func (l *lexer) comment(i int) {
	body := i + 2
	marker := l.at(body) == 'M' && l.mode&MariaDB != 0
	if marker {
		body++
	}
	if l.at(body) != '!' {
		l.pos = l.commentEnd(i)
		return
	}
	body++
	version, digits := l.version(body)
	if !l.executes(version, digits, marker) {
		l.pos = l.nestedEnd(body)
		return
	}
	body += digits
	l.flags |= Executable
	l.code = true
	l.pos = body
}

// version reads the version at i that a server must have to take an executable comment for code: none, or 5 or 6 digits.
func (l *lexer) version(i int) (version, digits int) {
	for digits < 6 && isDigit(l.at(i+digits)) {
		version = version*10 + int(l.at(i+digits)-'0')
		digits++
	}
	switch {
	case digits < 5:
		return 0, 0
	case digits == 6 && l.mode&MariaDB == 0:
		if version/10 != 99999 {
			l.flags |= Doubtful // older servers read 5
		}
		if !l.space(i + 6) {
			return version / 10, 5
		}
	}
	return version, digits
}

// The versions that every server still in use has, and one that none will have.
const (
	oldestMySQL   = 50700
	oldestMariaDB = 100500
	never         = 990000
)

// executes reports whether servers take a comment for code that names a version. marker is the M of MariaDB's own.
func (l *lexer) executes(version, digits int, marker bool) bool {
	oldest := oldestMySQL
	if l.mode&MariaDB != 0 {
		oldest = oldestMariaDB
		// These are versions of MySQL that MariaDB never was.
		if version >= 50700 && version <= 99999 && !marker {
			return false
		}
	}
	if version >= never || version == 99999 && digits == 5 && !marker {
		return false
	}
	if version > oldest {
		l.flags |= Doubtful
	}
	return true
}

// commentEnd returns where an ordinary comment ends.
func (l *lexer) commentEnd(i int) int {
	end := bytes.Index(l.text[i+2:], []byte("*/"))
	if end < 0 {
		l.flags |= Incomplete
		return len(l.text)
	}
	end += i + 2
	l.note(i+2, end)
	return end + 2
}

// nestedEnd returns where a comment ends, from i inside it, in which comments may be.
func (l *lexer) nestedEnd(i int) int {
	for ; i < len(l.text); i++ {
		switch {
		case l.text[i] == '*' && l.at(i+1) == '/':
			return i + 2
		case l.text[i] == '/' && l.at(i+1) == '*':
			end := bytes.Index(l.text[i+2:], []byte("*/"))
			if end < 0 {
				end = len(l.text)
			}
			i += 2 + end + 1
		}
	}
	l.flags |= Incomplete
	return len(l.text)
}

// hint reads a token of optimizer hints.
func (l *lexer) hint() symbol {
	for l.space(l.pos) {
		l.pos++
	}
	i := l.pos
	l.start = i
	if i == len(l.text) {
		l.flags |= Incomplete
		return l.token(symEnd, i)
	}
	l.after = inHints
	switch b := l.text[i]; {
	case b == '*' && l.at(i+1) == '/':
		l.after, l.words = afterAny, keywords(l.mode)
		return l.token(symHintsEnd, i+2)
	case isDigit(b): // 16M is a number too
		return l.token(symText, l.nameEnd(i))
	case l.inName(b):
		l.plainName(i)
		l.after = inHints
		if l.word != 0 {
			return symKeyword
		}
		return symName
	case b == '`', b == '\'', b == '"':
		return l.hintQuoted(i)
	case b == '?':
		return l.token(symText, i+1)
	case b == '.' && l.at(i+1) == '.' && l.at(i+2) == '.':
		return l.token(symEllipsis, i+3)
	default:
		l.joined = false
		return l.token(symbol(b), i+1)
	}
}

// hintQuoted reads what is in quotes in optimizer hints. It ends with them, closed or not, and a backslash in it is
// itself: https://github.com/mysql/mysql-server/blob/trunk/sql/sql_lex_hints.h
func (l *lexer) hintQuoted(i int) symbol {
	t := l.text
	quote := t[i]
	symbol := symName
	if quote == '\'' || quote == '"' && l.mode&AnsiQuotes == 0 {
		symbol = symText
	}
	l.from, l.inQuotes = i+1, true
	for i++; i < len(t); i++ {
		switch c := t[i]; {
		case c == quote:
			if l.at(i+1) != quote {
				l.to = i
				return l.token(symbol, i+1)
			}
			i++
		case c == '*' && l.at(i+1) == '/':
			l.to = i
			return l.token(symbol, i)
		case c >= 0x80 && i+1 < len(t) && l.mode.pair(c, t[i+1]):
			i++
		}
	}
	l.to = len(t)
	l.flags |= Incomplete
	return l.token(symbol, len(t))
}
