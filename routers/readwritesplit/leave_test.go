package readwritesplit_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// ahead sends a value of the first statement ahead, and spent executes the statement with it.
var (
	ahead = pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc")
	spent = pt.Send(protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfc\x00")
)

// awaits waits until the server has got a command that it does not answer.
func (f *fake) awaits(command string) {
	f.t.Helper()
	has := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.Contains(f.got, command)
	}
	pipelinetest.Eventually(f.t, has, func() string { return f.name + " does not get " + command })
}

// TestKeptOutOfService: a server that an operator takes out keeps the connections on which a cursor is open, values have been
// sent ahead, or there are variables that no other server knows. Others end at once.
func TestKeptOutOfService(t *testing.T) {
	for name, tt := range map[string]struct{ begin, end pt.Step }{
		"cursor": {
			pt.Script(prepare("SELECT 1", 1), pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows(), ask("SELECT 2", "db2")),
			fetched("db3"),
		},
		"values":    {pt.Script(prepare("SELECT ?", 1), ahead, ask("SELECT 2", "db2")), pt.Script(spent, rows("db3"))},
		"variables": {pt.Script(ask("SELECT 2", "db2"), setAway), do("INSERT @m")},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			k.db3.on(asked("m"), tellsOf(fortyTwo))
			c := k.Session()
			c.Run(t, do("INSERT 0"), tt.begin)
			k.Servers[2].SetService(pipeline.InMaintenance)
			k.Servers[1].SetService(pipeline.InMaintenance) // whose connection ends when both are known
			pipelinetest.Eventually(t, func() bool { return k.Servers[1].Links() == 0 }, k.Log.String)
			c.Run(t, tt.end, ask("SELECT 3", "db1"))
		})
	}
}

// TestScattered: an execution in a transaction does not go to a server that is no part of it, where its values have been sent
// to: the client is told to send them again, and they are not added to those of before.
func TestScattered(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 0"), prepare("SELECT ?", 1), ahead, do("BEGIN"))
	k.db3.awaits("long 301 0000616263")
	k.forget()
	c.Run(t, ahead, spent, pt.ExpectError(protocol.ErUnknown, "Values for the statement were sent to server db3 before the transaction began: send them again"))
	k.db1.expect()
	c.Run(t, ahead, spent, rows("db1"), do("COMMIT"))
	k.db1.expect("prepare SELECT ?", "long 101 0000616263", "execute 101 00010000000001fc00", "executed SELECT ?", "COMMIT")
	k.db3.awaits("close 301 ")
	k.forget()
	c.Run(t, ask("SELECT 2", "db2"), ahead, spent, rows("db3"))
	k.db3.expect("prepare SELECT ?", "long 302 0000616263", "execute 302 00010000000001fc00", "executed SELECT ?")
}

// TestResetBound: a session that stayed with the primary is free again after a reset, and what other servers have missed of
// it meanwhile, as its default schema, they do not lack then.
func TestResetBound(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 1 })
	c := k.sessionIn(t, "home")
	c.Run(t, do("INSERT 0"), ask("SELECT 1", "db2"), do("SET @a = 1", "SET @b = 1"), ask("SELECT 2", "db1"), do("USE b"))
	c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	k.forget()
	c.Run(t, ask("SELECT 3", "db3"), ask("SELECT 4", "db2"), do("INSERT 5"))
	k.db1.expect("INSERT 5")
	k.db2.expect("COM_RESET_CONNECTION", "SELECT 4")
	if n, schema := k.db2.loggedIn(), k.db2.schema(); n != 2 || schema != "b" {
		t.Errorf("db2 was logged in to %d times, at last with the schema %q", n, schema)
	}
}
