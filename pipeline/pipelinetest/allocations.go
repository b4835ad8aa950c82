package pipelinetest

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/weirproxy/weir/protocol/protocoltest"
)

// NoAllocations sends a command again and again, and fails the test where anything in this process allocates by it, or
// where it is not answered by reply, as it comes over the wire.
func NoAllocations(t *testing.T, c *protocoltest.Conn, command, reply []byte) {
	t.Helper()
	const commands = 1000
	got := make([]byte, len(reply))
	round := func() {
		for range commands {
			if _, err := c.Conn.Write(command); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c.Conn, got); err != nil {
				t.Fatal(err)
			}
		}
	}
	round()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := ^uint64(0)
	for rounds := 0; rounds < 50 && least > 0; rounds++ { // the runtime may allocate for itself meanwhile; not in every round
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		round()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least != 0 {
		t.Errorf("%d allocations in %d commands", least, commands)
	}
	if !bytes.Equal(got, reply) {
		t.Error("the reply is not the server's")
	}
}
