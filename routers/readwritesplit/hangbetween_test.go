package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// hangsDrained has an idle session's LAST_INSERT_ID() be asked of db1, which has been drained and does not answer.
func hangsDrained(t *testing.T, change func(c *readwritesplit.Config)) (*cluster, *pt.Conn) {
	t.Helper()
	k := newCluster(t, change)
	c := k.Session()
	k.db1.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
	c.Run(t, ask("SELECT 0", "db2"), do("INSERT 1"))
	asked := hangs(t, k.db1, askInsertID)
	drains(k)
	<-asked
	k.forget()
	return k, c
}

// drains takes the primary out. The next one is db2.
func drains(k *cluster) {
	k.Servers[0].SetService(pipeline.Draining)
	k.in(replica, primary, replica)
}

// TestHangBetween: what the router asks of a server between two statements keeps neither the next one waiting for long, nor who
// kills it, nor the session's end. No server gets a KILL for it.
func TestHangBetween(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, k *cluster, c *pt.Conn){
		"next": func(t *testing.T, k *cluster, c *pt.Conn) {
			t.Helper()
			c.Run(t, do("INSERT 2"), pt.Query(getInsertID), unknownID())
			k.db2.expect("SET LAST_INSERT_ID = 0", "INSERT 2")
		},
		"KILL QUERY of the next": func(t *testing.T, k *cluster, c *pt.Conn) {
			t.Helper()
			c.Run(t, pt.Query("INSERT 2"))
			kills(t, k, c)
			c.Run(t, do("INSERT 3"))
			k.db2.expect("SET LAST_INSERT_ID = 0", "INSERT 3")
		},
		"KILL QUERY while idle": func(t *testing.T, k *cluster, c *pt.Conn) {
			t.Helper()
			k.Session().Run(t, killQuery(c), pt.ExpectOK())
			c.Run(t, do("INSERT 2"))
			k.db2.expect("SET LAST_INSERT_ID = 0", "INSERT 2")
		},
		"KILL": func(t *testing.T, k *cluster, c *pt.Conn) {
			t.Helper()
			k.Session().Run(t, kill(c), pt.ExpectOK())
			c.Run(t, nothingAsked, pt.ExpectError(protocol.ErConnectionKilled, "Connection was killed"), pt.ExpectClosed())
		},
		"shutdown": func(t *testing.T, k *cluster, c *pt.Conn) {
			t.Helper()
			k.Stop()
			c.Run(t, nothingAsked, pt.ExpectError(protocol.ErServerShutdown), pt.ExpectClosed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait until patience with db1 is over
			k, c := hangsDrained(t, nil)
			test(t, k, c)
			k.db1.expect()
		})
	}
}

// TestHangBetweenParted: so it is where the session cannot have another connection to a primary.
func TestHangBetweenParted(t *testing.T) {
	k, c := hangsDrained(t, settled)
	c.Run(t, ask("SELECT 1", "db3"))
	k.db1.expect()

	k, c = hangsDrained(t, settled)
	k.Session().Run(t, kill(c), pt.ExpectOK())
	c.Run(t, nothingAsked, pt.ExpectError(protocol.ErConnectionKilled), pt.ExpectClosed())
	k.db1.expect()
}

// nothingAsked has the client expect a packet of which it has asked for none.
func nothingAsked(c *pt.Conn) error { c.Seq = 1; return nil }

// kills kills the statement that a client has sent, as often as it takes: it may not have come yet.
func kills(t *testing.T, k *cluster, victim *pt.Conn) {
	t.Helper()
	killer, ended := k.Session(), make(chan struct{})
	go func() {
		defer close(ended)
		victim.Run(t, killed())
	}()
	for {
		select {
		case <-ended:
			return
		default:
			killer.Run(t, killQuery(victim), pt.ExpectOK())
		}
	}
}

// TestHangAfter: so it is where the server was drained while a statement ran, whose answer does not wait for that either.
func TestHangAfter(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	asked := hangs(t, k.db1, askInsertID)
	k.db1.on("INSERT 1", func(c *pt.Conn) error {
		drains(k)
		return numbered(42, protocol.StatusAutocommit)(c)
	})
	c.Run(t, do("INSERT 1"))
	<-asked
	c.Run(t, do("INSERT 2"))
	k.db2.expect("SET LAST_INSERT_ID = 0", "INSERT 2")
}

// TestHangPipelined: so it is where the next statement has come with the one before, and nothing further tells of it.
func TestHangPipelined(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	hangs(t, k.db1, askInsertID)
	k.db1.on("INSERT 1", func(c *pt.Conn) error {
		drains(k)
		return numbered(42, protocol.StatusAutocommit)(c)
	})
	both := protocol.AppendPacket(nil, 0, append([]byte{protocol.ComQuery}, "INSERT 1"...))
	both = append(both, protocol.AppendPacket(nil, 0, append([]byte{protocol.ComQuery}, "INSERT 2"...))...)
	c.Run(t, pt.Raw(both), nothingAsked, pt.ExpectOK(), nothingAsked, pt.ExpectOK())
	k.db2.expect("SET LAST_INSERT_ID = 0", "INSERT 2")
}

// TestKilledBetween: a server may be told to kill what it is asked between two statements. It is asked again after the next.
func TestKilledBetween(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	k.db1.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
	c.Run(t, do("INSERT 1"))
	asked := make(chan struct{})
	k.db1.on(askInsertID, func(c *pt.Conn) error {
		k.db1.on(askInsertID, pt.ReplyRows([]string{"id"}, []string{"42"}))
		close(asked)
		return pt.ReplyError(protocol.ErQueryInterrupted, "70100", "interrupted")(c)
	})
	drains(k)
	<-asked
	c.Run(t, ask("SELECT 2", "db3"), ask(getInsertID, "db2"))
	k.db2.expect("SET LAST_INSERT_ID = 42", getInsertID)
}

// TestKilledAfter: so may what it is asked about a statement that it has answered, which is over for the client.
func TestKilledAfter(t *testing.T) {
	k := newCluster(t, nil)
	k.db1.on("CALL p()", pt.ReplyError(protocol.ErUnknown, "HY000", "failed"))
	k.db1.on("COM_PING", pt.ReplyError(protocol.ErQueryInterrupted, "70100", "interrupted"))
	k.Session().Run(t, pt.Query("CALL p()"), pt.ExpectError(protocol.ErUnknown), do("INSERT 2"))
}
