package readwritesplit

import (
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// maxAnswer is the length of an answer to a COM_STMT_PREPARE up to which it is remembered.
const maxAnswer = 64 << 10

// A recorded is the answer to a COM_STMT_PREPARE, to be told again.
type recorded struct {
	data      []byte
	stretches []stretch
}

// A stretch is packets of one kind in a recorded answer, up to end.
type stretch struct {
	kind       protocol.Kind
	count, end int
}

// tell writes the answer as it would be now, with this statement id and these status flags.
func (a *recorded) tell(w pipeline.ReplyWriter, id uint32, status uint16) error {
	at := 0
	for i, r := range a.stretches {
		p := protocol.Chunk{Data: a.data[at:r.end:r.end], Count: r.count, Kind: r.kind, Final: i == len(a.stretches)-1}
		switch at = r.end; r.kind {
		case protocol.KindPrepareOK:
			binary.LittleEndian.PutUint32(p.Payload()[1:], id)
		case protocol.KindEOF:
			p.Status = status
			binary.LittleEndian.PutUint16(p.Payload()[3:], status)
		}
		if err := w.WriteReply(&p); err != nil {
			return err
		}
	}
	return nil
}

// A recording passes the answer to a COM_STMT_PREPARE on to the client and keeps it.
type recording struct {
	w      pipeline.ReplyWriter
	kept   recorded
	unkept bool // it is none that can be told again
}

func (a *recording) reset(w pipeline.ReplyWriter) { *a = recording{w: w} }

// take returns the answer. It reports false where it is not one to be told again.
func (a *recording) take() (kept recorded, ok bool) {
	kept, ok = a.kept, !a.unkept
	a.reset(nil)
	return kept, ok
}

// WriteReply is pipeline.ReplyWriter's.
func (a *recording) WriteReply(p *protocol.Chunk) error {
	if a.unkept = a.unkept || !a.repeats(p); a.unkept {
		a.kept = recorded{}
	} else {
		a.keep(p)
	}
	return a.w.WriteReply(p)
}

// repeats reports whether a part of an answer can be told again. Warnings cannot: a client may ask which they were.
func (a *recording) repeats(p *protocol.Chunk) bool {
	if p.Part != protocol.Whole || len(a.kept.data)+len(p.Data) > maxAnswer {
		return false
	}
	switch payload := p.Payload(); p.Kind {
	case protocol.KindPrepareOK:
		return len(payload) >= 12 && binary.LittleEndian.Uint16(payload[10:]) == 0
	case protocol.KindEOF:
		return len(payload) == 5
	case protocol.KindColumn:
		return true
	}
	return false
}

func (a *recording) keep(p *protocol.Chunk) {
	a.kept.data = append(a.kept.data, p.Data...)
	a.kept.stretches = append(a.kept.stretches, stretch{kind: p.Kind, count: p.Count, end: len(a.kept.data)})
}

// describes reports whether columns are described behind the first packet of a result, where clients have them be left out
// that they know. https://mariadb.com/kb/en/result-set-packets/
func describes(columns []byte) bool {
	_, n := protocol.Lenenc(columns)
	return n < len(columns) && columns[n] != 0
}
