package pipelinetest

import (
	"encoding/binary"
	"strconv"

	"github.com/weirproxy/weir/protocol"
)

// Caps are the capabilities of the sessions here, and of the replies made here.
const Caps = protocol.ClientMySQL | protocol.ClientLongFlag | protocol.ClientProtocol41 |
	protocol.ClientTransactions | protocol.ClientSecureConnection | protocol.ClientMultiStatements |
	protocol.ClientMultiResults | protocol.ClientPSMultiResults | protocol.ClientPluginAuth |
	protocol.ClientDeprecateEOF

// A Reply is a server's answer to one command, chunk by chunk. The empty Reply answers what expects none.
type Reply []protocol.Chunk

// ServerName is the server that replies come from.
const ServerName = "db1"

// add appends a chunk of packets of one kind, one for each payload.
func (r *Reply) add(kind protocol.Kind, payloads ...[]byte) {
	seq := uint8(1)
	for i := range *r {
		seq += uint8((*r)[i].Count)
	}
	p := protocol.Chunk{Kind: kind, Count: len(payloads), Server: ServerName}
	for _, payload := range payloads {
		p.Data = protocol.AppendPacket(p.Data, seq, payload)
		seq++
	}
	*r = append(*r, p)
}

// end marks the last chunk as the reply's end.
func (r Reply) end(status uint16) Reply {
	p := &r[len(r)-1]
	p.Final, p.Status = true, status
	return r
}

// OK answers with an OK packet.
func OK(affectedRows, lastInsertID uint64) Reply {
	ok := protocol.OK{AffectedRows: affectedRows, LastInsertID: lastInsertID, Status: protocol.StatusAutocommit}
	var r Reply
	r.add(protocol.KindOK, ok.Append(nil, Caps))
	return r.end(ok.Status)
}

// Err answers with an ERR packet.
func Err(code uint16, state, message string) Reply {
	var r Reply
	r.add(protocol.KindErr, (&protocol.SQLError{Code: code, State: state, Message: message}).Append(nil))
	return r.end(0)
}

// Rows answers with a text result set of n rows "1", "2", ... in a column called n.
func Rows(n int) Reply {
	var r Reply
	r.add(protocol.KindColumns, []byte{1})
	r.add(protocol.KindColumn, columnDefinition("n"))
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = protocol.AppendLenencString(nil, strconv.Itoa(i+1))
	}
	if n > 0 {
		r.add(protocol.KindRow, rows...)
	}
	ok := protocol.OK{Status: protocol.StatusAutocommit}
	payload := ok.Append(nil, Caps)
	payload[0] = 0xfe
	r.add(protocol.KindEOF, payload)
	return r.end(ok.Status)
}

// Prepared answers a COM_STMT_PREPARE for a statement with the given number of parameters and one column.
func Prepared(id uint32, params int) Reply {
	payload := binary.LittleEndian.AppendUint32([]byte{0}, id)
	payload = append(payload, 1, 0, byte(params), byte(params>>8), 0, 0, 0)
	var r Reply
	r.add(protocol.KindPrepareOK, payload)
	for range params {
		r.add(protocol.KindColumn, columnDefinition("?"))
	}
	r.add(protocol.KindColumn, columnDefinition("n"))
	return r.end(0)
}

// Other answers with one packet of a kind that Weir does not know.
func Other(payload []byte) Reply {
	var r Reply
	r.add(protocol.KindOther, payload)
	return r.end(0)
}

// Then appends the reply of the next statement, as a COM_QUERY of several has it.
func (r Reply) Then(next Reply) Reply {
	all := append(Reply(nil), r...)
	last := &all[len(all)-1]
	last.Final = false
	if last.Kind == protocol.KindOK || last.Kind == protocol.KindEOF {
		last.Status |= protocol.StatusMoreResultsExists
	}
	return append(all, next...)
}

// Packets returns the reply with every packet in a chunk of its own.
func (r Reply) Packets() Reply {
	var cut Reply
	for i := range r {
		rest := r[i].Data
		for len(rest) > 0 {
			n := protocol.HeaderSize + protocol.PayloadLen(rest)
			p := r[i]
			p.Data, p.Count, p.Final = rest[:n:n], 1, p.Final && n == len(rest)
			cut, rest = append(cut, p), rest[n:]
		}
	}
	return cut
}

// Fragments returns the reply with every packet longer than n bytes, header included, cut into pieces of at most
// that length. n must be at least protocol.HeaderSize+1.
func (r Reply) Fragments(n int) Reply {
	var cut Reply
	for _, whole := range r.Packets() {
		rest := whole.Data
		for part := protocol.First; len(rest) > n; part = protocol.Middle {
			p := whole
			p.Data, p.Part, p.Final, p.Count = rest[:n:n], part, false, 0
			if part == protocol.First {
				p.Count = 1
			}
			cut, rest = append(cut, p), rest[n:]
		}
		if len(rest) < len(whole.Data) {
			whole.Data, whole.Part, whole.Count = rest, protocol.Last, 0
		}
		cut = append(cut, whole)
	}
	return cut
}

// columnDefinition is the payload of a column definition.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html
func columnDefinition(name string) []byte {
	var b []byte
	for _, s := range []string{"def", "", "", "", name, ""} {
		b = protocol.AppendLenencString(b, s)
	}
	const fieldTypeVarString = 0xfd
	return append(b, 12, 45, 0, 10, 0, 0, 0, fieldTypeVarString, 0, 0, 0, 0, 0)
}
