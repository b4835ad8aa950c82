package readwritesplit

import (
	"slices"

	"github.com/weirproxy/weir/pipeline"
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
	// within reports whether there is a connection to a server that has run the entries before number, at least, but not
	// all before end. Nil: there may be.
	within func(number, end uint64) bool
}

// An entry is one session command that a server has carried out.
type entry struct {
	number  uint64
	command *pipeline.Command
	traits
	// without is the number behind the first of the entries that this one stands for and that are left out, 0 where there
	// are none. A server that has not run the PREPARE must not run the DEALLOCATE: that one stays until no server is between.
	without uint64
}

// since returns the entries that a server has not run which has run all before number.
func (h *history) since(number uint64) []entry { return h.entries[h.from(number):] }

func (h *history) from(number uint64) int {
	at := len(h.entries)
	for at > 0 && h.entries[at-1].number >= number {
		at--
	}
	return at
}

// movesSchema reports whether a server that has run the entries before number has another default schema than others.
func (h *history) movesSchema(number uint64) bool {
	return slices.ContainsFunc(h.since(number), func(e entry) bool { return slices.Contains(e.sets, "schema") })
}

// full reports whether a command with these traits is one too many.
func (h *history) full(t traits, limit int) bool {
	if len(h.entries) < limit {
		return false
	}
	all := append(slices.Clone(h.entries), entry{number: h.next, traits: t})
	return len(h.compact(all)) > limit
}

// add keeps a command that a server has carried out.
func (h *history) add(c *pipeline.Command, t traits) {
	h.entries = append(h.entries, entry{number: h.next, command: c.Clone(), traits: t})
	h.next++
	if !t.opaque() {
		h.entries = h.compact(h.entries)
	}
}

// compact leaves out what later entries make needless. It returns what is left of them, in the same place.
func (h *history) compact(all []entry) []entry {
	at := len(all)
	for _, e := range slices.Backward(all) {
		if e.number >= h.pinned {
			if by := e.replaced(all[at:]); by != nil {
				by.replaces(&e)
				continue
			}
		}
		at--
		all[at] = e
	}
	left := all[:0]
	for i := at; i < len(all); i++ {
		if e := all[i]; !e.ends || !e.lacks(left) || h.within == nil || h.within(e.without, e.number) {
			left = append(left, e)
		}
	}
	clear(all[len(left):])
	return left
}

// lacks reports whether an entry ends what none of those before it begins any more.
func (e *entry) lacks(before []entry) bool { return e.without != 0 && !preparedAfter(before, e.sets) }

// preparedAfter reports whether what a DEALLOCATE sets is there after the entries.
func preparedAfter(by []entry, sets []string) bool {
	for _, e := range slices.Backward(by) {
		if slices.Equal(e.sets, sets) {
			return !e.ends
		}
	}
	return false
}

// skipped reports whether the entry with this index is not for a server that had run those before number when it began to
// catch up.
func (h *history) skipped(i int, number uint64) bool {
	e := &h.entries[i]
	return e.ends && number < e.without && e.lacks(h.entries[:i])
}

// replaced returns the first of those that follow which makes the entry needless, nil if none does.
func (e *entry) replaced(by []entry) *entry {
	if e.opaque() || e.ends {
		return nil
	}
	for i := range by {
		switch later := &by[i]; {
		case later.dependsOn(e.sets):
			return nil
		case subset(e.sets, later.sets):
			return later
		}
	}
	return nil
}

// replaces notes that the entry stands for an earlier one, too.
func (e *entry) replaces(earlier *entry) {
	begin := earlier.without
	if begin == 0 {
		begin = earlier.number + 1
	}
	if e.without == 0 || begin < e.without {
		e.without = begin
	}
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
