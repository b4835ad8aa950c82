package sqlscan

// MySQL keeps, in its digests, the numbers in ORDER BY and GROUP BY that stand for columns: it folds them before it
// knows that it must not, so that one that follows another literal is folded all the same.

// order notes what a keyword after last means for such numbers.
func (s *Scanner) order(k *keyword, last token) {
	switch {
	case k.traits&isBy != 0:
		if last.traits&beforeBy != 0 && s.lexer.mode&MariaDB == 0 {
			s.orders |= s.level()
		}
	case k.traits&operates != 0:
		s.operand(last)
	case k.text == "SELECT":
		s.orders &^= s.level()
	}
}

// operand notes that last is part of an expression.
func (s *Scanner) operand(last token) {
	if last.symbol == symOrdinal {
		s.drop(1)
		s.push(symValue, named, s.spaced())
	}
}

// level is the bit of orders for the current depth. Unbalanced parentheses give some bit, or none.
func (s *Scanner) level() uint64 { return 1 << (uint(s.depth) & 63) }

// open notes an opening parenthesis. Those of ROLLUP(1, 2) hold columns too.
func (s *Scanner) open() {
	within := s.orders&s.level() != 0
	s.depth++
	s.orders &^= s.level()
	if within && s.last().traits&rollup != 0 {
		s.orders |= s.level()
	}
}

// ordinal adds the number that was read if it stands for a column, as far as is known before the next token.
func (s *Scanner) ordinal() bool {
	l := &s.lexer
	number := l.text[l.start:l.end]
	last := s.last()
	if s.orders&s.level() == 0 || len(number) > 5 || number[0] == '0' || !allDigits(number) {
		return false
	}
	first := last.symbol == '(' && s.back(2).traits&rollup != 0
	if last.traits&isBy == 0 && last.symbol != ',' && !first {
		return false
	}
	if before := s.back(2).symbol; last.symbol == ',' && (before == symValue || before == symValues) {
		return false
	}
	s.begin(symOrdinal, 0, s.spaced())
	s.buf = append(s.buf, number...)
	return true
}

func allDigits(text []byte) bool {
	for _, b := range text {
		if !isDigit(b) {
			return false
		}
	}
	return true
}
