package sqlscan

import "strings"

// maxSummary is what the conventions allow.
const maxSummary = 255

// A summary is a db.query.summary: operations, each with its targets, in the order of the text.
type summary struct {
	b    strings.Builder
	full bool
}

// String returns it.
func (m *summary) String() string { return m.b.String() }

// word adds a word, if there is room.
func (m *summary) word(word string) {
	need := len(word)
	if m.b.Len() > 0 {
		need++
	}
	if word == "" || m.full || m.b.Len()+need > maxSummary {
		m.full = m.full || word != ""
		return
	}
	if m.b.Len() > 0 {
		m.b.WriteByte(' ')
	}
	m.b.WriteString(word)
}

// end ends a statement.
func (m *summary) end() {
	if m.b.Len() > 0 && m.b.Len() < maxSummary && !m.full {
		m.b.WriteByte(';')
	}
}

// add adds a statement.
func (m *summary) add(s *statement, v verb) {
	switch s.word(0) {
	case "EXPLAIN", "DESC", "ANALYZE":
		if v.inner > 0 {
			m.word(s.word(0))
			m.tables(s.rest(v.inner))
			return
		}
	case "SET":
		if v.inner > 0 {
			m.tables(s.rest(v.inner))
			return
		}
	}
	switch v.class {
	case Read, Write:
		before := m.b.Len()
		m.tables(s)
		if m.b.Len() == before {
			m.word(v.operation)
		}
	case Schema, Show, Admin, Lock, Call, Use, Handler:
		m.word(v.operation)
		if v.target {
			m.targets(s, v.object)
		}
		if v.class == Schema && v.operation == "CREATE TABLE" || v.operation == "CREATE VIEW" {
			m.tables(s.rest(s.find("SELECT")))
		}
	default:
		m.word(v.operation)
	}
}

// find returns where a keyword is, the end if it is nowhere.
func (s *statement) find(word string) int {
	for i := range s.items {
		if s.word(i) == word {
			return i
		}
	}
	return len(s.items)
}

// targets adds the names in a list at i: DROP TABLE IF EXISTS a, b.
func (m *summary) targets(s *statement, i int) {
	i += s.skip(i, "IF", "NOT", "EXISTS", "TO")
	for {
		name, next := s.target(i)
		if name == "" {
			return
		}
		m.word(name)
		for next < len(s.items) && s.items[next].depth == 0 && s.at(next).symbol != ',' && s.word(next) != "TO" {
			if s.at(next).symbol == '(' {
				return
			}
			next++
		}
		if s.at(next).symbol != ',' && s.word(0) != "RENAME" || s.word(0) == "ALTER" || s.word(0) == "CREATE" {
			return
		}
		i = next + 1
	}
}

// target returns the name at i, qualified or not, and what is behind it; "" if there is none.
func (s *statement) target(i int) (name string, next int) {
	for {
		part := s.name(i)
		if part == "" {
			return name, i
		}
		if s.at(i).symbol == symKeyword {
			part = strings.ToLower(part) // it was written in some case; most write names so
		}
		if strings.ContainsAny(part, " \t\n;") {
			part = "`" + part + "`"
		}
		name += part
		i++
		if s.at(i).symbol != '.' {
			return name, i
		}
		name += "."
		i++
	}
}

// tables adds the operations of a query or a change, and the tables they are on.
func (m *summary) tables(s *statement) {
	lists := 0 // a bit for each depth in which a comma is followed by another table
	for i := 0; i < len(s.items) && !m.full; i++ {
		it := s.items[i]
		bit := 1 << (uint(max(it.depth, 0)) & 31)
		expect := false
		switch it.symbol {
		case ',':
			expect = lists&bit != 0
		case '(':
			// Tables in parentheses: FROM (a, b).
			lists &^= bit << 1
			if s.opens(i, lists&bit != 0) {
				lists |= bit << 1
				expect = true
			}
		case symKeyword:
			expect, lists = m.clause(s, i, bit, lists)
		}
		if !expect {
			continue
		}
		next := i + 1 + s.skip(i+1, "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE", "ONLY", "LATERAL", "INTO")
		switch s.word(next) {
		case "SELECT", "WITH", "VALUES", "VALUE", "DUAL", "JSON_TABLE", "FROM", "SET", "TABLE":
			continue
		}
		name, end := s.target(next)
		if name == "" {
			continue
		}
		m.word(name)
		i = end - 1
	}
}

// opens reports whether the parenthesis at i is around tables.
func (s *statement) opens(i int, inList bool) bool {
	switch s.word(i - 1) {
	case "FROM", "JOIN", "STRAIGHT_JOIN":
		return true
	}
	switch before := s.at(i - 1).symbol; before {
	case ',':
		return inList
	case '(':
		return inList || s.opens(i-1, false)
	}
	return false
}

// clause says what a keyword at i means: whether a table follows, and whether more do after commas.
func (m *summary) clause(s *statement, i, bit, lists int) (expect bool, more int) {
	word := s.items[i].word
	call := s.at(i+1).symbol == '('
	switch word {
	case "SELECT", "VALUES":
		if word == "SELECT" || i == 0 {
			m.word(word)
		}
		return false, lists &^ bit
	case "INSERT", "REPLACE":
		if call {
			return false, lists // they are functions, too
		}
		m.word(word)
		return true, lists &^ bit
	case "UPDATE":
		if s.word(i-1) == "FOR" || s.word(i-1) == "KEY" || s.word(i-1) == "ON" {
			return false, lists &^ bit
		}
		m.word(word)
		return true, lists | bit
	case "DELETE":
		m.word(word)
		return s.word(i+1+s.skip(i+1, "LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY")) != "FROM", lists | bit
	case "LOAD":
		if i == 0 {
			m.word(join(word, s.word(1)))
		}
		return false, lists
	case "MERGE", "DO":
		if i == 0 {
			m.word(word)
		}
		return false, lists
	case "TABLE":
		if s.word(0) != "LOAD" {
			m.word(word)
		}
		return true, lists &^ bit
	case "FROM", "JOIN", "STRAIGHT_JOIN":
		if s.items[i].depth > 0 && word == "FROM" && !s.selects(i) {
			return false, lists // TRIM(a FROM b), EXTRACT(YEAR FROM d)
		}
		return true, lists | bit
	case "USING":
		return s.word(0) == "DELETE" && !call, lists
	case "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "SET", "UNION", "EXCEPT", "INTERSECT", "INTO", "WINDOW", "RETURNING":
		return false, lists &^ bit
	}
	return false, lists
}

// selects reports whether the FROM at i is that of a SELECT or a DELETE: in the same parentheses there is one before it.
func (s *statement) selects(i int) bool {
	depth := s.items[i].depth
	for i--; i >= 0 && s.items[i].depth >= depth; i-- {
		if s.items[i].depth == depth && (s.word(i) == "SELECT" || s.word(i) == "DELETE") {
			return true
		}
	}
	return false
}
