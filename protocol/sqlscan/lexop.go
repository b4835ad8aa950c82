package sqlscan

// operator reads an operator, or passes a comment, which is none.
func (l *lexer) operator(i int, b byte) (s symbol, ok bool) {
	next := l.at(i + 1)
	s, n := symbol(b), 1
	switch b {
	case '-':
		if next == '-' && l.dashes(i+2) {
			l.pos = l.lineComment(i)
			l.note(i+2, l.pos)
			return 0, false
		}
		if next == '>' && l.mode&MariaDB == 0 {
			s, n = symArrow, 2
			if l.at(i+2) == '>' {
				s, n = symArrow2, 3
			}
		}
	case '#':
		l.pos = l.lineComment(i)
		l.note(i+1, l.pos)
		return 0, false
	case '/':
		if next == '*' {
			l.comment(i)
			return 0, false
		}
	case '*':
		if next == '/' && l.code {
			l.code = false
			l.pos = i + 2
			return 0, false
		}
	case '<':
		s, n = l.less(i, next)
	case '>':
		switch next {
		case '=':
			s, n = symGreaterEqual, 2
		case '>':
			s, n = symShiftRight, 2
		}
	case '!':
		if next == '=' {
			s, n = symNotEqual, 2
		}
	case '&':
		if next == '&' {
			s, n = symAndAnd, 2
		}
	case '|':
		if next == '|' {
			s, n = symOrOr, 2
		}
	case ':':
		if next == '=' {
			s, n = symAssign, 2
		}
	case '\\':
		if next == 'N' && l.mode&MariaDB != 0 {
			l.word = l.words.find("NULL")
			s, n = symKeyword, 2
		}
	}
	return l.token(s, i+n), true
}

// less reads what begins with <.
func (l *lexer) less(i int, next byte) (s symbol, n int) {
	switch {
	case next == '=' && l.at(i+2) == '>':
		return symNullEqual, 3
	case next == '=':
		return symLessEqual, 2
	case next == '>':
		return symNotEqual, 2
	case next == '<':
		return symShiftLeft, 2
	}
	return '<', 1
}

// dashes reports whether the two dashes before i begin a comment: white space, a control character or the end
// follows them.
func (l *lexer) dashes(i int) bool {
	return i >= len(l.text) || l.text[i] <= ' ' || l.text[i] == 0x7f || l.space(i)
}
