package sqlscan_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

func TestUserVariables(t *testing.T) {
	for _, tt := range []struct{ text, reads, sets string }{
		{"SELECT 1", "", ""},
		{"SELECT MAX(v) FROM t INTO @M", "", "m"},
		{"SELECT 1, @c INTO @a, @`b` FOR UPDATE", "c", "a b"},
		{"SELECT @a := @b + 1, @@x, @'c' = 2", "b c", "a"},
		{"SET @n = FOUND_ROWS(), @b = (SELECT @c)", "c", "n b"},
		{"SET @a = @b = 3", "b", "a"},
		{"GET DIAGNOSTICS CONDITION 1 @t = MESSAGE_TEXT, @c.d=NUMBER", "t c.d", "t c.d"},
		{"CALL p(@x, 1)", "x", "x"},
		{"EXECUTE s USING @a$1,@b_", "a$1 b_", "a$1 b_"},
		{"(SELECT @a := 1)", "", "a"},
		{"INSERT INTO t VALUES (@a)", "a", ""},
		{"BEGIN NOT ATOMIC SET @a = @b; END", "a b", "a b"},
		{"SELECT 1 INTO @a; SET @b = @c", "c", "a b"},
		{"PREPARE s FROM @a", "a", ""},
		{"GRANT SELECT ON t TO 'a'@'b', a@localhost", "", ""},
		{"SELECT @é", "?", ""},
		{"SELECT @`a b` := 1", "", "?"},
		{"SELECT @a, '", "unknown", "unknown"},
		{"SELECT @", "?", ""},
	} {
		for _, mode := range []sqlscan.Mode{0, sqlscan.MariaDB} {
			reads, sets, ok := sqlscan.UserVariables([]byte(tt.text), mode)
			if !ok {
				reads, sets = []string{"unknown"}, []string{"unknown"}
			}
			if r, s := strings.Join(reads, " "), strings.Join(sets, " "); r != tt.reads || s != tt.sets {
				t.Errorf("%q, dialect %d: reads %q, sets %q, want %q and %q", tt.text, mode, r, s, tt.reads, tt.sets)
			}
		}
	}
}
