package readwritesplit

import (
	"slices"

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
}

// An entry is one session command that a server has carried out.
type entry struct {
	number  uint64
	command *pipeline.Command
	// sets are the settings that the command sets to what it says itself. It may be left out once a later entry sets the
	// same, unless one that is not plain has come between, which may have read them.
	sets  []string
	plain bool
}

// since returns the entries that a server has not run which has run all before number.
func (h *history) since(number uint64) []entry {
	at := len(h.entries)
	for at > 0 && h.entries[at-1].number >= number {
		at--
	}
	return h.entries[at:]
}

// add keeps a command that a server has carried out.
func (h *history) add(c *pipeline.Command, sets []string) {
	fresh := entry{number: h.next, command: c.Clone(), sets: sets, plain: len(sets) > 0}
	h.next++
	if fresh.plain {
		from := 1 + lastIndex(h.entries, func(e entry) bool { return !e.plain })
		kept := slices.DeleteFunc(h.entries[from:], func(e entry) bool { return within(e.sets, sets) })
		h.entries = h.entries[:from+len(kept)]
	}
	h.entries = append(h.entries, fresh)
}

func lastIndex(all []entry, is func(entry) bool) int {
	for i, e := range slices.Backward(all) {
		if is(e) {
			return i
		}
	}
	return -1
}

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
	if !ok || st == nil || st.Effects&^sqlscan.SystemVariable != 0 {
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
			if !a.Literal || a.Scope != "session" && a.Scope != "user" {
				return nil
			}
			names = append(names, a.Name)
		}
		return names
	}
	return nil
}
