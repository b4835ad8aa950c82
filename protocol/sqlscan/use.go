package sqlscan

import "slices"

// UseSchema returns the schema of a USE statement, without its quotes.
func UseSchema(text []byte, mode Mode) (schema string, ok bool) {
	s, ok := single(text, mode)
	if !ok {
		return "", false
	}
	return s.useSchema()
}

// LastUseSchema returns the schema of the last USE among the first statements of a text, ok false if there is none.
func LastUseSchema(text []byte, mode Mode, statements int) (schema string, ok bool) {
	parts := split(text, mode)
	for _, s := range slices.Backward(parts[:min(statements, len(parts))]) {
		if schema, ok := s.useSchema(); ok {
			return schema, true
		}
	}
	return "", false
}

func (s *statement) useSchema() (schema string, ok bool) {
	if len(s.items) != 2 || s.word(0) != "USE" {
		return "", false
	}
	schema = s.name(1)
	return schema, schema != ""
}

// PreparedText returns the statement that a PREPARE, or an EXECUTE IMMEDIATE, has as a single string, ok false where it has
// none.
func PreparedText(text []byte, mode Mode) (statement string, ok bool) {
	s, ok := single(text, mode)
	if !ok {
		return "", false
	}
	at, more := 0, false
	switch {
	case s.word(0) == "PREPARE" && s.word(2) == "FROM":
		at = 3
	case s.is(0, "EXECUTE", "IMMEDIATE"):
		at, more = 2, s.word(3) == "USING"
	}
	if at == 0 || s.at(at).symbol != symText || len(s.items) > at+1 && !more {
		return "", false
	}
	return (&assigner{statement: s}).literal(at)
}

// single returns the only statement of a text, ok false if it is not complete or there are others.
func single(text []byte, mode Mode) (s *statement, ok bool) {
	all, flags := items(text, mode)
	for len(all) > 0 && all[len(all)-1].symbol == ';' {
		all = all[:len(all)-1]
	}
	for _, it := range all {
		if it.symbol == ';' {
			return nil, false
		}
	}
	return &statement{text: text, mode: mode, items: all}, flags&Incomplete == 0
}
