package sqlscan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAssignments(t *testing.T) {
	for text, want := range map[string][]Assignment{
		"SET a=1, @b:=2, @@session.c=DEFAULT, GLOBAL d=3;": {
			{Name: "a", Scope: "session", Value: "1", Literal: true},
			{Name: "@b", Scope: "user", Value: "2", Literal: true},
			{Name: "c", Scope: "session", Value: "DEFAULT", Literal: true},
			{Name: "d", Scope: "global", Value: "3", Literal: true},
		},
		"set GLOBAL a = 1, b = 2, LOCAL c = 3, @@d = 4, @@global.e = 5, f = 6": {
			{Name: "a", Scope: "global", Value: "1", Literal: true},
			{Name: "b", Scope: "global", Value: "2", Literal: true},
			{Name: "c", Scope: "session", Value: "3", Literal: true},
			{Name: "d", Scope: "session", Value: "4", Literal: true},
			{Name: "e", Scope: "global", Value: "5", Literal: true},
			{Name: "f", Scope: "session", Value: "6", Literal: true},
		},
		`SET SQL_MODE = 'a\'b''c\n', x = -1, y = _utf8mb4'z', z = x'41', on = OFF`: {
			{Name: "sql_mode", Scope: "session", Value: "a'b'c\n", Literal: true},
			{Name: "x", Scope: "session", Value: "-1", Literal: true},
			{Name: "y", Scope: "session", Value: "z", Literal: true},
			{Name: "z", Scope: "session", Value: "x'41'"},
			{Name: "on", Scope: "session", Value: "OFF", Literal: true},
		},
		"SET @a = f(1, 2) /* x */ + (SELECT 1, 2), @`B c` = `d`, @'e' = 1, PERSIST g = 1, @@persist_only.h = 2": {
			{Name: "@a", Scope: "user", Value: "f(1, 2) /* x */ + (SELECT 1, 2)"},
			{Name: "@b c", Scope: "user", Value: "d", Literal: true},
			{Name: "@e", Scope: "user", Value: "1", Literal: true},
			{Name: "g", Scope: "persist", Value: "1", Literal: true},
			{Name: "h", Scope: "persist_only", Value: "2", Literal: true},
		},
		"SET GLOBAL hot.key_buffer_size = 1, names = 2, timestamp = 3": {
			{Name: "hot.key_buffer_size", Scope: "global", Value: "1", Literal: true},
			{Name: "names", Scope: "global", Value: "2", Literal: true},
			{Name: "timestamp", Scope: "global", Value: "3", Literal: true},
		},
		"SET NAMES utf8mb4 COLLATE 'utf8mb4_bin', a = 1": {
			{Name: "names", Scope: "session", Value: "utf8mb4", Literal: true},
			{Name: "collation_connection", Scope: "session", Value: "utf8mb4_bin", Literal: true},
			{Name: "a", Scope: "session", Value: "1", Literal: true},
		},
		"SET NAMES DEFAULT":        {{Name: "names", Scope: "session", Value: "DEFAULT", Literal: true}},
		"SET CHARACTER SET 'utf8'": {{Name: "character set", Scope: "session", Value: "utf8", Literal: true}},
		"SET CHARSET latin1":       {{Name: "character set", Scope: "session", Value: "latin1", Literal: true}},
		"SET TRANSACTION ISOLATION LEVEL read committed, READ ONLY": {
			{Name: "transaction isolation", Scope: "next", Value: "READ COMMITTED", Literal: true},
			{Name: "transaction access mode", Scope: "next", Value: "READ ONLY", Literal: true},
		},
		"SET GLOBAL TRANSACTION READ WRITE":                    {{Name: "transaction access mode", Scope: "global", Value: "READ WRITE", Literal: true}},
		"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE": {{Name: "transaction isolation", Scope: "session", Value: "SERIALIZABLE", Literal: true}},
		"SET STATEMENT a = 1, b = 2 FOR SELECT 1": {
			{Name: "a", Scope: "statement", Value: "1", Literal: true},
			{Name: "b", Scope: "statement", Value: "2", Literal: true},
		},
		"SET PASSWORD = 'x'":            {{Name: "password", Scope: "session", Value: "x", Literal: true}},
		"SET PASSWORD FOR a@b = 'x'":    {{Name: "password", Scope: "session", Value: "FOR a@b = 'x'"}},
		"SET ROLE NONE":                 {{Name: "role", Scope: "session", Value: "NONE", Literal: true}},
		"SET ROLE a, b":                 {{Name: "role", Scope: "session", Value: "a, b"}},
		"SET DEFAULT ROLE a TO b":       {{Name: "default role", Scope: "session", Value: "a TO b"}},
		"SET RESOURCE GROUP g FOR 1":    {{Name: "resource group", Scope: "session", Value: "g FOR 1"}},
		"/*!40101 SET NAMES utf8 */;":   {{Name: "names", Scope: "session", Value: "utf8", Literal: true}},
		"SET @@SESSION.`autocommit`=ON": {{Name: "autocommit", Scope: "session", Value: "ON", Literal: true}},
	} {
		mode := Mode(0)
		if strings.Contains(text, "STATEMENT") {
			mode = MariaDB
		}
		got, ok := Assignments([]byte(text), mode)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%q: %v\n%s", text, ok, diff)
		}
	}
	for _, text := range []string{
		"", "SET", "SELECT 1", "SET a", "SET a =", "SET a = 1,", "SET a = 1; SET b = 2", "SET a = 'x", "SET @a", "SET 1 = 2",
		"SET STATEMENT a = 1", "SET NAMES", "SET NAMES a b", "SET TRANSACTION", "SET a = 1, = 2", "SET @@ = 1", "SET GLOBAL",
	} {
		if got, ok := Assignments([]byte(text), 0); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestUseSchema(t *testing.T) {
	for text, want := range map[string]string{
		"USE a": "a", "use `a``b` ;": "a`b", "/* x */ USE Status -- y": "Status", "USE 1a": "1a", "/*!40000 USE a*/": "a",
		"USE": "", "USE 'a'": "", "USE a b": "", "SELECT 1": "", "USE a; USE b": "", "USE `a": "", "USE ``": "",
	} {
		if got, ok := UseSchema([]byte(text), 0); got != want || ok != (want != "") {
			t.Errorf("%q uses %q, %v", text, got, ok)
		}
	}
	if got, _ := UseSchema([]byte(`USE "a""b"`), AnsiQuotes); got != `a"b` {
		t.Errorf("%q", got)
	}
}

func TestLastUseSchema(t *testing.T) {
	const text = "USE a; SELECT 'USE x'; USE `b`; USE"
	for statements, want := range []string{"", "a", "a", "b", "b", "b"} {
		if got, ok := LastUseSchema([]byte(text), 0, statements); got != want || ok != (want != "") {
			t.Errorf("%d statements use %q, %v", statements, got, ok)
		}
	}
}

func TestPreparedText(t *testing.T) {
	for text, want := range map[string]string{
		"PREPARE s FROM 'SELECT ''x'''":                    "SELECT 'x'",
		"prepare `from` /* from 'y' */ from \"SELECT 1\";": "SELECT 1",
		"PREPARE `a b` FROM -- from\n 'SELECT 1'":          "SELECT 1",
		"EXECUTE IMMEDIATE 'SET @a = 1'":                   "SET @a = 1",
		"EXECUTE IMMEDIATE 'SELECT ?' USING @a, 'USING'":   "SELECT ?",
		"PREPARE s FROM @x":                                "",
		"PREPARE s FROM 'SELECT ' 'x'":                     "",
		"PREPARE s FROM 'SELECT 1' 5":                      "",
		"PREPARE s FROM _utf8'SELECT 1'":                   "",
		"PREPARE s FROM CONCAT('SELECT ', 1)":              "",
		"PREPARE s FROM 'SELECT 1":                         "",
		"PREPARE s FROM 'SELECT 1'; SELECT 2":              "",
		"EXECUTE IMMEDIATE @x":                             "",
		"EXECUTE IMMEDIATE 'SELECT ' || 'x'":               "",
		"EXECUTE IMMEDIATE CONCAT('SELECT ', 1) USING 5":   "",
		"EXECUTE s USING 'x'":                              "",
		"EXECUTE s":                                        "",
		"'SELECT 1'":                                       "",
		"":                                                 "",
	} {
		if got, ok := PreparedText([]byte(text), MariaDB); got != want || ok != (want != "") {
			t.Errorf("%q is of %q, %v", text, got, ok)
		}
	}
	if got, ok := PreparedText([]byte(`EXECUTE IMMEDIATE "SELECT 1"`), AnsiQuotes); ok {
		t.Errorf("a name is %q", got)
	}
}

func TestHints(t *testing.T) {
	for text, want := range map[string][]string{
		"SELECT 1 -- weir route to primary\n":                        {"route to primary"},
		"/* Weir a */ SELECT 1 # maxscale  route to slave \n-- weir": {"a", "route to slave", ""},
		"SELECT '-- weir a', `/* weir b */` -- weird":                nil,
		"SELECT 1 --weir a":                                          nil,
		"SELECT /*! 1 -- weir a\n*/":                                 {"a"},
		"SELECT 1 /* weir a":                                         nil,
	} {
		if diff := cmp.Diff(want, Hints([]byte(text), 0)); diff != "" {
			t.Errorf("%q\n%s", text, diff)
		}
	}
}
