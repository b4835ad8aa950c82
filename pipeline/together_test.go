package pipeline_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestSendsTogether: commands that have come together go to servers in one system call, and so do replies to clients.
func TestSendsTogether(t *testing.T) {
	if os.Getenv("WEIR_NO_IO_URING") != "" {
		t.Skip("WEIR_NO_IO_URING is set: nothing is tested with io_uring here")
	}
	if ring, err := loop.NewRing(); err != nil {
		t.Fatalf("%v: allow io_uring, or set WEIR_NO_IO_URING=1 to do without this test", err)
	} else {
		ring.Close()
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

// A fullClient is a client whose socket replies fill that it does not read.
type fullClient struct {
	*pt.Conn
	front  *pipelinetest.Front
	cutter *pipeline.Cutter
	served *atomic.Int64
}

// fullReply is what each of its statements is answered by.
var fullReply = protocol.SQLError{Code: 1105, State: "HY000", Message: strings.Repeat("x", 500)}

func startFull(t *testing.T) fullClient {
	t.Helper()
	served := new(atomic.Int64)
	srv := serving(t, pt.Repeat(pt.Answer(func(_ *pt.Conn, _ []byte) [][]byte {
		served.Add(1)
		return [][]byte{fullReply.Append(nil)}
	})))
	cutters := make(chan *pipeline.Cutter, 1)
	f := run(t, srv.Addr, pipelinetest.Options{Filters: cutting(cutters), Listener: func(c *pipeline.ListenerConfig) {
		c.Address, c.Socket = "", t.TempDir()+"/s"
	}})
	return fullClient{f.Session(), f, <-cutters, served}
}

// asks has the client ask so often, or until it is not heard any more, and returns how often it was.
func (c fullClient) asks(t *testing.T, most int) (n int) {
	t.Helper()
	for ; n < most; n++ {
		before := c.served.Load()
		c.Run(t, pt.Query("select 1"))
		for waited := 0; c.served.Load() == before; waited++ {
			if waited == 2000 {
				return n
			}
			time.Sleep(time.Millisecond)
		}
	}
	return n
}

// TestDrainLate stops Weir while a client has not taken all of its replies, which fill its socket: it gets all of them, and
// where it is idle an error behind them that says why its session is over.
func TestDrainLate(t *testing.T) {
	full := startFull(t).asks(t, 1<<20)
	for _, begun := range []string{"", "\x09\x00\x00"} { // or a part of the next command has come
		for most := full - 4; most <= full; most++ {
			c := startFull(t)
			n := c.asks(t, most)
			if begun != "" {
				c.Run(t, pt.Raw([]byte(begun)))
			}
			go c.front.Stop()
			c.front.AwaitLog("shutting down")
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

// TestCutLate ends such a session at once: where a reply is lost by that, nothing comes in its place.
func TestCutLate(t *testing.T) {
	full := startFull(t).asks(t, 1<<20)
	reply := fullReply.Append(nil)
	for _, room := range []int{0, 3, 10, 30} { // replies that the client reads before: the kernel may not speak of a little room
		for most := full - 2; most <= full; most++ {
			c := startFull(t)
			n := c.asks(t, most)
			c.Run(t, pt.Raw([]byte("\x09\x00\x00")))
			for range room {
				if _, _, err := c.ReadPacket(); err != nil {
					t.Fatal(err)
				}
			}
			c.cutter.Cut(errMoved)
			for got := room; ; got++ {
				_, p, err := c.ReadPacket()
				if err != nil {
					break
				}
				if !bytes.Equal(p, reply) {
					if got < n {
						t.Fatalf("%d of %d replies came, and then %q", got, n, p)
					}
					break
				}
			}
		}
	}
}
