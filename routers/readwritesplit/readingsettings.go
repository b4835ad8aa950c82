package readwritesplit

import (
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// readingSettings are the variables that say how a text reads: as which characters, and by which rules of quoting. What others
// there are follow from these.
var readingSettings = [...]string{"sql_mode", "character_set_client", "collation_connection", "old_mode"}

// readingNames is what a SET may name that changes these, or the beginning of that.
var readingNames = [...]string{"sql_mode", "old_mode", "names", "char", "collation"}

// isReading reports whether a setting may be one that says how texts read, such as the values of user variables.
func isReading(setting string) bool {
	return slices.ContainsFunc(readingNames[:], func(name string) bool { return strings.HasPrefix(setting, name) })
}

// mayNameReading reports whether such a setting may be named somewhere in a text.
func mayNameReading(canonical string) bool {
	return slices.ContainsFunc(readingNames[:], func(name string) bool { return containsFold(canonical, name) })
}

// unknownSettings stand for those that a server did not tell.
const unknownSettings = "?"

// settings asks a server for its session's, as a SET that sets them. An error is none that the server has answered.
func (m *member) settings() (string, error) {
	names := readingSettings[:]
	if m.x.s.Mode()&sqlscan.MariaDB == 0 {
		names = names[:len(names)-1]
	}
	text := "SELECT @@" + strings.Join(names, ", @@") + " LIMIT 1" // which sql_select_limit would be 0 without
	switch err := m.ask(pipeline.NewQuery(text, m.x.s.Capabilities())); {
	case err == nil:
		return settingsText(names, m.x.answer.row), nil
	case refusedBy(err) != nil:
		return unknownSettings, nil
	default:
		return "", err
	}
}

// settingsText is the SET that sets the variables to the values in a row.
func settingsText(names []string, row []byte) string {
	var text strings.Builder
	lead := "SET "
	for _, name := range names {
		value, n := protocol.LenencString(row)
		if n == 0 || !consists(value, settingLetters) {
			return unknownSettings
		}
		text.WriteString(lead + name + " = '" + string(value) + "'")
		row, lead = row[n:], ", "
	}
	return text.String()
}

const settingLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_,"
