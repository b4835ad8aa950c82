package tee

import (
	"encoding/binary"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// An outcome is how a command went on one side.
type outcome struct {
	code     uint16 // of the error; 0 where there was none
	done     bool   // the reply is complete
	rows     uint64
	affected uint64
	sum      uint64 // of the rows, whatever their order
	took     time.Duration
}

// A watch is a ReplyWriter that finds out how a command goes.
type watch struct {
	outcome
	w       pipeline.ReplyWriter // nil: nobody else wants the reply
	compare bool
	start   time.Time
	rowsum  rowsum

	prepared bool // a statement, with this id and number of parameters
	id       uint32
	params   int

	asked   int   // how often the server has asked for a file
	fileSeq uint8 // the number of the file's first packet
}

// reset prepares for the next command.
func (h *watch) reset(w pipeline.ReplyWriter, compare bool) {
	h.outcome, h.w, h.compare, h.prepared, h.asked = outcome{}, w, compare, false, 0
	if compare {
		h.start = time.Now()
	}
}

// WriteReply is pipeline.ReplyWriter's.
func (h *watch) WriteReply(p *protocol.Chunk) error {
	switch p.Kind {
	case protocol.KindRow:
		h.rows += uint64(p.Count)
		if h.compare {
			h.sum += h.rowsum.add(p)
		}
	case protocol.KindOK, protocol.KindErr, protocol.KindPrepareOK, protocol.KindLocalInfile:
		if p.Count > 0 { // the later fragments of a packet have no beginning to read
			h.read(p)
		}
	}
	if p.Final {
		h.done = true
		if h.compare {
			h.took = time.Since(h.start)
		}
	}
	if h.w == nil {
		return nil
	}
	return h.w.WriteReply(p)
}

// read reads what a packet says that answers a command.
func (h *watch) read(p *protocol.Chunk) {
	payload := p.Payload()
	switch p.Kind {
	case protocol.KindOK:
		if n, _ := protocol.Lenenc(payload[min(1, len(payload)):]); n > 0 {
			h.affected += n
		}
	case protocol.KindErr:
		h.code = protocol.CrMalformedPacket
		if len(payload) >= 3 {
			h.code = binary.LittleEndian.Uint16(payload[1:])
		}
	case protocol.KindPrepareOK:
		if len(payload) >= 9 {
			h.prepared, h.id = true, binary.LittleEndian.Uint32(payload[1:])
			h.params = int(binary.LittleEndian.Uint16(payload[7:]))
		}
	case protocol.KindLocalInfile:
		h.asked++
		h.fileSeq = p.Data[3] + 1
	}
}
