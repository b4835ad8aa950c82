package pipeline_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestKill: a client that kills by the id it was greeted with reaches its own statement, not that of whoever has the
// number at the server.
func TestKill(t *testing.T) {
	const victim, killer, kill = 1, 2, 3 // connections to the server, in the order they are made
	cases := map[string]struct {
		command func(id uint32) pt.Step
		want    string
		answer  pt.Step
		expect  pt.Step
	}{
		"statement": {
			func(id uint32) pt.Step { return pt.Query(fmt.Sprintf("KILL QUERY %d", id)) },
			"KILL QUERY 1007", pt.ReplyOK(protocol.OK{}), pt.ExpectOK(),
		},
		"comment, case and options": {
			func(id uint32) pt.Step { return pt.Query(fmt.Sprintf(" /* app */\n kill  hard connection %d ; ", id)) },
			"kill hard connection 1007", pt.ReplyOK(protocol.OK{}), pt.ExpectOK(),
		},
		"COM_PROCESS_KILL": {
			func(id uint32) pt.Step {
				return pt.Send(protocol.ComProcessKill, string(binary.LittleEndian.AppendUint32(nil, id)))
			},
			"KILL 1007", pt.ReplyOK(protocol.OK{}), pt.ExpectOK(),
		},
		"refused": {
			func(id uint32) pt.Step { return pt.Query(fmt.Sprintf("KILL %d", id)) },
			"KILL 1007", pt.ReplyError(1095, "HY000", "You are not owner"), pt.ExpectError(1095, "You are not owner"),
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			killed := make(chan struct{})
			freed := sync.OnceFunc(func() { close(killed) })
			defer freed() // where the KILL never comes
			srv := pt.NewServer(t, func(n int) []pt.Step {
				g := pt.MariaDB()
				g.ConnectionID = 1006 + uint32(n)
				in := []pt.Step{pt.Greet(g), pt.AcceptLogin()}
				switch n {
				case victim:
					return append(in, pt.ExpectQuery("slow"), func(*pt.Conn) error { <-killed; return nil },
						pt.ReplyError(1317, "70100", "interrupted"), pt.Silence())
				case killer:
					return append(in, pipelinetest.AnswerOK())
				case kill:
					return append(in, pt.ExpectCommand(protocol.ComQuery, k.want), k.answer,
						func(*pt.Conn) error { freed(); return nil }, pt.Silence())
				}
				return []pt.Step{pt.Greet(g), pt.ExpectClosed()}
			})
			r := run(t, srv.Addr, pipelinetest.Options{})
			slow := r.Session()
			slow.Run(t, pt.Query("slow"))
			other := r.Session()
			other.Run(t, k.command(slow.Greeting.ConnectionID), k.expect)
			slow.Run(t, pt.ExpectError(1317, "interrupted"))
			other.Run(t, pt.Query("after"), pt.ExpectOK())
		})
	}
}

// TestKillLate: a KILL QUERY that comes to the server when its statement has ended does not hit the next one.
func TestKillLate(t *testing.T) {
	const victim, killer, kill = 1, 2, 3 // connections to the server, in the order they are made
	late, next := make(chan struct{}), make(chan struct{})
	proceed := sync.OnceFunc(func() { close(next) })
	defer proceed() // where the KILL never comes
	srv := pt.NewServer(t, func(n int) []pt.Step {
		in := []pt.Step{pt.Greet(pt.MariaDB()), pt.AcceptLogin()}
		switch n {
		case victim:
			return append(in, pipelinetest.AnswerOK())
		case killer:
			return append(in, pt.ExpectCommand(protocol.ComQuit))
		case kill:
			return []pt.Step{
				in[0], func(*pt.Conn) error { close(late); <-next; return nil }, in[1], pt.ExpectCommand(protocol.ComQuit),
			}
		}
		return []pt.Step{in[0], pt.ExpectClosed()}
	})
	r := run(t, srv.Addr, pipelinetest.Options{})
	slow, other := r.Session(), r.Session()
	slow.Run(t, pt.Query("slow"), pt.ExpectOK())
	other.Run(t, pt.Query(fmt.Sprintf("KILL QUERY %d", slow.Greeting.ConnectionID)))
	<-late
	slow.Run(t, pt.Query("next"), pt.ExpectOK())
	proceed()
	other.Run(t, pt.ExpectOK(), pt.Send(protocol.ComQuit, ""))
}

// TestKillItself: who kills its own statement or session, which is that KILL, is told so, and no server is.
func TestKillItself(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{})
	for _, soft := range []string{"", "SOFT "} {
		c := r.Session()
		id := c.Greeting.ConnectionID
		c.Run(t, pt.Query(fmt.Sprintf("KILL %sQUERY %d", soft, id)), pt.ExpectError(protocol.ErQueryInterrupted, "Query execution was interrupted"),
			done("SELECT 1"), pt.Query(fmt.Sprintf("KILL %s%d", soft, id)),
			pt.ExpectError(protocol.ErConnectionKilled, "Connection was killed"), pt.ExpectClosed())
	}
	c := r.Session()
	c.Run(t, pt.Send(protocol.ComProcessKill, string(binary.LittleEndian.AppendUint32(nil, c.Greeting.ConnectionID))),
		pt.ExpectError(protocol.ErConnectionKilled, "Connection was killed"), pt.ExpectClosed())
}

func TestKillOfOthers(t *testing.T) {
	srv := serving(t, pt.ExpectQuery("KILL 7"), pt.ReplyOK(protocol.OK{}),
		pt.ExpectQuery("KILL QUERY @x"), pt.ReplyOK(protocol.OK{}), pt.Silence())
	c := run(t, srv.Addr, pipelinetest.Options{}).Session()
	c.Run(t, pt.Query("KILL 7"), pt.ExpectOK(), pt.Query("KILL QUERY @x"), pt.ExpectOK(),
		pt.Query("KILL 4000000000"), pt.ExpectError(1094, "Unknown thread id: 4000000000"))
}
