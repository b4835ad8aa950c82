package sqlscan

import "bytes"

// A lexer reads the tokens of a text, as the lexers of the servers do:
// https://dev.mysql.com/doc/refman/9.4/en/language-structure.html
type lexer struct {
	text  []byte
	words *words // what is a keyword here
	mode  Mode
	flags Flags
	after after
	blank byte              // white space, if not 0
	code  bool              // in an executable comment
	noted func(hint []byte) // called with each comment that is for the proxy, if not nil

	pos        int // of the next token or what is before it
	start, end int // the last token
	from, to   int // of a name: what is between the quotes
	inQuotes   bool
	word       int  // of a keyword, or of an unquoted name that reads like one: 1 + its index in words
	joined     bool // of . and @@: it is one word with what is before, or behind it
}

// after is what was before, where that changes how the text goes on.
type after uint8

const (
	afterAny      after = iota
	afterName           // a name, and a dot and more of a name follow
	afterDot            // a dot, and a name follows
	afterAt             // @
	afterAtAt           // @@, and a name follows
	afterHintable       // SELECT and such
	inHints             // /*+
)

// reset begins with a text. It is held until the next reset.
func (l *lexer) reset(text []byte, mode Mode) {
	*l = lexer{text: text, mode: mode, words: keywords(mode), blank: mode.blank()}
}

// at returns a byte of the text, 0 behind its end: no token has one where it is asked for.
func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

// space reports whether there is white space at i.
func (l *lexer) space(i int) bool {
	return i < len(l.text) && (classes[l.text[i]] == byteSpace || l.blank != 0 && l.text[i] == l.blank)
}

// inName reports whether a name may go on with b.
func (l *lexer) inName(b byte) bool { return inName[b] && (b < 0x80 || b != l.blank) }

// token ends the token at end, and returns its symbol.
func (l *lexer) token(s symbol, end int) symbol {
	l.end, l.pos = end, end
	return s
}

// next reads a token.
func (l *lexer) next() symbol {
	if l.after != afterAny {
		if s, ok := l.nextAfter(); ok {
			return s
		}
	}
	for l.pos < len(l.text) {
		i := l.pos
		l.start = i
		b := l.text[i]
		switch classes[b] {
		case byteSpace:
			l.pos++
		case byteLetter:
			return l.name(i)
		case byteBlank:
			if b != l.blank {
				return l.name(i)
			}
			l.pos++
		case bytePrefix:
			if l.at(i+1) == '\'' {
				if b|0x20 == 'n' {
					return l.token(symText, l.quoted(i+1))
				}
				return l.token(symNumber, l.quotedDigits(i+1))
			}
			return l.name(i)
		case byteDigit:
			return l.number(i)
		case byteQuote:
			if b == '"' && l.mode&AnsiQuotes != 0 {
				return l.quotedName(i)
			}
			return l.token(symText, l.quoted(i))
		case byteTick:
			return l.quotedName(i)
		case byteDot:
			return l.dot(i)
		case byteAt:
			return l.variable(i)
		case byteMark:
			return l.token(symText, i+1)
		case byteDollar:
			return l.dollar(i)
		case byteCompare, byteDouble, byteColon, byteMinus, byteSlash, byteHash, byteStar, byteEscape:
			if s, ok := l.operator(i, b); ok {
				return s
			}
		default:
			return l.token(symbol(b), i+1)
		}
	}
	if l.code {
		l.flags |= Incomplete
	}
	l.start = l.pos
	return l.token(symEnd, l.pos)
}

// nextAfter reads a token where that depends on the one before.
func (l *lexer) nextAfter() (s symbol, ok bool) {
	was := l.after
	l.after = afterAny
	l.start = l.pos
	switch was {
	case afterName:
		l.joined = true
		if l.inName(l.at(l.pos + 1)) {
			l.after = afterDot
		}
		return l.token('.', l.pos+1), true
	case afterDot:
		return l.plainName(l.pos), true
	case afterAt:
		return l.token(symText, l.host(l.pos)), true
	case afterAtAt:
		return l.systemVariable(l.pos), true
	case afterHintable:
		for l.space(l.pos) {
			l.pos++
		}
		if !bytes.HasPrefix(l.text[l.pos:], []byte("/*+")) {
			return 0, false
		}
		l.start = l.pos
		l.after, l.words = inHints, hintTable
		return l.token(symHints, l.pos+3), true
	default:
		return l.hint(), true
	}
}

// name reads an unquoted name or a keyword.
func (l *lexer) name(i int) symbol {
	t := l.text
	end := i + 1
	if l.mode&(pairs|Latin|DOS) != 0 {
		end = l.nameEnd(i)
	} else {
		for end < len(t) && inName[t[end]] {
			end++
		}
	}
	l.from, l.to, l.inQuotes = i, end, false
	l.word = l.words.lookup(t, i, end)
	l.end, l.pos = end, end
	if end+1 < len(t) && t[end] == '.' && l.inName(t[end+1]) {
		l.after = afterName
		return symName
	}
	if l.word == 0 {
		return symName
	}
	return l.keyword(l.words.all[l.word-1].traits)
}

// keyword returns the symbol for what reads like a keyword.
func (l *lexer) keyword(t traits) symbol {
	switch {
	case t&introducer != 0:
		return symIntroducer
	case t&onlyFunction != 0 && l.at(l.end) != '(':
		return symName
	case t&hintable != 0 && l.mode&MariaDB == 0:
		l.after = afterHintable
	}
	return symKeyword
}

// plainName reads an unquoted name where there cannot be a keyword.
func (l *lexer) plainName(i int) symbol {
	end := l.nameEnd(i)
	l.from, l.to, l.inQuotes = i, end, false
	l.word = l.words.lookup(l.text, i, end)
	if l.at(end) == '.' && l.inName(l.at(end+1)) {
		l.after = afterName
	}
	return l.token(symName, end)
}

// nameEnd returns where the name that goes on at i ends.
func (l *lexer) nameEnd(i int) int {
	t := l.text
	if l.mode&pairs == 0 {
		for i < len(t) && l.inName(t[i]) {
			i++
		}
		return i
	}
	for i < len(t) && inName[t[i]] {
		if i+1 < len(t) && l.mode.pair(t[i], t[i+1]) {
			i++
		}
		i++
	}
	return i
}

// systemVariable reads what follows @@.
func (l *lexer) systemVariable(i int) symbol {
	s := l.plainName(i)
	if l.at(l.end) == '.' {
		l.after = afterName
	}
	if l.word == 0 || l.words.all[l.word-1].traits&(onlyFunction|introducer) != 0 {
		return s
	}
	return symKeyword
}

// variable reads @ or @@.
func (l *lexer) variable(i int) symbol {
	next := l.at(i + 1)
	if next == '@' {
		next = l.at(i + 2)
		l.joined = l.inName(next) || next == '`' || next == '"' && l.mode&AnsiQuotes != 0
		if l.inName(next) {
			l.after = afterAtAt
		}
		return l.token(symAtAt, i+2)
	}
	if next != '`' && next != '\'' && next != '"' {
		l.after = afterAt
	}
	return l.token('@', i+1)
}

// host returns where the name behind @ ends. It may be empty, or the ? that canonical texts have for it.
func (l *lexer) host(i int) int {
	if l.at(i) == '?' {
		return i + 1
	}
	for i < len(l.text) && (l.inName(l.text[i]) || l.text[i] == '.') {
		i++
	}
	return i
}

// dot reads a dot or what begins with one.
func (l *lexer) dot(i int) symbol {
	next := l.at(i + 1)
	switch {
	case isDigit(next):
		return l.token(symNumber, l.fraction(i+1))
	case next == '.' && l.at(i+2) == '.':
		return l.token(symEllipsis, i+3)
	case l.inName(next):
		l.after = afterDot
	}
	l.joined = false
	return l.token('.', i+1)
}

// number reads a number, or a name that begins with a digit.
func (l *lexer) number(i int) symbol {
	t := l.text
	if t[i] == '0' {
		if end := l.prefixed(i); end > 0 {
			return l.token(symNumber, end)
		}
	}
	j := i
	for j < len(t) && isDigit(t[j]) {
		j++
	}
	c := l.at(j)
	switch {
	case c == '.' && (l.mode&MariaDB == 0 || l.at(j+1) != '.'):
		return l.token(symNumber, l.fraction(j+1))
	case !l.inName(c):
		return l.token(symNumber, j)
	case c|0x20 == 'e':
		if end := l.exponent(j); end > j {
			return l.token(symNumber, end)
		}
	}
	return l.plainName(i)
}

// prefixed returns where the number of the form 0x1f or 0b01 at i ends, 0 if there is none.
func (l *lexer) prefixed(i int) int {
	j := i + 2
	switch l.at(i + 1) {
	case 'x':
		for c := l.at(j); isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f'; c = l.at(j) {
			j++
		}
	case 'b':
		for c := l.at(j); c == '0' || c == '1'; c = l.at(j) {
			j++
		}
	}
	if j == i+2 || l.inName(l.at(j)) {
		return 0
	}
	return j
}

// fraction returns where the number ends whose point is before i.
func (l *lexer) fraction(i int) int {
	for isDigit(l.at(i)) {
		i++
	}
	if l.at(i)|0x20 == 'e' {
		return l.exponent(i)
	}
	return i
}

// exponent returns where the exponent that begins with the e at i ends, i if it is none.
func (l *lexer) exponent(i int) int {
	j := i + 1
	if c := l.at(j); c == '+' || c == '-' {
		j++
	}
	if !isDigit(l.at(j)) {
		return i
	}
	for isDigit(l.at(j)) {
		j++
	}
	return j
}
