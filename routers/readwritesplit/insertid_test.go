package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

const (
	insertIDSet = "SET sql_mode = IF(LAST_INSERT_ID() = 0, 'x', @@sql_mode)" // fails where it is not
	getInsertID = "SELECT LAST_INSERT_ID()"
	askInsertID = "SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1" // as the router does
	counter     = "UPDATE t SET a = LAST_INSERT_ID(a + 1)"
)

// numbered answers an INSERT of a row that has this number.
func numbered(id uint64, status uint16) pt.Step {
	return pt.ReplyOK(protocol.OK{AffectedRows: 1, LastInsertID: id, Status: status})
}

// counting answers the counter, and INSERT 1, by numbers.
func counting(k *cluster) {
	for _, f := range k.fakes {
		f.on("INSERT 1", numbered(42, protocol.StatusAutocommit))
		f.on(counter, numbered(43, protocol.StatusAutocommit))
	}
}

// unknownID is what a client is told that asks for a LAST_INSERT_ID() that is lost.
func unknownID() pt.Step { return pt.ExpectError(protocol.ErUnknown) }

// restart has db1 lose its connections.
func restart(k *cluster) {
	k.db1.die()
	k.db1.rise()
	k.AwaitLog("lost while idle")
	k.forget()
}

// TestInsertIDKnown: a connection that is made anew has the session's, where it is sure what that is.
func TestInsertIDKnown(t *testing.T) {
	for _, test := range []struct {
		last string
		want []string // of the new connection
	}{
		{counter, []string{"SET LAST_INSERT_ID = 43"}},
		{"SET LAST_INSERT_ID = 77", []string{"SET LAST_INSERT_ID = 77", "SET LAST_INSERT_ID = 77"}}, // a session command, too
		{"SET @@identity=78", []string{"SET @@identity=78", "SET LAST_INSERT_ID = 78"}},
		{"SET LAST_INSERT_ID = 0", []string{"SET LAST_INSERT_ID = 0"}},
	} {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1", test.last))
		restart(k)
		c.Run(t, ask(getInsertID, "db1"), ask(getInsertID, "db1"))
		k.db1.expect(append(test.want, getInsertID, getInsertID)...)
	}
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, ask("SELECT 1 FOR UPDATE", "db1"))
	restart(k)
	c.Run(t, ask(getInsertID, "db1"))
	k.db1.expect(getInsertID)
}

// TestInsertIDTold: what the client has been told by a server it is.
func TestInsertIDTold(t *testing.T) {
	for statement, sure := range map[string]bool{
		getInsertID: true, "select last_insert_id() as id": true, "SELECT LAST_INSERT_ID(7)": true, "SELECT LAST_INSERT_ID() + 1": false,
		"SELECT LAST_INSERT_ID(), 1": false, "SELECT LAST_INSERT_ID() AS a UNION SELECT 3": false,
	} {
		k := newCluster(t, nil)
		counting(k)
		row := []string{"7"}
		k.db1.on(statement, pt.ReplyRows(row, row))
		c := k.Session()
		c.Run(t, do("INSERT 1"), pt.Query(statement), pt.ExpectRows(row))
		k.db1.on(statement)
		restart(k)
		if sure {
			c.Run(t, ask(getInsertID, "db1"))
			k.db1.expect("SET LAST_INSERT_ID = 7", getInsertID)
		} else {
			c.Run(t, pt.Query(getInsertID), unknownID())
		}
	}
}

// TestInsertIDLost: what the lost connection alone knew, nobody is told wrongly.
func TestInsertIDLost(t *testing.T) {
	for _, last := range []string{"INSERT 1", "SELECT LAST_INSERT_ID(5)", "CALL p()", "EXECUTE s"} {
		for statement, known := range map[string]bool{
			getInsertID: false, "SELECT last_insert_id ( ), 1": false, "SELECT @@last_insert_id": false, "SELECT @@identity": false,
			"INSERT INTO t VALUES (LAST_INSERT_ID())": false, "SELECT LAST_INSERT_ID(LAST_INSERT_ID() + 1)": false, "SET @a = LAST_INSERT_ID()": false,
			"DELETE FROM t WHERE a = LAST_INSERT_ID(); INSERT 2": false, "INSERT 2; SELECT LAST_INSERT_ID()": true,
			counter: true, "INSERT 3": true, "SET LAST_INSERT_ID = 4": true, "INSERT INTO t (last_insert_id) VALUES (1)": true,
		} {
			t.Run(last+", "+statement, func(t *testing.T) {
				k := newCluster(t, nil)
				counting(k)
				k.db1.on("SELECT LAST_INSERT_ID(5)", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit})) // to be done with it
				c := k.Session()
				c.Run(t, do(counter, last))
				restart(k)
				c.Run(t, pt.Query(statement))
				if !known {
					c.Run(t, unknownID(), do("INSERT 2"))
					if k.db1.times(statement) != 0 {
						t.Error("it was sent")
					}
					return
				}
				c.Run(t, pt.ExpectOK())
			})
		}
	}
}

// TestInsertIDAgain: another INSERT on the new connection may have set it, or may not, which that alone can tell.
func TestInsertIDAgain(t *testing.T) {
	for _, set := range []bool{true, false} {
		k := newCluster(t, nil)
		counting(k)
		c := k.Session()
		c.Run(t, do("INSERT 1"))
		restart(k)
		if !set {
			k.db1.on(insertIDSet, pt.ReplyError(1231, "42000", "Variable 'sql_mode' can't be set to the value of 'x'"))
		}
		c.Run(t, do("INSERT 1"))
		if !set {
			c.Run(t, pt.Query(getInsertID), unknownID(), pt.Query("SELECT ROW_COUNT(), LAST_INSERT_ID()"), unknownID())
			k.db1.expect("SET LAST_INSERT_ID = 0", "INSERT 1", insertIDSet)
			continue
		}
		c.Run(t, ask(getInsertID, "db1"), ask(getInsertID, "db1"))
		k.db1.expect("SET LAST_INSERT_ID = 0", "INSERT 1", insertIDSet, getInsertID, getInsertID)
	}
}

// TestInsertIDOfDemoted: a server that is not the primary any more, but there, still knows.
func TestInsertIDOfDemoted(t *testing.T) {
	k := newCluster(t, nil)
	counting(k)
	k.db1.on(askInsertID, pt.ReplyRows([]string{"id"}, []string{"7"}))
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.in(replica, primary, replica)
	k.forget()
	c.Run(t, ask(getInsertID, "db2"), do("INSERT 2"), ask(getInsertID, "db2"))
	k.db1.expect(askInsertID)
	k.db2.expect("SET LAST_INSERT_ID = 0", "SET LAST_INSERT_ID = 7", getInsertID, "INSERT 2", getInsertID)
}

// TestInsertIDOfReplica: a statement that a hint has sent elsewhere finds it there.
func TestInsertIDOfReplica(t *testing.T) {
	k := newCluster(t, nil)
	counting(k)
	c := k.Session()
	const hinted = getInsertID + " /* weir route to server db3 */"
	c.Run(t, do(counter), ask(hinted, "db3"))
	k.db3.expect("SET LAST_INSERT_ID = 43", hinted)
}

// TestReplayInsertID: a transaction that has used it is run again only where it would use the same.
func TestReplayInsertID(t *testing.T) {
	const child = "INSERT INTO t VALUES (LAST_INSERT_ID())"
	begin := func(t *testing.T, before, within string) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, replaying)
		counting(k)
		c := k.Session()
		if before != "" {
			c.Run(t, do(before))
		}
		c.Run(t, do("BEGIN"))
		for _, f := range k.fakes {
			f.on("INSERT 1", numbered(42, inTransaction))
		}
		if within != "" {
			c.Run(t, do(within))
		}
		c.Run(t, do(child))
		failOver(k)
		k.forget()
		return k, c
	}
	t.Run("of before, known", func(t *testing.T) {
		k, c := begin(t, counter, "")
		c.Run(t, do("COMMIT"))
		k.db2.expect("SET LAST_INSERT_ID = 43", "BEGIN", child, "COMMIT")
	})
	t.Run("of before, not known", func(t *testing.T) {
		k, c := begin(t, "INSERT 1", "")
		k.db2.on(insertIDSet, pt.ReplyError(1231, "42000", "no"))
		c.Run(t, pt.Query("COMMIT"), deadlock(), do("INSERT 9"), pt.Query(child), unknownID())
		k.db2.expect("SET LAST_INSERT_ID = 0", "BEGIN", insertIDSet, ended("ROLLBACK"), "INSERT 9")
	})
	t.Run("its own", func(t *testing.T) {
		k, c := begin(t, "INSERT 1", "INSERT 1")
		c.Run(t, do("COMMIT"), ask(getInsertID, "db2"))
		k.db2.expect("SET LAST_INSERT_ID = 0", "BEGIN", "INSERT 1", insertIDSet, child, "COMMIT", getInsertID)
	})
	t.Run("none before", func(t *testing.T) {
		k, c := begin(t, "", "INSERT 1")
		c.Run(t, do("COMMIT"), ask(getInsertID, "db2"))
		k.db2.expect("BEGIN", "INSERT 1", child, "COMMIT", getInsertID)
	})
}

// TestReplayMismatchSession: the next attempt does not find what the one before has made of the session.
func TestReplayMismatchSession(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.TransactionReplay, c.TransactionReplayOnMismatch = true, true })
	counting(k)
	c := k.Session()
	c.Run(t, do(counter, "SET @n = 0", "BEGIN", "SET @n = @n + 1", "INSERT 2"))
	tries := 0
	k.db2.on("INSERT 2", func(c *pt.Conn) error {
		if tries++; tries == 1 {
			return numbered(5, inTransaction)(c)
		}
		return numbered(0, inTransaction)(c)
	})
	failOver(k)
	k.forget()
	c.Run(t, do("INSERT 3", "COMMIT"))
	again := []string{"SET @n = 0", "SET LAST_INSERT_ID = 43", "BEGIN", "SET @n = @n + 1", "INSERT 2"}
	want := append(append(append([]string{}, again...), ended("ROLLBACK")), again...)
	k.db2.expect(append(want, "INSERT 3", "COMMIT")...)
	if n := k.db2.loggedIn(); n != 2 {
		t.Errorf("there were %d connections, want one for each attempt", n)
	}
}
