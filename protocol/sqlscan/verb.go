package sqlscan

import "slices"

// A verb is what a statement's leading keywords say.
type verb struct {
	class     Class
	effects   Effects
	operation string
	object    int  // the item behind them
	target    bool // what is there is named in the summary
	inner     int  // where the statement inside an EXPLAIN or a SET STATEMENT begins, 0 if there is none
}

// leads are the statements that one or two keywords tell. The first of a word that fits is taken; a "*" stands for
// whatever word there is.
var leads = map[string][]struct {
	words   []string // after the first
	class   Class
	effects Effects
	target  bool
}{
	"INSERT":     {{class: Write}},
	"REPLACE":    {{class: Write}},
	"UPDATE":     {{class: Write}},
	"DELETE":     {{class: Write}},
	"MERGE":      {{class: Write}},
	"DO":         {{class: Read}},
	"SIGNAL":     {{class: Read}},
	"RESIGNAL":   {{class: Read}},
	"HELP":       {{class: Show}},
	"TRUNCATE":   {{words: []string{"TABLE"}, class: Schema, effects: ImplicitCommit, target: true}, {class: Schema, effects: ImplicitCommit, target: true}},
	"USE":        {{class: Use, target: true}},
	"PREPARE":    {{class: Prepare}},
	"CALL":       {{class: Call, target: true}},
	"KILL":       {{class: Kill}},
	"HANDLER":    {{class: Handler, target: true}},
	"SHUTDOWN":   {{class: Admin}},
	"RESTART":    {{class: Admin}},
	"CLONE":      {{class: Admin}},
	"GRANT":      {{class: Schema, effects: ImplicitCommit}},
	"REVOKE":     {{class: Schema, effects: ImplicitCommit}},
	"SAVEPOINT":  {{class: Savepoint}},
	"COMMIT":     {{class: Commit}},
	"DEALLOCATE": {{words: []string{"PREPARE"}, class: Deallocate}},
	"RELEASE":    {{words: []string{"SAVEPOINT"}, class: Savepoint}},
	"EXECUTE":    {{words: []string{"IMMEDIATE"}, class: Execute}, {class: Execute}},
	"BEGIN":      {{words: []string{"NOT", "ATOMIC"}, class: Compound}, {class: Begin, effects: ImplicitCommit}},
	"ROLLBACK": {
		{words: []string{"TO"}, class: Savepoint},
		{words: []string{"WORK", "TO"}, class: Savepoint},
		{class: Rollback},
	},
	"START": {
		{words: []string{"TRANSACTION"}, class: Begin, effects: ImplicitCommit},
		{words: []string{"*"}, class: Admin, effects: ImplicitCommit},
	},
	"STOP":      {{words: []string{"*"}, class: Admin, effects: ImplicitCommit}},
	"CHANGE":    {{words: []string{"*"}, class: Admin, effects: ImplicitCommit}},
	"RESET":     {{words: []string{"PERSIST"}, class: Admin}, {words: []string{"*"}, class: Admin, effects: ImplicitCommit}},
	"INSTALL":   {{words: []string{"*"}, class: Admin, effects: ImplicitCommit}},
	"UNINSTALL": {{words: []string{"*"}, class: Admin, effects: ImplicitCommit}},
	"PURGE":     {{words: []string{"*"}, class: Admin}},
	"BINLOG":    {{class: Admin, effects: ImplicitCommit}},
	"CACHE":     {{words: []string{"INDEX"}, class: Admin, effects: ImplicitCommit}},
	"IMPORT":    {{words: []string{"TABLE"}, class: Schema, effects: ImplicitCommit}},
	"CHECK":     {{words: []string{"*"}, class: Admin, effects: ImplicitCommit, target: true}},
	"OPTIMIZE":  {{words: []string{"*"}, class: Admin, effects: ImplicitCommit, target: true}},
	"REPAIR":    {{words: []string{"*"}, class: Admin, effects: ImplicitCommit, target: true}},
	"CHECKSUM":  {{words: []string{"*"}, class: Show, target: true}},
	"XA":        {{words: []string{"*"}, class: XA}},
	"LOCK": {
		{words: []string{"TABLES"}, class: Lock, effects: ImplicitCommit, target: true},
		{words: []string{"TABLE"}, class: Lock, effects: ImplicitCommit, target: true},
		{words: []string{"*"}, class: Lock},
	},
	"UNLOCK": {
		{words: []string{"INSTANCE"}, class: Unlock},
		{words: []string{"*"}, class: Unlock, effects: ImplicitCommit},
	},
	"BACKUP": {{words: []string{"UNLOCK"}, class: Unlock}, {words: []string{"*"}, class: Lock}},
	"LOAD": {
		{words: []string{"INDEX", "INTO", "CACHE"}, class: Admin, effects: ImplicitCommit},
		{words: []string{"*"}, class: Write},
	},
	"GET":     {{words: []string{"*"}, class: Read, effects: FoundRows | SetsVariable}},
	"IF":      {{class: Compound}},
	"CASE":    {{class: Compound}},
	"LOOP":    {{class: Compound}},
	"WHILE":   {{class: Compound}},
	"REPEAT":  {{class: Compound}},
	"FOR":     {{class: Compound}},
	"DECLARE": {{class: Compound}},
}

// verb finds out what kind of statement it is.
func (s *statement) verb() verb {
	first := s.word(0)
	switch first {
	case "SELECT", "WITH", "VALUES", "TABLE":
		return s.query(0)
	case "CREATE", "ALTER", "DROP", "RENAME":
		return s.schema(first)
	case "SET":
		return s.set()
	case "SHOW":
		return s.show()
	case "EXPLAIN", "DESC", "ANALYZE":
		return s.explain(first)
	case "FLUSH":
		return s.flush()
	}
	if s.at(0).symbol == '(' {
		return s.query(0)
	}
	if first == "BEGIN" && len(s.items) > 1 && s.word(1) != "WORK" && s.word(1) != "NOT" {
		return verb{class: Compound, effects: s.effects(1), operation: first, object: 1} // as Oracle has it
	}
	if s.at(1).symbol == ':' {
		return verb{class: Compound, effects: s.effects(2), operation: s.word(2), object: 3} // a label
	}
	for _, lead := range leads[first] {
		if len(lead.words) > 0 && lead.words[0] == "*" {
			return s.lead(1+s.skip(1, "LOCAL", "NO_WRITE_TO_BINLOG", "ALL"), lead.class, lead.effects, lead.target)
		}
		if s.is(1, lead.words...) {
			v := verb{class: lead.class, effects: lead.effects, target: lead.target, object: 1 + len(lead.words)}
			v.operation = join(first, lead.words...)
			return s.finish(v)
		}
	}
	return verb{operation: first, object: 1}
}

// lead is a statement with one more keyword at i that belongs to its name.
func (s *statement) lead(i int, class Class, effects Effects, target bool) verb {
	v := verb{class: class, effects: effects, target: target, operation: s.word(0), object: i}
	if word := s.word(i); word != "" {
		v.operation = join(v.operation, word)
		v.object++
	}
	return s.finish(v)
}

// skip returns how many of the keywords from i on are among words.
func (s *statement) skip(i int, words ...string) int {
	n := 0
	for s.word(i+n) != "" && slices.Contains(words, s.word(i+n)) {
		n++
	}
	return n
}

// finish adds what the rest of a statement says.
func (s *statement) finish(v verb) verb {
	switch v.class {
	case Begin:
		for i := range s.items {
			if s.is(i, "READ", "ONLY") {
				v.effects |= ReadOnly
			}
			if s.is(i, "CONSISTENT", "SNAPSHOT") {
				v.effects |= Snapshot
			}
		}
	case Commit, Rollback:
		for i := range s.items {
			if s.is(i, "AND", "CHAIN") {
				v.effects |= Chain
			}
			if s.word(i) == "RELEASE" && s.word(i-1) != "NO" {
				v.effects |= Release
			}
		}
	case Write:
		v.effects |= s.effects(1)
		if s.word(0) == "LOAD" && s.skip(2, "LOW_PRIORITY", "CONCURRENT", "LOCAL") > 0 && s.before("LOCAL", "INFILE") {
			v.effects |= LocalInfile
		}
	case Read, Call, Execute, Compound, Handler, Prepare:
		v.effects |= s.effects(1)
	case Schema, Savepoint, XA, Show, Use, Deallocate, Lock, Unlock, Kill, Admin, Unknown, Set, Many:
	}
	return v
}

// before reports whether there is the keyword a, and b behind it.
func (s *statement) before(a, b string) bool {
	for i := range s.items {
		switch s.word(i) {
		case a:
			return true
		case b:
			return false
		}
	}
	return false
}

// join puts keywords together.
func join(first string, more ...string) string {
	for _, word := range more {
		first += " " + word
	}
	return first
}
