package readwritesplit_test

import (
	"testing"

	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestReuseLostServer: a server that is lost has lost its statements, and no other has.
func TestReuseLostServer(t *testing.T) {
	k := newCluster(t, reusing)
	c := k.Session()
	c.Run(t, prepare("SELECT 1", 1), execute(1, nil), rows("db3"), execute(1, nil), rows("db2"), shut(1))
	k.db3.die()
	k.AwaitLog("lost while idle")
	k.db3.rise()
	k.forget()
	c.Run(t, prepare("SELECT 1", 2), execute(2, nil), rows("db3"), execute(2, nil), rows("db2"), shut(2))
	k.db3.expect("prepare SELECT 1", noted(301, nil), "executed SELECT 1")
	k.db2.expect(noted(201, nil), "executed SELECT 1")
	t.Run("the last that had it", func(t *testing.T) {
		c.Run(t, once(3))
		k.db1.die()
		k.AwaitLog("server=db1")
		k.db1.rise()
		k.forget()
		k.db1.on("prepare INSERT ?", pt.ReplyError(1146, "42S02", "Table doesn't exist"))
		c.Run(t, pt.Send(0x16, "INSERT ?"), pt.ExpectError(1146))
		k.db1.on("prepare INSERT ?")
		c.Run(t, once(4), once(5))
		k.db1.expect(all([]string{"prepare INSERT ?", "prepare INSERT ?"}, ran(101, 5), ran(101, 5))...)
	})
	t.Run("while a statement is open", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, once(1), prepare("INSERT ?", 2))
		k.db1.die()
		k.AwaitLog("lost while idle")
		k.db1.rise()
		k.forget()
		c.Run(t, inserts(2, 6), shut(2), prepare("INSERT ?", 3), inserts(3, 7))
		k.db1.expect(all([]string{"prepare INSERT ?"}, ran(101, 6), ran(101, 7))...)
	})
}

// TestReplayOfClosed: a transaction is run again with statements that the client has closed since, which are then closed at
// the new primary, too.
func TestReplayOfClosed(t *testing.T) {
	for name, reuses := range map[string]bool{"closed": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) {
				replaying(c)
				if reuses {
					reusing(c)
				}
			})
			c := k.Session()
			c.Run(t, do("INSERT 0", "USE a", "SET NAMES utf8mb4", "BEGIN"), once(1), once(2))
			k.db1.die()
			k.in(down, primary, replica)
			k.forget()
			c.Run(t, do("INSERT 9"), once(3), do("COMMIT"))
			again := all([]string{"USE a", "SET NAMES utf8mb4", "BEGIN", "prepare INSERT ?"}, ran(201, 5), []string{"prepare INSERT ?"}, ran(202, 5),
				[]string{"INSERT 9"})
			if !reuses {
				k.db2.expect(all(again, []string{"prepare INSERT ?"}, ran(203, 5), []string{"close 203 ", "COMMIT"})...)
				c.Run(t, once(4), do("INSERT 0"))
				k.db2.expect(all([]string{"close 201 ", "close 202 ", "prepare INSERT ?"}, ran(204, 5), []string{"close 204 ", "INSERT 0"})...)
				return
			}
			k.db2.expect(all(again, ran(202, 5), []string{"COMMIT"})...)
			c.Run(t, once(4), do("INSERT 0"))
			k.db2.expect(all([]string{"close 201 "}, ran(202, 5), []string{"INSERT 0"})...)
		})
	}
}
