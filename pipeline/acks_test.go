package pipeline_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// ack is an acknowledgement of the event that ends at a position below 256.
func ack(position byte) []byte {
	return append([]byte{0xef, position, 0, 0, 0, 0, 0, 0, 0}, "binlog.000001"...)
}

// TestAcknowledgedEvents: a replica acknowledges events while the dump goes on, in packets whole and in parts, and the
// server numbers on from that.
func TestAcknowledgedEvents(t *testing.T) {
	expectAck := func(position byte) pt.Step {
		return func(c *pt.Conn) error { c.Seq = 0; return pt.Expect(ack(position))(c) }
	}
	long := append([]byte{0}, strings.Repeat("e", 100_000)...)
	for _, com := range []byte{protocol.ComBinlogDump, protocol.ComBinlogDumpGTID} {
		srv := serving(t, pt.ExpectCommand(com, "from here"), pt.Reply([]byte("\x00one"), []byte("\x00two")),
			expectAck(1), pt.Packet(1, []byte("\x00three")), expectAck(2), expectAck(3), pt.Packet(1, long),
			pt.Reply([]byte("\x00four"), []byte{0xfe, 0, 0, 2, 0}), pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{}))
		c := run(t, srv.Addr, pipelinetest.Options{}).Session()
		parts := protocol.AppendPacket(protocol.AppendPacket(nil, 0, ack(2)), 0, ack(3))
		c.Run(t, pt.Send(com, "from here"), pt.Expect([]byte("\x00one"), []byte("\x00two")),
			pt.Packet(0, ack(1)), pt.Expect([]byte("\x00three")),
			pt.Raw(parts[:3]), pt.Raw(parts[3:30]), pt.Raw(parts[30:]), func(c *pt.Conn) error { c.Seq = 1; return nil },
			pt.Expect(long, []byte("\x00four"), []byte{0xfe, 0, 0, 2, 0}),
			pt.Send(protocol.ComPing, ""), pt.ExpectOK())
	}
}

// TestNoAcknowledgement: what a client sends during a dump is not to be taken for a command by the server.
func TestNoAcknowledgement(t *testing.T) {
	for name, packet := range map[string][]byte{
		"a statement": append([]byte{protocol.ComQuery}, "DROP TABLE t"...), "nothing": {}, "too long": append(ack(1), make([]byte, 1<<10)...),
	} {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, pt.ExpectCommand(protocol.ComBinlogDump), pt.Reply([]byte("\x00one")), pt.ExpectClosed())
			c := run(t, srv.Addr, pipelinetest.Options{}).Session()
			c.Run(t, pt.Send(protocol.ComBinlogDump, ""), pt.Expect([]byte("\x00one")), pt.Packet(0, packet), pt.Raw([]byte{0}),
				func(c *pt.Conn) error { c.Seq = 2; return nil }, pt.ExpectError(protocol.ErNetPacketsOutOfOrder))
			srv.Wait(2)
		})
	}
}
