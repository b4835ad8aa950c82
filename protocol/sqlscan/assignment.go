package sqlscan

import "strings"

// An Assignment is one of a SET statement's.
type Assignment struct {
	// Name is the variable in lower case, without scope and @@: "sql_mode"; "@x" for a user variable; "names" and
	// "character set" for those forms; "transaction isolation" and "transaction access mode" for SET TRANSACTION;
	// "password", "role", "default role", "resource group" for those statements. The collation of SET NAMES is an
	// assignment of its own, to "collation_connection".
	Name string
	// Scope is "session" (also where none is named), "global", "persist", "persist_only", "next" for a SET TRANSACTION
	// of the next transaction alone, "statement" for SET STATEMENT, or "user" for a user variable.
	Scope string
	// Value is the text of the value; where it is a single literal or word, Literal is set and Value is without
	// quotes and escapes. The value of a SET TRANSACTION is in upper case.
	Value   string
	Literal bool
}

// Assignments returns the assignments of a SET statement, ok false where it could not make out all of them.
func Assignments(text []byte, mode Mode) (all []Assignment, ok bool) {
	s, ok := single(text, mode)
	if !ok {
		return nil, false
	}
	return s.assignments()
}

// AllAssignments returns what Assignments does for each SET among the first statements of a text, as far as it can.
func AllAssignments(text []byte, mode Mode, statements int) (all []Assignment) {
	parts := split(text, mode)
	for _, s := range parts[:min(statements, len(parts))] {
		some, _ := s.assignments()
		all = append(all, some...)
	}
	return all
}

func (s *statement) assignments() (all []Assignment, ok bool) {
	if s.word(0) != "SET" || len(s.items) < 2 {
		return nil, false
	}
	a := assigner{statement: s, scope: "session", i: 1, end: len(s.items)}
	if s.word(1) == "STATEMENT" {
		a.i, a.scope = 2, "statement"
		if a.end = s.find("FOR"); a.end == len(s.items) {
			return nil, false
		}
	}
	for {
		if !a.next() {
			return nil, false
		}
		if a.i == a.end {
			return a.all, true
		}
		if s.at(a.i).symbol != ',' {
			return nil, false
		}
		a.i++
	}
}

// An assigner reads the assignments of a SET statement.
type assigner struct {
	*statement
	all   []Assignment
	scope string // the last that was named: it goes for those after it, too
	i     int    // the next item
	end   int
}

// next reads one assignment.
func (a *assigner) next() bool {
	if a.at(a.i).symbol == '@' {
		if !a.assigns(a.i+2) || a.i+2 >= a.end {
			return false
		}
		name := "@" + strings.ToLower(a.variable(a.i+1))
		a.i += 3
		return a.value(name, "user")
	}
	scope := a.scope
	if a.at(a.i).symbol == symAtAt {
		a.i++
		if named := scopes[a.word(a.i)]; named != "" && a.at(a.i+1).symbol == '.' {
			scope = named
			a.i += 2
		} else {
			scope = "session"
		}
		return a.system(scope)
	}
	switch a.word(a.i) {
	case "NAMES", "CHARSET", "CHAR", "TRANSACTION", "PASSWORD", "ROLE", "DEFAULT", "RESOURCE":
		if !a.assigns(a.i+1) && a.at(a.i+1).symbol != '.' || a.word(a.i) == "PASSWORD" {
			return a.special("next")
		}
	}
	if named := scopes[a.word(a.i)]; named != "" && !a.assigns(a.i+1) {
		a.i++
		if a.word(a.i) == "TRANSACTION" && !a.assigns(a.i+1) {
			return a.special(named)
		}
		a.scope, scope = named, named
	}
	return a.system(scope)
}

// scopes are the scopes by their keywords.
var scopes = map[string]string{
	"GLOBAL": "global", "SESSION": "session", "LOCAL": "session", "PERSIST": "persist", "PERSIST_ONLY": "persist_only",
}

// assigns reports whether there is an assignment's operator at i.
func (a *assigner) assigns(i int) bool {
	symbol := a.at(i).symbol
	return symbol == '=' || symbol == symAssign
}

// variable returns the name of the user variable whose name is at i.
func (a *assigner) variable(i int) string {
	it := a.at(i)
	if it.symbol == symName {
		return a.name(i)
	}
	if value, ok := a.literal(i); ok {
		return value
	}
	return string(a.text[it.start:it.end])
}

// system reads a system variable and its value.
func (a *assigner) system(scope string) bool {
	name, next := a.target(a.i)
	if name == "" || !a.assigns(next) {
		return false
	}
	a.i = next + 1
	return a.value(strings.ToLower(name), scope)
}

// value reads a value, up to the comma behind it.
func (a *assigner) value(name, scope string) bool {
	begin := a.i
	for a.i < a.end && (a.items[a.i].depth > 0 || a.items[a.i].symbol != ',') {
		a.i++
	}
	return a.add(name, scope, begin, a.i)
}

// add adds an assignment whose value is the items from begin to end.
func (a *assigner) add(name, scope string, begin, end int) bool {
	if begin >= end {
		return false
	}
	v := Assignment{Name: name, Scope: scope, Value: string(a.text[a.items[begin].start:a.items[end-1].end])}
	switch {
	case end == begin+1:
		if value, ok := a.literal(begin); ok {
			v.Value, v.Literal = value, true
		}
	case end == begin+2 && a.at(begin+1).symbol == symNumber && (a.at(begin).symbol == '-' || a.at(begin).symbol == '+'):
		v.Literal = true
	case end == begin+2 && a.at(begin).symbol == symIntroducer:
		if value, ok := a.literal(begin + 1); ok {
			v.Value, v.Literal = value, true
		}
	}
	a.all = append(a.all, v)
	return true
}

// literal returns the value of a word, a number or a string.
func (a *assigner) literal(i int) (value string, ok bool) {
	it := a.at(i)
	raw := a.text[it.start:it.end]
	if len(raw) == 0 {
		return "", false // @ alone
	}
	switch it.symbol {
	case symName, symKeyword:
		return a.name(i), true
	case symNumber:
		return string(raw), isDigit(raw[0]) || raw[0] == '.'
	case symText:
		if raw[0] == '\'' || raw[0] == '"' {
			return unescape(raw, a.mode), true
		}
	}
	return "", false
}

// special reads the forms that are no assignments by their look.
func (a *assigner) special(scope string) bool {
	begin := a.i
	switch a.word(begin) {
	case "NAMES":
		return a.charset("names", begin+1)
	case "CHARSET":
		return a.charset("character set", begin+1)
	case "CHAR":
		if a.word(begin+1) != "SET" {
			return false
		}
		return a.charset("character set", begin+2)
	case "TRANSACTION":
		return a.transaction(scope)
	case "PASSWORD":
		a.i = a.end
		if a.assigns(begin + 1) {
			return a.add("password", "session", begin+2, a.end)
		}
		return a.add("password", "session", begin+1, a.end)
	case "ROLE":
		a.i = a.end
		return a.add("role", "session", begin+1, a.end)
	case "DEFAULT":
		a.i = a.end
		return a.word(begin+1) == "ROLE" && a.add("default role", "session", begin+2, a.end)
	default:
		a.i = a.end
		return a.word(begin+1) == "GROUP" && a.add("resource group", "session", begin+2, a.end)
	}
}

// charset reads what follows NAMES or CHARACTER SET.
func (a *assigner) charset(name string, i int) bool {
	if i >= a.end || !a.add(name, "session", i, i+1) || !a.all[len(a.all)-1].Literal {
		return false
	}
	a.i = i + 1
	if a.word(a.i) == "COLLATE" && name == "names" && a.i+1 < a.end {
		a.i += 2
		return a.add("collation_connection", "session", a.i-1, a.i)
	}
	return true
}

// transaction reads the characteristics of SET TRANSACTION.
func (a *assigner) transaction(scope string) bool {
	for i := a.i + 1; ; {
		end := i
		for end < a.end && a.items[end].symbol != ',' {
			end++
		}
		name := "transaction access mode"
		if a.is(i, "ISOLATION", "LEVEL") {
			name = "transaction isolation"
			i += 2
		}
		value := ""
		for ; i < end; i++ {
			if value != "" {
				value += " "
			}
			value += a.word(i)
		}
		if value == "" {
			return false
		}
		a.all = append(a.all, Assignment{Name: name, Scope: scope, Value: value, Literal: true})
		if a.i = end; end == a.end {
			return true
		}
		i = end + 1
	}
}

// unescape returns the value of a string in quotes.
func unescape(raw []byte, mode Mode) string {
	quote := raw[0]
	raw = raw[1:]
	value := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		switch {
		case b == quote:
			if i+1 == len(raw) {
				return string(value)
			}
			i++ // it was doubled
		case b == '\\' && mode&NoBackslashEscapes == 0 && i+1 < len(raw):
			i++
			value = append(value, escaped(raw[i])...)
			continue
		case b >= 0x80 && i+1 < len(raw) && mode.pair(b, raw[i+1]):
			value = append(value, b)
			i++
			b = raw[i]
		}
		value = append(value, b)
	}
	return string(value)
}

// escaped is what a backslash and b stand for.
func escaped(b byte) string {
	switch b {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'b':
		return "\b"
	case '0':
		return "\x00"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return `\` + string(rune(b))
	}
	return string([]byte{b})
}
