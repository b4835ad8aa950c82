package readwritesplit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestReuseForgets: what may make a text mean something else, or be described otherwise, has it be prepared again.
func TestReuseForgets(t *testing.T) {
	for _, what := range []string{
		"CREATE TABLE t (n INT)", "ALTER TABLE t ADD m INT", "TRUNCATE t", "SET sql_mode = ''", "SET NAMES latin1", "CALL p()",
		"SET autocommit = 1, sql_mode = ''", "DO 1; SET NAMES latin1", "OPTIMIZE TABLE t", "EXECUTE unknown", "whatever this is",
		"CREATE TEMPORARY TABLE t (n INT)", "SET ROLE r", "SET NAMES a b", "INSERT /*M!101106 1 */ 2",
	} {
		t.Run(what, func(t *testing.T) {
			k := newCluster(t, reusing)
			c := k.Session()
			c.Run(t, once(1), prepare("INSERT 2", 2))
			k.forget()
			c.Run(t, do(what), prepare("INSERT ?", 3), inserts(3, 5), shut(2), do("INSERT 0"))
			got := strings.Join(k.db1.takes(), ", ")
			want := strings.Join(all([]string{"close 101 ", what, "prepare INSERT ?"}, ran(103, 5), []string{"close 102 ", "INSERT 0"}), ", ")
			if got != want {
				t.Errorf("db1 got %s, not %s", got, want)
			}
		})
	}
	for _, what := range []string{
		"SET autocommit = 1", "SET @x = 5", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN", "COMMIT", "INSERT 0",
		"SET SESSION transaction_read_only = 0", "PREPARE s FROM 'SELECT 1'", "EXECUTE s", "SAVEPOINT s",
	} {
		t.Run("not for "+what, func(t *testing.T) {
			k := newCluster(t, reusing)
			c := k.Session()
			c.Run(t, do("PREPARE s FROM 'INSERT 1'"), once(1), do(what))
			k.forget()
			c.Run(t, once(2))
			k.db1.expect(ran(101, 5)...)
		})
	}
	t.Run("an execution", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, once(1), prepare("DROP TABLE t", 2), execute(2, nil), pt.ExpectOK())
		k.forget()
		c.Run(t, prepare("INSERT ?", 3))
		k.db1.expect("prepare INSERT ?")
	})
	t.Run("another schema", func(t *testing.T) { // of which these servers do not tell
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, do("USE a"), once(1), do("USE b"), once(2), do("USE a"))
		k.forget()
		c.Run(t, once(3), pt.Send(protocol.ComInitDB, "b"), pt.ExpectOK(), once(4))
		k.db1.expect(all(ran(101, 5), []string{"COM_INIT_DB b"}, ran(102, 5))...)
	})
	t.Run("temporary tables", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, do("CREATE TEMPORARY TABLE t (n INT)"), once(1))
		k.forget()
		c.Run(t, once(2), do("DROP TEMPORARY TABLE t"), once(3))
		k.forget()
		c.Run(t, once(4))
		k.db1.expect(ran(103, 5)...)
	})
	t.Run("reset", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, once(1), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
		k.forget()
		c.Run(t, once(1))
		k.db1.expect(all([]string{"prepare INSERT ?"}, ran(102, 5))...)
	})
	t.Run("change of user", func(t *testing.T) {
		k := newCluster(t, reusing)
		c := k.Session()
		c.Run(t, once(1), changeUser, once(1))
		if n := k.db1.times("prepare INSERT ?"); n != 2 {
			t.Errorf("it was prepared %d times", n)
		}
	})
}

// TestReuseNever: some statements are prepared each time.
func TestReuseNever(t *testing.T) {
	for name, text := range map[string]string{
		"user variables": "INSERT @x", "variables that are read into": "SELECT 1 INTO @x", "variables that are set": "INSERT 1, (@x := 5)", "too long": "INSERT " + strings.Repeat("x", 20<<10),
		"what is read differently": "INSERT /*M!101106 1 */ 2", "a call": "CALL p()",
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, reusing)
			c := k.Session()
			c.Run(t, prepare(text, 1), shut(1), prepare(text, 2), shut(2), do("INSERT 0"))
			k.db1.expect("prepare "+text, "close 101 ", "prepare "+text, "close 102 ", "INSERT 0")
		})
	}
	ok := []byte{0, scriptedID, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	warns := bytes.Clone(ok)
	warns[10] = 1
	long := pt.Rows(0, []string{strings.Repeat("c", 250)})[1]
	columns := [][]byte{{0, scriptedID, 0, 0, 0, 0x2c, 1, 0, 0, 0, 0, 0}} // 300
	for range 300 {
		columns = append(columns, long)
	}
	for name, answer := range map[string][][]byte{
		"warnings": {warns, pt.Rows(0, []string{"?"})[1]}, "an answer that is too long": columns,
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, reusing)
			k.db1.on("prepare INSERT ?", pt.Reply(answer...))
			c := k.Session()
			for id := uint32(1); id < 3; id++ {
				c.Run(t, pt.Send(protocol.ComStmtPrepare, "INSERT ?"))
				for range answer {
					if _, err := c.ReadPayload(); err != nil {
						t.Fatal(err)
					}
				}
				c.Run(t, shut(id))
			}
			if n := k.db1.times("prepare INSERT ?"); n != 2 {
				t.Errorf("it was prepared %d times", n)
			}
		})
	}
}
