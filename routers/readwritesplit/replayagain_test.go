package readwritesplit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// breaks closes the connection, once.
func breaks(f *fake, statement string) {
	f.on(statement, func(c *pt.Conn) error {
		f.on(statement)
		return pt.Close()(c)
	})
}

// readOnlyError is what a server says that takes no writes.
func readOnlyError() pt.Step {
	return pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "The server is running with the --read-only option")
}

// TestCommitRefused: a COMMIT that a server has refused, since it is read-only, was not carried out: the transaction is run
// again, unlike one that was lost with its COMMIT.
func TestCommitRefused(t *testing.T) {
	k := newCluster(t, replaying)
	c := k.Session()
	c.Run(t, transaction(k))
	k.db1.on("COMMIT", func(c *pt.Conn) error {
		k.in(replica, primary, replica)
		return readOnlyError()(c)
	})
	k.forget()
	c.Run(t, do("COMMIT"))
	k.db1.expect("COMMIT")
	k.db2.expect("SET @x = 5", "BEGIN", "INSERT 1", "SELECT 2", "COMMIT")
}

// TestReplayTimeTogether: the time that the replays of one transaction take is that of all of them together. The next transaction
// has as much again.
func TestReplayTimeTogether(t *testing.T) {
	const timeout = 500 * time.Millisecond
	k := newCluster(t, func(c *readwritesplit.Config) {
		replaying(c)
		c.TransactionReplayTimeout = timeout
	})
	c := k.Session()
	c.Run(t, do("BEGIN", "INSERT 1"))
	k.db1.on("INSERT 1", func(c *pt.Conn) error {
		k.db1.on("INSERT 1")
		time.Sleep(timeout) // all there is
		return inserted(1)(c)
	})
	breaks(k.db1, "INSERT 2")
	c.Run(t, do("INSERT 2"))
	breaks(k.db1, "INSERT 3")
	c.Run(t, pt.Query("INSERT 3"), deadlock())
	k.AwaitLog("no time left")
	breaks(k.db1, "INSERT 4")
	c.Run(t, do("BEGIN", "INSERT 1", "INSERT 4", "COMMIT"))
	if got := k.count("replayed_transactions"); got != 2 {
		t.Errorf("%d transactions were run again", got)
	}
}

// TestReplayTypes: an execution is run again with the types that its values had, although others were bound since.
func TestReplayTypes(t *testing.T) {
	unsigned := []byte{0x03, 0x80}
	k := newCluster(t, replaying)
	c := k.Session()
	c.Run(t, prepare("INSERT ?", 1), execute(1, bindInt, 5), pt.ExpectOK(), do("BEGIN"))
	c.Run(t, execute(1, nil, 6), pt.ExpectOK(), execute(1, unsigned, 7), pt.ExpectOK())
	k.db1.die()
	k.in(down, primary, replica)
	c.Run(t, execute(1, nil, 8), pt.ExpectOK(), do("COMMIT"))
	const executed = "executed INSERT ?"
	k.db2.expect("BEGIN", "prepare INSERT ?", noted(201, bindInt, 6), executed, noted(201, unsigned, 7), executed,
		noted(201, nil, 8), executed, "COMMIT")
}

// TestMovedCursor: a cursor that was opened in an optimistic transaction is read from where the transaction has gone.
func TestMovedCursor(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.OptimisticTransactions = true })
	c := k.Session()
	open := pt.Script(pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
	c.Run(t, do("BEGIN"), prepare("SELECT 1", 1), open)
	k.db2.expect("BEGIN", "prepare SELECT 1", "execute 201 0101000000")
	c.Run(t, do("INSERT 2"), fetched("db1"), do("COMMIT"))
	k.db1.expect("BEGIN", "prepare SELECT 1", "execute 101 0101000000", "INSERT 2", "fetch 101 01000000", "COMMIT")
}

// fetched reads a row of the first statement's cursor, which must be at this server.
func fetched(server string) pt.Step {
	return func(c *pt.Conn) error {
		if err := pt.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00")(c); err != nil {
			return err
		}
		row, err := c.ReadPayload()
		if err != nil {
			return err
		}
		if !strings.Contains(string(row), server) {
			return fmt.Errorf("fetched %q, not from %s", row, server)
		}
		_, err = c.ReadPayload()
		return err
	}
}

// TestKillReplayAtSameServer: where a replay is killed that ran at the server where the transaction was before, what follows is
// not executed there without the transaction.
func TestKillReplayAtSameServer(t *testing.T) {
	k := newCluster(t, endless)
	victim := k.Session()
	victim.Run(t, do("BEGIN", "INSERT 1"))
	k.forget()
	runs := blocked(t, k.db1, "INSERT 1")
	breaks(k.db1, "INSERT 2")
	victim.Run(t, pt.Query("INSERT 2"))
	<-runs
	k.Session().Run(t, killQuery(victim), pt.ExpectOK())
	victim.Run(t, killed())
	k.db1.on("INSERT 1")
	k.forget()
	victim.Run(t, do("INSERT 3", "COMMIT"))
	k.db1.expect("BEGIN", "INSERT 1", "INSERT 3", "COMMIT")
}

// TestEvictRefused: a server that does not kill the connection of before, since that has gone by itself or is not to be
// killed, runs the transaction again all the same.
func TestEvictRefused(t *testing.T) {
	for _, code := range []uint16{protocol.ErNoSuchThread, protocol.ErKillDenied} {
		k := newCluster(t, replaying)
		k.db1.misses = false
		k.db1.on("KILL 7", pt.ReplyError(code, "HY000", "It is not killed"))
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		breaks(k.db1, "INSERT 2")
		k.forget()
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db1.expect("INSERT 2", "KILL 7", "BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	}
}
