package readwritesplit

import (
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// maxTemporary bounds the names of temporary tables that a session remembers.
const maxTemporary = 64

// temporaryTables are those of a session, to know when the last is dropped. Which tables a statement reads is not known
// for certain, so while there are any, all reads are the primary's.
type temporaryTables struct {
	names []string // as they were written
	some  bool     // there may be others, to the session's end
}

func (t *temporaryTables) any() bool { return t.some || len(t.names) > 0 }

// forgetNames is for when names may mean other tables than they did: in another schema.
func (t *temporaryTables) forgetNames() {
	t.some = t.any()
	t.names = nil
}

// learn takes a statement that has created, or dropped, temporary tables. A DROP TABLE drops the temporary table where
// there is one by that name.
func (t *temporaryTables) learn(st *pipeline.Statement) {
	if st.Class != sqlscan.Schema || st.Statements != 1 {
		t.some = true
		return
	}
	name := st.Canonical
	drops := strings.HasPrefix(name, "DROP ")
	if !drops && !strings.HasPrefix(name, "CREATE ") {
		return
	}
	var ok bool
	for _, word := range [...]string{" TABLE ", " SEQUENCE "} {
		if _, rest, found := strings.Cut(name, word); found {
			name, ok = rest, true
			break
		}
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "IF NOT EXISTS "), "IF EXISTS ")
	switch {
	case drops && ok:
		for name != "" {
			table, rest := cutTable(name)
			t.drop(table)
			name, _ = strings.CutPrefix(rest, ", ")
			if name == rest {
				return
			}
		}
	case drops:
	case !ok || len(t.names) == maxTemporary:
		t.some = true
	default:
		table, _ := cutTable(name)
		t.names = append(t.names, strings.Clone(table))
	}
}

func (t *temporaryTables) drop(name string) {
	if i := slices.Index(t.names, name); i >= 0 {
		t.names = slices.Delete(t.names, i, i+1)
	}
}

// cutTable cuts the name off that a part of a canonical text begins with.
func cutTable(s string) (name, rest string) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '`':
			quoted = !quoted
		case ' ', '(', ',':
			if !quoted {
				return s[:i], s[i:]
			}
		}
	}
	return s, ""
}
