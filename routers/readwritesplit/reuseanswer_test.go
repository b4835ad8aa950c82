package readwritesplit_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// told prepares a statement and returns the packets of the answer, without its id.
func told(t *testing.T, c *pt.Conn, text string) (packets [][]byte) {
	t.Helper()
	c.Run(t, pt.Send(protocol.ComStmtPrepare, text))
	for n := 1; n > 0; n-- {
		payload, err := c.ReadPayload()
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) == 0 {
			for _, some := range []byte{payload[5], payload[7]} {
				if n += int(some); some > 0 && !c.Caps.Has(protocol.ClientDeprecateEOF) {
					n++
				}
			}
			clear(payload[1:5])
		}
		packets = append(packets, payload)
	}
	return packets
}

// without logs in without a capability.
func without(k *cluster, caps protocol.Capability) *pt.Conn {
	c := k.Dial()
	login := pt.LoginAs(protocol.Login{
		Capabilities: pt.MariaDB().Capabilities &^ (caps | protocol.ClientConnectWithDB), User: pipelinetest.User,
	}, pipelinetest.Password)
	if err := login(c); err != nil {
		panic(err)
	}
	return c
}

// TestReuseAnswer: the client is told what it was told before, but for what has changed in the session.
func TestReuseAnswer(t *testing.T) {
	for _, eof := range []protocol.Capability{0, protocol.ClientDeprecateEOF} {
		k := newCluster(t, reusing)
		c := without(k, eof)
		for _, text := range []string{"SELECT ?, ?", "SELECT 1", "INSERT ?", "INSERT 1"} {
			first := told(t, c, text)
			c.Run(t, shut(0xffffffff))
			k.forget()
			if diff := cmp.Diff(first, told(t, c, text)); diff != "" {
				t.Errorf("%s (-first +second):\n%s", text, diff)
			}
			c.Run(t, shut(0xffffffff), do("INSERT 0"), pt.Query("SELECT 0"), row, pt.Query("SELECT 0"), row)
			for _, f := range k.fakes {
				for _, got := range f.takes() {
					if strings.HasPrefix(got, "prepare") {
						t.Errorf("%s: %s", f.name, got)
					}
				}
			}
		}
	}
	t.Run("status", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := without(k, protocol.ClientDeprecateEOF)
		told(t, c, "INSERT ?")
		k.db1.on("INSERT 7", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit | protocol.StatusNoIndexUsed}))
		for _, state := range []struct {
			statements []string
			status     uint16
		}{
			{[]string{"BEGIN"}, inTransaction},
			{[]string{"COMMIT"}, protocol.StatusAutocommit},
			{[]string{"START TRANSACTION READ ONLY"}, inTransaction | protocol.StatusInTransReadonly},
			{[]string{"COMMIT"}, protocol.StatusAutocommit},
			{nil, protocol.StatusAutocommit}, // as the answer before has told
			{[]string{"INSERT 7"}, protocol.StatusAutocommit},
		} {
			c.Run(t, shut(0xffffffff), do(state.statements...))
			packets := told(t, c, "INSERT ?")
			if got := binary.LittleEndian.Uint16(packets[2][3:]); got != state.status {
				t.Errorf("after %v, the status is %#x, not %#x", state.statements, got, state.status)
			}
		}
		if n := k.db1.times("prepare INSERT ?"); n != 1 {
			t.Errorf("it was prepared %d times", n)
		}
	})
	t.Run("status after the server has rolled back", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { reusing(c); replaying(c); c.TransactionReplayAttempts = 1 })
		k.db2.on("INSERT 2", pt.ReplyError(1062, "23000", "Duplicate entry"))
		c := without(k, protocol.ClientDeprecateEOF)
		told(t, c, "SELECT ?")
		c.Run(t, shut(1), do("BEGIN", "INSERT 2"))
		k.db1.die()
		k.in(down, primary, replica)
		c.Run(t, pt.Query("INSERT 3"), pt.ExpectError(protocol.ErLockDeadlock))
		k.forget()
		packets := told(t, c, "SELECT ?")
		if got := binary.LittleEndian.Uint16(packets[2][3:]); got != protocol.StatusAutocommit {
			t.Errorf("the status is %#x", got)
		}
		if n := k.db2.times("prepare SELECT ?"); n != 0 {
			t.Error("it was prepared again")
		}
	})
}

// TestReuseStale: a server that describes a statement otherwise than the client knows it has it be prepared again.
func TestReuseStale(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	const text = "INSERT 1"
	k.db1.on("executed "+text, pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit | protocol.StatusMetadataChanged}))
	c.Run(t, prepare(text, 1), execute(1, nil), pt.ExpectOK(), shut(1), prepare(text, 2))
	k.db1.expect("prepare "+text, noted(101, nil), "executed "+text, "close 101 ", "prepare "+text)
	t.Run("columns that the client does not know", func(t *testing.T) {
		const read = "SELECT 1 -- weir route to primary"
		k := newCluster(t, reusing)
		c := without(k, 0)
		k.db1.on("executed "+read, func(c *pt.Conn) error { // as where nothing has changed
			all := pt.Rows(c.Caps, []string{"server"}, []string{"db1"})
			return pt.Reply([]byte{1, 0}, all[2], all[3])(c)
		})
		known := pt.Script(execute(1, nil), pt.Expect([]byte{1, 0}), pt.Expect([]byte("\x03db1")), ends)
		c.Run(t, prepare(read, 1), known, shut(1), prepare(read, 2))
		if n := k.db1.times("prepare " + read); n != 1 {
			t.Errorf("it was prepared %d times", n)
		}
		k.db1.on("executed " + read)
		c.Run(t, execute(2, nil), rows("db1"), shut(2), prepare(read, 3))
		if n := k.db1.times("prepare " + read); n != 1 {
			t.Error("it was not prepared again")
		}
	})
}

// ends reads the end of rows.
func ends(c *pt.Conn) error {
	_, err := c.ReadPayload()
	return err
}
