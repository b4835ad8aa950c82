package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// notReady is how a Galera node answers that is not in its cluster.
var notReady = pt.ReplyError(protocol.ErUnknownCom, "08S01", "WSREP has not yet prepared node for application use")

// TestNotReadyReplica: what a replica has not carried out, another one does, without a word to the client. The next statements,
// of other sessions too, go to servers that take them.
func TestNotReadyReplica(t *testing.T) {
	for name, tt := range map[string]struct {
		refused string
		step    pt.Step
	}{
		"read":           {"SELECT 1", ask("SELECT 1", "db3")},
		"preparation":    {"prepare SELECT 1", prepare("SELECT 1", 1)},
		"Weir's own":     {"SET @a = 1", ask("SELECT 1", "db3")},
		"default schema": {"COM_INIT_DB a", pt.Script(pt.Send(protocol.ComInitDB, "a"), pt.ExpectOK())},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			k.db2.on(tt.refused, notReady)
			c, other := k.Session(), k.Session()
			other.Run(t, ask("SELECT 0", "db2"), ask("SELECT 0", "db3"))
			if name == "Weir's own" {
				c.Run(t, do("INSERT 1", "SET @a = 1"))
			}
			if name == "default schema" {
				k.in(down, replica, replica)
			}
			k.forget()
			c.Run(t, tt.step)
			if n := k.db2.times(tt.refused); n != 1 {
				t.Errorf("db2 has got it %d times", n)
			}
			for range 3 {
				c.Run(t, ask("SELECT 2", "db3"))
				other.Run(t, ask("SELECT 2", "db3"))
			}
			k.db2.expect()
		})
	}
}

// TestNotReadyPrimary: what a primary has not carried out, the next one does, once.
func TestNotReadyPrimary(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *readwritesplit.Config)
		steps  pt.Step
		got    []string // by the next primary
	}{
		"write":          {delaying, do("INSERT 2"), []string{"INSERT 2"}},
		"in transaction": {replaying, do("BEGIN", "INSERT 1", "INSERT 2", "COMMIT"), []string{"BEGIN", "INSERT 1", "INSERT 2", "COMMIT"}},
		"first of one":   {replaying, do("START TRANSACTION", "INSERT 1"), []string{"START TRANSACTION", "INSERT 1"}},
		"last of one":    {replaying, do("BEGIN", "INSERT 1", "COMMIT"), []string{"BEGIN", "INSERT 1", "COMMIT"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, tt.change)
			refuse := func(c *pt.Conn) error {
				k.in(replica, primary, replica)
				return notReady(c)
			}
			k.db1.on(map[string]string{"first of one": "START TRANSACTION", "last of one": "COMMIT"}[name], refuse)
			k.db1.on("INSERT 2", refuse)
			k.Session().Run(t, tt.steps)
			k.db2.expect(tt.got...)
		})
	}
}

// TestNotReadyAnywhere: where no other server is there, or the statement may have been carried out in part, or the session
// needs the server, the client gets the server's word, and its session goes on.
func TestNotReadyAnywhere(t *testing.T) {
	refused := pt.ExpectError(protocol.ErUnknownCom, "WSREP has not yet prepared node for application use")
	for name, tt := range map[string]struct {
		change    func(c *readwritesplit.Config)
		before    pt.Step
		statement string
	}{
		"no other primary": {nil, do("INSERT 0"), "INSERT 1"},
		"several":          {delaying, do("INSERT 0"), "CALL p()"},
		"needed":           {delaying, do("CREATE TEMPORARY TABLE a (n INT)"), "INSERT 1"},
		"no replay":        {delaying, do("BEGIN"), "INSERT 1"},
		"no other replica": {nil, ask("SELECT 0", "db2"), "SELECT 1"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, tt.change)
			c := k.Session()
			c.Run(t, tt.before)
			if name == "no other replica" {
				k.in(down, replica, down)
			}
			k.db1.on(tt.statement, notReady)
			k.db2.on(tt.statement, notReady)
			k.forget()
			c.Run(t, pt.Query(tt.statement), refused)
			if n := k.db1.times(tt.statement) + k.db2.times(tt.statement); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
			if name == "no other replica" {
				c.Run(t, ask("SELECT 2", "db2"))
				return
			}
			c.Run(t, do("INSERT 2"))
		})
	}
}

// TestOther1047: the code alone says nothing of the server.
func TestOther1047(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.on("SELECT 1", pt.ReplyError(protocol.ErUnknownCom, "08S01", "Unknown command"))
	k.Session().Run(t, pt.Query("SELECT 1"), pt.ExpectError(protocol.ErUnknownCom, "Unknown command"), ask("SELECT 2", "db3"))
}
