package sqlscan

import "strings"

// UserVariables returns the user variables that a text reads and those that it sets, by their names in lower case,
// without @, ok false where not all can be made out. What procedures and functions do that it calls is not looked into,
// but that a variable that is handed to a procedure may be both. One may come more than once.
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
			if first == "CALL" || first == "GET" {
				effects = UserVariable | SetsVariable
			}
			if effects == 0 {
				continue
			}
			a := assigner{statement: s}
			name := strings.ToLower(a.variable(i + 1))
			if !isPlain(name) {
				return nil, nil, false
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

// isPlain reports whether a name is one that no collation takes for another one.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isDigit(c) && (c < 'a' || c > 'z') && c != '_' && c != '$' && c != '.' {
			return false
		}
	}
	return name != ""
}
