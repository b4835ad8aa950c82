package sqlscan

// A symbol is what kind of token it is. Those below 256 are a byte that stands for itself.
type symbol uint16

const (
	symEnd        symbol = 256 + iota
	symName              // a name, quoted or not
	symKeyword           //
	symIntroducer        // _utf8mb4 before a string
	symNumber            // a number that a sign may belong to
	symText              // any other literal, a placeholder, or the name of a user variable
	symHints             // /*+ of optimizer hints
	symHintsEnd          // their end
	symEllipsis          // ..., in canonical texts
	symAtAt              // @@

	symAndAnd
	symOrOr
	symShiftLeft
	symShiftRight
	symLessEqual
	symGreaterEqual
	symNotEqual
	symNullEqual
	symAssign
	symArrow
	symArrow2

	// What the others are folded into.
	symValue  // a literal
	symValues // several of them, separated by commas
	symRow    // one in parentheses
	symRows   // several of these
	symTuple  // several in parentheses
	symTuples // several of these
	symInList // a row or a tuple after IN, as MySQL has it

	symOrdinal // a number in ORDER BY that means a column, as MySQL has it

	numSymbols
)

// symbolTexts are the canonical texts of the symbols above 255 that have one.
var symbolTexts = [numSymbols]string{
	symHints: "/*+", symHintsEnd: "*/", symAtAt: "@@",
	symAndAnd: "&&", symOrOr: "||", symShiftLeft: "<<", symShiftRight: ">>", symLessEqual: "<=", symGreaterEqual: ">=",
	symNotEqual: "<>", symNullEqual: "<=>", symAssign: ":=", symArrow: "->", symArrow2: "->>",
	symValue: "?", symValues: "?, ...", symRow: "(?)", symRows: "(?), ...", symTuple: "(...)", symTuples: "(...), ...",
	symInList: "(...)",
}

// symbolTraits are the traits of the symbols that are neither names nor keywords, to MySQL.
var symbolTraits = newSymbolTraits()

func newSymbolTraits() (all [numSymbols]traits) {
	for _, s := range []symbol{
		'%', '&', '(', '*', '+', ',', '-', '/', '^', '|', symAndAnd, symOrOr, symShiftLeft, symShiftRight,
		'=', symNullEqual, symGreaterEqual, '>', symLessEqual, '<', symNotEqual,
	} {
		all[s] = startsExpr | literalNull
	}
	for _, s := range []symbol{'!', '~', symAssign} {
		all[s] = literalNull
	}
	for _, s := range []symbol{'(', '.', '@'} {
		all[s] |= tight
	}
	all[symValue] = named
	return all
}

// comparison reports whether s compares. MariaDB does not take a sign after it for part of a number.
func (s symbol) comparison() bool {
	switch s {
	case '=', '<', '>', symNullEqual, symGreaterEqual, symLessEqual, symNotEqual:
		return true
	}
	return false
}
