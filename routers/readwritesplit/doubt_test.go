package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestDoubt: a primary that says that it was made read-only is looked at at once, in a transaction and when one is run
// again, too. Its monitor would learn of that with its next poll only, and attempts to run transactions again are few.
func TestDoubt(t *testing.T) {
	refuse := pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "--read-only")
	k := newCluster(t, replaying)
	// looked is the monitor, which finds out.
	looked := func(server int, then func()) {
		go func() {
			<-k.Servers[server].Doubts()
			then()
		}()
	}
	looked(0, func() { k.in(replica, primary, replica) })
	k.db1.on("INSERT 1", refuse)
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.db2.expect("INSERT 1")

	k.db2.on("INSERT 1", inserted(1))
	k.db2.on("INSERT 2", refuse)
	k.db3.on("INSERT 1", refuse)
	c.Run(t, do("BEGIN", "INSERT 1"))
	looked(1, func() { k.in(replica, replica, primary) })
	looked(2, func() { k.in(primary, replica, replica) })
	k.db1.on("INSERT 1", inserted(1))
	k.forget()
	c.Run(t, do("INSERT 2", "COMMIT"))
	k.db1.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
}
