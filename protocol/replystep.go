package protocol

import (
	"encoding/binary"
	"fmt"
)

// step sets p's Kind, Final and Status from the head of a packet and moves on to the next state. length is the
// payload's whole length, of which payload is all, or enough to hold an OK packet's fields up to the status.
func (r *ReplyReader) step(payload []byte, length int, p *Chunk) error {
	*p = Chunk{}
	first := payload[0]
	if first == 0xff && r.state != replyInfile {
		return r.stepErr(payload, length, p)
	}
	switch r.state {
	case replyFirst:
		return r.stepFirst(payload, length, p)
	case replySingle:
		return r.stepSingle(payload, length, p)
	case replyDefs:
		p.Kind = KindColumn
		if r.defs--; r.defs == 0 {
			r.endDefs(p)
		}
		return nil
	case replyDefsEOF, replyParamsEOF, replyPrepareEOF:
		return r.stepDefsEOF(payload, length, p)
	case replyRows:
		if first == 0xfe && r.isEnd(length) {
			return r.endResult(payload, p)
		}
		p.Kind = KindRow
		return nil
	case replyFields:
		if first == 0xfe && r.isEnd(length) {
			p.Kind = KindEOF
			p.Status = r.eofStatus(payload)
			r.finish(p)
			return nil
		}
		p.Kind = KindColumn
		return nil
	case replyPrepare:
		return r.stepPrepare(payload, length, p)
	case replyEvents:
		p.Kind = KindEvent
		if first == 0xfe && length < 9 {
			p.Kind = KindEOF
			r.finish(p)
		}
		return nil
	}
	return fmt.Errorf("packet 0x%02x where none was expected", first)
}

func (r *ReplyReader) finish(p *Chunk) { p.Final, r.state = true, replyDone }

func (r *ReplyReader) stepErr(payload []byte, length int, p *Chunk) error {
	if length < 3 {
		return fmt.Errorf("ERR packet of %d bytes: %w", length, ErrMalformed)
	}
	// https://mariadb.com/kb/en/err_packet/: code 0xFFFF is a progress report, and the reply goes on.
	if r.caps&MariaDBClientProgress != 0 && binary.LittleEndian.Uint16(payload[1:]) == 0xffff {
		p.Kind = KindProgress
		return nil
	}
	p.Kind = KindErr
	r.finish(p)
	return nil
}

func (r *ReplyReader) stepFirst(payload []byte, length int, p *Chunk) error {
	switch first := payload[0]; {
	case first == 0x00:
		ok, err := okHead(payload)
		if err != nil {
			return err
		}
		p.Kind, p.Status = KindOK, ok
		if ok&StatusMoreResultsExists == 0 {
			r.finish(p)
		}
		return nil
	case first == 0xfb && r.com == ComQuery:
		p.Kind, r.state = KindLocalInfile, replyInfile
		return nil
	case first == 0xfe && length < 9:
		p.Kind, p.Status = KindEOF, r.eofStatus(payload)
		r.finish(p)
		return nil
	}
	columns, n := Lenenc(payload)
	if n == 0 || columns == 0 {
		return fmt.Errorf("packet 0x%02x of %d bytes where a result begins: %w", payload[0], length, ErrMalformed)
	}
	p.Kind = KindColumns
	follows := true
	if r.caps&(ClientOptionalResultsetMetadata|MariaDBClientCacheMetadata) != 0 && len(payload) > n {
		follows = payload[n] != 0
	}
	r.defs, r.after = columns, replyRows
	if r.caps&ClientDeprecateEOF == 0 {
		r.after = replyDefsEOF
	}
	r.state = replyDefs
	if !follows {
		r.state = r.after
	}
	return nil
}

func (r *ReplyReader) stepSingle(payload []byte, length int, p *Chunk) error {
	switch first := payload[0]; {
	case r.com == ComStatistics:
		p.Kind = KindStatistics
	case first == 0x00:
		status, err := okHead(payload)
		if err != nil {
			return err
		}
		p.Kind, p.Status = KindOK, status
	case first == 0xfe:
		p.Kind, p.Status = KindEOF, r.eofStatus(payload)
	default:
		return fmt.Errorf("packet 0x%02x of %d bytes in answer to %s: %w", first, length, CommandName(r.com), ErrMalformed)
	}
	r.finish(p)
	return nil
}

// endDefs moves on when the last definition of a run has been cut.
func (r *ReplyReader) endDefs(p *Chunk) {
	r.state = r.after
	if r.after == replyPrepareEOF && r.caps&ClientDeprecateEOF != 0 {
		r.finish(p)
	}
	if r.after == replyParamsEOF && r.caps&ClientDeprecateEOF != 0 {
		r.beginPreparedColumns(p)
	}
}

// beginPreparedColumns moves on to a prepared statement's column definitions, after those of its parameters.
func (r *ReplyReader) beginPreparedColumns(p *Chunk) {
	switch {
	case r.cols == 0 || r.bare && r.caps&ClientDeprecateEOF != 0:
		r.finish(p)
	case r.bare:
		r.state = replyPrepareEOF
	default:
		r.defs, r.state, r.after = r.cols, replyDefs, replyPrepareEOF
	}
}

func (r *ReplyReader) stepDefsEOF(payload []byte, length int, p *Chunk) error {
	if payload[0] != 0xfe || length >= 9 {
		return fmt.Errorf("packet 0x%02x of %d bytes where column definitions end: %w", payload[0], length, ErrMalformed)
	}
	p.Kind, p.Status = KindEOF, r.eofStatus(payload)
	switch r.state {
	case replyParamsEOF:
		r.beginPreparedColumns(p)
	case replyPrepareEOF:
		r.finish(p)
	default:
		r.state = replyRows
		// A cursor has been opened: the rows wait for COM_STMT_FETCH.
		if p.Status&StatusCursorExists != 0 && r.com == ComStmtExecute {
			r.finish(p)
		}
	}
	return nil
}

// endResult handles the packet that ends rows: an EOF packet, or the OK packet that stands for one.
func (r *ReplyReader) endResult(payload []byte, p *Chunk) error {
	p.Kind = KindEOF
	p.Status = r.eofStatus(payload)
	if p.Status&StatusMoreResultsExists != 0 && r.com != ComStmtFetch {
		r.state = replyFirst
		return nil
	}
	r.finish(p)
	return nil
}

// stepPrepare: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html
func (r *ReplyReader) stepPrepare(payload []byte, length int, p *Chunk) error {
	if payload[0] != 0x00 || len(payload) < 9 {
		return fmt.Errorf("packet 0x%02x of %d bytes in answer to COM_STMT_PREPARE: %w", payload[0], length, ErrMalformed)
	}
	p.Kind = KindPrepareOK
	r.cols = uint64(binary.LittleEndian.Uint16(payload[5:]))
	r.defs = uint64(binary.LittleEndian.Uint16(payload[7:]))
	r.bare = r.caps&ClientOptionalResultsetMetadata != 0 && len(payload) > 12 && payload[12] == 0
	switch {
	case r.defs == 0 || r.bare && r.caps&ClientDeprecateEOF != 0:
		r.beginPreparedColumns(p)
	case r.bare:
		r.state = replyParamsEOF
	default:
		r.state, r.after = replyDefs, replyParamsEOF
	}
	return nil
}

// okHead returns the status flags of an OK packet of which at least the fields up to them are there.
func okHead(payload []byte) (status uint16, err error) {
	at := okStatusAt(payload)
	if at == 0 {
		return 0, fmt.Errorf("OK packet: %w", ErrMalformed)
	}
	return binary.LittleEndian.Uint16(payload[at:]), nil
}

// eofStatus returns the status flags of an EOF packet, 0 where it has none.
func (r *ReplyReader) eofStatus(payload []byte) uint16 {
	at := StatusAt(payload, r.caps)
	if at == 0 {
		return 0
	}
	return binary.LittleEndian.Uint16(payload[at:])
}

// StatusAt returns where the status flags lie in the payload of an OK or EOF packet, 0 where it has none. The payload may be
// cut off behind them. caps are the capabilities both ends agreed on: COM_SET_OPTION and COM_DEBUG are answered by an EOF
// packet, or where EOF packets are deprecated by an OK packet that begins like one.
func StatusAt(payload []byte, caps Capability) int {
	if len(payload) == 0 {
		return 0
	}
	if payload[0] != 0xfe || caps&ClientDeprecateEOF != 0 && len(payload) >= 7 {
		if at := okStatusAt(payload); at > 0 || payload[0] != 0xfe {
			return at
		}
	}
	if len(payload) < 5 {
		return 0
	}
	return 3
}

// okStatusAt is StatusAt for what is built like an OK packet.
func okStatusAt(payload []byte) int {
	at := 1
	for range 2 { // affected rows, last insert id
		_, n := Lenenc(payload[at:])
		if n == 0 {
			return 0
		}
		at += n
	}
	if len(payload) < at+2 {
		return 0
	}
	return at
}
