package traces

import (
	"encoding/binary"
	"net"
	"strconv"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A writer encodes the spans of one worker. What it says again and again, it has encoded already.
type writer struct {
	e            *Exporter
	b            *batch
	text         string // the setting query_text
	servers      []serverAttributes
	callers      [remembered]caller
	descriptions [remembered]description
	described    description
	scratch      []byte
}

// serverAttributes are the encoded attributes of a server.
type serverAttributes struct {
	server  *pipeline.Server
	encoded []byte
}

func (e *Exporter) writer() *writer { return &writer{e: e, b: e.take(), text: e.config.QueryText} }

// Flush is pipeline.SpanWriter's.
func (w *writer) Flush() {
	if w.b.count > 0 {
		w.handOn()
	}
	w.e.flush()
}

// handOn hands a batch on and begins another.
func (w *writer) handOn() {
	w.e.put(w.b)
	w.b = w.e.take()
}

// WriteTrace is pipeline.SpanWriter's.
func (w *writer) WriteTrace(t *pipeline.Trace) {
	b, c := w.b, w.caller(t)
	if !t.Branch() {
		b.spans = w.statement(b.spans, t, c)
		b.count++
	}
	for i := range t.Legs {
		b.spans = w.leg(b.spans, t, &t.Legs[i], c)
		b.count++
	}
	if len(b.spans) >= batchSize {
		w.handOn()
	}
}

// Kinds of spans, and the code of a status. A statement is served to a client, and its legs are calls to servers.
const (
	kindServer  = 2
	kindClient  = 3
	statusError = 2
)

// The flags of a span say whether its parent is of another process.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
const (
	knowsRemote = 0x100
	isRemote    = 0x200
)

// head appends what all spans have.
func head(dst []byte, t *pipeline.Trace, id, parent [8]byte, flags uint32, name []byte, kind byte) []byte {
	dst = appendBytes(dst, spanTraceID, t.Context.TraceID[:])
	dst = appendBytes(dst, spanID, id[:])
	if len(t.State) > 0 {
		dst = appendBytes(dst, spanTraceState, t.State)
	}
	if parent != [8]byte{} {
		dst = appendBytes(dst, spanParentID, parent[:])
	}
	dst = append(append(dst, name...), spanKind, kind)
	dst = append(dst, byte(spanFlags&0x7f|0x80), byte(spanFlags>>7))
	return binary.LittleEndian.AppendUint32(dst, uint32(t.Context.Flags)|knowsRemote|flags)
}

func times(dst []byte, start time.Time, from, to time.Duration) []byte {
	nanos := start.UnixNano()
	dst = binary.LittleEndian.AppendUint64(append(dst, spanStart), uint64(nanos+int64(from)))
	return binary.LittleEndian.AppendUint64(append(dst, spanEnd), uint64(nanos+int64(to)))
}

// statement appends the span of a statement.
func (w *writer) statement(dst []byte, t *pipeline.Trace, c *caller) []byte {
	dst, at := beginSpan(dst)
	h := t.Reply
	remote, prefix := uint32(0), ""
	if t.Parent != [8]byte{} {
		remote = isRemote
	}
	if t.Batch > 1 {
		prefix = "BATCH "
	}
	d := w.describe(t.Statement, t.Command.Com(), prefix)
	dst = head(dst, t, t.Context.SpanID, t.Parent, remote, d.name, kindServer)
	dst = times(dst, t.Start, 0, t.End)
	dst = append(append(append(dst, c.database...), d.encoded...), c.client...)
	dst = stringAttribute(dst, "weir.command", protocol.CommandName(d.command))
	dst = w.rawText(dst, t)
	if t.Batch > 1 {
		dst = intAttribute(dst, "db.operation.batch.size", uint64(t.Batch))
	}
	if h.ResultSets > 0 {
		dst = intAttribute(dst, "db.response.returned_rows", h.Rows)
	}
	for i := range t.Legs {
		if leg := &t.Legs[len(t.Legs)-1-i]; leg.Server.Name() == h.Server {
			dst = append(dst, w.server(leg.Server)...)
			break
		}
	}
	dst = stringAttribute(dst, "weir.sampled", t.Kept)
	if t.Statement != nil {
		w.scratch = appendDigest(w.scratch[:0], t.Statement.Digest)
		dst = stringAttribute(dst, "weir.digest", w.scratch)
	}
	if h.AffectedRows > 0 {
		dst = intAttribute(dst, "weir.response.affected_rows", h.AffectedRows)
	}
	if t.More > 0 {
		dst = intAttribute(dst, "weir.legs.dropped", uint64(t.More))
	}
	if h.First > 0 {
		dst = doubleAttribute(dst, "weir.response.first_byte", h.First.Seconds())
		dst = doubleAttribute(dst, "weir.response.last_byte", t.End.Seconds())
	}
	dst = intAttribute(dst, "weir.response.bytes", h.Bytes)
	switch {
	case h.Err != nil:
		message := ""
		if w.text == "raw" { // it may quote values of the statement
			message = h.Err.Message
		}
		dst = w.failed(dst, h.Err.Code, h.Err.State, message)
	case t.Failure != "":
		dst = failed(stringAttribute(dst, "error.type", t.Failure), "")
	}
	return endSpan(dst, at)
}

// rawText appends the text of a command as it came, where that is wanted. What executes a prepared statement has none.
func (w *writer) rawText(dst []byte, t *pipeline.Trace) []byte {
	if w.text != "raw" {
		return dst
	}
	if text, ok := t.Command.Text(); ok {
		return stringAttribute(dst, "db.query.text", shortened(string(text)))
	}
	if t.Statement != nil {
		return stringAttribute(dst, "db.query.text", shortened(t.Statement.Canonical))
	}
	return dst
}

// leg appends the span of a leg. Its last byte is its end.
func (w *writer) leg(dst []byte, t *pipeline.Trace, leg *pipeline.Leg, c *caller) []byte {
	dst, at := beginSpan(dst)
	own := leg.Statement != t.Statement || leg.Command != t.Command.Com() // it was sent something else than came
	prefix := ""
	if t.Batch > 1 && !own {
		prefix = "BATCH "
	}
	d := w.describe(leg.Statement, leg.Command, prefix)
	dst = head(dst, t, leg.SpanID, t.Context.SpanID, 0, d.name, kindClient)
	dst = times(dst, t.Start, leg.Start, leg.End)
	dst = append(append(dst, c.database...), d.encoded...)
	switch {
	case !own:
		dst = w.rawText(dst, t)
	case w.text == "raw" && leg.Statement != nil:
		dst = stringAttribute(dst, "db.query.text", shortened(leg.Statement.Canonical))
	}
	if t.Branch() || own {
		dst = stringAttribute(dst, "weir.command", protocol.CommandName(leg.Command))
	}
	if leg.Rows > 0 {
		dst = intAttribute(dst, "db.response.returned_rows", leg.Rows)
	}
	dst = append(dst, w.server(leg.Server)...)
	if leg.Peer.IsValid() {
		w.scratch = leg.Peer.Addr().AppendTo(w.scratch[:0])
		dst = stringAttribute(dst, "network.peer.address", w.scratch)
		dst = intAttribute(dst, "network.peer.port", uint64(leg.Peer.Port()))
	}
	dst = intAttribute(dst, "weir.server.connection", uint64(leg.ThreadID))
	if t.Branch() {
		dst = trueAttribute(append(dst, c.client...), "weir.branch")
	}
	if first := leg.First - leg.Start; first > 0 {
		dst = doubleAttribute(dst, "weir.response.first_byte", first.Seconds())
	}
	dst = intAttribute(dst, "weir.response.bytes", leg.Bytes)
	switch {
	case leg.Code != 0:
		dst = w.failed(dst, leg.Code, string(leg.State[:]), "")
	case leg.Lost && t.Failure != "":
		dst = failed(stringAttribute(dst, "error.type", t.Failure), "")
	case leg.Lost:
		dst = failed(stringAttribute(dst, "error.type", "server_lost"), "")
	}
	return endSpan(dst, at)
}

// server returns the attributes that say where a server is.
func (w *writer) server(srv *pipeline.Server) []byte {
	for i := range w.servers {
		if w.servers[i].server == srv {
			return w.servers[i].encoded
		}
	}
	address := srv.Config.Address
	var encoded []byte
	if host, port, err := net.SplitHostPort(address); err == nil {
		encoded = textAttribute(encoded, "server.address", host)
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			encoded = intAttribute(encoded, "server.port", n)
		}
	} else {
		encoded = textAttribute(encoded, "server.address", address)
	}
	encoded = textAttribute(encoded, "weir.server", srv.Name())
	w.servers = append(w.servers, serverAttributes{srv, encoded})
	return encoded
}

// failed appends an error of a server's, or one in its words.
func (w *writer) failed(dst []byte, code uint16, state, message string) []byte {
	w.scratch = strconv.AppendUint(w.scratch[:0], uint64(code), 10)
	dst = stringAttribute(dst, "db.response.status_code", w.scratch)
	dst = stringAttribute(dst, "error.type", w.scratch)
	w.scratch = append(append(append(w.scratch, " ("...), state...), ')')
	if message != "" {
		w.scratch = append(append(w.scratch, ": "...), message...)
	}
	return failed(dst, valid(string(w.scratch)))
}

// failed appends the status of a span that failed.
func failed(dst []byte, message string) []byte {
	if message == "" {
		return append(dst, spanStatus, 2, statusCode, statusError)
	}
	dst = appendVarint(append(dst, spanStatus), uint64(1+sizeVarint(uint64(len(message)))+len(message)+2))
	return append(appendBytes(dst, statusMessage, message), statusCode, statusError)
}

func appendDigest(dst []byte, digest uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[digest>>shift&0xf])
	}
	return dst
}
