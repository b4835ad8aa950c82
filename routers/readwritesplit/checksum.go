package readwritesplit

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A checksum sums up what a client is told by a reply: what it may have decided by. Server status, session state and
// messages for people are left out, and what the settings say.
type checksum struct {
	hash maphash.Hash
	// resultsOnly leaves out the OK packets that stand for no rows, noInsertID the insert ids in them.
	resultsOnly, noInsertID bool
	blind                   bool // the reply to come has nothing to be summed up
}

// reset begins with another reply. One that is blind always has the same sum.
func (s *checksum) reset(blind bool) {
	s.hash.Reset()
	s.blind = blind
}

// blindTo reports whether the settings have the replies to a statement with these effects left out: their rows are insert ids.
func (s *checksum) blindTo(effects sqlscan.Effects) bool {
	return s.noInsertID && effects&sqlscan.LastInsertID != 0
}

func (s *checksum) sum() uint64 { return s.hash.Sum64() }

// add takes the next chunk of the reply, as it came from the server.
func (s *checksum) add(p *protocol.Chunk) {
	if s.blind {
		return
	}
	var fixed [24]byte
	fixed[0] = byte(p.Kind)
	switch p.Kind {
	case protocol.KindOK:
		ok, err := protocol.DecodeOK(p.Payload(), 0) // what counts lies before what capabilities decide
		if err != nil || s.resultsOnly {
			break
		}
		if s.noInsertID {
			ok.LastInsertID = 0
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
