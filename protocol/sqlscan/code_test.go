package sqlscan

import (
	"slices"
	"testing"
)

func TestCode(t *testing.T) {
	tests := []struct {
		text string
		mode Mode
		want string
	}{
		{"SELECT a FROM t", 0, "SELECT a FROM t"},
		{"  SELECT\n\ta , b\r\nFROM t  ", 0, "SELECT a , b FROM t"},
		{"SELECT /* x */ a -- y\nFROM t # z", 0, "SELECT a FROM t"},
		{"SELECT a/**/FROM/**/t", 0, "SELECT a FROM t"},
		{"/* x */ SELECT 1", 0, "SELECT 1"},
		{"SELECT /*! a */ FROM t", 0, "SELECT a FROM t"},
		{"SELECT /*!50701 a, */ b FROM t", 0, "SELECT a, b FROM t"},
		{"SELECT /*!50701 a, */ b FROM t", MariaDB, "SELECT b FROM t"},
		{"SELECT /*M! a, */ b FROM t", MariaDB, "SELECT a, b FROM t"},
		{"SELECT /*M! a, */ b FROM t", 0, "SELECT b FROM t"},
		{"SELECT /*T! a, */ b FROM t", 0, "SELECT b FROM t"},
		{"SELECT /*+ NO_ICP(t) */ a FROM t", 0, "SELECT a FROM t"},
		{"SELECT /*+ NO_ICP(t", 0, "SELECT"},
		{`SELECT 'it''s', "a\"b", 'c'`, 0, "SELECT '', '', ''"},
		{`SELECT 'a\', 'b'`, NoBackslashEscapes, "SELECT '', ''"},
		{"SELECT '\xd5\x5c', 'b'", GBK, "SELECT '', ''"},
		{"SELECT N'a', n'b', x'41', X'42', b'1', _utf8mb4'c', _latin1 'd'", 0, "SELECT '', '', '', '', '', '', ''"},
		{"SELECT 1, -2, 1e8, .5, 0x41, 0b1", 0, "SELECT 1, -2, 1e8, .5, 0x41, 0b1"},
		{"SELECT DATE'2020-01-01'", 0, "SELECT DATE ''"},
		{"SELECT `a``b`, \"c\"", 0, "SELECT `a``b`, ''"},
		{"SELECT `a``b`, \"c\", \"d\"\"e`f\"", AnsiQuotes, "SELECT `a``b`, `c`, `d\"e``f`"},
		{`SELECT \N`, MariaDB, "SELECT NULL"},
		{"SELECT @a, @`b`, @'c', @@d, @@global.e, f@g", 0, "SELECT @a, @`b`, @'', @@d, @@global.e, f@g"},
		{"SELECT count(*), count (*)", 0, "SELECT count(*), count (*)"},
		{"SELECT 1---- x", 0, "SELECT 1- -"},
		{`SELECT "a"'b'`, 0, "SELECT '' ''"},
		{"SELECT `a`\"b\"", AnsiQuotes, "SELECT `a` `b`"},
		{"SELECT 1; SELECT 2;", 0, "SELECT 1; SELECT 2;"},
		{"SELECT ? FROM t WHERE a IN (?)", 0, "SELECT ? FROM t WHERE a IN (?)"},
		// Canonical texts
		{"SELECT ?, ... FROM t", 0, "SELECT ? FROM t"},
		{"INSERT INTO t VALUES (...), ...", 0, "INSERT INTO t VALUES (?)"},
		{"INSERT INTO t VALUES (?), ...", 0, "INSERT INTO t VALUES (?)"},
		{"SELECT _charset ?", 0, "SELECT ?"},
		{"", 0, ""},
	}
	for _, tt := range tests {
		if got, _ := Code(nil, []byte(tt.text), tt.mode); string(got) != tt.want {
			t.Errorf("%q in mode %d: %q, want %q", tt.text, tt.mode, got, tt.want)
		}
	}
}

func FuzzCode(f *testing.F) {
	for _, text := range []string{
		"SELECT /*! a */ 'b', \"c\"\"d\" FROM `e` -- f", "SELECT /*+ NO_ICP(t) */ @`a`, @'b' /*M! ,1 */", "SELECT ?, ...",
		"SELECT 'a", "/*", "SELECT $a$b$a$", "SELECT _utf8mb4 x'41', \\N", "\xd5\x5c`\xd5`",
	} {
		for mode := range Mode(32) {
			f.Add([]byte(text), uint8(mode))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		mode := Mode(bits & 31)
		prefix := []byte("x")
		code, flags := Code(prefix, text, mode)
		if code[0] != 'x' {
			t.Fatalf("%q: what was there is not there", text)
		}
		if flags&Incomplete != 0 {
			return
		}
		if mode&(SJIS|GBK) != 0 && slices.ContainsFunc(text, func(b byte) bool { return b >= 0x80 }) {
			return // before a back-tick, half a character becomes a whole one
		}
		again, _ := Code(nil, code[1:], mode)
		if string(again) != string(code[1:]) {
			t.Errorf("%q: the code is %q, and its code %q", text, code[1:], again)
		}
	})
}
