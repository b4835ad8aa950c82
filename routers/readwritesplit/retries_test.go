package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// delaying has statements wait for a primary.
func delaying(c *readwritesplit.Config) { c.DelayedRetry = patience }

// TestLostCommand: what changes nothing, and what all servers are to know, is sent to another server where the one that has
// it is lost.
func TestLostCommand(t *testing.T) {
	eof := []byte{0xfe, 0, 0, byte(protocol.StatusAutocommit), 0}
	for name, tt := range map[string]struct {
		step pt.Step
		note string
		at   int // whoever is lost with it
	}{
		"begin":      {do("BEGIN"), "BEGIN", 0},
		"start":      {do("START TRANSACTION"), "START TRANSACTION", 0},
		"ping":       {pt.Script(pt.Send(protocol.ComPing, ""), pt.ExpectOK()), "COM_PING", 0},
		"init_db":    {pt.Script(pt.Send(protocol.ComInitDB, "a"), pt.ExpectOK()), "COM_INIT_DB a", 0},
		"field_list": {pt.Script(pt.Send(protocol.ComFieldList, "t\x00"), pt.Expect(eof)), "COM_FIELD_LIST t\x00", 1},
	} {
		for what, fault := range map[string]pt.Step{"closed": pt.Close(), "1053": goAway(protocol.ErServerShutdown)} {
			t.Run(name+", "+what, func(t *testing.T) {
				k := newCluster(t, delaying)
				for _, f := range k.fakes {
					f.on("COM_FIELD_LIST t\x00", pt.Reply(eof))
				}
				first := k.fakes[tt.at]
				first.on(tt.note, func(c *pt.Conn) error {
					if tt.at == 0 {
						k.in(replica, primary, replica)
					}
					return fault(c)
				})
				c := k.Session()
				c.Run(t, do("INSERT 0"))
				k.forget()
				c.Run(t, tt.step, do("INSERT 1"))
				all := k.db1.times(tt.note) + k.db2.times(tt.note) + k.db3.times(tt.note)
				if all != 2 {
					t.Errorf("the servers have got it %d times", all)
				}
				if got := k.count("retried_statements"); got != 1 {
					t.Errorf("%d commands were tried again", got)
				}
			})
		}
	}
}

// TestStuck: who waits for a server that says nothing any more, and that is found to be down, waits no longer: a read is
// tried elsewhere, and what may have been carried out is not.
func TestStuck(t *testing.T) {
	stuck := func(running chan<- struct{}) pt.Step {
		return func(c *pt.Conn) error {
			close(running)
			return pt.Silence()(c)
		}
	}
	t.Run("read", func(t *testing.T) {
		k, running := newCluster(t, nil), make(chan struct{})
		k.db2.on("SELECT 1", stuck(running))
		c := k.Session()
		c.Run(t, pt.Query("SELECT 1"))
		<-running
		k.in(primary, down, replica)
		c.Run(t, pt.ExpectRows([]string{"db3"}), ask("SELECT 2", "db3"))
	})
	t.Run("write", func(t *testing.T) {
		k, running := newCluster(t, delaying), make(chan struct{})
		k.db1.on("INSERT 1", stuck(running))
		c := k.Session()
		c.Run(t, pt.Query("INSERT 1"))
		<-running
		k.in(down, primary, replica)
		c.Run(t, lost())
		k.db2.expect()
		k.db3.expect()
	})
	t.Run("in a transaction that is run again", func(t *testing.T) {
		k, running := newCluster(t, replaying), make(chan struct{})
		k.db1.on("INSERT 2", stuck(running))
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("INSERT 2"))
		<-running
		k.in(down, primary, replica)
		c.Run(t, pt.ExpectOK(), do("COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	})
}

// TestOtherOption: error 1290 of another option than read-only says nothing of the server: it is the client's.
func TestOtherOption(t *testing.T) {
	const said = "The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement"
	refused := pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", said)
	for name, change := range map[string]func(c *readwritesplit.Config){"a write": delaying, "in a transaction": replaying} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, change)
			c := k.Session()
			if name != "a write" {
				c.Run(t, do("BEGIN"))
			}
			k.db1.on("INSERT 1", refused)
			k.forget()
			c.Run(t, pt.Query("INSERT 1"), pt.ExpectError(protocol.ErOptionPreventsStatement, said), do("INSERT 2"))
			k.db1.expect("INSERT 1", "INSERT 2")
		})
	}
}

// TestLastGone: what asks for the statement before is answered by a server that reads are spread over where the one that has
// run it is gone, and does not make the primary read.
func TestLastGone(t *testing.T) {
	for _, statement := range []string{"SHOW WARNINGS", "SELECT FOUND_ROWS()", "SELECT 2 /* weir route to last */"} {
		t.Run(statement, func(t *testing.T) {
			k := newCluster(t, nil)
			c := k.Session()
			c.Run(t, do("INSERT 0"), ask("SELECT 1", "db2"))
			k.db2.die()
			k.AwaitLog("lost while idle")
			c.Run(t, ask(statement, "db3"))
		})
	}
}

// TestUnfitForgiven: a statement that waits for a server waits for one, too, that has answered a session command otherwise
// than others did: it may have come to what it lacked.
func TestUnfitForgiven(t *testing.T) {
	k := newCluster(t, delaying)
	k.db1.on("SET @a = 1", func(c *pt.Conn) error {
		k.db1.on("SET @a = 1") // once
		return pt.ReplyError(1193, "HY000", "Unknown system variable")(c)
	})
	c := k.Session()
	c.Run(t, ask("SELECT 0", "db2"), do("SET @a = 1", "INSERT 1"))
	k.db1.expect("SET @a = 1", "SET @a = 1", "INSERT 1")
	if got := k.count("unfit_servers"); got != 1 {
		t.Errorf("%d servers were left out", got)
	}
}

// TestSurvived: a session that has something at a server ends with its next command, whatever that needs, where the server
// was lost by a command that went to all.
func TestSurvived(t *testing.T) {
	reset := pt.Script(pt.Send(protocol.ComStmtReset, "\x01\x00\x00\x00"), pt.ExpectOK())
	for _, needed := range []bool{true, false} {
		k := newCluster(t, nil)
		k.db1.on("reset 101 ", pt.Close())
		c := k.Session()
		if needed {
			c.Run(t, ask("SELECT @x := 1", "db1"))
		}
		c.Run(t, prepare("INSERT ?", 1), reset)
		if needed {
			c.Run(t, pt.Query("SELECT 1"), lost())
			k.AwaitLog("user variables are known there alone")
			continue
		}
		c.Run(t, ask("SELECT 1", "db2"), do("INSERT 2"))
	}
}

// TestEagerWithoutRole: a server that is no part of the cluster is not connected to beforehand.
func TestEagerWithoutRole(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.LazyConnect = false })
	none := replica
	none.Role = 0
	k.in(primary, none, replica)
	k.Session().Run(t, do("INSERT 1"))
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 1 && k.Servers[2].Links() == 1 }, k.Log.String)
	if n := k.db2.loggedIn(); n != 0 {
		t.Errorf("a server without a role was logged in to %d times", n)
	}
}

// TestRefusedBulk: of what a bulk execution that is refused has carried out before, row by row, nothing is done twice.
func TestRefusedBulk(t *testing.T) {
	const readOnly = "The MariaDB server is running with the --read-only option so it cannot execute this statement"
	for name, tt := range map[string]struct{ refuse, refused pt.Step }{
		"read-only": {
			pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", readOnly), pt.ExpectError(protocol.ErOptionPreventsStatement, readOnly),
		},
		"not ready": {notReady, pt.ExpectError(protocol.ErUnknownCom, "WSREP has not yet prepared node for application use")},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, delaying)
			c := k.Session()
			c.Run(t, prepare("UPDATE a SET n = n + ?", 1))
			k.in(primary, down, down) // so that this is about the primary
			c.Run(t, pt.Send(protocol.ComStmtExecute, string(execution(1, 0, []byte{3, 0}, 5))), pt.ExpectOK())
			rows := "\x80\x00\x03\x00" + "\x00\x01\x00\x00\x00" + "\x00\x02\x00\x00\x00"
			k.db1.on(protocol.CommandName(protocol.ComStmtBulkExecute)+" e\x00\x00\x00"+rows, func(c *pt.Conn) error {
				k.in(replica, primary, replica)
				return tt.refuse(c)
			})
			k.forget()
			c.Run(t, pt.Send(protocol.ComStmtBulkExecute, "\x01\x00\x00\x00"+rows), tt.refused)
			k.db2.expect()
		})
	}
}
