package sqlscan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                 nil,
		";; ":                              nil,
		"SELECT 1":                         {"SELECT 1"},
		" SELECT 1 ; SET @a = 'x;y';":      {"SELECT 1", "SET @a = 'x;y'"},
		"SELECT `a;b`;COMMIT -- ; goes on": {"SELECT `a;b`", "COMMIT"},
		"BEGIN NOT ATOMIC SELECT 1; END; SELECT 2": {"BEGIN NOT ATOMIC SELECT 1; END", "SELECT 2"},
	} {
		var got []string
		for _, part := range Split([]byte(text), MariaDB) {
			got = append(got, string(part))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
