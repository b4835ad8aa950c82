package tee

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// takesFile is a server that asks for a file and answers when it has it. It sends what it got.
func takesFile(got chan<- []byte) pt.Step {
	return func(c *pt.Conn) error {
		if _, err := c.ReadCommand(); err != nil {
			return err
		}
		if err := c.WritePacket(1, []byte("\xfbfile")); err != nil {
			return err
		}
		var file []byte
		for {
			part, err := c.ReadPayload()
			if err != nil {
				return err
			}
			if len(part) == 0 {
				break
			}
			file = append(file, part...)
		}
		got <- file
		ok := protocol.OK{AffectedRows: 3}
		return c.WritePacket(c.Seq, ok.Append(nil, c.Caps))
	}
}

// TestLocalInfile: the file a main server asks for reaches the branch's, if that asks for it too and the queue has room.
func TestLocalInfile(t *testing.T) {
	file := []byte(strings.Repeat("a line of the file\n", 20_000))
	ok := pt.Reply([]byte{0, 3, 0, 2, 0, 0, 0})
	load := func(c *pt.Conn) error { _, err := c.ReadCommand(); return err }
	for name, p := range map[string]struct {
		main, branch bool // asks for the file
		room         int
		figures      map[string]int
	}{
		"both":                 {true, true, 1 << 20, map[string]int{"sent_statements_total": 2, "differences_total": 0}},
		"no room":              {true, true, minQueue, map[string]int{"sent_statements_total": 1, "dropped_statements_total": 1}},
		"the main server only": {true, false, 1 << 20, map[string]int{"sent_statements_total": 2, "differences_total": 0}},
		"the branch's only":    {false, true, 1 << 20, map[string]int{"sent_statements_total": 2, "differences_total": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			atMain, atBranch := make(chan []byte, 1), make(chan []byte, 1)
			steps := func(asks bool, got chan []byte) []pt.Step {
				if asks {
					return []pt.Step{pt.AcceptLogin(), takesFile(got), pipelinetest.AnswerOK()}
				}
				return []pt.Step{pt.AcceptLogin(), load, ok, pipelinetest.AnswerOK()}
			}
			branchSteps := steps(p.branch, atBranch)
			if p.room == minQueue {
				branchSteps = []pt.Step{pt.AcceptLogin(), pipelinetest.AnswerOK()}
			}
			f := start(t, serving(t, pt.MariaDB(), steps(p.main, atMain)...), serving(t, pt.MariaDB(), branchSteps...),
				comparing, func(c *Config) { c.QueueBytes = p.room })
			c := f.Session()
			c.Run(t, pt.Query("LOAD DATA LOCAL INFILE 'file' INTO TABLE t"))
			if p.main {
				c.Run(t, pt.Expect([]byte("\xfbfile")))
				for _, part := range [][]byte{file[:100], file[100:101], file[101:300_000], file[300_000:], nil} {
					c.Run(t, pt.Reply(part))
				}
			}
			c.Run(t, pt.ExpectOK(), pt.Query("after"), pt.ExpectOK())
			for name, want := range p.figures {
				f.await(name, want)
			}
			if parted := f.tee.figure("unfaithful_sessions_total"); (parted == 0) != (name == "both") {
				t.Errorf("%d sessions are not faithful", parted)
			}
			if p.main && !bytes.Equal(<-atMain, file) {
				t.Error("the main server has got another file")
			}
			if p.branch && p.room > minQueue {
				want := file
				if !p.main {
					want = nil
				}
				if got := <-atBranch; !bytes.Equal(got, want) {
					t.Errorf("the branch's server has got a file of %d bytes, want %d", len(got), len(want))
				}
			}
			c.Run(t, pt.Send(protocol.ComQuit, ""))
			f.await("branch_sessions", 0)
			f.stop()
		})
	}
}

// TestAllocatesNothing: from sockets to sockets, both servers' included, comparing or not.
func TestAllocatesNothing(t *testing.T) {
	for name, change := range map[string]func(*Config){"copies": func(*Config) {}, "compares": comparing} {
		t.Run(name, func(t *testing.T) {
			statement := protocol.AppendPacket(nil, 0, []byte("\x03SELECT c FROM sbtest1 WHERE id=5"))
			replies := make(chan []byte, 2)
			answers := func(c *pt.Conn) error {
				var reply []byte
				for i, payload := range pt.Rows(c.Caps, []string{"c"}, []string{"a row of some length"}) {
					reply = protocol.AppendPacket(reply, uint8(i+1), payload)
				}
				replies <- reply
				return echo(c.Conn, len(statement), reply)
			}
			f := start(t, serving(t, pt.MariaDB(), pt.AcceptLogin(), answers), serving(t, pt.MariaDB(), pt.AcceptLogin(), answers), change)
			c := f.Session()
			got := make([]byte, len(<-replies))
			served := 0
			round := func() {
				for range 2000 {
					if _, err := c.Conn.Write(statement); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(c.Conn, got); err != nil {
						t.Fatal(err)
					}
				}
				served += 2000
			}
			round()
			f.await("sent_statements_total", served)
			defer debug.SetGCPercent(debug.SetGCPercent(-1))
			// With the race detector, sync.Pool loses a quarter of what it is given.
			least, limit := ^uint64(0), uint64(raceEnabled*1500)
			// The runtime may allocate for itself meanwhile, and a pool when goroutines change processors; not in every round.
			for rounds := 0; rounds < 50 && least > limit; rounds++ {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				round()
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
				f.await("sent_statements_total", served)
			}
			if least > limit {
				t.Errorf("%d allocations in 2000 statements", least)
			}
			f.tee.figures(map[string]int{"dropped_statements_total": 0})
			if name == "compares" {
				f.tee.figures(map[string]int{"differences_total": 0, "compared_statements_total": served})
			}
		})
	}
}

// echo answers commands of n bytes each by reply until the connection ends.
func echo(c net.Conn, n int, reply []byte) error {
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
