package sqlscan

// name adds a name, without quotes where it is a name without them too.
func (s *Scanner) name() {
	l := &s.lexer
	last := s.last()
	s.begin(symName, named|glued, last.traits&tight == 0)
	variable := last.symbol == '@' // without quotes it would be read as a literal
	if !l.inQuotes && l.word == 0 && startsName(l.text[l.start]) && !variable && l.mode&pairs == 0 {
		s.buf = append(s.buf, l.text[l.from:l.to]...)
		return
	}
	s.quotedName(l.text[l.from:l.to], variable)
}

// startsName reports whether a name that begins with b needs no quotes for that.
func startsName(b byte) bool {
	switch classes[b] {
	case byteLetter, bytePrefix, byteBlank:
		return true
	}
	return false
}

// quotedName adds a name of which it is yet to be found out whether it must be quoted.
func (s *Scanner) quotedName(content []byte, must bool) {
	l := &s.lexer
	quote := byte(0)
	if l.inQuotes {
		quote = l.text[l.start]
	}
	s.buf = append(s.buf, '`')
	begin := len(s.buf)
	must = must || len(content) == 0 || !startsName(content[0])
	for i := 0; i < len(content); i++ {
		b := content[i]
		if b >= 0x80 && l.mode&pairs != 0 {
			if i+1 < len(content) && l.mode.pair(b, content[i+1]) {
				s.buf = append(s.buf, b)
				i++
				b = content[i]
			} else if l.mode.pair(b, 0x40) {
				b = 0xff // half a character: nothing that is added behind it may complete it
			}
			s.buf = append(s.buf, b)
			continue
		}
		must = must || !l.inName(b)
		s.buf = append(s.buf, b)
		if b == quote && i+1 < len(content) {
			i++ // it was doubled
		}
		if b == '`' {
			s.buf = append(s.buf, '`')
		}
	}
	if must || l.words.lookup(s.buf, begin, len(s.buf)) != 0 {
		s.buf = append(s.buf, '`')
		return
	}
	s.buf = append(s.buf[:begin-1], s.buf[begin:]...)
}
