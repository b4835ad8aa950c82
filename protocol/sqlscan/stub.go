package sqlscan

import "bytes"

// Describe says what a canonical text of a Scanner is.
func Describe(canonical []byte, mode Mode) Description {
	return Description{Statements: 1}
}

func count(canonical []byte, mode Mode) int { return 1 + bytes.Count(canonical, []byte(";")) }

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
