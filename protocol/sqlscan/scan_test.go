package sqlscan

import (
	"bytes"
	"strings"
	"testing"
)

// scanTests are texts and what is canonical for them. A test of each also scans the canonical text.
var scanTests = []struct {
	text      string
	mode      Mode
	canonical string
	flags     Flags
}{
	// Literals.
	{text: "SELECT c FROM sbtest1 WHERE id=12345", canonical: "SELECT c FROM sbtest1 WHERE id = ?"},
	{text: "select 'it''s', \"a\"\"b\", 'a\\'b'", canonical: "SELECT ?, ..."},
	{text: "SELECT 'a' 'b', \"a\"'b'", canonical: "SELECT ? ?, ... ?"},
	{text: "SELECT 'a\\', b", canonical: "SELECT ?", flags: Incomplete},
	{text: "SELECT 'a\\', b", mode: NoBackslashEscapes, canonical: "SELECT ?, b"},
	{text: "SELECT '\\'' AS a", canonical: "SELECT ? AS a"},
	{text: "SELECT '\\\\' AS a", canonical: "SELECT ? AS a"},
	{text: "SELECT N'a' x, n'' y, n b", canonical: "SELECT ? x, ? y, n b"},
	{text: "SELECT _utf8mb4'a' x, _LATIN1 'b' y, _nocharset z", canonical: "SELECT _charset ? x, _charset ? y, _nocharset z"},
	{text: "SELECT x'41' a, X'4a' b, b'01' c, B'1' d, x y", canonical: "SELECT ? a, ? b, ? c, ? d, x y"},
	{text: "SELECT 0x1F a, 0b01 b, 0X1F c, 0b2 d, 0x e", canonical: "SELECT ? a, ? b, `0X1F` c, `0b2` d, `0x` e"},
	{text: "SELECT 1 a, 1.5 b, .5 c, 1. d, 1e8 e, 1.e5 f, 1E-3 g", canonical: "SELECT ? a, ? b, ? c, ? d, ? e, ? f, ? g"},
	{text: "SELECT 1a, `1e`, 1e, 1e+, t.1a, t.5", canonical: "SELECT `1a`, `1e`, `1e`, `1e` +, t.`1a`, t.`5`"},
	{text: "SELECT NULL, a IS NULL, a IS NOT NULL, NOT NULL, a = NULL", canonical: "SELECT ?, a IS NULL, a IS NOT NULL, NOT ?, a = ?"},
	{text: "CREATE TABLE t (a INT NOT NULL DEFAULT -1, b INT NULL)", canonical: "CREATE TABLE t(a INT NOT NULL DEFAULT ?, b INT NULL)"},
	{text: "SELECT JSON_ARRAYAGG(a NULL ON NULL), a IS NULL AND NULL", canonical: "SELECT JSON_ARRAYAGG(a NULL ON NULL), a IS NULL AND ?"},
	{text: "SELECT TRUE, FALSE", canonical: "SELECT TRUE, FALSE"},
	{text: `SELECT \N`, mode: MariaDB, canonical: "SELECT ?"},
	{text: "SELECT $$it's$$, $tag$ $$ ' $tag$, $x", canonical: "SELECT ?, ..., `$x`", flags: Doubtful},
	{text: "SELECT $$x$$", mode: MariaDB, canonical: "SELECT `$$x$$`"},
	{text: "SELECT ?, ?", canonical: "SELECT ?, ..."},
	{text: "SELECT a FROM t WHERE b = :name AND c = :1", mode: MariaDB, canonical: "SELECT a FROM t WHERE b = ? AND c = ?"},

	// Signs.
	{text: "SELECT -1 a, - + - 2 b, a-1, a - -1, -a, -'1'", canonical: "SELECT ? a, ? b, a - ?, a - ?, - a, - ?"},
	{text: "SELECT * FROM t WHERE a = -1 AND b < +2", canonical: "SELECT * FROM t WHERE a = ? AND b < ?"},
	{text: "SELECT * FROM t WHERE a = -1 AND b < +2", mode: MariaDB, canonical: "SELECT * FROM t WHERE a = - ? AND b < + ?"},
	{text: "SELECT 5--1", canonical: "SELECT ? - ?"},

	// Lists.
	{text: "SELECT * FROM t WHERE a IN (1)", canonical: "SELECT * FROM t WHERE a IN (...)"},
	{text: "SELECT * FROM t WHERE a IN (1,2,3)", canonical: "SELECT * FROM t WHERE a IN (...)"},
	{text: "SELECT * FROM t WHERE a IN (1)", mode: MariaDB, canonical: "SELECT * FROM t WHERE a IN (?)"},
	{text: "SELECT * FROM t WHERE a IN (1,2,3)", mode: MariaDB, canonical: "SELECT * FROM t WHERE a IN (...)"},
	{text: "SELECT * FROM t WHERE a IN (1,b,2)", canonical: "SELECT * FROM t WHERE a IN (?, b, ?)"},
	{text: "INSERT INTO t VALUES (1), (2), (3)", canonical: "INSERT INTO t VALUES (?), ..."},
	{text: "INSERT INTO t VALUES (1,'a'),(2,NULL),(3,x'41')", canonical: "INSERT INTO t VALUES (...), ..."},
	{text: "INSERT INTO t VALUES (1,2), (3), (4)", canonical: "INSERT INTO t VALUES (...), (?), ..."},
	{text: "INSERT INTO t VALUES (1, now()), (2, now())", canonical: "INSERT INTO t VALUES (?, CURRENT_TIMESTAMP ()), (?, CURRENT_TIMESTAMP ())"},
	{text: "SELECT (1), 2, 3, f(1), g(1, 2)", canonical: "SELECT (?), ?, ..., f(?), g(...)"},
	{text: "SELECT * FROM t LIMIT 10, 20", canonical: "SELECT * FROM t LIMIT ?, ..."},
	{text: "SELECT * FROM t ORDER BY 1, 2 DESC, 'x', b + 1 LIMIT 3", canonical: "SELECT * FROM t ORDER BY 1, 2 DESC, ?, b + ? LIMIT ?"},
	{text: "SELECT * FROM t ORDER BY 1 + 2, f(3), 4", canonical: "SELECT * FROM t ORDER BY ? + ?, f(?), 4"},
	{text: "SELECT * FROM t ORDER BY 1, 2", mode: MariaDB, canonical: "SELECT * FROM t ORDER BY ?, ..."},

	// Names.
	{text: "SELECT `a`, a, `a b`, `a``b`, `select`, `1`, ``, `$a`, `é`, é FROM `t`", canonical: "SELECT a, a, `a b`, `a``b`, `select`, `1`, ``, `$a`, é, é FROM t"},
	{text: `SELECT "a", 'b', "c""d" FROM t`, mode: AnsiQuotes, canonical: "SELECT a, ?, `c\"d` FROM t"},
	{text: "SELECT t.select, select.t, t.`a`, t . b, t. c FROM t", canonical: "SELECT t.`select`, `select`.t, t.a, t.b, t.c FROM t"},
	{text: "SELECT status, `status`, Status FROM t", canonical: "SELECT STATUS, `status`, STATUS FROM t"},
	{text: "SELECT ID FROM t", canonical: "SELECT ID FROM t"},
	{text: "SELECT id FROM t", mode: MariaDB, canonical: "SELECT ID FROM t"},
	{text: "SELECT Concat(a), CONCAT (a)", canonical: "SELECT Concat(a), CONCAT(a)"},
	{text: "SELECT count(*), Count (*), count FROM t", canonical: "SELECT COUNT(*), `Count`(*), `count` FROM t"},
	{text: "SELECT substr(a, 1), mid(a, 1), SOME, integer", canonical: "SELECT SUBSTRING(a, ?), SUBSTRING(a, ?), ANY, INT"},
	{text: "SELECT @a, @`a b`, @'c', @@x, @@global.y, @@`z`, @A.b$", canonical: "SELECT @?, @`a b`, @?, @@x, @@GLOBAL.y, @@z, @?"},
	{text: "SELECT @, @ a, @@ b", canonical: "SELECT @?, @? a, @@ b"},
	{text: "CREATE USER 'a'@'b', c@d, e@`f`", canonical: "CREATE USER ?@?, c@?, e@`f`"},
	{text: "SELECT \xd5\x5c FROM t", mode: GBK, canonical: "SELECT \xd5\x5c FROM t"},
	{text: "SELECT '\xd5\x5c' FROM t", mode: GBK, canonical: "SELECT ? FROM t"},
	{text: "SELECT '\x95\x5c' FROM t", mode: SJIS, canonical: "SELECT ? FROM t"},
	{text: "SELECT '\x95\x5c' FROM t", canonical: "SELECT ?", flags: Incomplete},
	{text: "SELECT `\xb0\x60` FROM t", mode: GBK, canonical: "SELECT \xb0\x60 FROM t"},
	{text: "SELECT `a\xd5", mode: GBK, canonical: "SELECT a\xff", flags: Incomplete},

	// Operators.
	{text: "SELECT a<>b,a!=b,a<=>b,a<=b,a>=b,a<<b,a>>b,a&&b,a||b,a:=b,!a,~a,a|b,a&b,a^b,a%b", canonical: "SELECT a <> b, a <> b, a <=> b, a <= b, a >= b, a << b, a >> b, a && b, a || b, a := b, ! a, ~ a, a | b, a & b, a ^ b, a % b"},
	{text: "SELECT a->'$.x', a->>'$.y'", canonical: "SELECT a -> ?, a ->> ?"},
	{text: "SELECT {d '2001-01-01'}", canonical: "SELECT { d ? }"},

	// Comments.
	{text: "/* a */ SELECT /**/ 1 -- b\n, # c\n a --\n,b--", canonical: "SELECT ?, a, b"},
	{text: "SELECT 1--a", canonical: "SELECT ? - - a"},
	{text: "SELECT 1 -- a\r\n, b", canonical: "SELECT ?, b"},
	{text: "SELECT 1 /*", canonical: "SELECT ?", flags: Incomplete},
	{text: "SELECT '/*' a, \"--\" b, `#` c", canonical: "SELECT ? a, ? b, `#` c"},
	{text: "SELECT /*! a, */ b /*!50000, c*/ /*!080000 , d */", canonical: "SELECT a, b, c, d", flags: Executable | Doubtful},
	{text: "SELECT /*! a, /* no */ b */", canonical: "SELECT a, b", flags: Executable},
	{text: "SELECT /*!1 a */", canonical: "SELECT ? a", flags: Executable},
	{text: "SELECT a /*! , b", canonical: "SELECT a, b", flags: Executable | Incomplete},
	{text: "SELECT a /*M! , b */", canonical: "SELECT a"},
	{text: "SELECT a /*M! , b */ /*M!100301 , c */", mode: MariaDB, canonical: "SELECT a, b, c", flags: Executable},
	{text: "SELECT a /*!50701 , b /* c */ */ /*!50700 , d */ /*!50699 , e */", mode: MariaDB, canonical: "SELECT a, e", flags: Executable},
	{text: "SELECT a /*!80000 , b */ /*M!80000 , c */", mode: MariaDB, canonical: "SELECT a, c", flags: Executable},
	{text: "SELECT /*+ bka(t1@`q`, t2) MAX_EXECUTION_TIME(1000) set_var(a=16M) */ 1", canonical: "SELECT /*+ BKA(t1@`q`, t2) MAX_EXECUTION_TIME(?) SET_VAR(a = ?) */ ?"},
	{text: "SELECT /*+ */ 1, /*+ BKA(t) */ 2", canonical: "SELECT ?, ..."},
	{text: "SELECT /*+ BKA(t) */ 1", mode: MariaDB, canonical: "SELECT ?"},
	{text: "SELECT /*+ QB_NAME('\\') */ 1 INTO OUTFILE 'x' /* ') */", canonical: "SELECT /*+ QB_NAME(?) */ ? INTO OUTFILE ?"},
	{text: "SELECT /*+ QB_NAME('a*/ b, 'c'", canonical: "SELECT /*+ QB_NAME(? */ b, ?"},
	{text: "SELECT /*+ QB_NAME(`a`` */ b", canonical: "SELECT /*+ QB_NAME(`a`` ` */ b"},
	{text: "SELECT /*+ BKA(t", canonical: "SELECT /*+ BKA(t", flags: Incomplete},

	// Character sets.
	{text: "SELECT\xa01\xa0INTO\xa0@x --\xa0'\n, `a\xa0b`, c\xa0", mode: Latin, canonical: "SELECT ? INTO @?, `a\xa0b`, c"},
	{text: "SELECT\xa01", canonical: "SELECT\xa01"},
	{text: "SELECT a.\xa0b, 5\xa0c, @\xa0, 0x41\xa0, _latin1\xa0'a'", mode: Latin | MariaDB, canonical: "SELECT a.b, ? c, @?, ..., _charset ?"},
	{text: "SELECT\xff1\xffINTO\xffOUTFILE 'x', \xa0", mode: DOS, canonical: "SELECT ? INTO OUTFILE ?, \xa0"},
	{text: "SELECT '\x81\\' b'", mode: Big5, canonical: "SELECT ?"},
	{text: "SELECT '\xa1\\' b", mode: Big5, canonical: "SELECT ? b"},
	{text: "SELECT '\x81\\' b", mode: GBK, canonical: "SELECT ? b"},

	// Hints to the proxy.
	{text: "SELECT 1 -- weir route to primary", canonical: "SELECT ?", flags: Hinted},
	{text: "SELECT 1 # MaxScale x", canonical: "SELECT ?", flags: Hinted},
	{text: "/* weir a=b */ SELECT 1", canonical: "SELECT ?", flags: Hinted},
	{text: "/* weird */ SELECT 1 -- ma", canonical: "SELECT ?"},

	// Several statements.
	{text: "SELECT 1;", canonical: "SELECT ?"},
	{text: ";; SELECT 1 ;; ;SELECT 2; ", canonical: "SELECT ?; SELECT ?", flags: Multi},
	{text: "CREATE PROCEDURE p() BEGIN SELECT 1; IF a THEN SELECT CASE b WHEN 1 THEN 2 END; END IF; END;", canonical: "CREATE PROCEDURE p() BEGIN SELECT ?; IF a THEN SELECT CASE b WHEN ? THEN ? END; END IF; END"},
	{text: "CREATE PROCEDURE p() SELECT 1; SELECT 2", canonical: "CREATE PROCEDURE p() SELECT ?; SELECT ?", flags: Multi},
	{text: "BEGIN NOT ATOMIC WHILE 1 DO SELECT 1; END WHILE; END; SELECT 2", mode: MariaDB, canonical: "BEGIN NOT ATOMIC WHILE ? DO SELECT ?; END WHILE; END; SELECT ?", flags: Multi},
	{text: "BEGIN; SELECT 1; END", canonical: "BEGIN; SELECT ?; END", flags: Multi},

	// What no server takes.
	{text: "", canonical: ""},
	{text: " ; ", canonical: ""},
	{text: "\x00 \x01 \x7f \\ ' ", canonical: "\x00 \x01 \x7f \\ ?", flags: Incomplete},
	{text: "SELECT `a", canonical: "SELECT a", flags: Incomplete},
	{text: "SELECT \"a", mode: AnsiQuotes, canonical: "SELECT a", flags: Incomplete},
	{text: "SELECT $$a", canonical: "SELECT ?", flags: Incomplete | Doubtful},
	{text: ") ) ( ... . .. ....", canonical: ")) (?, .... . .?, ...."},
}

func TestScan(t *testing.T) {
	var s Scanner
	for _, c := range scanTests {
		canonical, digest, flags := s.Scan([]byte(c.text), c.mode)
		if string(canonical) != c.canonical || flags != c.flags {
			t.Errorf("Scan(%q, %b)\n = %q, %b\nwant %q, %b", c.text, c.mode, canonical, flags, c.canonical, c.flags)
		}
		again, digestAgain, _ := s.Scan(bytes.Clone(canonical), c.mode)
		if string(again) != c.canonical || digest != digestAgain {
			t.Errorf("%q\nis %q of itself", c.canonical, again)
		}
	}
}

// White space and comments change nothing.
func TestScanIgnoresSpace(t *testing.T) {
	var a, b Scanner
	one, digest, _ := a.Scan([]byte("SELECT a,b FROM t WHERE(c=1)AND d IN(2,3)ORDER BY e"), 0)
	for _, text := range []string{
		"select a , b\nfrom\tt where ( c = 1 ) and d in ( 2 , 3 ) order by e",
		"SELECT/**/a,/* x */b -- y\nFROM t # z\n WHERE (c=1) AND d IN (2,/* */3) ORDER BY e;",
	} {
		if other, otherDigest, _ := b.Scan([]byte(text), 0); otherDigest != digest {
			t.Errorf("%q and %q differ", one, other)
		}
	}
}

// Digests are logged, and compared between versions: they never change.
func TestDigestsStay(t *testing.T) {
	var s Scanner
	for text, want := range map[string]uint64{
		"":                                     0x6e0ddcdb3a046693,
		"SELECT 1":                             0xe6f8e4c20b398d80,
		"SELECT c FROM sbtest1 WHERE id=12345": 0x31110cbe83563dfe,
		"INSERT INTO t (a, b, c) VALUES (1, 2, 3), (4, 5, 6)":       0xe16f2278f754938f,
		"UPDATE a SET b = b + 1 WHERE c = 'x' AND d LIKE 'y%' OR e": 0xcf555ebf4edc15e7,
	} {
		if _, digest, _ := s.Scan([]byte(text), 0); digest != want {
			t.Errorf("the digest of %q is %#x, was %#x", text, digest, want)
		}
	}
}

// A scanner forgets the last text, and does not lend its buffer out twice.
func TestScannerIsReusable(t *testing.T) {
	var s Scanner
	long, _, _ := s.Scan([]byte("SELECT "+strings.Repeat("a, ", 1000)+"'b"), 0)
	if len(long) != 3008 {
		t.Errorf("%d bytes", len(long))
	}
	if short, _, flags := s.Scan([]byte("SELECT 1"), 0); string(short) != "SELECT ?" || flags != 0 {
		t.Errorf("%q, %b", short, flags)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	var s Scanner
	for _, text := range benchTexts() {
		s.Scan(text, 0)
		if n := testing.AllocsPerRun(100, func() { s.Scan(text, 0) }); n != 0 {
			t.Errorf("%v allocations for %.60q", n, text)
		}
	}
	text := []byte("SELECT 1; CREATE PROCEDURE p() BEGIN SELECT 1; END /* weir x */")
	if n := testing.AllocsPerRun(100, func() { s.Scan(text, 0) }); n != 0 {
		t.Errorf("%v allocations for %q", n, text)
	}
}
