package sqlscan

import "bytes"

// A token is one of the canonical text.
type token struct {
	offset int32 // where it begins, with the space before it
	symbol symbol
	traits traits
}

// Scan reads a text, of one statement or several. canonical is the text with each literal replaced by ?, lists of
// literals and groups of rows folded, comments left out, white space folded, and keywords in upper case. It is valid
// until the next Scan; two texts with the same digest have, but for collisions, the same canonical text.
//
// What is folded, and which words are keywords, follows the digests of the server that mode names:
// https://dev.mysql.com/doc/refman/9.4/en/performance-schema-statement-digests.html
func (s *Scanner) Scan(text []byte, mode Mode) (canonical []byte, digest uint64, flags Flags) {
	l := &s.lexer
	l.reset(text, mode)
	s.buf, s.tokens = s.buf[:0], s.tokens[:0]
	s.depth, s.orders = 0, 0
	several := false
	for {
		switch symbol := l.next(); symbol {
		case symKeyword:
			s.keyword()
		case symName:
			s.name()
		case symNumber:
			s.number()
		case symText:
			s.value()
		case symEnd:
			for s.last().symbol == ';' {
				s.drop(1)
			}
			flags = l.flags
			if several && count(s.buf, mode) > 1 {
				flags |= Multi
			}
			l.text = nil // it is the caller's
			return s.buf, hash(s.buf), flags
		case ';':
			if last := s.last().symbol; last != ';' && last != symEnd {
				s.push(';', 0, false)
				several = true
			}
		case ')':
			s.closeParen()
		default:
			s.punctuation(symbol)
		}
	}
}

// last returns the last token, one with symEnd if there is none.
func (s *Scanner) last() token { return s.back(1) }

// back returns the n-th last token.
func (s *Scanner) back(n int) token {
	if n > len(s.tokens) {
		return token{symbol: symEnd}
	}
	return s.tokens[len(s.tokens)-n]
}

// drop takes back the last n tokens.
func (s *Scanner) drop(n int) {
	i := len(s.tokens) - n
	s.buf = s.buf[:s.tokens[i].offset]
	s.tokens = s.tokens[:i]
}

// begin begins a token, with a space before it if there is to be one.
func (s *Scanner) begin(symbol symbol, traits traits, space bool) {
	s.tokens = append(s.tokens, token{offset: int32(len(s.buf)), symbol: symbol, traits: traits})
	if space && len(s.buf) > 0 {
		s.buf = append(s.buf, ' ')
	}
}

// push adds a token whose text follows from its symbol.
func (s *Scanner) push(symbol symbol, traits traits, space bool) {
	s.begin(symbol, traits, space)
	if symbol < 256 {
		s.buf = append(s.buf, byte(symbol))
		return
	}
	s.buf = append(s.buf, symbolTexts[symbol]...)
}

// spaced reports whether there is to be a space before a word that follows the last token.
func (s *Scanner) spaced() bool { return s.last().traits&tight == 0 }

func (s *Scanner) keyword() {
	k := &s.lexer.words.all[s.lexer.word-1]
	if k.traits&isNull != 0 && s.nullIsLiteral() {
		s.value()
		return
	}
	last := s.last()
	if k.traits&(operates|isBy|hintable) != 0 {
		s.order(k, last)
		last = s.last()
	}
	s.begin(symKeyword, k.traits, last.traits&tight == 0 || last.symbol == '.')
	s.buf = append(s.buf, k.text...)
}

// nullIsLiteral reports whether NULL, read next, would be a literal: not in IS NOT NULL, not in NULL ON NULL, and not
// in what a column is declared with.
func (s *Scanner) nullIsLiteral() bool {
	last := s.last()
	if last.traits&isNot != 0 {
		return s.back(2).traits&literalNull != 0
	}
	if s.back(2).traits&isNull != 0 && bytes.HasSuffix(s.buf, []byte("NULL ON")) {
		return false // of JSON's functions
	}
	return last.traits&literalNull != 0
}

// number adds a number. Signs before it are part of it where the server takes them so.
func (s *Scanner) number() {
	negative := false
	for {
		last := s.last().symbol
		if last != '-' && last != '+' || s.back(2).traits&startsExpr == 0 {
			break
		}
		negative = negative || last == '-'
		s.drop(1)
	}
	if s.orders != 0 && !negative && s.ordinal() {
		return
	}
	s.value()
}

// value adds a literal.
func (s *Scanner) value() {
	if s.last().symbol == ',' {
		switch s.back(2).symbol {
		case symValues:
			s.drop(1)
			return
		case symValue:
			s.drop(2)
			s.push(symValues, 0, s.spaced())
			return
		}
	}
	s.push(symValue, named, s.spaced())
}

// ellipsis adds what was folded before.
func (s *Scanner) ellipsis() {
	if s.last().symbol == ',' {
		switch s.back(2).symbol {
		case symValue:
			s.drop(2)
		case symRow:
			s.drop(2)
			s.push(symRows, 0, s.apart())
			return
		case symTuple:
			s.drop(2)
			s.push(symTuples, 0, s.apart())
			return
		case symValues, symRows, symTuples:
			s.drop(1)
			return
		}
	}
	s.push(symValues, 0, s.spaced())
}

// apart reports whether there is to be a space before an opening parenthesis.
func (s *Scanner) apart() bool { return s.last().traits&(tight|glued) == 0 }

// closeParen adds a closing parenthesis, and folds what it closes.
func (s *Scanner) closeParen() {
	s.depth--
	one, many := symRow, symRows
	switch s.last().symbol {
	case symValues:
		one, many = symTuple, symTuples
		fallthrough
	case symValue:
		if s.back(2).symbol == '(' {
			s.drop(2)
			s.row(one, many)
			return
		}
	}
	s.push(')', 0, false)
}

// row adds values in parentheses.
func (s *Scanner) row(one, many symbol) {
	switch last := s.last(); {
	case last.symbol == ',' && s.back(2).symbol == many:
		s.drop(1)
	case last.symbol == ',' && s.back(2).symbol == one:
		s.drop(2)
		s.push(many, 0, s.apart())
	case last.traits&isIn != 0 && s.lexer.mode&MariaDB == 0:
		s.push(symInList, 0, true)
	default:
		s.push(one, 0, s.apart())
	}
}

// punctuation adds anything else.
func (s *Scanner) punctuation(symbol symbol) {
	last := s.last()
	space := last.traits&tight == 0
	t := symbolTraits[symbol]
	if last.symbol == symOrdinal && symbol != ',' {
		s.operand(last)
		last = s.last()
	}
	switch symbol {
	case symEllipsis:
		s.ellipsis()
		return
	case symIntroducer:
		s.begin(symbol, introducer, space || last.symbol == '.')
		s.buf = append(s.buf, "_charset"...)
		return
	case symHintsEnd:
		if last.symbol == symHints {
			s.drop(1)
			return
		}
	case symAtAt:
		if s.lexer.joined {
			t = tight
		}
	case ',':
		space = false
	case '(':
		space = s.apart()
		s.open()
	case '.':
		space = last.symbol == '.' || !s.lexer.joined && last.traits&(anyKeyword|introducer) != 0
	case '@', ':':
		space = space && last.traits&named == 0
	}
	if s.lexer.mode&MariaDB != 0 {
		if symbol == ':' && s.placeholder() {
			return
		}
		if symbol.comparison() {
			t &^= startsExpr
		}
	}
	s.push(symbol, t, space)
}

// placeholder adds the :name that MariaDB has for ?, after a colon.
func (s *Scanner) placeholder() bool {
	l := &s.lexer
	if !l.inName(l.at(l.pos)) || s.last().traits&literalNull == 0 {
		return false
	}
	l.token(symText, l.nameEnd(l.pos))
	s.value()
	return true
}
