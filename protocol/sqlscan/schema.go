package sqlscan

// kinds are what can be created, altered, dropped and renamed.
var kinds = map[string]bool{
	"TABLE": true, "TABLES": true, "DATABASE": true, "INDEX": true, "VIEW": true, "TRIGGER": true, "PROCEDURE": true,
	"FUNCTION": true, "EVENT": true, "USER": true, "ROLE": true, "SERVER": true, "SEQUENCE": true, "PACKAGE": true,
	"TABLESPACE": true, "LOGFILE": true, "INSTANCE": true, "RESOURCE": true, "PREPARE": true, "LIBRARY": true,
	"SPATIAL": true, "MASKING": true, "EXTERNAL": true,
}

// schema is CREATE, ALTER, DROP or RENAME.
func (s *statement) schema(first string) verb {
	v := verb{class: Schema, effects: ImplicitCommit, operation: first, object: 1}
	temporary := false
	for i := 1; i < len(s.items); i++ {
		word := s.word(i)
		switch {
		case word == "TEMPORARY":
			temporary = true
			continue
		case word == "SPATIAL" && kinds[s.word(i+1)], !kinds[word]:
			if s.at(i).symbol == '(' {
				return v
			}
			continue
		}
		v.operation, v.object = join(first, word), i+1
		return s.schemaOf(v, word, temporary)
	}
	return v
}

// schemaOf is a statement about a kind of thing.
func (s *statement) schemaOf(v verb, kind string, temporary bool) verb {
	switch kind {
	case "PREPARE":
		v.class, v.effects = Deallocate, 0
		return v
	case "INSTANCE":
		v.class = Admin
		return v
	case "RESOURCE", "LOGFILE":
		if s.word(v.object) == "GROUP" {
			v.operation = join(v.operation, "GROUP")
			v.object++
		}
	case "TABLE", "TABLES":
		if s.word(0) == "CREATE" {
			v.effects |= s.selectEffects()
		}
	case "USER", "ROLE", "SERVER":
		return v // what follows is accounts, or nothing that is stored in schemas
	case "SPATIAL": // a reference system
		v.operation = join(v.operation, "REFERENCE", "SYSTEM")
		return v
	}
	if temporary {
		v.effects |= Temporary
		v.effects &^= ImplicitCommit
	}
	v.target = true
	return v
}

// set is SET.
func (s *statement) set() verb {
	v := verb{class: Set, operation: "SET", object: 1}
	i := 1 + s.skip(1, "GLOBAL", "SESSION", "LOCAL")
	switch {
	case s.is(1, "STATEMENT"):
		return s.setStatement(v)
	case s.is(1, "DEFAULT", "ROLE"), s.is(1, "RESOURCE", "GROUP"), s.is(1, "CHAR", "SET"):
		v.operation = join(v.operation, s.word(1), s.word(2))
	case s.word(i) == "TRANSACTION":
		v.operation = join(v.operation, "TRANSACTION")
	case s.word(1) == "PASSWORD", s.word(1) == "ROLE", s.word(1) == "NAMES", s.word(1) == "CHARSET":
		v.operation = join(v.operation, s.word(1))
	}
	if s.word(1) == "PASSWORD" || s.is(1, "DEFAULT", "ROLE") {
		v.effects |= ImplicitCommit
		return v // what is there is accounts
	}
	for i := range s.items {
		switch s.word(i) {
		case "GLOBAL", "PERSIST", "PERSIST_ONLY":
			v.effects |= Global
		}
		if s.named(i, "autocommit") {
			v.effects |= ImplicitCommit
		}
	}
	v.effects |= s.effects(1)
	return v
}

// setStatement is a statement that is run with some variables set.
func (s *statement) setStatement(v verb) verb {
	for i := range s.items {
		if s.word(i) != "FOR" || s.items[i].depth > 0 {
			continue
		}
		inner := s.rest(i + 1).verb()
		inner.effects |= (&statement{text: s.text, mode: s.mode, items: s.items[:i]}).effects(2)
		inner.inner = i + 1
		return inner
	}
	v.class = Unknown
	return v
}
