package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestPreparedSchema: a statement means the tables of the schema it was prepared in, wherever it is prepared later.
func TestPreparedSchema(t *testing.T) {
	k := newCluster(t, nil)
	c := k.sessionIn(t, "a")
	c.Run(t, do("INSERT 1"), prepare("SELECT 2", 1), do("USE b"), ask("SELECT 1", "db3"))
	k.forget()
	for range 2 {
		c.Run(t, execute(1, nil), pt.ExpectRows([]string{"db2"}), ask("SELECT 3", "db3"))
	}
	_ = k.db2.takes()
	k.in(primary, down, replica)
	k.forget()
	c.Run(t, execute(1, nil), pt.ExpectRows([]string{"db3"}))
	k.db3.expect("COM_INIT_DB a", "prepare SELECT 2", "COM_INIT_DB b", noted(301, nil), "executed SELECT 2")
	t.Run("as text", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.sessionIn(t, "a")
		c.Run(t, do("INSERT 1", "PREPARE s FROM 'SELECT 2'", "USE b"))
		k.forget()
		c.Run(t, ask("SELECT 3", "db2"))
		k.db2.expect("COM_INIT_DB a", "PREPARE s FROM 'SELECT 2'", "USE b", "SELECT 3")
	})
	t.Run("left by one of several statements", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.sessionIn(t, "c")
		c.Run(t, prepare("SELECT 2", 1), do("USE b; INSERT 3"), execute(1, nil), pt.ExpectRows([]string{"db1"}))
		k.db1.expect("USE b; INSERT 3", "COM_INIT_DB c", "prepare SELECT 2", "COM_INIT_DB b", noted(101, nil), "executed SELECT 2")
	})
}

// settings is the SET that the router sets them by.
func settings(mode, charset string) string {
	collation := ""
	if charset != "" {
		collation = charset + "_bin"
	}
	return "SET sql_mode = '" + mode + "', character_set_client = '" + charset + "', collation_connection = '" + collation + "', old_mode = ''"
}

// TestPreparedSettings: a statement is prepared by the rules that it was written by, wherever and whenever.
func TestPreparedSettings(t *testing.T) {
	const text = `SELECT "a", ?`
	for name, tt := range map[string]struct {
		before, after []string
		around        [2]string // what the statement is prepared between at a further server, if anything
	}{
		"another mode":            {[]string{"SET sql_mode = 'ANSI_QUOTES'"}, []string{"SET sql_mode = ''"}, [2]string{settings("ANSI_QUOTES", ""), settings("", "")}},
		"a further mode":          {nil, []string{"SET sql_mode = 'ANSI'", "SET sql_mode = 'ORACLE'"}, [2]string{settings("", ""), settings("ORACLE", "")}},
		"a mode by its scope":     {[]string{"SET sql_mode = 'ANSI'"}, []string{"SET @@SESSION.`SQL_MODE` = '', sql_mode = ''"}, [2]string{settings("ANSI", ""), settings("", "")}},
		"other characters":        {[]string{"SET NAMES latin1"}, []string{"SET NAMES sjis"}, [2]string{settings("", "latin1"), settings("", "sjis")}},
		"there and back":          {[]string{"SET NAMES latin1"}, []string{"SET NAMES sjis", "SET NAMES latin1"}, [2]string{}},
		"what changes no text":    {nil, []string{"SET lc_time_names = 'de_DE'", "SET innodb_strict_mode = 0"}, [2]string{}},
		"a variable of that name": {nil, []string{"SET @sql_mode = 'ANSI'"}, [2]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, nil)
			c := k.Session()
			c.Run(t, do("INSERT 1"), do(tt.before...), prepare(text, 1), execute(1, bindInt, 5), rows("db3"), do(tt.after...), do("BEGIN"))
			k.forget()
			c.Run(t, execute(1, nil, 6), rows("db1"), do("COMMIT"))
			want := []string{"prepare " + text, noted(101, bindInt, 6), "executed " + text, "COMMIT"}
			if tt.around[0] != "" {
				want = all([]string{tt.around[0], want[0], tt.around[1]}, want[1:])
			}
			k.db1.expect(want...)
		})
	}
}

// TestPreparedSettingsFault: where what was changed for a statement cannot be put back, the server is left out. What settings
// were, it may not tell.
func TestPreparedSettingsFault(t *testing.T) {
	refused := pt.ReplyError(protocol.ErUnknown, "HY000", "No")
	t.Run("not put back", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db3.on(settings("ANSI", ""), refused)
		c := k.Session()
		c.Run(t, do("INSERT 1"), prepare("SELECT ?", 1), do("SET sql_mode = 'ANSI'"))
		for range 3 {
			c.Run(t, execute(1, bindInt, 5), rows("db2"))
		}
		k.db3.expect("SET sql_mode = 'ANSI'", settings("", ""), "prepare SELECT ?", settings("ANSI", ""))
	})
	t.Run("not told", func(t *testing.T) {
		k := newCluster(t, nil)
		c := k.Session()
		c.Run(t, do("INSERT 1", "SET sql_mode = 'it is'"), prepare("SELECT ?", 1), do("SET sql_mode = ''", "BEGIN"), execute(1, bindInt, 5),
			pt.ExpectError(protocol.ErUnknownStmtHandler), ask("SELECT 2", "db1"))
	})
}
