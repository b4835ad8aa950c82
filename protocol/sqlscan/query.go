package sqlscan

// query is a SELECT, or whatever else there is after WITH and parentheses.
func (s *statement) query(i int) verb {
	for s.at(i).symbol == '(' {
		i++
	}
	v := verb{class: Read, operation: s.word(i), object: i + 1}
	switch s.word(i) {
	case "WITH":
		i = s.afterWith(i)
		v.operation, v.object = s.word(i), i+1
		switch s.word(i) {
		case "SELECT", "VALUES", "TABLE":
		case "UPDATE", "DELETE", "INSERT", "REPLACE":
			v.class = Write
		default:
			v.class = Unknown
		}
	case "SELECT", "VALUES":
	case "TABLE":
		v.target = true
	default:
		v.class = Unknown
	}
	v.effects = s.effects(0)
	return v
}

// afterWith returns where the statement begins that the WITH at i belongs to.
func (s *statement) afterWith(i int) int {
	depth := s.at(i).depth
	for i++; i < len(s.items); i++ {
		if s.items[i].depth > depth {
			continue
		}
		switch s.word(i) {
		case "SELECT", "UPDATE", "DELETE", "INSERT", "REPLACE", "VALUES", "TABLE":
			return i
		}
		// WITH a AS (...) (SELECT ...): what is in the parentheses behind others
		if s.items[i].symbol == '(' && s.at(i-1).symbol == ')' {
			for s.at(i).symbol == '(' {
				i++
			}
			return i
		}
	}
	return i
}

// explain is EXPLAIN, DESCRIBE or ANALYZE.
func (s *statement) explain(first string) verb {
	v := verb{class: Show, operation: first, object: 1}
	i := 1 + s.skip(1, "LOCAL", "NO_WRITE_TO_BINLOG")
	if first == "ANALYZE" && (s.word(i) == "TABLE" || s.word(i) == "TABLES") {
		return s.lead(i, Admin, ImplicitCommit, true)
	}
	analyze := first == "ANALYZE"
	for i = 1; i < len(s.items); i++ {
		switch s.word(i) {
		case "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "REPLACE", "UPDATE", "DELETE":
			return s.explained(v, i, analyze)
		case "ANALYZE":
			analyze = true
		case "INTO":
			v.effects |= IntoVariable
		}
		if s.at(i).symbol == '(' {
			return s.explained(v, i, analyze)
		}
	}
	v.target = s.at(1).symbol == symName || s.at(1).symbol == symKeyword && s.word(1) != "FORMAT" && s.word(1) != "FOR"
	return v
}

// explained is the explanation of the statement at i, which is run if it analyzes.
func (s *statement) explained(v verb, i int, analyze bool) verb {
	inner := s.rest(i).verb()
	v.effects |= inner.effects
	v.inner = i
	switch {
	case !analyze:
		v.effects &^= ForUpdate | IntoFile | Returning | ImplicitCommit
	case inner.class != Read:
		v.class = inner.class
	}
	return v
}

// show is SHOW.
func (s *statement) show() verb {
	v := verb{class: Show, operation: "SHOW"}
	i := 1
	for ; s.word(i) != ""; i++ {
		switch word := s.word(i); word {
		case "FULL", "EXTENDED", "ALL", "GLOBAL", "SESSION", "LOCAL":
			continue
		case "FROM", "IN", "LIKE", "WHERE", "FOR", "LIMIT":
			v.effects |= showEffects(v.operation) | s.effects(i) // WHERE may call functions
			v.object = i
			return v
		default:
			v.operation = join(v.operation, word)
			if s.word(1) == "CREATE" && i == 2 || len(v.operation) > 40 {
				v.object = i + 1
				return v
			}
		}
	}
	if s.is(1, "COUNT") && s.at(i).symbol == '(' { // SHOW COUNT(*) WARNINGS
		i = s.closing(i) + 1
		v.operation = join("SHOW", s.word(i))
		i++
	}
	v.object = i
	v.effects |= showEffects(v.operation)
	return v
}

// showEffects are the effects of a SHOW.
func showEffects(operation string) Effects {
	switch operation {
	case "SHOW WARNINGS", "SHOW ERRORS":
		return FoundRows
	case "SHOW VARIABLES", "SHOW STATUS":
		return SystemVariable
	case "SHOW PROCESSLIST", "SHOW PROFILE", "SHOW PROFILES":
		return Volatile
	case "SHOW REPLICA STATUS", "SHOW SLAVE STATUS", "SHOW REPLICAS STATUS", "SHOW SLAVES STATUS", "SHOW MASTER STATUS",
		"SHOW BINARY LOG STATUS", "SHOW BINLOG STATUS", "SHOW BINARY LOGS", "SHOW MASTER LOGS", "SHOW BINLOG EVENTS",
		"SHOW RELAYLOG EVENTS", "SHOW REPLICA HOSTS", "SHOW SLAVE HOSTS", "SHOW REPLICAS":
		return ReplicationInfo
	}
	return 0
}

// flush is FLUSH. With a read lock, or for an export, it locks tables.
func (s *statement) flush() verb {
	v := s.lead(1+s.skip(1, "LOCAL", "NO_WRITE_TO_BINLOG"), Admin, ImplicitCommit, false)
	for i := range s.items {
		if s.is(i, "WITH", "READ", "LOCK") || s.is(i, "FOR", "EXPORT") {
			v.class = Lock
		}
	}
	return v
}
