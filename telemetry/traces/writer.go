package traces

import (
	"encoding/binary"
	"net"
	"strconv"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A writer encodes the spans of one worker.
type writer struct {
	e       *Exporter
	b       *batch
	raw     bool // statements are shown as they came
	text    bool // they are shown
	servers []serverAttributes
	scratch []byte
}

// serverAttributes are the encoded attributes of a server.
type serverAttributes struct {
	server  *pipeline.Server
	encoded []byte
}

func (e *Exporter) writer() *writer {
	return &writer{e: e, b: e.take(), raw: e.config.QueryText == "raw", text: e.config.QueryText != "none"}
}

// Flush is pipeline.SpanWriter's.
func (w *writer) Flush() {
	if w.b.count > 0 {
		w.e.put(w.b)
		w.b = w.e.take()
	}
}

// WriteTrace is pipeline.SpanWriter's.
func (w *writer) WriteTrace(t *pipeline.Trace) {
	b := w.b
	d := w.describe(t)
	if !t.Branch() {
		b.spans = w.statement(b.spans, t, &d)
		b.count++
	}
	for i := range t.Legs {
		b.spans = w.leg(b.spans, t, &t.Legs[i], &d)
		b.count++
	}
	if len(b.spans) >= batchSize {
		w.Flush()
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
func head(dst []byte, t *pipeline.Trace, id, parent [8]byte, flags uint32, name *called, kind byte) []byte {
	dst = appendBytes(dst, spanTraceID, t.Context.TraceID[:])
	dst = appendBytes(dst, spanID, id[:])
	if len(t.State) > 0 {
		dst = appendBytes(dst, spanTraceState, t.State)
	}
	if parent != [8]byte{} {
		dst = appendBytes(dst, spanParentID, parent[:])
	}
	dst = append(name.append(append(dst, spanName)), spanKind, kind)
	dst = append(dst, byte(spanFlags&0x7f|0x80), byte(spanFlags>>7))
	return binary.LittleEndian.AppendUint32(dst, uint32(t.Context.Flags)|knowsRemote|flags)
}

func times(dst []byte, start time.Time, from, to time.Duration) []byte {
	nanos := start.UnixNano()
	dst = binary.LittleEndian.AppendUint64(append(dst, spanStart), uint64(nanos+int64(from)))
	return binary.LittleEndian.AppendUint64(append(dst, spanEnd), uint64(nanos+int64(to)))
}

// statement appends the span of a statement.
func (w *writer) statement(dst []byte, t *pipeline.Trace, d *description) []byte {
	dst, at := beginSpan(dst)
	s, h := t.Session, t.Reply
	remote := uint32(0)
	if t.Parent != [8]byte{} {
		remote = isRemote
	}
	dst = head(dst, t, t.Context.SpanID, t.Parent, remote, &d.name, kindServer)
	dst = times(dst, t.Start, 0, t.End)
	dst = d.append(dst)
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
	dst = clientAttributes(dst, s)
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
	dst = sizes(dst, h.First, t.End, h.Bytes)
	switch {
	case h.Err != nil:
		message := ""
		if w.raw { // it may quote values of the statement
			message = h.Err.Message
		}
		dst = w.failed(dst, h.Err.Code, h.Err.State, message)
	case t.Failure != "":
		dst = failed(stringAttribute(dst, "error.type", t.Failure), "")
	}
	return endSpan(dst, at)
}

// leg appends the span of a leg.
func (w *writer) leg(dst []byte, t *pipeline.Trace, leg *pipeline.Leg, d *description) []byte {
	dst, at := beginSpan(dst)
	if leg.Statement != t.Statement || leg.Command != d.command {
		own := w.describeLeg(t, leg)
		d = &own
	}
	dst = head(dst, t, leg.SpanID, t.Context.SpanID, 0, &d.name, kindClient)
	dst = times(dst, t.Start, leg.Start, leg.End)
	dst = d.append(dst)
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
		dst = trueAttribute(clientAttributes(dst, t.Session), "weir.branch")
	}
	dst = sizes(dst, leg.First-leg.Start, leg.End-leg.Start, leg.Bytes)
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

// sizes appends what is said of a reply. first is not positive where there was none.
func sizes(dst []byte, first, last time.Duration, bytes uint64) []byte {
	if first > 0 {
		dst = doubleAttribute(dst, "weir.response.first_byte", first.Seconds())
		dst = doubleAttribute(dst, "weir.response.last_byte", last.Seconds())
	}
	return intAttribute(dst, "weir.response.bytes", bytes)
}

// clientAttributes appends who the client is.
func clientAttributes(dst []byte, s *pipeline.Session) []byte {
	host, port, err := net.SplitHostPort(s.ClientAddr())
	if err != nil { // a Unix socket
		host, port = s.ClientAddr(), ""
	}
	dst = stringAttribute(dst, "client.address", host)
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		dst = intAttribute(dst, "client.port", n)
	}
	dst = textAttribute(dst, "user.name", s.User())
	return intAttribute(dst, "weir.session", uint64(s.ID()))
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

func system(s *pipeline.Session) string {
	if s.Mode()&sqlscan.MariaDB != 0 {
		return "mariadb"
	}
	return "mysql"
}

// operations are those of commands that are not what their statement says.
var operations = [256]string{protocol.ComStmtPrepare: "PREPARE", protocol.ComStmtFetch: "FETCH"}

// prefixes are operations with a space behind them.
var prefixes = [256]string{protocol.ComStmtPrepare: "PREPARE ", protocol.ComStmtFetch: "FETCH "}
