package pipeline_test

import (
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestSendsTogether: commands that have come together go to servers in one system call, and so do replies to clients.
func TestSendsTogether(t *testing.T) {
	if os.Getenv("WEIR_NO_IO_URING") != "" {
		t.Skip("WEIR_NO_IO_URING is set: nothing is tested with io_uring here")
	}
	const clients = 8
	asked, answer := make(chan struct{}, clients), make(chan struct{})
	var answered sync.WaitGroup
	answered.Add(clients)
	srv := serving(t, pt.Repeat(pt.Answer(func(c *pt.Conn, _ []byte) [][]byte {
		asked <- struct{}{}
		<-answer
		return pt.Rows(c.Caps, []string{"a"}, []string{"b"})
	}), func(*pt.Conn) error { answered.Done(); return nil }))
	f := run(t, srv.Addr, pipelinetest.Options{Process: func(p *pipeline.Process) { p.Config.Workers = 1 }})
	var all []*pt.Conn
	for range clients {
		all = append(all, f.Session())
	}
	before := f.Process.Together()
	release := f.Process.Stall()
	for _, c := range all {
		c.Run(t, pt.Query("select 1"))
	}
	release()
	for range clients {
		<-asked
	}
	if n := f.Process.Together() - before; n < 2 { // some may have come a little later
		t.Errorf("%d of %d commands were sent with others", n, clients)
	}
	before = f.Process.Together()
	release = f.Process.Stall()
	close(answer)
	answered.Wait()
	release()
	for _, c := range all {
		c.Run(t, pt.ExpectRows([]string{"b"}))
	}
	if n := f.Process.Together() - before; n < 2 {
		t.Errorf("%d of %d replies were sent with others", n, clients)
	}
}

// TestDrainLate stops Weir while a client has not taken all of its replies, which fill its socket: it gets all of them, and
// where it is idle an error behind them that says why its session is over.
func TestDrainLate(t *testing.T) {
	var served atomic.Int64
	reply := protocol.SQLError{Code: 1105, State: "HY000", Message: strings.Repeat("x", 500)}
	start := func() *pipelinetest.Front {
		srv := serving(t, pt.Repeat(pt.Answer(func(_ *pt.Conn, _ []byte) [][]byte {
			served.Add(1)
			return [][]byte{reply.Append(nil)}
		})))
		return run(t, srv.Addr, pipelinetest.Options{Listener: func(c *pipeline.ListenerConfig) {
			c.Address, c.Socket = "", t.TempDir()+"/s"
		}})
	}
	// asks has the client ask so often, or until it is not heard any more, and returns how often it was.
	asks := func(c *pt.Conn, most int) (n int) {
		for ; n < most; n++ {
			before := served.Load()
			c.Run(t, pt.Query("select 1"))
			for waited := 0; served.Load() == before; waited++ {
				if waited == 2000 {
					return n
				}
				time.Sleep(time.Millisecond)
			}
		}
		return n
	}
	full := asks(start().Session(), 1<<20)
	for _, begun := range []string{"", "\x09\x00\x00"} { // or a part of the next command has come
		for most := full - 4; most <= full; most++ {
			f := start()
			c := f.Session()
			n := asks(c, most)
			if begun != "" {
				c.Run(t, pt.Raw([]byte(begun)))
			}
			go f.Stop()
			f.AwaitLog("shutting down")
			for i := range n {
				if _, _, err := c.ReadPacket(); err != nil {
					t.Fatalf("reply %d of %d, of which %d fill the socket: %v", i+1, n, full, err)
				}
			}
			if begun != "" { // it is told where there is room for that
				continue
			}
			_, last, err := c.ReadPacket()
			if err != nil || len(last) < 3 || binary.LittleEndian.Uint16(last[1:]) != protocol.ErServerShutdown {
				t.Fatalf("behind %d replies, of which %d fill the socket, came %q, %v", n, full, last, err)
			}
		}
	}
}
