package pipeline_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestQuitAfterReplies has a client say goodbye before it has read what it has asked for: it gets all of it, also where its
// socket takes no more of the last reply just then.
func TestQuitAfterReplies(t *testing.T) {
	var served atomic.Int64
	reply := protocol.SQLError{Code: 1105, State: "HY000", Message: strings.Repeat("x", 500)}
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
		served.Add(1)
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		return [][]byte{reply.Append(nil)}
	})))
	r := run(t, srv.Addr, pipelinetest.Options{Listener: func(c *pipeline.ListenerConfig) {
		c.Address, c.Socket = "", t.TempDir()+"/s" // whose room is the same for all
	}})
	// asks sends commands one after the other, until none is served any more before replies are read.
	asks := func(c *pt.Conn, most int) (n int) {
		for ; n < most; n++ {
			before := served.Load()
			c.Run(t, pt.Query("q"))
			for end := time.Now().Add(100 * time.Millisecond); served.Load() == before; time.Sleep(20 * time.Microsecond) {
				if time.Now().After(end) {
					return n
				}
			}
		}
		return n
	}
	full := asks(r.Session(), 1<<20)
	for n := full - 3; n <= full; n++ {
		c := r.Session()
		n := asks(c, n)
		c.Run(t, pt.Send(protocol.ComQuit, ""))
		time.Sleep(10 * time.Millisecond)
		for i := range n {
			if _, _, err := c.ReadPacket(); err != nil {
				t.Errorf("reply %d of %d: %v", i+1, n, err)
				break
			}
		}
	}
}
