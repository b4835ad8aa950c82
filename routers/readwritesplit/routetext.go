package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// maxTexts bounds the statements prepared by PREPARE that a session remembers. What others execute is not known.
const maxTexts = 256

// A textStatement is one prepared by PREPARE.
type textStatement struct {
	name      string // as canonical texts have it
	statement *pipeline.Statement
	names     variableNames // in its text
	primary   bool          // it is prepared on the primary alone
}

// textStatements are a session's. They are few, and looked for one after another.
type textStatements struct{ all []textStatement }

// named returns the one with a name, nil if there is none.
func (t *textStatements) named(name string) *textStatement {
	for i := range t.all {
		if strings.EqualFold(t.all[i].name, name) {
			return &t.all[i]
		}
	}
	return nil
}

// onPrimary reports whether some are prepared there alone.
func (t *textStatements) onPrimary() bool {
	for i := range t.all {
		if t.all[i].primary {
			return true
		}
	}
	return false
}

// deallocate forgets one.
func (t *textStatements) deallocate(name string) {
	if old := t.named(name); old != nil {
		*old = t.all[len(t.all)-1]
		t.all = t.all[:len(t.all)-1]
	}
}

// prepare takes what c has prepared.
func (t *textStatements) prepare(c *pipeline.Command, st *pipeline.Statement, mode sqlscan.Mode, primary bool) {
	name := preparedName(st.Canonical)
	t.deallocate(name)
	if name == "" || len(t.all) == maxTexts {
		return
	}
	text := textStatement{name: strings.Clone(name), primary: primary}
	if whole, ok := c.Text(); ok {
		text.statement, text.names = preparedText(whole, st.Canonical, name, mode)
	}
	if text.statement != nil || primary {
		t.all = append(t.all, text)
	}
}

// executed returns what a statement executes and its effects: itself, but for an EXECUTE of a statement that is known.
// where is toPrimary where it is prepared there alone, else toAll.
func (sit *situation) executed(st *pipeline.Statement) (of *pipeline.Statement, effects sqlscan.Effects, where target) {
	if st.Class != sqlscan.Execute || len(sit.texts.all) == 0 {
		return st, st.Effects, toAll
	}
	text := sit.texts.named(preparedName(st.Canonical))
	switch {
	case text == nil:
		return st, st.Effects, toAll
	case text.primary:
		return st, st.Effects, toPrimary
	}
	return text.statement, st.Effects | text.statement.Effects, toAll
}

// preparedName is the name of the statement in the canonical text of a PREPARE, an EXECUTE or a DEALLOCATE PREPARE, ""
// where it has none.
func preparedName(canonical string) string {
	for _, lead := range [...]string{"EXECUTE ", "PREPARE ", "DEALLOCATE PREPARE ", "DROP PREPARE "} {
		rest, ok := strings.CutPrefix(canonical, lead)
		if !ok {
			continue
		}
		if strings.HasPrefix(rest, "`") {
			if end := strings.IndexByte(rest[1:], '`'); end >= 0 && !strings.HasPrefix(rest[end+2:], "`") {
				return rest[:end+2]
			}
			return "" // with a quote in it
		}
		name, _, _ := strings.Cut(rest, " ")
		return name
	}
	return ""
}

// preparedText is what is known of the statement that a PREPARE has as a literal, nil if it has none. canonical is the
// PREPARE's own, with the name in it. The user variables are those that its text has names of.
func preparedText(text []byte, canonical, name string, mode sqlscan.Mode) (*pipeline.Statement, variableNames) {
	head := "PREPARE " + name
	if canonical != head+" FROM ?" {
		return nil, variableNames{}
	}
	var scanner sqlscan.Scanner
	for i := 0; i+4 <= len(text); i++ {
		if !strings.EqualFold(string(text[i:i+4]), "from") {
			continue
		}
		// It is the keyword if what is before it is all of the rest.
		if before, _, flags := scanner.Scan(text[:i], mode); flags&sqlscan.Incomplete != 0 || string(before) != head {
			continue
		}
		set, ok := sqlscan.Assignments(append([]byte("SET @p = "), text[i+4:]...), mode)
		if !ok || len(set) != 1 || !set[0].Literal {
			return nil, variableNames{}
		}
		inner, digest, flags := scanner.Scan([]byte(set[0].Value), mode)
		var names variableNames
		names.read([]byte(set[0].Value), mode)
		return &pipeline.Statement{
			Description: sqlscan.Describe(inner, mode).Flagged(flags),
			Digest:      digest, Canonical: string(inner), Flags: flags,
		}, names
	}
	return nil, variableNames{}
}
