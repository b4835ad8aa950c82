package sqlscan

// A splitter finds out which semicolons end a statement: those in a stored program's body do not.
type splitter struct {
	tokens  int    // of the statement so far
	first   string // its first keyword
	body    bool   // it may be, or has, a compound statement
	depth   int    // of BEGIN, CASE, IF and loops
	last    string // keyword, "" if the last token was none
	symbol  symbol // the last
	started int    // statements

	declares bool // it began with DECLARE, and its BEGIN is yet to come
	loops    bool // there was a FOR that begins a loop if a name follows
}

// next takes the next token, and reports whether it ends a statement.
func (p *splitter) next(s symbol, word string) (ends bool) {
	if s == ';' && p.depth == 0 {
		*p = splitter{started: p.started}
		return true
	}
	if p.tokens == 0 {
		p.started++
		p.first = word
	}
	switch {
	case p.body:
		p.block(s, word)
	case p.tokens == 1 && p.first == "BEGIN" && word != "WORK": // BEGIN NOT ATOMIC, and Oracle's BEGIN
		p.body = true
		p.depth++
	case p.tokens == 1 && s == ':':
		p.body = true // a label
	case word != "" && p.mayHaveBody(word):
		p.body = true
		p.block(s, word)
	}
	p.tokens++
	p.last, p.symbol = word, s
	return false
}

// mayHaveBody reports whether a keyword makes the statement one that may have statements in it.
func (p *splitter) mayHaveBody(word string) bool {
	switch word {
	case "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE":
		return p.first == "CREATE" || p.first == "ALTER"
	case "CASE", "IF", "LOOP", "WHILE", "REPEAT", "FOR":
		return p.tokens == 0
	case "DECLARE":
		if p.tokens == 0 {
			p.depth++
			p.declares = true
			return true
		}
	}
	return false
}

// block counts what has an END.
func (p *splitter) block(s symbol, word string) {
	if s == symName && p.loops {
		p.depth++
	}
	p.loops = false
	if s != symKeyword || p.last == "END" || p.last == "XA" {
		return
	}
	switch word {
	case "BEGIN":
		if !p.declares {
			p.depth++
		}
		p.declares = false
	case "CASE":
		p.depth++
	case "LOOP", "WHILE", "REPEAT", "IF":
		if p.atStatement() || p.afterHeader() {
			p.depth++
		}
	case "FOR":
		switch {
		case p.atStatement():
			p.depth++
		case p.afterHeader():
			p.loops = true
		}
	case "END":
		p.depth = max(p.depth-1, 0)
	}
}

// atStatement reports whether a statement begins after the last token.
func (p *splitter) atStatement() bool {
	switch p.last {
	case "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ATOMIC":
		return true
	}
	return p.symbol == ';' || p.symbol == ':' || p.tokens == 0
}

// afterHeader reports whether the last token may be the end of what a body, or the action of a handler, follows.
func (p *splitter) afterHeader() bool {
	switch p.last {
	case "ROW", "FOUND", "SQLEXCEPTION", "SQLWARNING", "DETERMINISTIC", "SQL", "DATA", "INVOKER", "DEFINER":
		return true
	}
	return p.symbol == ')' || p.symbol == symText
}

// count returns the number of statements in a canonical text.
func count(canonical []byte, mode Mode) int {
	var l lexer
	l.reset(canonical, mode)
	var p splitter
	for {
		s := l.next()
		if s == symEnd {
			return p.started
		}
		word := ""
		if s == symKeyword {
			word = l.words.all[l.word-1].text
		}
		p.next(s, word)
	}
}

// Split returns the texts of the statements in a text, which they are parts of.
func Split(text []byte, mode Mode) (all [][]byte) {
	for _, s := range split(text, mode) {
		all = append(all, text[s.items[0].start:s.items[len(s.items)-1].end])
	}
	return all
}

// split returns the statements of a text.
func split(text []byte, mode Mode) (all []*statement) {
	tokens, _ := items(text, mode)
	var p splitter
	begin := 0
	for i, it := range tokens {
		if p.next(it.symbol, it.word) {
			if i > begin {
				all = append(all, &statement{text: text, mode: mode, items: tokens[begin:i]})
			}
			begin = i + 1
		}
	}
	if begin < len(tokens) {
		all = append(all, &statement{text: text, mode: mode, items: tokens[begin:]})
	}
	return all
}
