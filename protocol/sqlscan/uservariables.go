package sqlscan

import "strings"

// OddVariable stands for user variables whose names have other characters than letters, digits, '_', '$' and '.' of ASCII:
// which of those are the same is up to a collation.
const OddVariable = "?"

// UserVariables returns the user variables that a text reads and those that it sets, by their names in lower case,
// without @, ok false where the text is not complete, or servers differ in reading it. What procedures and functions do that
// it calls is not looked into. Where it cannot be told, as of what is handed to a procedure, a variable is taken for both. One
// may come more than once.
func UserVariables(text []byte, mode Mode) (reads, sets []string, ok bool) {
	if _, flags := items(text, mode); flags&(Incomplete|Doubtful) != 0 {
		return nil, nil, false
	}
	for _, s := range split(text, mode) {
		first := s.word(0)
		for i := range s.items {
			if s.items[i].symbol != '@' {
				continue
			}
			effects := s.userVariableEffects(i)
			if effects != 0 && !tellsVariables(first) {
				effects = UserVariable | SetsVariable
			}
			if effects == 0 {
				continue
			}
			a := assigner{statement: s}
			name := strings.ToLower(a.variable(i + 1))
			if !isPlain(name) {
				name = OddVariable
			}
			if effects&UserVariable != 0 {
				reads = append(reads, name)
			}
			if effects&(SetsVariable|IntoVariable) != 0 {
				sets = append(sets, name)
			}
		}
	}
	return reads, sets, true
}

// tellsVariables reports whether a statement that begins with the word says of a variable whether it is set.
func tellsVariables(first string) bool {
	switch first {
	case "", "SELECT", "WITH", "VALUES", "TABLE", "SET", "DO", "PREPARE", "SHOW", "EXPLAIN", "DESC", "ANALYZE", "INSERT", "REPLACE",
		"UPDATE", "DELETE":
		return true
	}
	return false
}

// isPlain reports whether a name is not an odd one.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isDigit(c) && (c < 'a' || c > 'z') && c != '_' && c != '$' && c != '.' {
			return false
		}
	}
	return name != ""
}
