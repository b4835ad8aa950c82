package pipelinetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/weirproxy/weir/protocol"
)

// ErrClientGone is what a Recorder returns once it takes no more.
var ErrClientGone = errors.New("pipelinetest: the client is gone")

// A Recorder is the client's end of a chain: it keeps copies of what it is sent.
type Recorder struct {
	Chunks Reply
	// Limit is the number of chunks after which the client is gone. 0: it stays.
	Limit int

	served atomic.Bool // Serve has returned: nothing may come any more
	late   *atomic.Bool
}

// WriteReply keeps a copy of p.
func (r *Recorder) WriteReply(p *protocol.Chunk) error {
	if r.served.Load() {
		r.late.Store(true)
		return errors.New("pipelinetest: WriteReply after Serve has returned")
	}
	if r.Limit > 0 && len(r.Chunks) >= r.Limit {
		return ErrClientGone
	}
	r.Chunks = append(r.Chunks, *p.Clone())
	return nil
}

// Bytes returns all that was sent, as it lies in the chunks.
func (r Reply) Bytes() []byte {
	var all []byte
	for i := range r {
		all = append(all, r[i].Data...)
	}
	return all
}

// Err returns the error packet a reply ends with, nil where it ends without one.
func (r Reply) Err() *protocol.SQLError {
	if len(r) == 0 || r[len(r)-1].Kind != protocol.KindErr {
		return nil
	}
	e, err := protocol.DecodeErr(r[len(r)-1].Payload())
	if err != nil {
		return &protocol.SQLError{Code: protocol.CrMalformedPacket, State: "HY000", Message: err.Error()}
	}
	return e
}

// Check says what is wrong with the shape of a reply, whatever it says.
func (r Reply) Check() error {
	var data []byte // of the packets that have begun
	count := 0
	open := false
	for i := range r {
		p := &r[i]
		switch {
		case i > 0 && r[i-1].Final:
			return fmt.Errorf("chunk %d (%v) comes after the reply's end", i, p.Kind)
		case (p.Part == protocol.Middle || p.Part == protocol.Last) != open:
			return fmt.Errorf("chunk %d (%v) is out of place among the fragments", i, p.Kind)
		case open && p.Kind != r[i-1].Kind:
			return fmt.Errorf("chunk %d: a packet begins as %v and goes on as %v", i, r[i-1].Kind, p.Kind)
		case bytes.Contains(p.Data, poison[:4]):
			return fmt.Errorf("chunk %d (%v) has bytes that were kept and are no longer valid", i, p.Kind)
		}
		data, count = append(data, p.Data...), count+p.Count
		open = p.Part == protocol.First || p.Part == protocol.Middle
		if open {
			continue
		}
		if n := packets(data); n != count {
			return fmt.Errorf("up to chunk %d (%v), %d packets are counted and %d are there", i, p.Kind, count, n)
		}
		data, count = data[:0], 0
	}
	if len(r) > 0 && !r[len(r)-1].Final {
		return errors.New("the reply has no end")
	}
	return nil
}

// packets counts the packets in data, -1 where they are not whole.
func packets(data []byte) (n int) {
	for len(data) > 0 {
		if len(data) < protocol.HeaderSize || len(data) < protocol.HeaderSize+protocol.PayloadLen(data) {
			return -1
		}
		data = data[protocol.HeaderSize+protocol.PayloadLen(data):]
		n++
	}
	return n
}
