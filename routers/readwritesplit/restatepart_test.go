package readwritesplit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
)

// chunks keeps what is written to it.
type chunks []*protocol.Chunk

func (c *chunks) WriteReply(p *protocol.Chunk) error {
	*c = append(*c, p.Clone())
	return nil
}

// TestRestateParts: an OK packet that is longer than a buffer has its flags in the first part. The others say the same of it.
func TestRestateParts(t *testing.T) {
	ok := protocol.OK{Status: protocol.StatusAutocommit, Info: make([]byte, 500)}
	packet := protocol.AppendPacket(nil, 1, ok.Append(nil, 0))
	var r protocol.ReplyReader
	var got chunks
	const open = protocol.StatusAutocommit | protocol.StatusInTrans
	a := restating{w: &got, flags: open}
	r.Reset(protocol.ComQuery, 0, 1)
	for rest := packet; !r.Done(); {
		var p protocol.Chunk
		n, err := r.Next(rest[:min(len(rest), 64)], true, &p)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.WriteReply(&p); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	var told []byte
	for _, p := range got {
		told = append(told, p.Data...)
		if p.Status != open {
			t.Errorf("a part has the flags %#x", p.Status)
		}
	}
	ok.Status = open
	if diff := cmp.Diff(protocol.AppendPacket(nil, 1, ok.Append(nil, 0)), told); diff != "" || len(got) < 3 {
		t.Errorf("in %d parts (-want +got):\n%s", len(got), diff)
	}
}
