package readwritesplit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestBoundTransactionGoesOn: a transaction that is open at a server which is the primary no more goes on there, also where
// the session is bound to that server by more than the transaction.
func TestBoundTransactionGoesOn(t *testing.T) {
	k := newCluster(t, nil)
	c, other := k.Session(), k.Session()
	for _, c := range []*pt.Conn{c, other} {
		c.Run(t, do("CREATE TEMPORARY TABLE t (i int)"))
	}
	c.Run(t, do("BEGIN", "INSERT 1"))
	k.in(replica, primary, replica)
	other.Run(t, pt.Query("SELECT 0"), lost()) // which has no transaction
	k.forget()
	c.Run(t, do("INSERT 2", "INSERT 3", "COMMIT"))
	c.Run(t, pt.Query("INSERT 4"), lost()) // what would be written there now, the primary would not get
	k.db1.expect("INSERT 2", "INSERT 3", "COMMIT")
	c = k.Session() // db2 is the primary
	c.Run(t, do("CREATE TEMPORARY TABLE t (i int)"), prepare("INSERT ?", 1), do("BEGIN"), ahead)
	k.in(primary, replica, replica)
	c.Run(t, spent, pt.ExpectOK(), do("COMMIT"))
}

// TestBoundWithoutPrimary: a session that is bound to a server which is the primary no more goes on with what needs no primary,
// and ends with what does: also where values have been sent ahead to that server.
func TestBoundWithoutPrimary(t *testing.T) {
	bind := pt.Script(ask("SELECT 0", "db2"), ask("SELECT @n := 5", "db1"))
	for name, tt := range map[string]struct{ before, needs pt.Step }{
		"a write":    {bind, pt.Query("INSERT 1")},
		"a variable": {bind, pt.Query("SELECT @n")},
		"a setting":  {bind, pt.Query("SET @m = 1")},
		"COM_PING":   {bind, pt.Send(protocol.ComPing, "")},
		"values": {
			pt.Script(prepare("INSERT ?", 1), ahead, bind), spent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			c := k.Session()
			c.Run(t, tt.before)
			k.in(replica, primary, replica)
			k.forget()
			c.Run(t, ask("SELECT 2", "db1"), tt.needs, lost())
			for _, f := range k.fakes {
				if got := f.takes(); len(got) > 0 && !slices.Equal(got, []string{"SELECT 2"}) {
					t.Errorf("%s has got %q", f.name, got)
				}
			}
		})
	}
	t.Run("until it is reset", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, bind)
		k.in(replica, primary, replica)
		c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), do("INSERT 1"))
		k.db2.expect("SELECT 0", "COM_RESET_CONNECTION", "INSERT 1")
	})
}

// TestDownWithTransaction: a connection on which a transaction is open ends when its server is found to be down, so that the
// next statement does not wait there for an answer that never comes.
func TestDownWithTransaction(t *testing.T) {
	for name, change := range map[string]func(c *readwritesplit.Config){"run again": replaying, "lost": nil} {
		t.Run(name, func(t *testing.T) {
			k, ended := newCluster(t, change), make(chan struct{})
			k.db1.on("INSERT 1", inserted(1), func(c *pt.Conn) error {
				defer close(ended)
				return pt.Silence()(c) // from now on
			})
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"))
			k.in(down, primary, replica)
			select {
			case <-ended:
			case <-time.After(pt.Timeout):
				t.Fatal("the connection is there still")
			}
			if change == nil {
				c.Run(t, pt.Query("INSERT 2"), lost())
				k.db2.expect()
				return
			}
			c.Run(t, do("INSERT 2", "COMMIT"))
			k.db2.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
		})
	}
}

// TestUnfitByName: a server that is left out of a session is so for hints, too.
func TestUnfitByName(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.on("USE new", pt.ReplyError(protocol.ErBadDB, "42000", "Unknown database"))
	c := k.Session()
	const hinted = "SELECT 2 /* weir route to server db2 */"
	c.Run(t, ask(hinted, "db2"), do("INSERT 0", "USE new"), ask(hinted, "db1"), ask(hinted, "db1"))
	if n := k.db2.loggedIn(); n != 1 {
		t.Errorf("the server that is left out was logged in to %d times", n)
	}
}

// TestAllRefuse: where no server takes a read, the client is told why the last of them did not.
func TestAllRefuse(t *testing.T) {
	k := newCluster(t, nil)
	for _, f := range k.fakes {
		f.lacks = "nowhere"
	}
	k.sessionIn(t, "nowhere").Run(t, pt.Query("SELECT 1"), pt.ExpectError(protocol.ErBadDB, "Unknown database"), pt.ExpectClosed())
}

// TestLostLongPrepare: a statement that is longer than a buffer is not at hand any more when the server is lost that prepares
// it: no other gets a part of it.
func TestLostLongPrepare(t *testing.T) {
	k := newCluster(t, delaying)
	long := "INSERT '" + strings.Repeat("x", 300_000) + "'"
	k.db1.on("prepare "+long, func(c *pt.Conn) error {
		k.in(replica, primary, replica)
		return pt.Close()(c)
	})
	k.Session().Run(t, pt.Send(protocol.ComStmtPrepare, long), lost())
	k.db2.expect()
	k.db3.expect()
}
