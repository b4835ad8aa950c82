package readwritesplit

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
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
		text.statement, text.names = literalStatement(whole, mode)
	}
	if text.statement != nil || primary {
		t.all = append(t.all, text)
	}
}

// executed returns what a statement executes and its effects: itself, but for an EXECUTE of a statement that is known.
// where is toPrimary where it is prepared there alone, else toAll.
func (sit *situation) executed(st *pipeline.Statement) (of *pipeline.Statement, effects sqlscan.Effects, where target) {
	text := sit.textOf(st)
	switch {
	case text == nil:
		return st, st.Effects, toAll
	case text.primary:
		return st, st.Effects, toPrimary
	}
	return text.statement, st.Effects | text.statement.Effects, toAll
}

// textOf returns what a statement executes, nil where it executes nothing, or what is not known.
func (sit *situation) textOf(st *pipeline.Statement) *textStatement {
	switch {
	case st.Class != sqlscan.Execute:
		return nil
	case strings.HasPrefix(st.Canonical, immediateWords):
		if sit.immediate.statement == nil {
			return nil
		}
		return &sit.immediate
	case len(sit.texts.all) == 0:
		return nil
	}
	return sit.texts.named(preparedName(st.Canonical))
}

const immediateWords = "EXECUTE IMMEDIATE "

// readImmediate looks into the literal of an EXECUTE IMMEDIATE, for textOf.
// https://mariadb.com/kb/en/execute-immediate/
func (sit *situation) readImmediate(c *pipeline.Command, st *pipeline.Statement) {
	sit.immediate = textStatement{}
	if st == nil || st.Class != sqlscan.Execute || c.Com() != protocol.ComQuery || !strings.HasPrefix(st.Canonical, immediateWords) {
		return
	}
	if text, ok := c.Text(); ok {
		sit.immediate.statement, sit.immediate.names = literalStatement(text, sit.reads())
	}
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

// literalStatement is what is known of the statement that a PREPARE or an EXECUTE IMMEDIATE has as a literal, nil if it has
// none. The user variables are those that its text has names of.
func literalStatement(text []byte, mode sqlscan.Mode) (*pipeline.Statement, variableNames) {
	inner, ok := sqlscan.PreparedText(text, mode)
	if !ok {
		return nil, variableNames{}
	}
	var scanner sqlscan.Scanner
	canonical, digest, flags := scanner.Scan([]byte(inner), mode)
	var names variableNames
	names.read([]byte(inner), mode)
	return &pipeline.Statement{
		Description: sqlscan.Describe(canonical, mode).Flagged(flags),
		Digest:      digest, Canonical: string(canonical), Flags: flags,
	}, names
}
