package readwritesplit_test

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestFailedCommit: what may have committed a transaction, and has failed, may have been carried out all the same. Nobody is
// told that the transaction was rolled back, and to try it again.
func TestFailedCommit(t *testing.T) {
	for _, end := range []string{"COMMIT", "BEGIN", "CREATE TABLE x (a INT)", "CALL p()"} {
		for _, code := range []uint16{protocol.ErConnectionKilled, 1180} {
			for _, next := range []string{"ROLLBACK", "BEGIN", "INSERT 9", "COMMIT"} {
				k := newCluster(t, replaying)
				c := k.Session()
				c.Run(t, do("BEGIN", "INSERT 1"))
				k.db1.on(end, pt.Script(pt.ReplyError(code, "HY000", "it ends"), pt.Close()))
				c.Run(t, pt.Query(end), pt.ExpectError(code))
				k.in(down, primary, replica)
				c.Run(t, pt.Query(next), lost())
				k.db2.expect()
			}
		}
	}
}

// TestLostRollback: of a transaction that is lost, and cannot be run again, nothing is left. Who asks for that is told OK, and
// what follows is in no transaction.
func TestLostRollback(t *testing.T) {
	small := func(c *readwritesplit.Config) {
		replaying(c)
		c.TransactionReplayMaxSize = 1
	}
	told := func(status uint16) pt.Step {
		return func(c *pt.Conn) error {
			payload, err := c.ReadPayload()
			if err != nil {
				return err
			}
			ok, err := protocol.DecodeOK(payload, c.Caps)
			if err == nil && ok.Status != status {
				err = fmt.Errorf("the status is %#x", ok.Status)
			}
			return err
		}
	}
	for _, manual := range []bool{false, true} {
		for _, rollback := range []string{"ROLLBACK", "rollback work", "/* all */ ROLLBACK;"} {
			k := newCluster(t, small)
			c := k.Session()
			status, begin := protocol.StatusAutocommit, "BEGIN"
			if manual {
				status, begin = 0, "INSERT 0"
				off := pt.ReplyOK(protocol.OK{})
				k.db1.on("SET autocommit = 0", off)
				k.db2.on("SET autocommit = 0", off)
				k.db1.on("INSERT 0", pt.ReplyOK(protocol.OK{Status: protocol.StatusInTrans}))
				k.db1.on("INSERT 1", pt.ReplyOK(protocol.OK{Status: protocol.StatusInTrans}))
				k.db2.on("INSERT 2", pt.ReplyOK(protocol.OK{Status: protocol.StatusInTrans}))
				c.Run(t, do("SET autocommit = 0"))
			}
			c.Run(t, do(begin, "INSERT 1"))
			failOver(k)
			k.forget()
			c.Run(t, pt.Query(rollback), told(status), do("INSERT 2"))
			if k.db3.expect(); !manual {
				c.Run(t, ask("SELECT 3", "db3"))
			}
			if n := k.db2.times("INSERT 1"); n != 0 {
				t.Errorf("%s: the transaction has been run again", rollback)
			}
		}
	}
	t.Run("prepared", func(t *testing.T) {
		k := newCluster(t, small)
		c := k.Session()
		c.Run(t, prepare("ROLLBACK", 1), do("BEGIN", "INSERT 1"))
		failOver(k)
		c.Run(t, execute(1, nil), told(protocol.StatusAutocommit), ask("SELECT 3", "db3"))
	})
	t.Run("in flight", func(t *testing.T) {
		k := newCluster(t, small)
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		k.db1.on("ROLLBACK", func(c *pt.Conn) error {
			k.in(down, primary, replica)
			return c.Close()
		})
		c.Run(t, pt.Query("ROLLBACK"), told(protocol.StatusAutocommit), pt.Query("SELECT 3"), anyRows) // the states change meanwhile
	})
	for _, other := range []string{"ROLLBACK AND CHAIN", "ROLLBACK RELEASE", "ROLLBACK TO SAVEPOINT a", "ROLLBACK garbage", "COMMIT"} {
		t.Run(other, func(t *testing.T) {
			k := newCluster(t, small)
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"))
			failOver(k)
			c.Run(t, pt.Query(other), restarted())
		})
	}
	t.Run("that begins another", func(t *testing.T) {
		k := newCluster(t, small)
		c := k.Session()
		c.Run(t, do("SET completion_type = CHAIN", "BEGIN", "INSERT 1"))
		failOver(k)
		c.Run(t, pt.Query("ROLLBACK"), restarted())
	})
}
