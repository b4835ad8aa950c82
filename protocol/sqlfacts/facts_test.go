package sqlfacts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// say writes facts as the tables below do.
func say(f Facts) string {
	if !f.Understood {
		if len(f.Tables)+len(f.Columns)+len(f.Functions) > 0 {
			return "facts that are not understood"
		}
		return "-"
	}
	var tables []string
	for _, t := range f.Tables {
		tables = append(tables, t.String())
	}
	return strings.Join(tables, " ") + " | " + strings.Join(f.Columns, " ") + " | " + strings.Join(f.Functions, " ")
}

func TestFactsOfBoth(t *testing.T) {
	tests := []struct {
		text string
		want string // tables | columns | functions; - where it is not understood
	}{
		{"SELECT c FROM sbtest1 WHERE id=1", "sbtest1 | c id | "},
		{"SELECT 1", " |  | "},
		{"SELECT * FROM t", "t | * | "},
		{"SELECT t.*, u.a FROM t, db.u", "t db.u | t.* u.a | "},
		{
			"SELECT o.id, c.name FROM orders AS o JOIN customers c ON c.id = o.customer_id",
			"customers orders | customers.id customers.name orders.customer_id orders.id | ",
		},
		{"SELECT O.id FROM orders o", "orders | orders.id | "},
		{"SELECT db.t.a FROM db.t", "db.t | db.t.a | "},
		{"SELECT x.a FROM t x WHERE EXISTS (SELECT 1 FROM u x WHERE x.a = 1)", "t u | x.a | "},
		{"SELECT x.a FROM (SELECT b AS a FROM t) x", "t | b x.a | "},
		{"SELECT * FROM t FOR UPDATE", "t | * | "},
		{"SELECT `a b`, `select` FROM `my table`", "my table | a b select | "},
		{"SELECT count(*), sum(a), NOW(), f(1), db.g(a), a + 1 FROM t", "t | a | COUNT F NOW SUM db.G"},
		{"SELECT count(*), COUNT(a), Count(b) FROM t", "t | a b | COUNT"},
		{"SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t", "t | a b | ROW_NUMBER"},
		{"SELECT CAST(a AS CHAR(10)), CONVERT(b, CHAR), CONVERT(c USING utf8mb4) FROM t", "t | a b c | CAST CONVERT"},
		{"SELECT DATE'2020-01-01', TIME'10:00:00', TIMESTAMP'2020-01-01 00:00:00'", " |  | "},
		{"SELECT @a, @@version, @b := 1", " |  | "},
		{"SELECT CHAR(65), IF(a, 1, 2), CASE a WHEN 1 THEN 2 END FROM t", "t | a | CHAR IF"},
		{"SELECT a FROM t UNION SELECT b FROM u", "t u | a b | "},
		{"(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY 1 LIMIT 5", "t u | a b | "},
		{"WITH x AS (SELECT a FROM t) SELECT * FROM x", "t | * a | "},
		{"WITH x AS (SELECT a FROM x) SELECT * FROM x", "x | * a | "},
		{"WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT n FROM x, y", "y | n | "},
		{"WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y, db.x", "db.x | * | "},
		{"SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) d, x", "x | * | "},
		{"INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')", "t | a b | "},
		{"INSERT INTO t SELECT a FROM u", "t u | a | "},
		{"INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE b = NOW()", "t | a b | NOW"},
		{"REPLACE INTO db.t SET a = UPPER('x')", "db.t | a | UPPER"},
		{"UPDATE t SET a = a + 1 WHERE b IN (1, 2, 3)", "t | a b | "},
		{"UPDATE t x JOIN u y ON x.a = y.a SET x.b = y.b", "t u | t.a t.b u.a u.b | "},
		{"DELETE FROM t WHERE a = 1", "t | a | "},
		{"DELETE x FROM t AS x JOIN u ON x.a = u.a", "t u | t.a u.a | "},
		{"CREATE TABLE t (a INT, b DECIMAL(10,2) DEFAULT 0 COMMENT 'x')", "t | a b | "},
		{"ALTER TABLE t ADD COLUMN c INT", "t | c | "},
		{"DROP TABLE t, db.u", "t db.u |  | "},
		{"TRUNCATE TABLE t", "t |  | "},
		{"CREATE VIEW v AS SELECT a FROM t", "t v | a | "},
		{"SHOW TABLES", " |  | "},
		{"EXPLAIN SELECT a FROM t", "t | a | "},
		{"BEGIN", " |  | "},
		{"SET autocommit = 1", " |  | "},
		{"CALL p(1)", " |  | P"},
		{"SELECT 1; SELECT a FROM t", "t | a | "},
		{"SELECT a FROM t; UPDATE u SET b = 1", "t u | a b | "},
		{"SELECT 1;", " |  | "},

		// Names that are keywords elsewhere keep their case.
		{"SELECT date, Name, status FROM events", "events | Name date status | "},
		{"SELECT a FROM `events`, Host", "Host events | a | "},

		// Comments
		{"SELECT /* FROM u */ a FROM t -- , v", "t | a | "},
		{"SELECT a # b\n FROM t", "t | a | "},
		{"SELECT a FROM t /* traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' */", "t | a | "},
		{"SELECT /*! a FROM */ t", "t | a | "},
		{"SELECT /*! a, */ b FROM t", "t | a b | "},
		{"SELECT /*!40001 SQL_NO_CACHE */ a FROM t", "t | a | "},
		{"SELECT /*+ MAX_EXECUTION_TIME(1000) */ a FROM t", "t | a | "},
		// What TiDB alone takes for code
		{"SELECT 1 /*T! FROM secret */", " |  | "},
		{"SELECT 1 /*T![ttl] FROM secret */", " |  | "},

		// Strings
		{`SELECT 'it\'s', "x", '/*' FROM t WHERE a = '*/'`, "t | a | "},
		{`SELECT a FROM t WHERE b = N'x' AND c = _latin1'y' AND d = x'41' AND e = b'1' AND f = 0x41`, "t | a b c d e f | "},
		{"SELECT '\xff\xfe' FROM t", "t |  | "},
		{"SELECT é FROM 表", "表 | é | "},

		// What is wrong
		{"", "-"},
		{"SELECT", "-"},
		{"SELECT 'a", "-"},
		{"SELECT a FROM t /*", "-"},
		{"nonsense", "-"},
		{"ADMIN CHECKSUM TABLE t", "-"}, // TiDB's own
		{"SPLIT TABLE t BETWEEN (0) AND (1) REGIONS 2", "-"},
		{"TRACE SELECT 1", "-"},
	}
	for _, tt := range tests {
		for _, mode := range []sqlscan.Mode{0, sqlscan.MariaDB} {
			if got := say(Parse(tt.text, mode)); got != tt.want {
				t.Errorf("%q in mode %d: %q, want %q", tt.text, mode, got, tt.want)
			}
		}
	}
}

func TestFactsOfOne(t *testing.T) {
	tests := []struct {
		text string
		mode sqlscan.Mode
		want string
	}{
		{"SELECT 1 /*M! , a FROM t */", sqlscan.MariaDB, "t | a | "},
		{"SELECT 1 /*M! , a FROM t */", 0, " |  | "},
		{"SELECT 1 /*M!100301 , a FROM t */", sqlscan.MariaDB, "t | a | "},
		{"SELECT 1 /*!100301 , a FROM t */", sqlscan.MariaDB, "t | a | "},
		{"SELECT 1 /*!50701 , a FROM t */", sqlscan.MariaDB, " |  | "},
		{"SELECT 1 /*!50701 , a FROM t */", 0, "t | a | "},

		{`SELECT "a" FROM "t"`, sqlscan.AnsiQuotes, "t | a | "},
		{"SELECT \"a\"\"b`c\" FROM t", sqlscan.AnsiQuotes, "t | a\"b`c | "},
		{`SELECT "a" FROM t`, 0, "t |  | "},
		{`SELECT 'a\' , b FROM t -- '`, sqlscan.NoBackslashEscapes, "t | b | "},
		{`SELECT 'a\' , b FROM t -- '`, 0, " |  | "},
		{"SELECT '\xd5\x5c', a FROM t", sqlscan.GBK, "t | a | "},
		{"SELECT '\x83\x5c', a FROM t", sqlscan.SJIS, "t | a | "},
		{"SELECT \xd5\x5c FROM t", sqlscan.GBK, "-"},

		{"SELECT a->'$.x' FROM t", 0, "t | a | JSON_EXTRACT"},
		{"VALUES ROW(1, 2)", 0, " |  | "},
		{"TABLE t", 0, "t | * | "},
		{"SELECT * FROM t, LATERAL (SELECT t.a) x", 0, "t | * t.a | "},
		{"SELECT a FROM t x FOR SHARE OF x", 0, "t | a | "},

		// What the parser does not know of MariaDB
		{"INSERT INTO t VALUES (1) RETURNING a", sqlscan.MariaDB, "-"},
		{"DELETE FROM t RETURNING a", sqlscan.MariaDB, "-"},
		{"SET STATEMENT max_statement_time = 1 FOR SELECT a FROM t", sqlscan.MariaDB, "-"},
		{"SELECT * FROM t FOR SYSTEM_TIME ALL", sqlscan.MariaDB, "-"},
		{"EXECUTE IMMEDIATE 'SELECT 1'", sqlscan.MariaDB, "-"},
		{"BEGIN NOT ATOMIC SELECT 1; END", sqlscan.MariaDB, "-"},
		{"HANDLER t OPEN", sqlscan.MariaDB, "-"},
		{"XA START 'x'", sqlscan.MariaDB, "-"},
		{"SELECT NEXT VALUE FOR s", sqlscan.MariaDB, "s |  | NEXTVAL"},
		{"CREATE SEQUENCE s", sqlscan.MariaDB, "s |  | "},
	}
	for _, tt := range tests {
		if got := say(Parse(tt.text, tt.mode)); got != tt.want {
			t.Errorf("%q in mode %d: %q, want %q", tt.text, tt.mode, got, tt.want)
		}
	}
}

// A text that is too long is known by its canonical text.
func TestLongTexts(t *testing.T) {
	row := ", (1, 'x', NULL)"
	short := "INSERT INTO t (a, b, c) VALUES (0, 'y', -1)"
	long := short + strings.Repeat(row, MaxText/len(row))
	if got, want := say(Parse(long, 0)), "t | a b c | "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := say(Parse("SELECT a"+strings.Repeat(", a", MaxText), 0)); got != "-" {
		t.Errorf("%.100q, want none", got)
	}
}

// What is nested deeply is parsed, or not, and ends nothing.
func TestDeepTexts(t *testing.T) {
	for _, part := range []string{"(", "NOT ", "-", "f(", "(SELECT ", "CASE WHEN "} {
		for _, text := range []string{
			"SELECT " + strings.Repeat(part, MaxText/len(part)-100) + "1",
			"SELECT " + strings.Repeat(part, 10000) + "1" + strings.Repeat(")", 10000*strings.Count(part, "(")),
		} {
			Parse(text, 0)
		}
	}
}

func TestFactsAreInOrder(t *testing.T) {
	f := Parse("SELECT z.b, z.a, a, b, a, g(1), f(1), F(2) FROM z, a.z, z AS c, b.a, a", 0)
	want := Facts{
		Understood: true, Tables: []Table{{"", "a"}, {"", "z"}, {"a", "z"}, {"b", "a"}},
		Columns: []string{"a", "b", "z.a", "z.b"}, Functions: []string{"F", "G"},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"SELECT c FROM t WHERE id=1", "SELECT /*! a, */ b FROM t", "SELECT 1 /*M! , a FROM t */", `SELECT "a""b", 'c\'`,
		"WITH x AS (SELECT 1) SELECT * FROM x FOR UPDATE OF x", "INSERT INTO t VALUES (1),(2) ON DUPLICATE KEY UPDATE a=1",
		"DELETE x FROM t AS x", "CREATE TABLE t (a INT)", "SELECT 1; SELECT 2", "SELECT ?, ... FROM t WHERE a IN (...)",
		"SELECT @`a`, @'b', @c@d, @@e.f", "\xd5\x5c\x60", "SELECT a FROM t /*+ x",
	} {
		for mode := range sqlscan.Mode(32) {
			f.Add(text, uint8(mode))
		}
	}
	f.Fuzz(func(t *testing.T, text string, bits uint8) {
		mode := sqlscan.Mode(bits & 31)
		facts := Parse(text, mode)
		say(facts)
		if again := Parse(text, mode); !cmp.Equal(facts, again) {
			t.Errorf("%q: %v, then %v", text, facts, again)
		}
	})
}
