package sqlscan

import (
	"encoding/binary"
	"strings"
)

// A keyword is one spelling of a keyword.
type keyword struct {
	text        string // in upper case; of the spellings that mean the same, the one canonical texts have
	spelling    string // in upper case
	first, last uint64 // see ends
	traits      traits
}

// traits are what matters of a token to the tokens after it.
type traits uint16

const (
	startsExpr   traits = 1 << iota // the servers take a sign after it for part of the number: -1 becomes ?
	literalNull                     // NULL after it is a literal
	onlyFunction                    // a keyword only before a parenthesis
	isIn                            // IN
	isNull                          // NULL
	isNot                           // NOT
	hintable                        // an optimizer hint may follow
	introducer                      // _utf8mb4: not a keyword, but no name either
	tight                           // no space after it
	glued                           // a parenthesis follows it without a space
	named                           // a name or a literal
	anyKeyword                      // a keyword
	isBy                            // BY
	beforeBy                        // ORDER, GROUP, PARTITION
	operates                        // an operator
	rollup                          // ROLLUP, CUBE
)

// maxKeyword is the length of the longest keyword there may be.
const maxKeyword = 40

// words is a table of keywords by their spelling.
type words struct {
	slots [4096]uint16 // 1 + index into all, 0 for none
	all   []keyword
}

// What only some tokens may stand before, by the servers' own lists: MariaDB knows fewer than MySQL.
const (
	beforeSigned = `AND AT BETWEEN CASE DEFAULT DIV ELSEIF ENDS EVERY IF INTERVAL LIKE MOD NOT OR REGEXP RETURN SELECT
STARTS UNTIL WHEN WHILE XOR`
	beforeSignedInMySQL = `ELSE THEN`
	beforeNull          = `ALL AND AT BEFORE BETWEEN BINARY BY CASE CONNECTION DEFAULT DISTINCT DIV DO ELSE ELSEIF
ENDS ESCAPE EVERY FOR FROM HARD HAVING HIGH_PRIORITY IF IMMEDIATE IN INTERVAL KILL LIKE MOD NOT OF ON OR QUERY RANGE
REGEXP RETURN RETURNING ROWS SELECT SOFT SQL_BIG_RESULT SQL_BUFFER_RESULT SQL_CACHE SQL_CALC_FOUND_ROWS SQL_NO_CACHE
SQL_SMALL_RESULT STARTS STRAIGHT_JOIN THEN UNTIL USING WHEN WHERE WHILE XOR`
	operators  = `AND BETWEEN COLLATE DIV IN IS LIKE MEMBER MOD NOT OR REGEXP SOUNDS XOR`
	beforeHint = `DELETE INSERT REPLACE SELECT UPDATE`
)

// newWords makes a table of lists of keywords, each as described at keywordsOfBoth.
func newWords(signed string, lists ...string) *words {
	w := &words{}
	for entry := range strings.FieldsSeq(strings.Join(lists, " ")) {
		w.add(entry, anyKeyword)
	}
	for name := range strings.FieldsSeq(charsetNames) {
		w.add("_"+name+"=_charset", introducer)
	}
	w.add("_CHARSET=_charset", introducer) // what canonical texts have
	for i := range w.all {
		if k := &w.all[i]; k.text != k.spelling && k.traits&onlyFunction != 0 {
			k.traits &^= glued
			k.traits |= w.all[w.find(k.text)-1].traits & glued
		}
	}
	w.mark(startsExpr, signed)
	w.mark(literalNull, beforeNull)
	w.mark(hintable, beforeHint)
	w.mark(operates, operators)
	w.mark(beforeBy, "ORDER GROUP PARTITION")
	w.mark(isBy, "BY")
	w.mark(rollup, "ROLLUP CUBE")
	w.mark(isIn, "IN")
	w.mark(isNull, "NULL")
	w.mark(isNot, "NOT")
	return w
}

// add adds a word: "A", "A=B", "A(" or "A=B(".
func (w *words) add(entry string, t traits) {
	entry, function := strings.CutSuffix(entry, "(")
	if function {
		t |= onlyFunction | glued
	}
	spelling, text, alias := strings.Cut(entry, "=")
	if !alias {
		text = spelling
	}
	first, last := ends([]byte(spelling), 0, len(spelling))
	w.all = append(w.all, keyword{text: text, spelling: spelling, first: first, last: last, traits: t})
	h := hashWord(first, last, len(spelling))
	for w.slots[h] != 0 {
		h = (h + 1) % uint64(len(w.slots))
	}
	w.slots[h] = uint16(len(w.all))
}

// mark gives a trait to all spellings of some keywords.
func (w *words) mark(t traits, texts string) {
	for text := range strings.FieldsSeq(texts) {
		for i := range w.all {
			if w.all[i].text == text {
				w.all[i].traits |= t
			}
		}
	}
}

// find is lookup for a whole text.
func (w *words) find(text string) int { return w.lookup([]byte(text), 0, len(text)) }

// lookup returns 1 + the index of the keyword that is text[start:end], in whatever case, 0 if it is none.
func (w *words) lookup(text []byte, start, end int) int {
	n := end - start
	if n < 2 || n > maxKeyword {
		return 0
	}
	first, last := ends(text, start, end)
	for h := hashWord(first, last, n); ; h = (h + 1) % uint64(len(w.slots)) {
		i := int(w.slots[h])
		if i == 0 {
			return 0
		}
		k := &w.all[i-1]
		if k.first == first && k.last == last && len(k.spelling) == n && (n <= 16 || k.is(text[start:end])) {
			return i
		}
	}
}

// is reports whether word, of the same length, is k but for its case.
func (k *keyword) is(word []byte) bool {
	for i, b := range word {
		if b&^0x20 != k.spelling[i]&^0x20 {
			return false
		}
	}
	return true
}

// lower is the bit that tells an upper from a lower case letter, in each of eight bytes. Clearing it keeps apart all
// bytes that an unquoted name of ASCII may have.
const lower = 0x2020202020202020

// ends returns the first and the last eight bytes of text[start:end], in upper case; the second is 0 for short ones.
func ends(text []byte, start, end int) (first, last uint64) {
	n := end - start
	if n >= 8 {
		return binary.LittleEndian.Uint64(text[start:]) &^ lower, binary.LittleEndian.Uint64(text[end-8:]) &^ lower
	}
	if start+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[start:]) &^ lower & (1<<(8*uint(n)) - 1), 0
	}
	for i := end - 1; i >= start; i-- {
		first = first<<8 | uint64(text[i]&^0x20)
	}
	return first, 0
}

func hashWord(first, last uint64, n int) uint64 {
	h := (first ^ last*0x9e3779b97f4a7c15 ^ uint64(n)) * 0xff51afd7ed558ccd
	return h >> 52
}

var (
	mysqlWords   = newWords(beforeSigned+" "+beforeSignedInMySQL, keywordsOfBoth, keywordsOfMySQL)
	mariadbWords = newWords(beforeSigned, keywordsOfBoth, keywordsOfMariaDB)
	hintTable    = newHints()
)

// newHints makes the table of the words of optimizer hints.
func newHints() *words {
	w := &words{}
	for word := range strings.FieldsSeq(hintWords) {
		w.add(word, anyKeyword|glued)
	}
	return w
}

// keywords returns the table for a mode.
func keywords(m Mode) *words {
	if m&MariaDB != 0 {
		return mariadbWords
	}
	return mysqlWords
}
