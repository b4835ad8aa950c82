package readwritesplit

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/weirproxy/weir/protocol"
)

// A checksum sums up what a client is told by a reply: what it may have decided by. Server status, session state and
// messages for people are left out.
type checksum struct{ hash maphash.Hash }

func (s *checksum) reset() { s.hash.Reset() }

func (s *checksum) sum() uint64 { return s.hash.Sum64() }

// add takes the next chunk of the reply, as it came from the server.
func (s *checksum) add(p *protocol.Chunk) {
	var fixed [24]byte
	fixed[0] = byte(p.Kind)
	switch p.Kind {
	case protocol.KindOK:
		ok, err := protocol.DecodeOK(p.Payload(), 0) // what counts lies before what capabilities decide
		if err != nil {
			break
		}
		binary.LittleEndian.PutUint64(fixed[1:], ok.AffectedRows)
		binary.LittleEndian.PutUint64(fixed[9:], ok.LastInsertID)
		_, _ = s.hash.Write(fixed[:17]) // a Hash does not fail
	case protocol.KindErr:
		if payload := p.Payload(); len(payload) >= 3 {
			_, _ = s.hash.Write(append(fixed[:1], payload[1], payload[2]))
		}
	case protocol.KindEOF:
		_, _ = s.hash.Write(fixed[:1])
	default:
		_, _ = s.hash.Write(p.Data)
	}
}
