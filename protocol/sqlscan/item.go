package sqlscan

import "strings"

// An item is a token of a canonical text, or of any, for those who are in no hurry.
type item struct {
	symbol     symbol
	word       string // a keyword's canonical spelling
	start, end int
	from, to   int // of a name, without its quotes
	inQuotes   bool
	depth      int // of parentheses around it
}

// items reads all tokens of a text but those of optimizer hints.
func items(text []byte, mode Mode) (all []item, flags Flags) {
	var l lexer
	l.reset(text, mode)
	all = make([]item, 0, 8+len(text)/4)
	depth := 0
	for {
		s := l.next()
		if s == symHints {
			for s != symHintsEnd && s != symEnd {
				s = l.next()
			}
			continue
		}
		if s == symEnd {
			return all, l.flags
		}
		it := item{symbol: s, start: l.start, end: l.end, depth: depth}
		switch s {
		case symKeyword:
			it.word = l.words.all[l.word-1].text
		case symName:
			it.from, it.to, it.inQuotes = l.from, l.to, l.inQuotes
		case '(':
			depth++
		case ')':
			depth--
			it.depth = depth
		}
		all = append(all, it)
	}
}

// A statement is the tokens of one statement of a text.
type statement struct {
	text  []byte
	mode  Mode
	items []item
}

// at returns a token, one with symEnd where there is none.
func (s *statement) at(i int) item {
	if i < 0 || i >= len(s.items) {
		return item{symbol: symEnd}
	}
	return s.items[i]
}

// word returns the keyword at i, "" if there is none.
func (s *statement) word(i int) string { return s.at(i).word }

// is reports whether there are these keywords at i.
func (s *statement) is(i int, words ...string) bool {
	for j, word := range words {
		if s.word(i+j) != word {
			return false
		}
	}
	return true
}

// name returns the name at i without its quotes, as it is written if it is a keyword: not every keyword is reserved.
func (s *statement) name(i int) string {
	switch it := s.at(i); it.symbol {
	case symName:
		return unquote(s.text, it)
	case symKeyword:
		return string(s.text[it.start:it.end])
	}
	return ""
}

// named reports whether the name at i is name, in whatever case.
func (s *statement) named(i int, name string) bool {
	it := s.at(i)
	return it.symbol == symName && strings.EqualFold(string(s.text[it.from:it.to]), name)
}

// unquote returns a name without its quotes.
func unquote(text []byte, it item) string {
	content := text[it.from:it.to]
	if !it.inQuotes {
		return string(content)
	}
	quote := text[it.start]
	name := make([]byte, 0, len(content))
	for i := 0; i < len(content); i++ {
		name = append(name, content[i])
		if content[i] == quote {
			i++
		}
	}
	return string(name)
}

// rest is the statement from its token i on, as an EXPLAIN or a SET STATEMENT has one inside.
func (s *statement) rest(i int) *statement {
	return &statement{text: s.text, mode: s.mode, items: s.items[min(i, len(s.items)):]}
}
