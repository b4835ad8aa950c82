package readwritesplit_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

const beginReading = "START TRANSACTION READ ONLY"

// torn is a statement that neither the transaction's replica nor the primary can answer.
func torn(statement string) pt.Step {
	return pt.Script(pt.Query(statement), pt.ExpectError(protocol.ErNotSupportedYet))
}

// TestReadOnlyDDL: servers let DDL pass in a read-only transaction, which ends it. It is the primary's.
func TestReadOnlyDDL(t *testing.T) {
	for _, statement := range []string{"TRUNCATE TABLE t", "DROP TABLE t", "CREATE USER u", "DROP TABLE t; SELECT 1"} {
		k := newCluster(t, nil)
		for _, f := range k.fakes {
			f.on(statement, pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
		}
		c := k.Session()
		c.Run(t, do(beginReading), ask("SELECT 1", "db2"), do(statement), ask("SELECT 2", "db3"), do("INSERT 3"))
		k.db2.expect(beginReading, "SELECT 1", ended("COMMIT"))
		k.db1.expect(statement, "INSERT 3")
	}
}

// TestReadOnlySession: what cannot be kept for other servers does not end the transaction. User variables are fetched from
// its replica, the rest is refused.
func TestReadOnlySession(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 1 })
	k.db2.on(asked("b"), tellsOf(fortyTwo))
	k.db2.on(asked("b", "c"), tellsOf(fortyTwo, fortyTwo))
	c := k.Session()
	c.Run(t, do("INSERT 0", "SET @a = 1", beginReading), prepare("SET @b = ?", 1), prepare("SET sql_safe_updates = ?", 2))
	k.forget()
	c.Run(t, execute(1, bindInt, 5), pt.ExpectOK(), do("SET @c = 1"),
		execute(2, bindInt, 5), pt.ExpectError(protocol.ErNotSupportedYet), torn("SET time_zone = 'UTC'"), torn("SET rand_seed1 = 1"),
		torn("SET @d = '"+strings.Repeat("d", 300_000)+"'"), torn("PREPARE p FROM @b"),
		do("SET GLOBAL max_connections = 5"), ask("SELECT 2", "db2"), do("COMMIT"))
	k.db1.expect("SET GLOBAL max_connections = 5")
	k.db2.expect(noted(201, bindInt, 5), "executed SET @b = ?", "SET @c = 1", "SELECT 2", "COMMIT")
	c.Run(t, do("INSERT @b"), ask("SELECT @c", "db1"))
	k.db1.expect("SET @`b` = 42, @`c` = 42", "INSERT @b", "SELECT @c")
}

// TestReadOnlySeveral: several statements at once do not end it, unless the first does, or the last one at its replica.
func TestReadOnlySeveral(t *testing.T) {
	k := newCluster(t, nil)
	const write, read = "INSERT 1; COMMIT", "SELECT 2; COMMIT"
	k.db2.on(write, pt.ReplyError(1792, "25006", "Cannot execute statement in a READ ONLY transaction"))
	k.db2.on(read, pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
	c := k.Session()
	c.Run(t, do(beginReading), pt.Query(write), pt.ExpectError(1792), torn("SELECT 1; TRUNCATE TABLE t"), torn("USE a; SELECT 1"),
		ask("SELECT 1", "db2"), do(read, "INSERT 3"))
	k.db2.expect(beginReading, write, "COM_PING", "SELECT 1", read)
	k.db1.expect("INSERT 3")
}

// TestReadOnlyEndedThere: that statements have ended it before one of them failed, the replica is asked.
func TestReadOnlyEndedThere(t *testing.T) {
	for _, statement := range []string{"SELECT 1; COMMIT; SELECT 2", "CALL p()"} {
		k := newCluster(t, nil)
		k.db2.on(statement, pt.ReplyError(1146, "42S02", "Table doesn't exist"))
		k.db2.on("COM_PING", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
		c := k.Session()
		c.Run(t, do(beginReading), pt.Query(statement), pt.ExpectError(1146), do("INSERT 3"))
		k.db1.expect("INSERT 3")
	}
}

// TestReadOnlyBeside: what the primary alone knows is asked there, while the transaction stays open on its replica.
func TestReadOnlyBeside(t *testing.T) {
	for _, change := range []func(*readwritesplit.Config){nil, replaying} {
		k := newCluster(t, change)
		k.db1.on("SELECT RELEASE_LOCK('a')", pt.ReplyRows([]string{"RELEASE_LOCK"}, []string{"1"}))
		c := k.Session()
		c.Run(t, do("INSERT 1", beginReading), ask("SELECT 2", "db2"),
			ask("SELECT LAST_INSERT_ID()", "db1"), ask("SELECT 3", "db2"),
			torn("SELECT * FROM t WHERE id = LAST_INSERT_ID()"), torn("SET @x = LAST_INSERT_ID()"),
			ask("SELECT GET_LOCK('a', 0)", "db1"), ask("SELECT 4", "db2"), do("COMMIT"),
			ask("SELECT 5", "db1"), ask("SELECT RELEASE_LOCK('a')", "1"), ask("SELECT 6", "db3"))
		k.db1.expect("INSERT 1", "SELECT LAST_INSERT_ID()", "SELECT GET_LOCK('a', 0)", "SELECT 5", "SELECT RELEASE_LOCK('a')")
		k.db2.expect(beginReading, "SELECT 2", "SELECT 3", "SELECT 4", "COMMIT")
	}
}

// TestReadOnlyBesidePrepared: likewise for prepared statements, whose values go where they are executed.
func TestReadOnlyBesidePrepared(t *testing.T) {
	const lock = "SELECT GET_LOCK(?, 0)"
	k := newCluster(t, nil)
	c := k.Session()
	ahead := func(id byte) pt.Step {
		return pt.Send(protocol.ComStmtSendLongData, string([]byte{id, 0, 0, 0, 0, 0, 'a'}))
	}
	c.Run(t, do(beginReading), prepare(lock, 1), prepare("SELECT LAST_INSERT_ID(), ? FROM t", 2),
		ahead(1), execute(1, bindInt, 5), rows("db1"),
		ahead(2), execute(2, bindInt, 5), pt.ExpectError(protocol.ErNotSupportedYet), ask("SELECT 1", "db2"), do("COMMIT"))
	k.db1.expect("prepare "+lock, "long 101 000061", noted(101, bindInt, 5), "executed "+lock)
	k.db2.expect(beginReading, "prepare "+lock, "prepare SELECT LAST_INSERT_ID(), ? FROM t", "SELECT 1", "COMMIT")
	c.Run(t, execute(2, bindInt, 5), rows("db1"))
}

// TestReadOnlyBesideLoss: the transaction is none of a primary's that is lost. A lock is.
func TestReadOnlyBesideLoss(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
	c := k.Session()
	c.Run(t, do("INSERT 1", beginReading), ask("SELECT 2", "db2"), ask("SELECT LAST_INSERT_ID()", "db1"))
	k.db1.die()
	k.in(down, replica, primary)
	c.Run(t, ask("SELECT 3", "db2"), ask("SELECT LAST_INSERT_ID()", "db3"), ask("SELECT GET_LOCK('a', 0)", "db3"))
	k.db3.die()
	c.Run(t, pt.Query("SELECT 4"), lost())
}

// TestReadOnlyBesideRefused: without a primary, the settings say what becomes of the statement, and the transaction goes on.
func TestReadOnlyBesideRefused(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.OnPrimaryLoss = "read_only" })
	c := k.Session()
	c.Run(t, do(beginReading), ask("SELECT 1", "db2"))
	k.in(down, replica, replica)
	c.Run(t, pt.Query("SELECT LAST_INSERT_ID()"), pt.ExpectError(protocol.ErOptionPreventsStatement),
		ask("SELECT 2", "db2"), do("COMMIT"))
}

// TestReadOnlyWrite: that the replica refuses a write is no reason to run the transaction again.
func TestReadOnlyWrite(t *testing.T) {
	k := newCluster(t, replaying)
	c := k.Session()
	k.db2.on("INSERT 2", pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000", "The server is running with --read-only"))
	c.Run(t, do(beginReading), ask("SELECT 1", "db2"), pt.Query("INSERT 2"), pt.ExpectError(protocol.ErOptionPreventsStatement),
		ask("SELECT 3", "db2"), do("COMMIT"))
	k.db1.expect()
}

// TestReadOnlyAtPrimary: where there is no replica, nothing is apart.
func TestReadOnlyAtPrimary(t *testing.T) {
	k := newCluster(t, nil)
	k.in(primary, down, down)
	k.db1.on("SELECT RELEASE_LOCK('a')", pt.ReplyRows([]string{"RELEASE_LOCK"}, []string{"1"}))
	c := k.Session()
	k.db1.on("DROP TABLE t", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
	c.Run(t, do(beginReading), ask("SELECT * FROM t WHERE id = LAST_INSERT_ID()", "db1"), ask("SELECT GET_LOCK('a', 0)", "db1"),
		ask("SELECT RELEASE_LOCK('a')", "1"), do("DROP TABLE t"))
	k.in(primary, replica, replica)
	c.Run(t, ask("SELECT 1", "db2"))
	k.db1.expect(beginReading, "SELECT * FROM t WHERE id = LAST_INSERT_ID()", "SELECT GET_LOCK('a', 0)",
		"SELECT RELEASE_LOCK('a')", "DROP TABLE t")
}
