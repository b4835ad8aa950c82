package pipeline

import (
	"bytes"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// The text of a command is in one piece, however many packets the command has.
func TestTextOfSeveralPackets(t *testing.T) {
	const attributes = "\x01\x01\x00\x01\xfd\x00\x01n\x01v"
	for _, caps := range []protocol.Capability{0, protocol.ClientQueryAttributes} {
		rest := ""
		if caps != 0 {
			rest = attributes
		}
		c := NewCommand(protocol.ComQuery, []byte(rest+"do 1"), caps)
		for _, n := range []int{10, protocol.MaxPayload - len(rest) - 1, 2*protocol.MaxPayload - len(rest), 5} {
			text := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			c = c.WithText(text)
			if got, ok := c.Text(); !ok || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes: the text that comes back has %d", n, len(got))
			}
			want := protocol.AppendPacket(nil, 0, append([]byte("\x03"+rest), text...))
			if !bytes.Equal(c.Data, want) {
				t.Fatalf("%d bytes: the command is not what it should be", n)
			}
		}
	}
}
