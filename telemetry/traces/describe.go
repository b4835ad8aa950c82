package traces

import (
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

const (
	// maxText is how much of a statement's text a span has, in bytes. maxSummary is what the conventions allow.
	maxText    = 8 << 10
	maxSummary = 255
	// remembered is how many statements and sessions a writer has encoded attributes of, and rememberedText the length
	// of those it has for a statement.
	remembered     = 256
	rememberedText = 1 << 10
)

// A description is what is said of a statement wherever it is executed.
type description struct {
	statement *pipeline.Statement // nil where nothing is here
	command   byte
	name      []byte // the field of a span
	encoded   []byte // attributes
}

// describe returns the description of a statement: one that the writer remembers, or one that is valid until the next
// call. prefix stands before the summary.
func (w *writer) describe(st *pipeline.Statement, command byte, prefix string) *description {
	d := &w.described
	if st != nil && prefix == "" {
		d = &w.descriptions[(st.Digest^uint64(command))%remembered]
		if d.statement == st && d.command == command {
			return d
		}
	}
	*d = description{statement: st, command: command, name: d.name[:0], encoded: d.encoded[:0]}
	w.fill(d, prefix)
	if len(d.encoded) > rememberedText && d != &w.described {
		w.described, *d = *d, description{}
		return &w.described
	}
	return d
}

// operations are those of commands that are not what their statement says.
var operations = [256]string{protocol.ComStmtPrepare: "PREPARE", protocol.ComStmtFetch: "FETCH"}

// fill says what is done, as the conventions have it: the summary, or else the operation.
// https://opentelemetry.io/docs/specs/semconv/db/database-spans/#name
func (w *writer) fill(d *description, prefix string) {
	st := d.statement
	operation := operations[d.command]
	switch {
	case operation != "":
		prefix = operation + " "
	case st != nil:
		operation = st.Operation
	}
	name := operation
	switch {
	case st != nil && st.Summary != "":
		name = prefix + cut(valid(st.Summary), maxSummary-len(prefix))
		d.encoded = stringAttribute(d.encoded, "db.query.summary", name)
	case name == "":
		name = protocol.CommandName(d.command)
	}
	d.name = appendBytes(d.name, spanName, name)
	if operation != "" {
		d.encoded = stringAttribute(d.encoded, "db.operation.name", operation)
	}
	if st != nil && w.text == "canonical" {
		d.encoded = stringAttribute(d.encoded, "db.query.text", shortened(st.Canonical))
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

// A caller is what is said of a session.
type caller struct {
	id           uint32 // 0 where nothing is here
	user, schema string
	mode         sqlscan.Mode
	database     []byte // attributes of the database called
	client       []byte // and of who calls
}

// caller returns what is said of the session of t.
func (w *writer) caller(t *pipeline.Trace) *caller {
	s := t.Session
	c := &w.callers[s.ID()%remembered]
	if c.id == s.ID() && c.user == s.User() && c.schema == t.Schema && c.mode == s.Mode() {
		return c
	}
	*c = caller{
		id: s.ID(), user: s.User(), schema: t.Schema, mode: s.Mode(), database: c.database[:0], client: c.client[:0],
	}
	system := "mysql"
	if c.mode&sqlscan.MariaDB != 0 {
		system = "mariadb"
	}
	c.database = stringAttribute(c.database, "db.system.name", system)
	if c.schema != "" {
		c.database = textAttribute(c.database, "db.namespace", c.schema)
	}
	host, port, err := net.SplitHostPort(s.ClientAddr())
	if err != nil { // a Unix socket
		host, port = s.ClientAddr(), ""
	}
	c.client = stringAttribute(c.client, "client.address", host)
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		c.client = intAttribute(c.client, "client.port", n)
	}
	c.client = textAttribute(c.client, "user.name", c.user)
	c.client = intAttribute(c.client, "weir.session", uint64(c.id))
	c.client = textAttribute(c.client, "weir.pipeline", t.Pipeline)
	return c
}
