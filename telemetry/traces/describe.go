package traces

import (
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// maxText is how much of a statement's text a span has, in bytes. maxSummary is what the conventions allow.
const (
	maxText    = 8 << 10
	maxSummary = 255
)

// A description is what spans say of a statement.
type description struct {
	command   byte
	name      called
	summary   bool // name is db.query.summary
	system    string
	schema    string
	pipeline  string
	operation string
	text      string
}

// called is a name in two parts, so that nothing is allocated to put them together.
type called struct{ first, second string }

func (n *called) len() int { return len(n.first) + len(n.second) }

// append appends the name with its length before it.
func (n *called) append(dst []byte) []byte {
	dst = appendVarint(dst, uint64(n.len()))
	return append(append(dst, n.first...), n.second...)
}

func (w *writer) describe(t *pipeline.Trace) description {
	d := description{
		command: t.Command.Com(), system: system(t.Session), schema: valid(t.Schema), pipeline: t.Pipeline,
	}
	prefix := ""
	if t.Batch > 1 {
		prefix = "BATCH "
	}
	d.fill(t.Statement, prefix)
	if w.text {
		d.text = w.textOf(t.Statement)
		if text, ok := t.Command.Text(); ok && w.raw {
			d.text = shortened(string(text))
		}
	}
	return d
}

// describeLeg describes a leg that was sent something else than came from the client.
func (w *writer) describeLeg(t *pipeline.Trace, leg *pipeline.Leg) description {
	d := description{command: leg.Command, system: system(t.Session), schema: valid(t.Schema), pipeline: t.Pipeline}
	d.fill(leg.Statement, "")
	if w.text {
		d.text = w.textOf(leg.Statement)
	}
	return d
}

func (w *writer) textOf(st *pipeline.Statement) string {
	if st == nil {
		return ""
	}
	return shortened(st.Canonical)
}

// fill says what is done, as the conventions have it: the summary, or else the operation and what it is done to.
// https://opentelemetry.io/docs/specs/semconv/db/database-spans/#name
func (d *description) fill(st *pipeline.Statement, prefix string) {
	d.operation = operations[d.command]
	if st != nil && d.operation == "" {
		d.operation = st.Operation
	} else if d.operation != "" {
		prefix = prefixes[d.command]
	}
	switch {
	case st != nil && st.Summary != "":
		d.name, d.summary = called{prefix, cut(valid(st.Summary), maxSummary-len(prefix))}, true
	case d.operation != "":
		d.name.first = d.operation
	default:
		d.name.first = protocol.CommandName(d.command)
	}
}

// cut cuts a summary between two of its words.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:max(0, strings.LastIndexByte(s[:most+1], ' '))]
}

// shortened returns the beginning of a text.
func shortened(s string) string {
	if len(s) > maxText {
		n := maxText
		for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return valid(s)
}

// append appends the attributes.
func (d *description) append(dst []byte) []byte {
	dst = stringAttribute(dst, "db.system.name", d.system)
	if d.schema != "" {
		dst = stringAttribute(dst, "db.namespace", d.schema)
	}
	if d.summary {
		const key = "db.query.summary"
		n := d.name.len()
		dst = appendAttribute(dst, key, 1+sizeVarint(uint64(n))+n)
		dst = d.name.append(append(dst, valueString))
	}
	if d.text != "" {
		dst = stringAttribute(dst, "db.query.text", d.text)
	}
	if d.operation != "" {
		dst = stringAttribute(dst, "db.operation.name", d.operation)
	}
	dst = stringAttribute(dst, "weir.command", protocol.CommandName(d.command))
	return stringAttribute(dst, "weir.pipeline", d.pipeline)
}
