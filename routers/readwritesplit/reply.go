package readwritesplit

import (
	"bytes"
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// An answer is where replies go that are for the router itself.
type answer struct {
	err         *protocol.SQLError
	done        bool
	statementID uint32
	params      int
	row         []byte // payload of the last row
}

func (a *answer) reset() { *a = answer{row: a.row[:0]} }

// WriteReply is pipeline.ReplyWriter's.
func (a *answer) WriteReply(p *protocol.Chunk) error {
	a.done = p.Final
	if p.Count == 0 {
		return nil
	}
	payload := p.Payload()
	switch p.Kind {
	case protocol.KindErr:
		e, err := protocol.DecodeErr(payload)
		if err != nil {
			e = &protocol.SQLError{Code: protocol.CrMalformedPacket, State: "HY000", Message: err.Error()}
		}
		a.err = e
	case protocol.KindPrepareOK:
		if len(payload) >= 9 {
			a.statementID = binary.LittleEndian.Uint32(payload[1:])
			a.params = int(binary.LittleEndian.Uint16(payload[7:]))
		}
	case protocol.KindRow:
		a.row = append(a.row[:0], payload...)
	}
	return nil
}

// failure is the answer where it is an error: a *protocol.SQLError, or errKilled.
func (a *answer) failure() error {
	switch {
	case a.err == nil:
		return nil
	case a.err.Code == protocol.ErQueryInterrupted:
		return errKilled
	}
	return a.err
}

// A passage passes a statement's reply on to the client, and looks at it.
type passage struct {
	w      pipeline.ReplyWriter
	weirID uint32 // for the reply to a COM_STMT_PREPARE
	aside  bool   // it is of a server whose status flags do not tell of the session's transaction
	// held is the ERR packet that was not passed on, since the statement may be tried elsewhere. hold says which are.
	held *protocol.SQLError
	hold held
	sum  *checksum // nil: none is wanted
	// told is what the client has of the reply from before, packets how many of it have been summed up. inside says that the
	// last one has not come whole, unlike that there were others than results consist of.
	told           delivered
	resumes        bool // it can go on elsewhere
	packets        int
	inside, unlike bool
	// caches says that servers leave out descriptions of columns that they take the client to know, described that they
	// have not.
	caches, described bool

	// look has granted say whether the reply is one row with one value, which is 1.
	look, granted, one bool

	// seek has found say which number the reply is, if it is one row with one: 0 where it is none, or more.
	seek, sought bool
	found        uint64

	began, done, failed bool
	uploaded            bool // the server has asked the client for a file
	rows                bool // it ended with rows
	mayEnd              bool // it is an error that may have ended the open transaction
	code                uint16
	statementID         uint32
	lastInsertID        uint64
	scratch             []byte
}

func (r *passage) reset(w pipeline.ReplyWriter) {
	*r = passage{w: w, scratch: r.scratch[:0]}
}

// WriteReply is pipeline.ReplyWriter's.
func (r *passage) WriteReply(p *protocol.Chunk) error {
	switch p.Kind {
	case protocol.KindErr:
		if held, err := r.fail(p); held || err != nil {
			return err
		}
	case protocol.KindOK:
		if ok, err := protocol.DecodeOK(p.Payload(), 0); err == nil && ok.LastInsertID != 0 {
			r.lastInsertID = ok.LastInsertID
		}
	case protocol.KindLocalInfile:
		r.uploaded = true
	case protocol.KindColumns:
		r.described = r.described || r.caches && describes(p.Payload())
	case protocol.KindPrepareOK:
		return r.prepareOK(p)
	case protocol.KindEOF:
		r.rows = p.Final
	case protocol.KindRow:
		if r.look {
			r.granted = !r.one && p.Count == 1 && isOne(p.Payload())
			r.one = true
		}
		if r.seek {
			r.found = 0
			if !r.sought && p.Count == 1 && p.Part == protocol.Whole {
				r.found = numberIn(p.Payload())
			}
			r.sought = true
		}
	}
	if r.sum != nil {
		var err error
		if p, err = r.sumUp(p); p == nil {
			return err
		}
	}
	r.began, r.done = true, p.Final
	return r.w.WriteReply(p)
}

// isOne reports whether a row is the number 1 alone: as text, or as a binary integer of any length.
func isOne(row []byte) bool {
	if len(row) == 2 {
		return row[0] == 1 && row[1] == '1'
	}
	return len(row) > 2 && row[0] == 0 && row[1] == 0 && row[2] == 1 && len(bytes.Trim(row[3:], "\x00")) == 0
}

// numberIn returns the number that a row is, as text or as a binary BIGINT, 0 where it is none.
func numberIn(row []byte) (n uint64) {
	if len(row) == 10 && row[0] == 0 && row[1] == 0 {
		return binary.LittleEndian.Uint64(row[2:])
	}
	if len(row) < 2 || len(row) > 20 || int(row[0]) != len(row)-1 {
		return 0
	}
	for _, digit := range row[1:] {
		if digit < '0' || digit > '9' {
			return 0
		}
		n = 10*n + uint64(digit-'0')
	}
	return n
}

// fail looks at an ERR packet and reports whether it was held back.
func (r *passage) fail(p *protocol.Chunk) (held bool, err error) {
	payload := p.Payload()
	r.failed = true
	if len(payload) < 9 || p.Count == 0 {
		return false, nil
	}
	r.code = binary.LittleEndian.Uint16(payload[1:])
	r.mayEnd = string(payload[4:6]) == "40" || r.code == protocol.ErLockWaitTimeout
	goesOn := r.resumes && goingAway(r.code) && !r.sum.blind && !r.unlike && !r.inside
	if r.began && !goesOn || !r.hold.has(r.code, payload[4:9], payload[9:]) {
		return false, nil
	}
	r.held, err = protocol.DecodeErr(payload)
	r.done = true
	return true, err
}

// prepareOK passes on the reply to a COM_STMT_PREPARE with the id that the client knows the statement by. What describes the
// statement behind it looks like a result, and is none.
func (r *passage) prepareOK(p *protocol.Chunk) error {
	r.began, r.done, r.unlike = true, p.Final, true
	if payload := p.Payload(); len(payload) >= 9 && p.Part == protocol.Whole {
		r.statementID = binary.LittleEndian.Uint32(payload[1:])
		r.scratch = append(r.scratch[:0], p.Data...)
		binary.LittleEndian.PutUint32(r.scratch[protocol.HeaderSize+1:], r.weirID)
		told := *p
		told.Data = r.scratch
		return r.w.WriteReply(&told)
	}
	return r.w.WriteReply(p)
}
