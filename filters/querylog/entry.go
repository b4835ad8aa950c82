package querylog

import (
	"encoding/binary"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// An entry is what there is to say of one command, as its session knows it. It goes through the ring as plain bytes, which
// are made with little code and little memory: both are cold in the middle of a statement. What they look like in the log
// is worked out by the writer, for many at once.
type entry struct {
	flags     flags
	com       byte
	id        uint32
	user      string
	client    string
	schema    string
	text      []byte // of the statement, where it is not in prepared
	prepared  string
	about     *pipeline.Statement // where the log says something of it
	canonical string              // its text, where the log names what it names
	execution []byte              // the command's payload, where it executes a statement
	params    int                 // of that statement
	types     []byte              // its parameters were last bound with
	long      []uint64            // see protocol.Params
	err       *protocol.SQLError
	watch     *pipeline.Watch
	trace     [16]byte
}

// flags are what is known of a command.
type flags uint16

const (
	known     flags = 1 << iota // it has a statement
	truncated                   // not all of statement or parameters is there
	aborted
	traced
	described  // digest, class and summary are known
	executes   // it executes a prepared statement
	attributes // with ClientQueryAttributes
	failed     // with an error
	isEvent    // it is none: what follows is the line
)

// A raw entry begins with its lengths and numbers, at these places; then come its texts.
const (
	rawFlags      = 0  // 2 bytes
	rawCom        = 2  // 1
	rawClass      = 3  // 1
	rawID         = 4  // 4
	rawStart      = 8  // 8, nanoseconds, as the next two
	rawFirst      = 16 // 8
	rawLast       = 24 // 8
	rawRows       = 32 // 8
	rawAffected   = 40 // 8
	rawBytes      = 48 // 8
	rawInsertID   = 56 // 8
	rawDigest     = 64 // 8
	rawText       = 72 // 4, length, as all that follows but for the last two
	rawExecution  = 76 // 4
	rawTypes      = 80 // 4
	rawLong       = 84 // 4
	rawUser       = 88 // 2
	rawClient     = 90
	rawSchema     = 92
	rawServer     = 94
	rawMessage    = 96
	rawSummary    = 98
	rawParams     = 100 // number of parameters
	rawCode       = 102 // of the error
	rawCanonical  = 104 // length
	rawSize       = 106
	rawState      = 5 // length of an SQLSTATE
	eventOverhead = 8 // an event has no more than flags and id
)

// clipped returns the parts of the entry that are cut where they are too long.
func (e *entry) clipped() (server, message, summary string) {
	server = clipName(e.watch.Server)
	if e.flags&failed != 0 {
		message, _ = clip(e.err.Message, maxMessage, false)
	}
	if e.flags&described != 0 {
		summary = e.about.Summary[:min(len(e.about.Summary), maxSummary)]
	}
	return server, message, summary
}

// size returns how many bytes append will append.
func (e *entry) size() int {
	server, message, summary := e.clipped()
	n := rawSize + len(e.user) + len(e.client) + len(e.schema) + len(e.text) + len(e.prepared) + len(server) +
		len(e.execution) + len(e.types) + 8*len(e.long)
	if e.flags&failed != 0 {
		n += rawState + len(message)
	}
	if e.flags&traced != 0 {
		n += len(e.trace)
	}
	return n + len(summary) + len(e.canonical)
}

// append appends the entry as it goes through the ring.
func (e *entry) append(dst []byte) []byte {
	h, le := e.watch, binary.LittleEndian
	server, message, summary := e.clipped()
	var head [rawSize]byte
	le.PutUint16(head[rawFlags:], uint16(e.flags))
	head[rawCom] = e.com
	le.PutUint32(head[rawID:], e.id)
	le.PutUint64(head[rawStart:], uint64(h.Start.UnixNano()))
	le.PutUint64(head[rawFirst:], uint64(h.First))
	le.PutUint64(head[rawLast:], uint64(h.Last))
	le.PutUint64(head[rawRows:], h.Rows)
	le.PutUint64(head[rawAffected:], h.AffectedRows)
	le.PutUint64(head[rawBytes:], h.Bytes)
	le.PutUint64(head[rawInsertID:], h.LastInsertID)
	le.PutUint32(head[rawText:], uint32(len(e.text)+len(e.prepared)))
	le.PutUint32(head[rawExecution:], uint32(len(e.execution)))
	le.PutUint32(head[rawTypes:], uint32(len(e.types)))
	le.PutUint32(head[rawLong:], uint32(8*len(e.long)))
	le.PutUint16(head[rawUser:], uint16(len(e.user)))
	le.PutUint16(head[rawClient:], uint16(len(e.client)))
	le.PutUint16(head[rawSchema:], uint16(len(e.schema)))
	le.PutUint16(head[rawServer:], uint16(len(server)))
	le.PutUint16(head[rawMessage:], uint16(len(message)))
	le.PutUint16(head[rawSummary:], uint16(len(summary)))
	le.PutUint16(head[rawParams:], uint16(e.params))
	le.PutUint16(head[rawCanonical:], uint16(len(e.canonical)))
	if e.flags&described != 0 {
		head[rawClass] = byte(e.about.Class)
		le.PutUint64(head[rawDigest:], e.about.Digest)
	}
	if e.flags&failed != 0 {
		le.PutUint16(head[rawCode:], e.err.Code)
	}
	dst = append(dst, head[:]...)
	dst = append(append(append(dst, e.user...), e.client...), e.schema...)
	dst = append(append(append(dst, e.text...), e.prepared...), server...)
	if e.flags&executes != 0 {
		dst = append(append(dst, e.execution...), e.types...)
		for _, n := range e.long {
			dst = le.AppendUint64(dst, n)
		}
	}
	if e.flags&failed != 0 {
		var state [rawState]byte
		copy(state[:], e.err.State)
		dst = append(append(dst, state[:]...), message...)
	}
	if e.flags&traced != 0 {
		dst = append(dst, e.trace[:]...)
	}
	return append(append(dst, summary...), e.canonical...)
}

// parse makes r of what append has made. It refers to raw.
func (r *record) parse(raw []byte) {
	le := binary.LittleEndian
	head := raw[:rawSize]
	r.flags = flags(le.Uint16(head[rawFlags:]))
	r.com, r.class = head[rawCom], head[rawClass]
	r.id = le.Uint32(head[rawID:])
	r.start = time.Unix(0, int64(le.Uint64(head[rawStart:])))
	r.first, r.last = time.Duration(le.Uint64(head[rawFirst:])), time.Duration(le.Uint64(head[rawLast:]))
	r.rows, r.affected = le.Uint64(head[rawRows:]), le.Uint64(head[rawAffected:])
	r.bytes, r.insertID = le.Uint64(head[rawBytes:]), le.Uint64(head[rawInsertID:])
	r.digest = le.Uint64(head[rawDigest:])
	r.code = le.Uint16(head[rawCode:])

	rest := raw[rawSize:]
	cut := func(n int) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	r.user = cut(int(le.Uint16(head[rawUser:])))
	r.client = cut(int(le.Uint16(head[rawClient:])))
	r.schema = cut(int(le.Uint16(head[rawSchema:])))
	r.text = cut(int(le.Uint32(head[rawText:])))
	r.server = cut(int(le.Uint16(head[rawServer:])))
	if r.flags&executes != 0 {
		payload, types := cut(int(le.Uint32(head[rawExecution:]))), cut(int(le.Uint32(head[rawTypes:])))
		r.decode(payload, int(le.Uint16(head[rawParams:])), types, cut(int(le.Uint32(head[rawLong:]))))
	}
	r.state, r.message = nil, nil
	if r.flags&failed != 0 {
		r.state = cut(rawState)
		r.message = cut(int(le.Uint16(head[rawMessage:])))
	}
	if r.flags&traced != 0 {
		r.trace = cut(len(entry{}.trace))
	}
	r.summary = cut(int(le.Uint16(head[rawSummary:])))
	r.canonical = cut(int(le.Uint16(head[rawCanonical:])))
}

// decode finds the values that a statement was executed with. Where not even their types can be made out, it has none.
func (r *record) decode(payload []byte, params int, types, long []byte) {
	r.long = r.long[:0]
	for ; len(long) > 0; long = long[8:] {
		r.long = append(r.long, binary.LittleEndian.Uint64(long))
	}
	var caps protocol.Capability
	if r.flags&attributes != 0 {
		caps = protocol.ClientQueryAttributes
	}
	r.count = params
	if params == 0 || r.params.Decode(payload, params, types, r.long, caps) != nil {
		r.flags &^= executes
	}
}
