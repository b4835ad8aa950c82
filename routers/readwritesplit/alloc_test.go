package readwritesplit_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// packed makes one buffer of the packets of a reply.
func packed(payloads ...[]byte) (b []byte) {
	for i, payload := range payloads {
		b = protocol.AppendPacket(b, uint8(i+1), payload)
	}
	return b
}

// steady answers without allocating: reads and executions by a row, all else by OK. It can prepare one statement.
func steady(c *pt.Conn) error { return steadyIn(protocol.StatusAutocommit)(c) }

// steadyIn is steady with other status flags in OK packets.
func steadyIn(status uint16) pt.Step {
	return func(c *pt.Conn) error { return steadily(c, status) }
}

func steadily(c *pt.Conn, status uint16) error {
	ok := protocol.OK{Status: status}
	done, row := packed(ok.Append(nil, c.Caps)), packed(pt.Rows(c.Caps, []string{"c"}, []string{"a row of some length"})...)
	payload := []byte{0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}
	column := pt.Rows(c.Caps, []string{"c"})[1]
	prepared := packed(payload, column, column)
	command := make([]byte, 1<<10)
	for {
		if _, err := io.ReadFull(c.Conn, command[:protocol.HeaderSize]); err != nil {
			return nil //nolint:nilerr // the end of the test
		}
		rest := command[protocol.HeaderSize:][:protocol.PayloadLen(command)]
		if _, err := io.ReadFull(c.Conn, rest); err != nil {
			return nil //nolint:nilerr // the end of the test
		}
		reply := done
		switch {
		case rest[0] == protocol.ComStmtPrepare:
			reply = prepared
		case rest[0] == protocol.ComStmtExecute, bytes.HasPrefix(rest[1:], []byte("SELECT")):
			reply = row
		}
		if _, err := c.Conn.Write(reply); err != nil {
			return nil //nolint:nilerr // the end of the test
		}
	}
}

// TestStatementAllocatesNothing: from the client's bytes to the client's bytes, over two replicas in turn, or at the primary.
func TestStatementAllocatesNothing(t *testing.T) {
	settings := map[string]func(c *readwritesplit.Config){
		"defaults":      nil,
		"response time": func(c *readwritesplit.Config) { c.Choice = "response_time" },
		"causal reads":  func(c *readwritesplit.Config) { c.CausalReads = "session" },
		"retries":       func(c *readwritesplit.Config) { c.DelayedRetry, c.TransactionReplay = patience, true },
		"reuse":         reusing,
	}
	commands := map[string][]byte{
		"text":     []byte("\x03SELECT c FROM sbtest1 WHERE id=5"),
		"write":    []byte("\x03UPDATE sbtest1 SET k=k+1 WHERE id=5"),
		"prepared": append([]byte{protocol.ComStmtExecute}, execution(1, 0, nil, 5)...),
	}
	for setting, change := range settings {
		for name, command := range commands {
			t.Run(setting+", "+name, func(t *testing.T) {
				var servers []string
				for range 3 {
					servers = append(servers, pipelinetest.Backend(t, pt.MariaDB(), steady).Addr)
				}
				f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: servers, Target: func(all []*pipeline.Server) pipeline.Target {
					for i, st := range []pipeline.ServerState{primary, replica, replica} {
						all[i].SetState(st)
					}
					return router(t, all, change, nil)
				}})
				c := f.Session()
				c.Run(t, prepare("SELECT c FROM sbtest1 WHERE id=?", 1), execute(1, bindInt, 5))
				if _, err := c.ReadRows(); err != nil {
					t.Fatal(err)
				}
				measure(t, c, packet(command))
				if name != "write" && (f.Servers[1].Links() != 1 || f.Servers[2].Links() != 1) {
					t.Error("not all replicas were read from")
				}
			})
		}
	}
}

// TestBesideAllocatesNothing: nor does a statement whose reply gets the flags of a transaction that is open elsewhere.
func TestBesideAllocatesNothing(t *testing.T) {
	servers := []string{
		pipelinetest.Backend(t, pt.MariaDB(), steady).Addr, pipelinetest.Backend(t, pt.MariaDB(), steadyIn(inReadOnly)).Addr,
	}
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: servers, Target: func(all []*pipeline.Server) pipeline.Target {
		all[0].SetState(primary)
		all[1].SetState(replica)
		return router(t, all, nil, nil)
	}})
	c := f.Session()
	const asks = "DO LAST_INSERT_ID()"
	c.Run(t, do(beginReading), tells(inReadOnly, protocol.ComQuery, asks))
	measure(t, c, packet([]byte("\x03"+asks)))
}

func packet(payload []byte) []byte { return protocol.AppendPacket(nil, 0, payload) }

// measure runs a command again and again, and counts allocations.
func measure(t *testing.T, c *pt.Conn, command []byte) {
	t.Helper()
	if _, err := c.Conn.Write(command); err != nil {
		t.Fatal(err)
	}
	c.Seq = 1
	first, err := c.ReadPayload()
	if err != nil {
		t.Fatal(err)
	}
	reply := packed(first)
	if first[0] != 0 { // rows
		reply = packed(pt.Rows(c.Caps, []string{"c"}, []string{"a row of some length"})...)
		for range len(pt.Rows(c.Caps, []string{"c"}, []string{"a row of some length"})) - 1 {
			if _, err := c.ReadPayload(); err != nil {
				t.Fatal(err)
			}
		}
	}
	pipelinetest.NoAllocations(t, c, command, reply)
}
