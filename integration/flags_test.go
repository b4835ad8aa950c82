package integration

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestFlags: what the primary answers beside a read-only transaction on a replica, and rows of a cursor there, tell the client
// that the transaction is open: drivers that go by that send the COMMIT.
func TestFlags(t *testing.T) { eachCluster(t, flagsBeside) }

func flagsBeside(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	must(t, c.Primary().Exec("CREATE TABLE test.flags (n INT PRIMARY KEY)", "INSERT INTO test.flags VALUES (1), (2), (3)"))
	must(t, c.WaitCaughtUp())
	addr := startSplit(t, c, "").Addr
	for _, caps := range []protocol.Capability{plain, plain | protocol.ClientDeprecateEOF} {
		beside(t, dialRaw(t, addr, caps|protocol.ClientMySQL))
	}
}

// beside has the primary answer in each way, with a transaction on a replica and without.
func beside(t *testing.T, c *rawClient) {
	t.Helper()
	const none, open = protocol.StatusAutocommit, protocol.StatusAutocommit | protocol.StatusInTrans | protocol.StatusInTransReadonly
	c.Run(t,
		flags(none, protocol.ComStmtPrepare, "SELECT n FROM flags /* weir route to primary */"),
		flags(none, protocol.ComStmtPrepare, "SELECT LAST_INSERT_ID()"),
		flags(none, protocol.ComStmtExecute, "\x01\x00\x00\x00\x01\x01\x00\x00\x00"), // with a cursor
		flags(open, protocol.ComQuery, "START TRANSACTION READ ONLY"),
		flags(open, protocol.ComQuery, "SELECT n FROM flags"))
	for _, status := range []uint16{open, none} {
		c.Run(t,
			flags(status, protocol.ComQuery, "SELECT LAST_INSERT_ID()"),
			flags(status, protocol.ComQuery, "DO GET_LOCK('flags', 0)"),
			flags(status, protocol.ComQuery, "DO RELEASE_LOCK('flags')"),
			flags(status, protocol.ComStmtExecute, "\x02\x00\x00\x00\x00\x01\x00\x00\x00"),
			flags(status, protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00"),
			flags(none, protocol.ComQuery, "COMMIT"))
	}
}

// flags sends a command. All packets of its reply that tell of a transaction must tell this of it.
func flags(want uint16, com byte, rest string) pt.Step {
	const about = protocol.StatusAutocommit | protocol.StatusInTrans | protocol.StatusInTransReadonly
	return func(c *pt.Conn) error {
		if err := pt.Send(com, rest)(c); err != nil {
			return err
		}
		got, err := c.ReadStatus(com)
		if err == nil && len(got) == 0 && com != protocol.ComStmtPrepare {
			err = fmt.Errorf("no packet has flags")
		}
		for _, status := range got {
			if status&about != want {
				err = fmt.Errorf("%s %q is answered with the flags %#x, which should have %#x", protocol.CommandName(com), rest, got, want)
			}
		}
		return err
	}
}
