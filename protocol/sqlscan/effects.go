package sqlscan

import "strings"

// effects are those of the expressions and clauses from the token i on.
func (s *statement) effects(i int) (all Effects) {
	for ; i < len(s.items); i++ {
		switch it := s.items[i]; it.symbol {
		case symKeyword:
			all |= s.keywordEffects(i)
		case symName:
			all |= s.nameEffects(i)
		case symAtAt:
			all |= s.systemVariableEffects(i)
		case '@':
			all |= s.userVariableEffects(i)
		}
	}
	return all
}

// selectEffects are the effects of what a CREATE TABLE selects.
func (s *statement) selectEffects() Effects {
	for i := range s.items {
		if s.word(i) == "SELECT" {
			return s.effects(i)
		}
	}
	return 0
}

func (s *statement) keywordEffects(i int) Effects {
	if call := s.keywordCall(i); call != 0 {
		return call
	}
	switch word := s.word(i); word {
	case "INTO":
		switch {
		case s.word(i+1) == "OUTFILE", s.word(i+1) == "DUMPFILE":
			return IntoFile
		case s.at(i+1).symbol == '@':
			return IntoVariable
		}
	case "FOR":
		if s.word(i+1) == "UPDATE" || s.word(i+1) == "SHARE" {
			return ForUpdate
		}
	case "LOCK":
		if s.is(i, "LOCK", "IN", "SHARE", "MODE") {
			return ForUpdate
		}
	case "RETURNING":
		if s.items[i].depth == 0 { // JSON_VALUE has one too
			return Returning
		}
	case "SQL_CALC_FOUND_ROWS":
		return FoundRows
	case "NEXT", "PREVIOUS":
		if s.is(i+1, "VALUE", "FOR") {
			return Sequence
		}
	case "ROW_COUNT", "LASTVAL", "NEXTVAL", "SETVAL":
		if s.at(i+1).symbol == '(' {
			return callEffects(word, s.mode|MariaDB)
		}
	}
	return 0
}

// nameEffects are the effects of calling the function that is named at i, if one is called there.
func (s *statement) nameEffects(i int) Effects {
	qualified := s.at(i-1).symbol == '.'
	if s.at(i+1).symbol != '(' {
		if qualified && s.mode&MariaDB != 0 && (s.named(i, "nextval") || s.named(i, "currval")) {
			return Sequence
		}
		return 0
	}
	switch {
	case s.declares(s.qualified(i), i):
		return 0
	case qualified:
		return StoredFunction
	}
	return callEffects(s.name(i), s.mode)
}

// qualified returns where the qualified name begins that ends at i.
func (s *statement) qualified(i int) (first int) {
	for s.at(i-1).symbol == '.' && i > 1 {
		i -= 2
	}
	return i
}

// declares reports whether the name that begins at first and ends at i is no function though a parenthesis follows:
// that of a table before a list of columns, say.
func (s *statement) declares(first, i int) bool {
	switch before := s.at(first - 1); before.symbol {
	case symName:
		return !s.named(first-1, "sql_cache") // an alias; before 8.0 that one was a keyword
	case symText, symNumber, symEllipsis, ')':
		return true
	case symKeyword:
		switch before.word {
		case "INTO", "TABLE", "AS", "REFERENCES", "INDEX", "KEY", "JOIN", "WITH", "RECURSIVE", "CONSTRAINT", "CALL",
			"UPDATE", "PARTITION":
			return true
		case "INSERT", "REPLACE":
			return first == 1
		case "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE":
			return s.word(0) == "INSERT" || s.word(0) == "REPLACE"
		}
	case ',':
		return s.is(s.closing(i+1)+1, "AS") && s.at(s.closing(i+1)+2).symbol == '(' // WITH a AS (...), b(x) AS (...)
	}
	return false
}

// closing returns where the parenthesis closes that opens at i.
func (s *statement) closing(i int) int {
	depth := s.at(i).depth
	for j := i + 1; j < len(s.items); j++ {
		if s.items[j].symbol == ')' && s.items[j].depth == depth {
			return j
		}
	}
	return len(s.items)
}

// assigned reports whether what begins at i is on the left of one of a SET statement's assignments.
func (s *statement) assigned(i int) bool {
	if s.word(0) != "SET" || s.items[i].depth > 0 {
		return false
	}
	return i == 1 || s.at(i-1).symbol == ',' || s.word(i-1) == "STATEMENT"
}

func (s *statement) userVariableEffects(i int) Effects {
	switch before := s.at(i - 1); {
	case before.symbol == symName, before.symbol == symText:
		return 0 // the host of an account
	case s.assigned(i), s.at(i+2).symbol == symAssign:
		return SetsVariable
	case s.word(0) == "LOAD" && s.items[i].depth > 0:
		return SetsVariable | UserVariable
	case s.into(i):
		return IntoVariable
	}
	return UserVariable
}

// into reports whether the variable at i is in a list after INTO.
func (s *statement) into(i int) bool {
	for s.at(i-1).symbol == ',' && s.at(i-3).symbol == '@' {
		i -= 3
	}
	return s.word(i-1) == "INTO"
}

// systemVariables are the system variables that are more than a setting of the session.
var systemVariables = map[string]Effects{
	"identity": LastInsertID, "last_insert_id": LastInsertID, "error_count": FoundRows, "warning_count": FoundRows,
	"hostname": Volatile, "server_id": Volatile, "server_uuid": Volatile, "port": Volatile, "pseudo_thread_id": Volatile,
	"gtid_executed": Volatile, "gtid_current_pos": Volatile, "gtid_binlog_pos": Volatile, "gtid_slave_pos": Volatile,
	"last_gtid": Volatile, "read_only": Volatile, "super_read_only": Volatile,
}

func (s *statement) systemVariableEffects(i int) Effects {
	name := i + 1
	if s.at(i+2).symbol == '.' {
		name = i + 3
	}
	if s.assigned(i) {
		return 0
	}
	return SystemVariable | systemVariables[strings.ToLower(s.name(name))]
}
