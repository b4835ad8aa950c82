package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// optimists is a cluster with optimistic transactions whose servers have the same data.
func optimists(t *testing.T) (*cluster, *pt.Conn) {
	t.Helper()
	k := newCluster(t, func(c *readwritesplit.Config) { c.OptimisticTransactions = true })
	for _, f := range k.fakes {
		f.name = "data"
	}
	return k, k.Session()
}

// ended is how Weir ends a transaction itself.
func ended(verb string) string { return verb + " AND NO CHAIN NO RELEASE" }

func read(statement string) pt.Step { return ask(statement, "data") }

// deadlock is what a client is told whose transaction is over.
func deadlock() pt.Step { return pt.ExpectError(protocol.ErLockDeadlock) }

// TestOptimisticRead: a transaction that only reads ends on its replica.
func TestOptimisticRead(t *testing.T) {
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		k, c := optimists(t)
		c.Run(t, do("BEGIN"), read("SELECT 1"), do("SAVEPOINT a", "SET @x = 1"), read("SELECT @x"), do("RELEASE SAVEPOINT a", end))
		k.db2.expect("BEGIN", "SELECT 1", "SAVEPOINT a", "SET @x = 1", "SELECT @x", "RELEASE SAVEPOINT a", end)
		c.Run(t, do("INSERT 1"), read("SELECT 2"))
		k.db1.expect("SET @x = 1", "INSERT 1")
		k.db3.expect("SET @x = 1", "SELECT 2")
		if n := k.count("moved_transactions"); n != 0 {
			t.Errorf("%d transactions were moved", n)
		}
	}
}

// TestOptimisticWrite: what does more than to read has the transaction go on at the primary, where it reads the same.
func TestOptimisticWrite(t *testing.T) {
	for _, statement := range []string{
		"INSERT 3", "SELECT 3 FOR UPDATE", "CALL p()", "SET @x = (SELECT 1)", "SELECT NOW()", "SELECT CURRENT_DATE", "SELECT RAND()", "SELECT @x := 1", "COMMIT AND CHAIN",
		"SELECT 3; SELECT 4", "SET GLOBAL x = 1", "SELECT f()", "SELECT @@server_id", "SHOW VARIABLES", "FROBNICATE",
	} {
		t.Run(statement, func(t *testing.T) {
			k, c := optimists(t)
			k.db1.on("COMMIT AND CHAIN", pt.ReplyOK(protocol.OK{Status: inTransaction}))
			c.Run(t, do("SET @a = 1", "BEGIN"), read("SELECT 1"), do("SET @a = 2"), read("SELECT @a"), pt.Query(statement))
			if statement[:6] == "SELECT" || statement[:4] == "SHOW" {
				if _, err := c.ReadRows(); err != nil {
					t.Fatal(err)
				}
			} else {
				c.Run(t, pt.ExpectOK())
			}
			k.db3.expect("SET @a = 1", "BEGIN", "SELECT 1", "SET @a = 2", "SELECT @a", ended("ROLLBACK"))
			k.db1.expect("SET @a = 1", "BEGIN", "SELECT 1", "SET @a = 2", "SELECT @a", statement)
			c.Run(t, read("SELECT 5"), do("COMMIT"))
			k.db1.expect("SELECT 5", "COMMIT")
			if n := k.count("moved_transactions"); n != 1 {
				t.Errorf("%d transactions were moved", n)
			}
		})
	}
}

// TestOptimisticConfined: a session command that cannot be kept for other servers has the transaction go on at the primary, too.
func TestOptimisticConfined(t *testing.T) {
	k, c := optimists(t)
	c.Run(t, prepare("SET @a = ?", 1), do("BEGIN"), read("SELECT 1"))
	k.forget()
	c.Run(t, execute(1, bindInt, 5), pt.ExpectOK(), do("INSERT 2", "COMMIT"))
	k.db1.expect("BEGIN", "SELECT 1", noted(101, bindInt, 5), "executed SET @a = ?", "INSERT 2", "COMMIT")
}

// TestOptimisticNot: transactions that begin at the primary all the same.
func TestOptimisticNot(t *testing.T) {
	for _, before := range []string{
		"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
		"CREATE TEMPORARY TABLE x (a INT)", "LOCK TABLES t READ", "SET @x = UUID()",
	} {
		t.Run(before, func(t *testing.T) {
			k, c := optimists(t)
			c.Run(t, do(before, "BEGIN"))
			k.db1.expect(before, "BEGIN")
		})
	}
	k, c := optimists(t)
	c.Run(t, do("START TRANSACTION WITH CONSISTENT SNAPSHOT"))
	k.db1.expect("START TRANSACTION WITH CONSISTENT SNAPSHOT")
	k, c = optimists(t)
	k.in(primary, down, down)
	c.Run(t, do("BEGIN"), read("SELECT 1"), do("INSERT 2", "COMMIT"))
	k.db1.expect("BEGIN", "SELECT 1", "INSERT 2", "COMMIT") // there is no replica to begin on
}

// TestOptimisticEnd: a statement that ends a transaction has it committed where it is.
func TestOptimisticEnd(t *testing.T) {
	for _, statement := range []string{"CREATE TABLE x (a INT)", "TRUNCATE t", "LOCK TABLES t READ", "FLUSH TABLES", "GRANT ALL ON *.* TO u"} {
		k, c := optimists(t)
		k.db1.on(statement, pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
		c.Run(t, do("BEGIN"), read("SELECT 1"), do(statement))
		k.db2.expect("BEGIN", "SELECT 1", ended("ROLLBACK"))
		k.db1.expect("BEGIN", "SELECT 1", statement)
	}
	k, c := optimists(t)
	c.Run(t, do("BEGIN"), read("SELECT 2"), do("BEGIN"), read("SELECT 3"), do("INSERT 4", "COMMIT"))
	k.db2.expect("BEGIN", "SELECT 2", ended("COMMIT"))
	k.db3.expect("BEGIN", "SELECT 3", ended("ROLLBACK"))
	k.db1.expect("BEGIN", "SELECT 3", "INSERT 4", "COMMIT")
}

// TestOptimisticNoEnd: what does not end the transaction, though statements like it do, leaves it open at the primary.
func TestOptimisticNoEnd(t *testing.T) {
	misspelt := pt.ReplyError(1064, "42000", "You have an error in your SQL syntax")
	for _, statement := range []string{
		"UNLOCK TABLES", "CREATE TABLE op (", "LOCK TABLES", "FLUSH", "GRANT", "TRUNCATE", "START TRANSACTION garbage",
	} {
		k, c := optimists(t)
		if statement != "UNLOCK TABLES" {
			k.db1.on(statement, misspelt)
		} else {
			k.db1.on(statement, pt.ReplyOK(protocol.OK{Status: inTransaction}))
		}
		c.Run(t, do("BEGIN"), read("SELECT 1"), pt.Query(statement))
		if statement != "UNLOCK TABLES" {
			c.Run(t, pt.ExpectError(1064))
		} else {
			c.Run(t, pt.ExpectOK())
		}
		c.Run(t, read("SELECT 2"), do("INSERT 3", "ROLLBACK"))
		k.db2.expect("BEGIN", "SELECT 1", ended("ROLLBACK"))
		k.db1.expect("BEGIN", "SELECT 1", statement, "SELECT 2", "INSERT 3", "ROLLBACK")
	}
}

// TestOptimisticMismatch: what the primary reads otherwise has the client begin again, and at the primary.
func TestOptimisticMismatch(t *testing.T) {
	k, c := optimists(t)
	k.db1.name = "newer"
	c.Run(t, do("INSERT 0", "BEGIN"), read("SELECT 1"), pt.Query("INSERT 2"), deadlock())
	k.db1.expect("INSERT 0", "BEGIN", "SELECT 1", ended("ROLLBACK"))
	c.Run(t, do("BEGIN"), ask("SELECT 1", "newer"), do("INSERT 2", "COMMIT", "BEGIN"), read("SELECT 3"))
	k.db1.expect("BEGIN", "SELECT 1", "INSERT 2", "COMMIT")
	if n := k.count("rolled_back_transactions"); n != 1 {
		t.Errorf("%d transactions were rolled back", n)
	}
}

// TestOptimisticMismatchCursor: a connection that has a cursor of before the transaction is not given up for another attempt.
func TestOptimisticMismatchCursor(t *testing.T) {
	for _, cursor := range []bool{true, false} {
		k := newCluster(t, func(c *readwritesplit.Config) {
			c.OptimisticTransactions, c.TransactionReplayOnMismatch, c.TransactionReplayAttempts = true, true, 2
		})
		c := k.Session()
		if c.Run(t, prepare("SELECT 0 FOR UPDATE", 1)); cursor {
			c.Run(t, pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
		}
		k.forget()
		c.Run(t, do("BEGIN"), ask("SELECT 1", "db2"), pt.Query("INSERT 2"), deadlock())
		if n, want := k.db1.times("SELECT 1"), map[bool]int{true: 1, false: 3}[cursor]; n != want {
			t.Errorf("it was run %d times at the primary, want %d", n, want)
		}
	}
}

// TestOptimisticLoss: a replica that is lost is no matter, and of what only reads, even a COMMIT is run again.
func TestOptimisticLoss(t *testing.T) {
	for _, statement := range []string{"COMMIT", "SELECT 2", "SET @x = 1"} {
		k, c := optimists(t)
		k.db2.on(statement, pt.Close())
		c.Run(t, do("BEGIN"), read("SELECT 1"), pt.Query(statement))
		if statement == "SELECT 2" {
			c.Run(t, pt.ExpectRows([]string{"data"}))
		} else {
			c.Run(t, pt.ExpectOK())
		}
		k.db1.expect("BEGIN", "SELECT 1", statement)
	}
}

// TestOptimisticManual: with autocommit off, a read begins a transaction.
func TestOptimisticManual(t *testing.T) {
	k, c := optimists(t)
	for _, f := range k.fakes {
		f.on("SET autocommit = 0", pt.ReplyOK(protocol.OK{}))
		f.on("SELECT 1", pt.ReplyOK(protocol.OK{Status: protocol.StatusInTrans}))
		f.on("INSERT 2", pt.ReplyOK(protocol.OK{Status: protocol.StatusInTrans}))
		f.on("COMMIT", pt.ReplyOK(protocol.OK{}))
	}
	c.Run(t, do("SET autocommit = 0", "SELECT 1", "INSERT 2", "COMMIT", "SELECT 1", "COMMIT", "INSERT 2"))
	k.db3.expect("SET autocommit = 0", "SELECT 1", ended("ROLLBACK"))
	k.db1.expect("SET autocommit = 0", "SELECT 1", "INSERT 2", "COMMIT", "INSERT 2")
	k.db2.expect("SET autocommit = 0", "SELECT 1", "COMMIT")
}
