package readwritesplit_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// A held is a user variable at a server, as it tells it.
type held struct {
	kind                          byte
	flags                         uint16
	text, hex, charset, collation string
}

// tellsOf answers a question for user variables.
func tellsOf(all ...held) pt.Step {
	return func(c *pt.Conn) error {
		var row []string
		for _, v := range all {
			row = append(row, v.text, v.hex, v.charset, v.collation)
		}
		rows := pt.Rows(c.Caps, make([]string, len(row)), row)
		for i, v := range all {
			column := rows[1+4*i]
			column[len(column)-6] = v.kind
			binary.LittleEndian.PutUint16(column[len(column)-5:], v.flags)
		}
		return pt.Reply(rows...)(c)
	}
}

// asked is the question for user variables.
func asked(names ...string) string {
	for i, name := range names {
		names[i] = strings.ReplaceAll("@`?`, HEX(@`?`), CHARSET(@`?`), COLLATION(@`?`)", "?", name)
	}
	return "SELECT " + strings.Join(names, ", ") + " LIMIT 1"
}

var fortyTwo = held{kind: 8, text: "42", hex: "2A", charset: "binary", collation: "binary"}

// setAway has db2 set @m in a read-only transaction.
var setAway = do("START TRANSACTION READ ONLY", "SET @m = (SELECT MAX(v) FROM t)", "COMMIT")

// TestVariablesFetched: a variable that a replica has set has its value wherever it is read next.
func TestVariablesFetched(t *testing.T) {
	k := newCluster(t, nil)
	k.db2.on(asked("m"), tellsOf(fortyTwo))
	c := k.Session()
	c.Run(t, setAway, ask("SELECT @m", "db2"))
	k.forget()
	c.Run(t, do("INSERT @m"), ask("SELECT @m", "db3"), ask("SELECT @m", "db2"), do("SET @m = @m + 1"), ask("SELECT 1", "db3"))
	k.db1.expect("SET @`m` = 42", "INSERT @m", "SET @m = @m + 1")
	k.db2.expect(asked("m"), "SELECT @m")
	k.db3.expect("SET @`m` = 42", "SELECT @m", "SET @m = @m + 1", "SELECT 1")
	t.Run("by a session command", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on(asked("m"), tellsOf(fortyTwo))
		c := k.Session()
		c.Run(t, do("INSERT 0"), setAway)
		k.forget()
		c.Run(t, do("SET @m = 5"), ask("SELECT @m", "db3"))
		k.db1.expect("SET @`m` = 42", "SET @m = 5")
		k.db3.expect("SET @m = 5", "SELECT @m")
	})
	t.Run("about the statement before", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on("SELECT FOUND_ROWS() INTO @n", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
		k.db2.on(asked("n", "c"), tellsOf(fortyTwo, held{kind: 8, text: "7"}))
		c := k.Session()
		c.Run(t, ask("SELECT SQL_CALC_FOUND_ROWS 1", "db2"), do("SELECT FOUND_ROWS() INTO @n", "GET DIAGNOSTICS @c = NUMBER"))
		k.db2.expect("SELECT SQL_CALC_FOUND_ROWS 1", "SELECT FOUND_ROWS() INTO @n", "GET DIAGNOSTICS @c = NUMBER")
		c.Run(t, do("INSERT @n"))
		k.db1.expect("SET @`n` = 42, @`c` = 7", "INSERT @n")
	})
	t.Run("by EXECUTE", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db3.on("EXECUTE s", pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit | protocol.StatusInTrans | protocol.StatusInTransReadonly}))
		k.db3.on(asked("m"), tellsOf(fortyTwo))
		c := k.Session()
		c.Run(t, do("PREPARE s FROM 'SELECT v INTO @m FROM t'", "START TRANSACTION READ ONLY", "EXECUTE s", "COMMIT"))
		k.forget()
		c.Run(t, do("INSERT @m"))
		k.db3.expect(asked("m"))
	})
	t.Run("many of them", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = 1 })
		k.db2.on(asked("m"), tellsOf(fortyTwo))
		c := k.Session()
		c.Run(t, do("INSERT 0", "SET @x = 1"), setAway, do("INSERT @m"), ask("SELECT 1", "db1"), do("SET @y = 1"), ask("SELECT 2", "db1"))
	})
	t.Run("in a transaction that is run again", func(t *testing.T) {
		k := newCluster(t, replaying)
		k.db1.on(asked("m"), tellsOf(fortyTwo))
		c := k.Session()
		c.Run(t, do("START TRANSACTION READ ONLY", "SET @m = (SELECT MAX(v) FROM t)"))
		k.db2.die()
		c.Run(t, ask("SELECT 2", "db1"), do("COMMIT"), ask("SELECT 3", "db3"))
		k.db1.expect("START TRANSACTION READ ONLY", "SET @m = (SELECT MAX(v) FROM t)", "SELECT 2", "COMMIT", asked("m"))
		k.db3.expect("SET @`m` = 42", "SELECT 3")
	})
}

// TestFetchedValues: a variable is at other servers what it is where it was set.
func TestFetchedValues(t *testing.T) {
	for want, v := range map[string]held{
		"42":                                 fortyTwo,
		"CAST(5 AS UNSIGNED)":                {kind: 8, flags: 32, text: "5", hex: "35", charset: "binary", collation: "binary"},
		"-1.50":                              {kind: 246, text: "-1.50"},
		"5.":                                 {kind: 246, text: "5"},
		"0.5e0":                              {kind: 5, text: "0.5"},
		"1e20":                               {kind: 5, text: "1e20"},
		"_latin1 x'E927' COLLATE latin1_bin": {kind: 250, text: "é'", hex: "E927", charset: "latin1", collation: "latin1_bin"},
		"_binary x'00'":                      {kind: 250, text: "\x00", hex: "00", charset: "binary", collation: "binary"},
	} {
		k := newCluster(t, nil)
		k.db2.on(asked("m"), tellsOf(v))
		k.Session().Run(t, setAway, do("INSERT @m"))
		k.db1.expect("SET @`m` = "+want, "INSERT @m")
	}
	t.Run("NULL", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on(asked("m"), func(c *pt.Conn) error {
			rows := pt.Rows(c.Caps, make([]string, 4), []string{""})
			row := &rows[len(rows)-2]
			*row = []byte("\xfb\xfb\x06binary\x06binary")
			return pt.Reply(rows...)(c)
		})
		k.Session().Run(t, setAway, do("INSERT @m"))
		k.db1.expect("SET @`m` = NULL", "INSERT @m")
	})
}

// TestVariablesLost: what reads a variable whose value nobody knows any more gets an error, and not NULL.
func TestVariablesLost(t *testing.T) {
	refused := func(c *pt.Conn) error { return pt.ExpectError(protocol.ErUnknown)(c) }
	for name, prepare := range map[string]func(k *cluster){
		"server":            func(k *cluster) { k.db2.die(); k.AwaitLog("lost while idle") },
		"while it is asked": func(k *cluster) { k.db2.on(asked("m"), pt.Close()) },
		"refused":           func(k *cluster) { k.db2.on(asked("m"), pt.ReplyError(1064, "42000", "syntax")) },
		"no row":            func(k *cluster) { k.db2.on(asked("m"), pt.ReplyRows([]string{"a"})) },
		"not a number":      func(k *cluster) { k.db2.on(asked("m"), tellsOf(held{kind: 8, text: "1; DROP"})) },
		"too long": func(k *cluster) {
			k.db2.on(asked("m"), tellsOf(held{kind: 250, text: strings.Repeat("a", 70_000), hex: strings.Repeat("61", 70_000), charset: "utf8mb4", collation: "utf8mb4_bin"}))
		},
		"far too long": func(k *cluster) {
			k.db2.on(asked("m"), tellsOf(held{kind: 250, text: strings.Repeat("a", 700_000), hex: strings.Repeat("61", 700_000), charset: "utf8mb4", collation: "utf8mb4_bin"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			c := k.Session()
			c.Run(t, setAway)
			prepare(k)
			c.Run(t, pt.Query("INSERT @m"), refused, do("INSERT 1", "INSERT @other"), pt.Query("SELECT @m"), refused)
			c.Run(t, pt.Query("SET @m = @m + 1"), refused, do("SET @m = 1", "INSERT @m"))
			k.db1.expect("INSERT 1", "INSERT @other", "SET @m = 1", "INSERT @m")
		})
	}
	t.Run("names that cannot be told", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("START TRANSACTION READ ONLY", "SET @é = (SELECT 1)", "COMMIT"), ask("SELECT @é", "db2"))
		c.Run(t, do("INSERT 0", "INSERT @m"), pt.Query("INSERT @é"), refused, do("SET @ö = 1"), pt.Query("INSERT @é"), refused)
		c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), do("INSERT @é"))
	})
	t.Run("text that is not at hand", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("/* weir route to replica */ SELECT @m := 1, '"+strings.Repeat("a", 70_000)+"'"))
		c.Run(t, do("INSERT 0"), pt.Query("INSERT @m"), refused, do("SET @m = 1"), pt.Query("INSERT @m"), refused)
		c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), do("INSERT @m"))
	})
}
