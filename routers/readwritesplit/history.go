package readwritesplit

import (
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// maxKept is the length of a session command up to which it is kept to be run again. Longer ones bind a session to its
// server.
const maxKept = 64 << 10

// A history is the session commands that a server must have run to be as the others of its session are. Each server runs
// those it has not run when it is next used. Commands that a later one makes needless are left out.
type history struct {
	entries []entry
	next    uint64 // number of the next entry
	// pinned is how far the history went when the open transaction began: what came before is not left out meanwhile, so
	// that the transaction can be run again as it was.
	pinned uint64
}

// An entry is one session command that a server has carried out.
type entry struct {
	number  uint64
	command *pipeline.Command
	// sets are the settings that the command sets to what it says itself, nil where it may depend on others. It is left out
	// once a later entry sets the same, unless one has come between that may depend on it.
	sets []string
}

// since returns the entries that a server has not run which has run all before number.
func (h *history) since(number uint64) []entry {
	at := len(h.entries)
	for at > 0 && h.entries[at-1].number >= number {
		at--
	}
	return h.entries[at:]
}

// movesSchema reports whether a server that has run the entries before number has another default schema than others.
func (h *history) movesSchema(number uint64) bool {
	return slices.ContainsFunc(h.since(number), func(e entry) bool { return slices.Contains(e.sets, "schema") })
}

// full reports whether a command that sets this is one too many.
func (h *history) full(sets []string, limit int) bool {
	return len(h.entries) >= limit &&
		!slices.ContainsFunc(h.entries, func(e entry) bool { return len(e.sets) > 0 && within(e.sets, sets) })
}

// add keeps a command that a server has carried out.
func (h *history) add(c *pipeline.Command, sets []string) {
	h.entries = append(h.entries, entry{number: h.next, command: c.Clone(), sets: sets})
	h.next++
	if len(sets) > 0 {
		h.compact()
	}
}

// compact leaves out what later entries make needless.
func (h *history) compact() {
	kept := h.entries[:0]
	for i, e := range h.entries {
		if e.number < h.pinned || !e.replaced(h.entries[i+1:]) {
			kept = append(kept, e)
		}
	}
	clear(h.entries[len(kept):])
	h.entries = kept
}

// replaced reports whether an entry is needless before those that follow.
func (e *entry) replaced(by []entry) bool {
	if len(e.sets) == 0 {
		return false
	}
	reading := slices.ContainsFunc(e.sets, isReading)
	for i := range by {
		switch later := by[i].sets; {
		case len(later) == 0:
			return false
		case within(e.sets, later):
			return true
		case reading && slices.ContainsFunc(later, isUserVariable):
			return false
		}
	}
	return false
}

// isReading reports whether a setting may say how the values of user variables are read: as which characters, and by
// which rules of quoting.
func isReading(setting string) bool {
	switch setting {
	case "names", "character set", "sql_mode":
		return true
	}
	return strings.HasPrefix(setting, "character_set") || strings.HasPrefix(setting, "collation")
}

func isUserVariable(setting string) bool { return strings.HasPrefix(setting, "@") }

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// settings returns what a session command sets, nil where it cannot be told that this depends on nothing else.
func settings(c *pipeline.Command, st *pipeline.Statement, mode sqlscan.Mode) []string {
	switch c.Com() {
	case protocol.ComInitDB:
		return []string{"schema"}
	case protocol.ComSetOption:
		return []string{"option"}
	}
	text, ok := c.Text()
	if !ok || st == nil || st.Effects&^ordinary != 0 {
		return nil
	}
	switch st.Class {
	case sqlscan.Use:
		return []string{"schema"}
	case sqlscan.Set:
		all, ok := sqlscan.Assignments(text, mode)
		if !ok {
			return nil
		}
		var names []string
		for _, a := range all {
			if a.Name == "character set" { // which sets a collation that the schema says
				return nil
			}
			if !a.Literal || a.Scope != "session" && a.Scope != "user" {
				return nil
			}
			names = append(names, a.Name)
		}
		return names
	}
	return nil
}
