package pipeline

import (
	"encoding/binary"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// A Watch is a ReplyWriter that stands before another one and keeps count of the reply that passes. A link holds
// one, resets it for each command, passes &l.watch to next and reads the fields once next.Serve has returned.
//
// It looks at the chunks, never at the rows in them, and allocates only for a reply that is an error.
type Watch struct {
	w     ReplyWriter
	outer *Watch    // w, where that is one
	now   time.Time // what an inner one has just read from the clock, while it passes a chunk on

	// Start is when Reset was called, at the arrival of the command.
	Start time.Time
	// First and Last are how long after Start the reply's first and last chunk came by. First is 0 while there
	// is no reply, Last while it is not Done.
	First, Last time.Duration
	// Bytes is the length of the reply, packet headers included.
	Bytes uint64
	// Rows is the number of rows, over all result sets.
	Rows uint64
	// ResultSets is the number of result sets that have begun.
	ResultSets int
	// AffectedRows is the sum over all statements of a COM_QUERY that has several.
	AffectedRows uint64
	// LastInsertID is the last one of the reply that was not 0.
	LastInsertID uint64
	// StatementID is the id a COM_STMT_PREPARE was answered with, where Prepared is set.
	StatementID uint32
	Params      int // number of parameters of that statement
	Prepared    bool
	// Done is set when the reply is complete.
	Done bool
	// Err is the error the reply ended with, nil where it did not. It is a copy and may be kept.
	Err *protocol.SQLError
	// Server is the server that answered, empty where Weir did.
	Server string
}

// Reset forgets the last reply and takes the time. The next reply goes to w.
func (h *Watch) Reset(w ReplyWriter) {
	outer, _ := w.(*Watch)
	*h = Watch{w: w, outer: outer, Start: time.Now()}
}

// WriteReply counts p and passes it on.
func (h *Watch) WriteReply(p *protocol.Chunk) error {
	var now time.Time
	if h.Bytes == 0 || p.Final {
		now = h.stamp(p.Final)
	}
	h.Bytes += uint64(len(p.Data))
	if p.Server != "" {
		h.Server = p.Server
	}
	switch p.Kind {
	case protocol.KindRow:
		h.Rows += uint64(p.Count)
	case protocol.KindColumns:
		h.ResultSets += p.Count
	case protocol.KindOK, protocol.KindErr, protocol.KindPrepareOK:
		if p.Count > 0 { // the later fragments of a packet have no beginning to decode
			h.decode(p)
		}
	}
	if h.outer == nil || now.IsZero() {
		return h.w.WriteReply(p)
	}
	h.outer.now = now // the next watch need not read the clock again
	err := h.outer.WriteReply(p)
	h.outer.now = time.Time{}
	return err
}

// stamp takes the time of the first and the last chunk only: a clock costs as much as all other counting. It returns the
// time.
func (h *Watch) stamp(final bool) time.Time {
	now := h.now
	if now.IsZero() {
		now = h.Start.Add(time.Since(h.Start))
	}
	d := max(now.Sub(h.Start), 1)
	if h.First == 0 {
		h.First = d
	}
	if final {
		h.Last, h.Done = d, true
	}
	return now
}

// decode reads what a packet says that answers a command. What it cannot read it leaves out: judging a server's
// packets is the reply reader's business.
func (h *Watch) decode(p *protocol.Chunk) {
	payload := p.Payload()
	switch p.Kind {
	case protocol.KindOK:
		// The fields wanted here lie before those whose encoding depends on capabilities.
		if ok, err := protocol.DecodeOK(payload, 0); err == nil {
			h.AffectedRows += ok.AffectedRows
			if ok.LastInsertID != 0 {
				h.LastInsertID = ok.LastInsertID
			}
		}
	case protocol.KindErr:
		var err error
		if h.Err, err = protocol.DecodeErr(payload); err != nil {
			h.Err = &protocol.SQLError{Code: protocol.CrMalformedPacket, State: "HY000", Message: err.Error()}
		}
	case protocol.KindPrepareOK:
		if len(payload) >= 9 {
			h.StatementID, h.Prepared = binary.LittleEndian.Uint32(payload[1:]), true
			h.Params = int(binary.LittleEndian.Uint16(payload[7:]))
		}
	}
}
