package querylog

import (
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

// limits are how long the parts of a record may be, so that any record fits a quarter of the ring.
type limits struct {
	text   int // of a statement, in bytes before they are escaped: escaped, no byte takes more than six
	params int // of all parameters, as JSON; a CSV cell of them may be twice as long
}

// limitsOf divides a quarter of a ring of the given number of bytes.
func limitsOf(ringBytes int) limits {
	fixed := 2048 + 6*(4*maxName+maxMessage+maxSummary)
	rest := ringBytes/4 - fixed
	return limits{text: rest / 2 / 6, params: rest / 4}
}

// A record is what there is to say of one command.
type record struct {
	session   *link
	com       byte
	schema    string
	text      []byte // of the statement, where it is not in prepared
	plain     bool   // the statement needs no escaping; size finds out
	prepared  string
	known     bool // the command has a statement
	truncated bool // not all of statement or parameters is there
	about     *pipeline.Statement
	params    *protocol.Params
	count     int // of the statement's parameters, where params are known
	executes  bool
	err       *protocol.SQLError
	aborted   bool
	watch     *pipeline.Watch
	trace     [16]byte
	traced    bool
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

// describe collects what is to be said of c, which has been served. text, where the statement is shown as it was sent,
// lies in c.
func (l *link) describe(r *record, c *pipeline.Command) {
	st := l.prepared.Of(c)
	switch {
	case st != nil:
		r.prepared, r.truncated, r.known, r.about = st.Text, st.Truncated, true, st.Statement
		r.params, r.count = &l.params, st.Params
		r.executes = st.Values(l.s, c, r.params)
	default:
		r.text, r.known = c.Text()
		r.truncated = r.known && c.Part != protocol.Whole
	}
	if st == nil && r.known && l.statements {
		r.about = l.s.Statement(c)
	}
	if l.encoder.redact && r.known {
		r.text, r.prepared = nil, ""
		if r.about != nil {
			r.prepared = r.about.Canonical
		}
	}
	if r.text != nil {
		r.text, r.truncated = clip(r.text, l.encoder.limits.text, r.truncated)
	} else {
		r.prepared, r.truncated = clip(r.prepared, l.encoder.limits.text, r.truncated)
	}
	if l.traces {
		r.trace, r.traced = l.s.TraceID()
	}
}

// size returns how long the record can be at most.
func (r *record) size(e *encoder) int {
	n := e.fixed
	for _, c := range r.session.constants {
		n += len(c)
	}
	if r.plain = plain(r.text) && plain(r.prepared); r.plain { // one of them is empty
		n += len(r.text) + len(r.prepared)
	} else {
		n += textSize(e, r.text) + textSize(e, r.prepared)
	}
	if r.executes {
		// A value takes a byte at least in a bulk execution, and a bit where it is NULL.
		most := 6*r.params.Len() + 40*r.params.Count
		if r.params.Bulk {
			most = 40 * r.params.Len()
		}
		n += 2*min(most, e.limits.params) + len("[]")
	}
	n += 6 * (len(r.schema) + len(r.watch.Server))
	if r.err != nil {
		n += 6 * maxMessage
	}
	if r.about != nil {
		n += 6 * min(len(r.about.Summary), maxSummary)
	}
	return n
}

// textSize returns how long a text can be at most, escaped.
func textSize[S string | []byte](e *encoder, s S) int {
	switch {
	case plain(s):
		return len(s)
	case e.csv:
		return 3 * len(s)
	}
	return escapedLen(s)
}
