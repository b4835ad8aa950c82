package pipeline_test

import (
	"io"
	"net"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestStatementAllocatesNothing: from the client's bytes to the client's bytes, event loop and sockets included, with a
// client and a server that allocate nothing themselves.
func TestStatementAllocatesNothing(t *testing.T) {
	statement := protocol.AppendPacket(nil, 0, []byte("\x03SELECT c FROM sbtest1 WHERE id=5"))
	seen := make(chan protocol.Capability, 1)
	srv := serving(t, func(c *pt.Conn) error {
		seen <- c.Caps
		var reply []byte
		for i, payload := range pt.Rows(c.Caps, []string{"c"}, []string{"a row of some length"}) {
			reply = protocol.AppendPacket(reply, uint8(i+1), payload)
		}
		return answer(c.Conn, len(statement), reply)
	})
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	var reply []byte
	for i, payload := range pt.Rows(<-seen, []string{"c"}, []string{"a row of some length"}) {
		reply = protocol.AppendPacket(reply, uint8(i+1), payload)
	}
	pipelinetest.NoAllocations(t, c, statement, reply)
}

// answer answers commands of n bytes each by reply until the connection ends.
func answer(c net.Conn, n int, reply []byte) error {
	command := make([]byte, n)
	for {
		if _, err := io.ReadFull(c, command); err != nil {
			return nil //nolint:nilerr // the end of the test
		}
		if _, err := c.Write(reply); err != nil {
			return nil //nolint:nilerr // the end of the test
		}
	}
}
