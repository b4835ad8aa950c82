package querylog

import (
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

const (
	// maxName cuts the names in a record (user, client, schema, server), so that they cannot grow it without bound.
	// Those of MySQL and MariaDB are at most 80 characters.
	maxName = 320
	// maxMessage cuts error messages; those of servers have at most 512 bytes.
	maxMessage = 512
	// maxSummary is the length of the longest summary.
	maxSummary = 255
	// maxSets is how many sets of a bulk execution's parameters a record shows.
	maxSets = 100
)

// limits are how long the parts of a record may be, so that any entry fits a quarter of the ring, and no record is many
// times as long.
type limits struct {
	text      int // of a statement
	execution int // of the command that executes one, with the types of its parameters and what was sent ahead
	params    int // of all parameters, as they are shown
}

// limitsOf divides a quarter of a ring of the given number of bytes.
func limitsOf(ringBytes int) limits {
	rest := ringBytes/4 - (rawSize + 4*maxName + maxMessage + maxSummary + maxParsed + 64)
	return limits{text: rest / 3, execution: rest / 3, params: rest}
}

// A record is an entry as the writer has it. Its slices lie in the ring.
type record struct {
	flags                                       flags
	com, class                                  byte
	id                                          uint32
	start                                       time.Time
	first, last                                 time.Duration
	rows, affected, bytes, insertID, digest     uint64
	code                                        uint16
	user, client, schema, text, server, summary []byte
	state, message, trace, canonical            []byte
	names                                       *names // nil where they are not known
	count                                       int    // of the statement's parameters
	params                                      protocol.Params
	long                                        []uint64
}

// clip returns s cut to n bytes, without half a character at its end where it was cut, here or before.
func clip[S string | []byte](s S, n int, cut bool) (S, bool) {
	if len(s) > n {
		s, cut = s[:n], true
	}
	if !cut {
		return s, false
	}
	for i := 1; i < utf8.UTFMax && i <= len(s); i++ {
		if b := s[len(s)-i]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRuneInString(string(s[len(s)-i:])) {
				s = s[:len(s)-i]
			}
			break
		}
	}
	return s, true
}

func clipName(s string) string { return s[:min(len(s), maxName)] }

// describe collects what is to be said of c, which has been served. What it finds lies in c.
func (l *link) describe(e *entry, c *pipeline.Command) {
	st := l.prepared.Of(c)
	cut := false
	if st != nil {
		e.flags |= known
		e.prepared, cut, e.about = st.Text, st.Truncated, st.Statement
		l.describeExecution(e, c, st)
	} else if text, ok := c.Text(); ok {
		e.flags |= known
		e.text, cut = text, c.Part != protocol.Whole
		if l.statements {
			e.about = l.s.Statement(c)
		}
	}
	if l.redact && e.flags&known != 0 {
		e.text, e.prepared = nil, ""
		if e.about != nil {
			e.prepared = e.about.Canonical
		}
	}
	var cutText, cutPrepared bool
	e.text, cutText = clip(e.text, l.limits.text, cut && e.text != nil)
	e.prepared, cutPrepared = clip(e.prepared, l.limits.text, cut && e.text == nil)
	if cutText || cutPrepared {
		e.flags |= truncated
	}
	if l.about && e.about != nil {
		e.flags |= described
		if l.names && len(e.about.Canonical) <= maxParsed {
			e.canonical = e.about.Canonical
		}
	}
	if l.traces {
		var ok bool
		if e.trace, ok = l.s.TraceID(); ok {
			e.flags |= traced
		}
	}
}

// describeExecution collects the parameters that st is executed with, where c does so.
func (l *link) describeExecution(e *entry, c *pipeline.Command, st *pipeline.PreparedStatement) {
	if com := c.Com(); com != protocol.ComStmtExecute && com != protocol.ComStmtBulkExecute || !l.params || st.Params == 0 {
		return
	}
	e.flags |= executes
	e.execution, e.params, e.types, e.long = c.Payload(), st.Params, st.Types, st.Long
	if l.s.Capabilities().Has(protocol.ClientQueryAttributes) {
		e.flags |= attributes
	}
	if most := l.limits.execution - len(e.types) - 8*len(e.long); len(e.execution) > most {
		e.flags |= truncated
		if e.execution = e.execution[:max(most, 0)]; most < 0 { // tens of thousands of parameters
			e.flags &^= executes
			e.execution, e.types, e.long = nil, nil, nil
		}
	}
}
