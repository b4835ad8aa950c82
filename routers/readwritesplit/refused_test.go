package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestRefusedExecute: an execution that is refused without a server uses up the values that were sent ahead for it, and
// binds its types, as one at a server does.
func TestRefusedExecute(t *testing.T) {
	refused := pt.ExpectError(protocol.ErUnknown)
	begin := func(t *testing.T) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, setAway)
		k.db2.die()
		k.AwaitLog("lost while idle")
		c.Run(t, prepare("INSERT ?, @m", 1))
		k.forget()
		return k, c
	}
	t.Run("values", func(t *testing.T) {
		k, c := begin(t)
		c.Run(t, pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc"))
		c.Run(t, pt.Send(protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfc\x00"), refused)
		c.Run(t, do("SET @m = 1"), execute(1, bindInt, 5), pt.ExpectOK())
		k.db1.expect("long 101 0000616263", "close 101 ", "SET @m = 1", "prepare INSERT ?, @m", noted(102, bindInt, 5), "executed INSERT ?, @m")
	})
	t.Run("values at a server that is lost then", func(t *testing.T) {
		k, c := begin(t)
		c.Run(t, prepare("SELECT ?, @m", 2), pt.Send(protocol.ComStmtSendLongData, "\x02\x00\x00\x00\x00\x00abc"))
		c.Run(t, pt.Send(protocol.ComStmtExecute, "\x02\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfc\x00"), refused, do("INSERT 1"))
		k.db1.expect("prepare SELECT ?, @m", "long 102 0000616263", "close 102 ", "INSERT 1")
		k.db1.die()
		k.in(down, down, replica)
		c.Run(t, do("SET @m = 1"), execute(2, bindInt, 5), rows("db3"))
	})
	t.Run("types", func(t *testing.T) {
		k, c := begin(t)
		c.Run(t, execute(1, bindInt, 5), refused, do("SET @m = 1"), execute(1, nil, 6), pt.ExpectOK())
		k.db1.expect("SET @m = 1", noted(101, bindInt, 6), "executed INSERT ?, @m")
	})
	t.Run("with LAST_INSERT_ID()", func(t *testing.T) {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1"), prepare("INSERT ?, LAST_INSERT_ID()", 1))
		restart(k)
		c.Run(t, execute(1, bindInt, 5), unknownID(), do("SET LAST_INSERT_ID = 9"))
		k.forget()
		c.Run(t, execute(1, nil, 6), pt.ExpectOK())
		k.db1.expect("prepare INSERT ?, LAST_INSERT_ID()", noted(101, bindInt, 6), "executed INSERT ?, LAST_INSERT_ID()")
	})
}

// TestVariablesWithoutAutocommit: a transaction that begins by itself finds its variables wherever it is run again, also
// where it began at the server that alone knew them.
func TestVariablesWithoutAutocommit(t *testing.T) {
	k := newCluster(t, replaying)
	k.db2.on(asked("m"), tellsOf(fortyTwo))
	for _, f := range k.fakes {
		f.on("SET autocommit = 0", pt.ReplyOK(protocol.OK{}))
		f.on("INSERT @m", pt.ReplyOK(protocol.OK{AffectedRows: 1, Status: protocol.StatusInTrans}))
	}
	c := k.Session()
	c.Run(t, setAway)
	k.in(replica, primary, replica)
	c.Run(t, do("SET autocommit = 0", "INSERT @m"))
	k.forget()
	k.db2.die()
	k.in(down, down, primary)
	c.Run(t, do("INSERT 2"))
	k.db3.expect("SET autocommit = 0", "SET @`m` = 42", "INSERT @m", "INSERT 2")
}

// TestAboutStatementBefore: between a statement and what asks about it, the server is asked nothing that would change the
// answer.
func TestAboutStatementBefore(t *testing.T) {
	const about = "SELECT FOUND_ROWS(), ROW_COUNT()"
	t.Run("after an error", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db1.on("CALL p()", pt.ReplyError(1054, "42S22", "Unknown column"))
		c := k.Session()
		c.Run(t, pt.Query("CALL p()"), pt.ExpectError(1054), ask(about, "db1"))
		k.db1.expect("CALL p()", "COM_PING", about)
	})
	for name, d := range dialects {
		t.Run("after what is not told of, "+name, func(t *testing.T) {
			position := map[string]string{"mariadb": "SELECT CAST(@@last_gtid AS BINARY) LIMIT 1", "mysql": d.position}[name]
			k := clusterOf(t, d.greeting, causal("session", "wait"))
			k.db1.on("INSERT 1 RETURNING id", pt.ReplyRows([]string{"id"}, []string{"1"}))
			k.db1.on(position, pt.ReplyRows([]string{"p"}, []string{d.gtid}))
			k.db2.on(d.wait, waited("0"))
			c := k.Dial()
			c.Run(t, pt.LoginAs(protocol.Login{
				User: pipelinetest.User, Capabilities: d.greeting().Capabilities &^ protocol.ClientDeprecateEOF, MaxPacket: 1 << 24, Collation: 45,
			}, pipelinetest.Password))
			c.Run(t, ask("INSERT 1 RETURNING id", "1"))
			k.forget()
			c.Run(t, ask(about, "db1"), ask("SELECT 2", "db2"))
			k.db1.expect(about, position)
		})
	}
	t.Run("after a number", func(t *testing.T) {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1", "INSERT 1"), ask(about, "db1"))
		k.db1.expect("INSERT 1", "INSERT 1", about)
	})
	t.Run("after a number on a new connection", func(t *testing.T) {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1"))
		restart(k)
		c.Run(t, do("INSERT 1"), ask(about, "db1"), ask(getInsertID, "db1"))
		k.db1.expect("SET LAST_INSERT_ID = 0", "INSERT 1", about, insertIDSet, getInsertID)
	})
	t.Run("after a number, together with it", func(t *testing.T) {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1"))
		restart(k)
		c.Run(t, do("INSERT 1"), pt.Query("SELECT ROW_COUNT(), LAST_INSERT_ID()"), unknownID())
		k.db1.expect("SET LAST_INSERT_ID = 0", "INSERT 1")
	})
}
