package readwritesplit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestSessionCommands: each server runs them, in order, before the next statement that it gets, and no sooner.
func TestSessionCommands(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"))
	k.forget()
	initDB := pt.Script(pt.Send(protocol.ComInitDB, "shop"), pt.ExpectOK())
	c.Run(t, do("SET @a = 1", "SET @b = @a"), initDB, do("PREPARE s FROM 'SELECT 1'"))
	all := []string{"SET @a = 1", "SET @b = @a", "COM_INIT_DB shop", "PREPARE s FROM 'SELECT 1'"}
	k.db1.expect(all...)
	k.db2.expect()
	k.db3.expect()
	c.Run(t, ask("SELECT 3", "db3"), ask("SELECT 4", "db2"), ask("SELECT 5", "db3"), do("INSERT 6"))
	k.db2.expect(append(slices.Clone(all), "SELECT 4")...)
	k.db3.expect(append(slices.Clone(all), "SELECT 3", "SELECT 5")...)
	k.db1.expect("INSERT 6")
	c.Run(t, do("SET @c = 1"), ask("SELECT 7", "db2"), do("DEALLOCATE PREPARE s"), ask("SELECT 8", "db3"))
	k.db2.expect("SET @c = 1", "SELECT 7")
	k.db3.expect("SET @c = 1", "DEALLOCATE PREPARE s", "SELECT 8")
}

// TestHistoryCompacted: what a later command sets anew is not run by a server that comes later.
func TestHistoryCompacted(t *testing.T) {
	for _, tt := range []struct {
		name      string
		sent, run []string
	}{
		{"the same", []string{"SET @a = 1", "SET @a = 2", "SET @a = 3"}, []string{"SET @a = 3"}},
		{"schemas", []string{"USE a", "USE b"}, []string{"USE b"}},
		{"others stay", []string{"SET @a = 1", "USE a", "SET @a = 2"}, []string{"USE a", "SET @a = 2"}},
		{"autocommit", []string{"SET autocommit = 0", "SET @a = 1", "SET autocommit = 1"}, []string{"SET @a = 1", "SET autocommit = 1"}},
		{
			"read by another character set",
			[]string{"SET NAMES latin1", "SET @a = 'é'", "SET NAMES utf8mb4"},
			[]string{"SET NAMES latin1", "SET @a = 'é'", "SET NAMES utf8mb4"},
		},
		{
			"read by another old_mode",
			[]string{"SET old_mode = 'UTF8_IS_UTF8MB3'", "SET @a = _utf8'é'", "SET old_mode = ''"},
			[]string{"SET old_mode = 'UTF8_IS_UTF8MB3'", "SET @a = _utf8'é'", "SET old_mode = ''"},
		},
		{
			"read by another character_set_client",
			[]string{"SET character_set_client = latin1", "SET @a = 'é'", "SET character_set_client = utf8mb4"},
			[]string{"SET character_set_client = latin1", "SET @a = 'é'", "SET character_set_client = utf8mb4"},
		},
		{
			"read by another collation",
			[]string{"SET collation_connection = latin1_bin", "SET @a = 'e'", "SET collation_connection = utf8mb4_bin"},
			[]string{"SET collation_connection = latin1_bin", "SET @a = 'e'", "SET collation_connection = utf8mb4_bin"},
		},
		{"more than before", []string{"SET @a = 1", "SET @a = 2, @b = 3"}, []string{"SET @a = 2, @b = 3"}},
		{"less than before", []string{"SET @a = 2, @b = 3", "SET @a = 1"}, []string{"SET @a = 2, @b = 3", "SET @a = 1"}},
		{"read in between", []string{"SET @a = 1", "SET @b = @a", "SET @a = 2"}, []string{"SET @a = 1", "SET @b = @a", "SET @a = 2"}},
		{"prepared in between", []string{"SET @a = 1", "PREPARE s FROM @a", "SET @a = 2"}, []string{"SET @a = 1", "PREPARE s FROM @a", "SET @a = 2"}},
		{"read, and set again", []string{"SET @a = 1", "SET @b = @a", "SET @a = 2", "SET @b = @a"}, []string{"SET @a = 2", "SET @b = @a"}},
		{"counted", []string{"SET @a = @a + 1", "SET @a = @a + 1", "SET @a = 5"}, []string{"SET @a = 5"}},
		{"prepared anew", []string{"PREPARE s FROM 'SELECT 1'", "SET @a = 1", "PREPARE `S` FROM 'SELECT 2'"}, []string{"SET @a = 1", "PREPARE `S` FROM 'SELECT 2'"}},
		{"deallocated", []string{"PREPARE s FROM 'SELECT 1'", "SET @a = 1", "DEALLOCATE PREPARE s"}, []string{"SET @a = 1"}},
		{"prepared by the schema", []string{"USE a", "PREPARE s FROM 'SELECT 1'", "USE b"}, []string{"USE a", "PREPARE s FROM 'SELECT 1'", "USE b"}},
		{
			"executed in between",
			[]string{"PREPARE s FROM 'SET @a = 1'", "EXECUTE s", "DEALLOCATE PREPARE s"},
			[]string{"PREPARE s FROM 'SET @a = 1'", "EXECUTE s", "DEALLOCATE PREPARE s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 3 })
			c := k.Session()
			c.Run(t, do("INSERT 0"), do(tt.sent...), ask("SELECT 1", "db2"))
			k.db1.expect(append([]string{"INSERT 0"}, tt.sent...)...)
			k.db2.expect(append(slices.Clone(tt.run), "SELECT 1")...)
		})
	}
	t.Run("for a long time", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("INSERT 0"))
		for i := range 500 {
			c.Run(t, do(fmt.Sprintf("SET @a = %d", i), fmt.Sprintf("SET NAMES utf8mb%d", 3+i%2)))
		}
		c.Run(t, ask("SELECT 1", "db2"))
		k.db2.expect("SET NAMES utf8mb3", "SET @a = 499", "SET NAMES utf8mb4", "SELECT 1") // the value is of that character set
	})
}

// TestUsedUp: what the next INSERT uses up is not set again at a new connection, which the session does not get.
func TestUsedUp(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("SET insert_id = 500", "INSERT 1"))
	k.db1.expect("SET insert_id = 500", "INSERT 1")
	k.db1.die()
	k.db1.rise()
	k.AwaitLog("lost while idle")
	c.Run(t, pt.Query("INSERT 2"), lost())
	k.db1.expect()
	k.db2.expect()
}

// anyRows reads the answer of whichever server it is.
func anyRows(c *pt.Conn) error {
	_, err := c.ReadRows()
	return err
}

// TestDeallocated: a server that has prepared what is deallocated since deallocates it, others do neither.
func TestDeallocated(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 0", "PREPARE s FROM 'SELECT 1'"), ask("SELECT 1", "db2"))
	c.Run(t, do("DEALLOCATE PREPARE s", "SET @a = 1"), ask("SELECT 2", "db3"), ask("SELECT 3", "db2"))
	k.db2.expect("PREPARE s FROM 'SELECT 1'", "SELECT 1", "DEALLOCATE PREPARE s", "SET @a = 1", "SELECT 3")
	k.db3.expect("SET @a = 1", "SELECT 2")
	c.Run(t, do("PREPARE s FROM 'SELECT 2'", "PREPARE t FROM 'SELECT 2'"), ask("SELECT 4", "db3"))
	c.Run(t, do("PREPARE s FROM 'SELECT 3'", "DEALLOCATE PREPARE s"), ask("SELECT 5", "db2"), ask("SELECT 6", "db3"))
	k.db2.expect("PREPARE t FROM 'SELECT 2'", "SELECT 5")
	k.db3.expect("PREPARE s FROM 'SELECT 2'", "PREPARE t FROM 'SELECT 2'", "SELECT 4", "DEALLOCATE PREPARE s", "SELECT 6")
	t.Run("for a long time", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("INSERT 0"), ask("SELECT 1", "db2"), ask("SELECT 1", "db3"))
		for i := range 200 {
			name := fmt.Sprint("s", i)
			c.Run(t, do("PREPARE "+name+" FROM 'SELECT 1'", fmt.Sprintf("SET @a = %d", i), "SET @b = @a", "DEALLOCATE PREPARE "+name))
			if i%50 == 20 {
				c.Run(t, do("PREPARE p FROM 'SELECT 1'"), pt.Query("SELECT 1"), anyRows, do("DEALLOCATE PREPARE p"))
			}
		}
		k.forget()
		for range 2 {
			c.Run(t, pt.Query("SELECT 1"), anyRows)
		}
		for _, f := range []*fake{k.db2, k.db3} { // one of which may have prepared p
			if got := f.takes(); len(got) > 4 || !slices.Contains(got, "SET @b = @a") {
				t.Errorf("%s gets %q", f.name, got)
			}
		}
	})
}

// TestFailedSessionCommand: what failed for the client is not run by others.
func TestFailedSessionCommand(t *testing.T) {
	k := newCluster(t, nil)
	k.db1.on("USE nowhere", pt.ReplyError(1049, "42000", "Unknown database"))
	k.Session().Run(t, do("INSERT 0"), pt.Query("USE nowhere"), pt.ExpectError(1049), ask("SELECT 1", "db2"))
	k.db2.expect("SELECT 1")
}

// TestUnfitServer: a server that answers a session command otherwise than the client was told is left out.
func TestUnfitServer(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.on("USE new", pt.ReplyError(1049, "42000", "Unknown database"))
	c := k.Session()
	c.Run(t, do("INSERT 0", "USE new"), ask("SELECT 1", "db3"), ask("SELECT 2", "db3"), do("INSERT 3"), ask("SELECT 4", "db3"))
	k.db2.expect("USE new")
	if got := k.count("unfit_servers"); got != 1 {
		t.Errorf("%d servers were left out", got)
	}
	k.AwaitLog("otherwise than the session's other servers did")
	k.Session().Run(t, ask("SELECT 5", "db2")) // others use it
	t.Run("the primary", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db1.on("USE new", pt.ReplyError(1049, "42000", "Unknown database"))
		c := k.Session()
		c.Run(t, ask("SELECT 1", "db2"), pt.Query("USE new"), pt.ExpectError(1049), do("INSERT 2"), ask("SELECT 3", "db3"))
		c.Run(t, pt.Send(protocol.ComInitDB, "old"), pt.ExpectOK(), ask("SELECT 4", "db2"))
		k.db1.expect("USE new", "INSERT 2", "COM_INIT_DB old")
		k.db2.expect("SELECT 1", "COM_INIT_DB old", "SELECT 4")
	})
}

// TestNoSuchSchema: a replica that does not have the session's default schema is not asked with every read.
func TestNoSuchSchema(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.lacks, k.db3.lacks = "gone", "gone"
	c := k.Session()
	use := func(schema string) pt.Step {
		change := protocol.AppendLenencString([]byte{protocol.SessionTrackSchema}, protocol.AppendLenencString([]byte(nil), schema))
		k.db1.on("COM_INIT_DB "+schema, pt.ReplyOK(protocol.OK{
			Status: protocol.StatusAutocommit | protocol.StatusSessionStateChange, SessionState: change,
		}))
		return pt.Script(pt.Send(protocol.ComInitDB, schema), pt.ExpectOK())
	}
	c.Run(t, do("INSERT 0"), use("gone"), ask("SELECT 1", "db1"), ask("SELECT 2", "db1"), ask("SELECT 3", "db1"))
	if n, m := k.db2.loggedIn(), k.db3.loggedIn(); n != 1 || m != 1 {
		t.Errorf("the replicas were asked %d and %d times", n, m)
	}
	c.Run(t, use("there"), pt.Query("SELECT 4"), anyRows, pt.Query("SELECT 5"), anyRows)
	if n, m := k.db2.loggedIn(), k.db3.loggedIn(); n != 2 || m != 2 {
		t.Errorf("with another schema, the replicas were asked %d and %d times", n, m)
	}
}

// TestExecuteImmediate: what it executes is known where it is a string, and what that makes of the session is there everywhere.
func TestExecuteImmediate(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	const set, names = "EXECUTE IMMEDIATE 'SET @u1 = 55'", "EXECUTE IMMEDIATE 'SET NAMES latin1'"
	c.Run(t, do("INSERT 0", set), ask("SELECT @u1", "db2"), do(names), ask("SELECT @u1", "db3"), do(set), ask("SELECT @u1", "db2"))
	k.db2.expect(set, "SELECT @u1", names, set, "SELECT @u1")
	k.db3.expect(set, names, "SELECT @u1")
	const table = "EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE zz (n INT)'"
	c.Run(t, do(table), ask("SELECT n FROM zz", "db1"), do("EXECUTE IMMEDIATE 'DROP TABLE zz'"), ask("SELECT 1", "db3"))
	t.Run("variables of a replica", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on(asked("x", "m"), tellsOf(fortyTwo, fortyTwo))
		c := k.Session()
		c.Run(t, do(beginReading, "EXECUTE IMMEDIATE 'SELECT 5 INTO @m' USING @x", "COMMIT", "INSERT @m"))
		k.db1.expect("SET @`x` = 42, @`m` = 42", "INSERT @m")
	})
}

// TestBoundByHistory: a session with more, or longer, session commands than are kept stays with the server that has them.
func TestBoundByHistory(t *testing.T) {
	long := "SET @a = '" + strings.Repeat("a", 70_000) + "'"
	for name, commands := range map[string][]string{
		"many": {"SET @a = 1", "SET @b = 1", "SET @c = 1", "SET @d = 1"},
		"long": {long},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 3 })
			c := k.Session()
			c.Run(t, do("INSERT 0"), do(commands...), do(commands...), ask("SELECT 1", "db1"), ask("SELECT 2", "db1"), do("INSERT 3"))
			if n := strings.Count(k.Log.String(), "stays with the primary"); n > 1 {
				t.Errorf("the log says so %d times", n)
			}
			k.db2.expect()
			k.db3.expect()
			k.db1.die()
			k.db1.rise()
			k.AwaitLog("lost while idle")
			c.Run(t, pt.Query("SELECT 4"), lost())
		})
	}
	t.Run("long, of no text", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, pt.Send(protocol.ComInitDB, strings.Repeat("a", 70_000)), pt.ExpectOK(), ask("SELECT 1", "db1"), ask("SELECT 2", "db1"))
		k.db2.expect()
		k.db3.expect()
	})
	t.Run("with parameters", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("INSERT 0"), prepare("SET @a = ?", 1), execute(1, bindInt, 5), pt.ExpectOK(), ask("SELECT 1", "db1"))
	})
	t.Run("prepared, without", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("INSERT 0"), prepare("SET @a = 5", 1), execute(1, nil), pt.ExpectOK(), ask("SELECT 1", "db2"))
		k.db2.expect("SET @a = 5", "SELECT 1")
	})
}

// TestSessionCommandRetried: a session command whose server is lost is run by another, since all are to run it.
func TestSessionCommandRetried(t *testing.T) {
	k := newCluster(t, nil)
	k.db1.on("SET @a = 1", pt.Close())
	c := k.Session()
	c.Run(t, do("INSERT 0", "SET @a = 1"), ask("SELECT 1", "db3"))
	k.db2.expect("SET @a = 1")
	k.db3.expect("SET @a = 1", "SELECT 1")
	t.Run("at the start", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.die()
		k.Session().Run(t, do("SET @a = 1"), ask("SELECT 1", "db3"))
		k.db3.expect("SET @a = 1", "SELECT 1")
	})
	t.Run("only replicas", func(t *testing.T) {
		k := newCluster(t, nil)
		k.in(down, replica, replica)
		k.Session().Run(t, do("SET @a = 1"), ask("SELECT 1", "db3"))
	})
}
