package protocol

import "fmt"

// A ReplyReader cuts what a server sends in answer to one command into chunks and knows where the answer
// ends. It keeps no bytes. Reset it for every command that expects a reply.
//
// The shapes it knows: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html and
// https://mariadb.com/kb/en/4-server-response-packets/.
type ReplyReader struct {
	// Server is put into every chunk.
	Server string

	caps  Capability
	state replyState
	after replyState // what follows the column definitions
	com   byte
	seq   uint8  // number the next packet must have
	defs  uint64 // column or parameter definitions still to come
	cols  uint64 // column definitions that follow a prepared statement's parameters
	bare  bool   // a prepared statement's definitions are left out, and only the EOF packets after them sent

	// A packet that travels in fragments: how much of the current wire packet is still to come, whether
	// another one continues it, and what the chunks of it say.
	left int
	cont bool
	frag Chunk
}

type replyState uint8

const (
	replyDone       replyState = iota
	replyFirst                 // the first packet of a result of COM_QUERY, COM_STMT_EXECUTE and their like
	replySingle                // one packet answers
	replyDefs                  // a counted run of column or parameter definitions
	replyDefsEOF               // the EOF packet after column definitions
	replyRows                  // rows up to an EOF, OK or ERR packet
	replyFields                // COM_FIELD_LIST: definitions up to an EOF, OK or ERR packet
	replyPrepare               // the first packet of the answer to COM_STMT_PREPARE
	replyParamsEOF             // the EOF packet after parameter definitions
	replyPrepareEOF            // the EOF packet after a prepared statement's column definitions
	replyEvents                // binlog events up to an EOF or ERR packet
	replyInfile                // waiting for Resume
)

// Reset prepares for the reply to the command com, which is Done at once where there is none, and whose first packet is to be numbered seq. caps are the
// capabilities agreed on with the server.
func (r *ReplyReader) Reset(com byte, caps Capability, seq uint8) {
	r.com, r.caps, r.seq = com, caps, seq
	r.left, r.cont = 0, false
	switch com {
	case ComQuit, ComStmtClose, ComStmtSendLongData:
		r.state = replyDone
	case ComStmtPrepare:
		r.state = replyPrepare
	case ComStmtFetch:
		r.state = replyRows
	case ComFieldList:
		r.state = replyFields
	case ComStatistics, ComPing, ComInitDB, ComCreateDB, ComDropDB, ComRefresh, ComShutdown, ComProcessKill,
		ComDebug, ComSetOption, ComStmtReset, ComResetConnection, ComRegisterSlave:
		r.state = replySingle
	case ComBinlogDump, ComBinlogDumpGTID, ComTableDump:
		r.state = replyEvents
	default:
		r.state = replyFirst
	}
}

// Resume goes on after a KindLocalInfile chunk: the client has sent its file, and the server's answer to that is to
// be numbered seq.
func (r *ReplyReader) Resume(seq uint8) { r.state, r.seq = replyFirst, seq }

// Seq is the number that the next packet must have.
func (r *ReplyReader) Seq() uint8 { return r.seq }

// Done reports whether the reply has been cut whole.
func (r *ReplyReader) Done() bool { return r.state == replyDone && !r.fragmented() }

// AtPacketStart reports whether all packets so far were cut whole, so that an ERR packet may follow.
func (r *ReplyReader) AtPacketStart() bool { return !r.fragmented() }

func (r *ReplyReader) fragmented() bool { return r.left > 0 || r.cont }

// Next fills p with the chunk at the front of b and returns its length; 0 means that b does not hold enough.
// full says that b cannot grow, so that a packet longer than b is to be cut into fragments; b must then be at
// least 64 bytes long. Next must not be called when the reader is Done. An error means that the server broke
// the protocol: nothing more can be read from it.
func (r *ReplyReader) Next(b []byte, full bool, p *Chunk) (int, error) {
	if r.fragmented() {
		return r.nextFragment(b, p)
	}
	if r.state == replyEvents && len(b) >= HeaderSize {
		r.seq = b[3] // a replica may have acknowledged an event: the server goes on from the number of that
	}
	if r.state == replyRows || r.state == replyEvents {
		if n := r.nextRows(b, p); n > 0 {
			return n, nil
		}
	}
	if r.state == replyDefs {
		if n := r.nextDefs(b, p); n > 0 {
			return n, nil
		}
	}
	if len(b) < HeaderSize {
		return 0, nil
	}
	length := PayloadLen(b)
	if b[3] != r.seq {
		return 0, fmt.Errorf("packet number %d where %d was expected", b[3], r.seq)
	}
	if length == 0 {
		return 0, fmt.Errorf("empty packet: %w", ErrMalformed)
	}
	whole := length < MaxPayload && len(b)-HeaderSize >= length
	if !whole && !full {
		return 0, nil
	}
	payload := b[HeaderSize:min(len(b), HeaderSize+length)]
	if err := r.step(payload, length, p); err != nil {
		return 0, err
	}
	p.Count, p.Server = 1, r.Server
	n, part := HeaderSize+len(payload), Whole
	if !whole {
		part = First
		r.left, r.cont = length-len(payload), length == MaxPayload
		r.frag = *p
		p.Final = false
	}
	r.emit(b, n, 1, r.seq, part, p)
	r.seq++
	return n, nil
}

func (r *ReplyReader) emit(b []byte, n, packets int, seq uint8, part Part, p *Chunk) {
	p.Data, p.Part = b[:n:n], part
	p.wire = wire{b: b, n: n, packets: packets, seq: seq}
}

// nextRows cuts the longest run of whole rows (or events) at the front of b: this is where large results go by.
func (r *ReplyReader) nextRows(b []byte, p *Chunk) int {
	i, count, seq := 0, 0, r.seq
	for len(b)-i > HeaderSize {
		length := PayloadLen(b[i:])
		if first := b[i+HeaderSize]; first >= 0xfe && (first == 0xff || r.isEnd(length)) {
			break
		}
		if b[i+3] != seq || length > len(b)-i-HeaderSize || length == MaxPayload || length == 0 {
			break
		}
		i += HeaderSize + length
		count++
		seq++
	}
	if count == 0 {
		return 0
	}
	kind := KindRow
	if r.state == replyEvents {
		kind = KindEvent
	}
	*p = Chunk{Count: count, Kind: kind, Server: r.Server}
	r.emit(b, i, count, r.seq, Whole, p)
	r.seq = seq
	return i
}

// nextDefs cuts a run of whole definitions.
func (r *ReplyReader) nextDefs(b []byte, p *Chunk) int {
	i, count, seq := 0, 0, r.seq
	for uint64(count) < r.defs && len(b)-i > HeaderSize {
		length := PayloadLen(b[i:])
		if b[i+3] != seq || length > len(b)-i-HeaderSize || length == MaxPayload || length == 0 || b[i+HeaderSize] == 0xff {
			break
		}
		i += HeaderSize + length
		count++
		seq++
	}
	if count == 0 {
		return 0
	}
	*p = Chunk{Count: count, Kind: KindColumn, Server: r.Server}
	r.emit(b, i, count, r.seq, Whole, p)
	r.seq = seq
	r.defs -= uint64(count)
	if r.defs == 0 {
		r.endDefs(p)
	}
	return i
}

// nextFragment cuts what b holds of a packet whose first fragment has gone before.
func (r *ReplyReader) nextFragment(b []byte, p *Chunk) (int, error) {
	n, packets, seq := 0, 0, r.seq
	for r.fragmented() {
		if r.left == 0 {
			if len(b)-n < HeaderSize {
				break
			}
			if b[n+3] != r.seq {
				return 0, fmt.Errorf("packet number %d where %d was expected", b[n+3], r.seq)
			}
			r.seq++
			packets++
			r.left = PayloadLen(b[n:])
			r.cont = r.left == MaxPayload
			n += HeaderSize
			continue
		}
		take := min(r.left, len(b)-n)
		if take == 0 {
			break
		}
		n += take
		r.left -= take
	}
	if n == 0 {
		return 0, nil
	}
	*p = r.frag
	p.Count = 0
	part := Last
	if r.fragmented() {
		p.Final = false
		part = Middle
	}
	r.emit(b, n, packets, seq, part, p)
	return n, nil
}

// isEnd reports whether a packet that begins with 0xFE in place of a row ends the rows.
func (r *ReplyReader) isEnd(length int) bool {
	if r.caps&ClientDeprecateEOF != 0 {
		return length < MaxPayload
	}
	return length < 9
}
