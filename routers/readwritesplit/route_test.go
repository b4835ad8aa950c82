package readwritesplit

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A routeSection is one of testdata/where.txt.
type routeSection struct {
	title  string
	modes  []sqlscan.Mode
	policy policy
	rows   []routeRow
}

type routeRow struct {
	line       int
	want, text string
	done, fail bool // it is carried out, and fails
}

func readRoutes(t *testing.T) (sections []routeSection) {
	t.Helper()
	f, err := os.Open("testdata/where.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "== "):
			sections = append(sections, readSection(t, line[3:]))
		default:
			s := &sections[len(sections)-1]
			s.rows = append(s.rows, readRow(n, line))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sections
}

func readSection(t *testing.T, head string) routeSection {
	t.Helper()
	title, settings, _ := strings.Cut(head, " | ")
	s := routeSection{
		title: title, modes: []sqlscan.Mode{0, sqlscan.MariaDB}, policy: policy{userVariables: "all", strictTemporary: true},
	}
	for setting := range strings.FieldsSeq(settings) {
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "mysql":
			s.modes = []sqlscan.Mode{0}
		case "mariadb":
			s.modes = []sqlscan.Mode{sqlscan.MariaDB}
		case "userVariables":
			s.policy.userVariables = value
		case "strictMulti":
			s.policy.strictMulti = true
		case "strictCalls":
			s.policy.strictCalls = true
		case "servers":
			s.policy.servers = strings.Split(value, ",")
		default:
			t.Fatalf("%s: what is %q?", title, setting)
		}
	}
	return s
}

func readRow(n int, line string) routeRow {
	r := routeRow{line: n}
	line, r.done = strings.CutPrefix(line, "+")
	r.want, line, _ = strings.Cut(line, " ")
	r.want, r.fail = strings.CutSuffix(r.want, "!")
	line = strings.TrimLeft(line, " ")
	for _, word := range []string{"commit", "beside"} {
		if rest, ok := strings.CutPrefix(line, word+"  "); ok {
			r.want += " " + word
			line = rest
		}
	}
	r.text = strings.ReplaceAll(line, `\n`, "\n")
	return r
}

// A routed session takes statements as servers would that do what they are told.
type routed struct {
	policy  *policy
	sit     situation
	scanner sqlscan.Scanner

	open, readOnly, manual bool // what the servers say
	id                     uint32
}

// command is what a row says is sent, with what is known of it.
func (r *routed) command(t testing.TB, text string) (*pipeline.Command, *pipeline.Statement, sqlscan.Flags) {
	if strings.HasPrefix(text, "COM_") {
		for com := range 256 {
			if protocol.CommandName(byte(com)) == text {
				return pipeline.NewCommand(byte(com), nil, 0), nil, 0
			}
		}
		t.Fatalf("there is no %s", text)
	}
	com := protocol.ComQuery
	if rest, ok := strings.CutPrefix(text, "prepare: "); ok {
		com, text = protocol.ComStmtPrepare, rest
	}
	text, execute := strings.CutPrefix(text, "execute: ")
	text, long := strings.CutPrefix(text, "long: ")
	if execute || long {
		com = protocol.ComStmtPrepare
	}
	c := pipeline.NewCommand(com, []byte(text), 0)
	canonical, digest, flags := r.scanner.Scan([]byte(text), r.sit.mode)
	st := &pipeline.Statement{
		Description: sqlscan.Describe(canonical, r.sit.mode).Flagged(flags),
		Digest:      digest, Canonical: string(canonical), Flags: flags,
	}
	if execute || long {
		r.id++
		r.policy.decide(c, st, flags, &r.sit)
		r.sit.keepHint(r.id)
		c = pipeline.NewCommand(protocol.ComStmtExecute, []byte{byte(r.id), 0, 0, 0, 0, 1, 0, 0, 0}, 0)
	}
	if long {
		c = pipeline.NewCommand(protocol.ComStmtSendLongData, []byte{byte(r.id), 0, 0, 0, 0, 0, 'x'}, 0)
	}
	return c, st, flags
}

// run has a statement be carried out.
func (r *routed) run(c *pipeline.Command, st *pipeline.Statement, d decision, fail bool) {
	r.sit.before(c, st, d)
	if fail {
		r.sit.after(c, st, d, 0, true)
		return
	}
	if st != nil && c.Executes() {
		r.change(st)
	}
	r.sit.granted = st != nil && st.Operation == "SELECT" // what releases a lock says so
	status := protocol.StatusAutocommit
	if r.manual {
		status = 0
	}
	if d.target != toAll && !d.beside { // else the answer is another server's
		if r.open {
			status |= protocol.StatusInTrans
		}
		if r.open && r.readOnly {
			status |= protocol.StatusInTransReadonly
		}
	}
	r.sit.after(c, st, d, status, false)
}

// change is what becomes of the servers' transaction.
func (r *routed) change(st *pipeline.Statement) {
	switch {
	case st.Class == sqlscan.Begin:
		r.open, r.readOnly = true, st.Effects&sqlscan.ReadOnly != 0
	case st.Class == sqlscan.Commit, st.Class == sqlscan.Rollback:
		r.open = r.open && st.Effects&sqlscan.Chain != 0
	case st.Class == sqlscan.Set && st.Effects&sqlscan.ImplicitCommit != 0:
		r.manual = strings.Contains(st.Canonical, "autocommit = ?") && !r.manual
		if !r.manual {
			r.open = false
		}
	case st.Effects&sqlscan.ImplicitCommit != 0:
		r.open = false
	case r.manual && (st.Class == sqlscan.Write || st.Class == sqlscan.Read):
		r.open = true
	}
}

func (d decision) String() string {
	s := d.target.String()
	switch d.target {
	case toAll:
		s = "all"
	case toLast:
		s = "last"
	case toServer:
		s = "server:" + d.server
	case toNone:
		s = "none"
	case toPrimary, toReplica:
	}
	if d.maxLag > 0 {
		s += ":" + d.maxLag.String()
	}
	if d.commit {
		s += " commit"
	}
	if d.beside {
		s += " beside"
	}
	return s
}

func TestWhere(t *testing.T) {
	count := 0
	for _, s := range readRoutes(t) {
		for _, mode := range s.modes {
			r := routed{policy: &s.policy, sit: situation{mode: mode}}
			for _, row := range s.rows {
				c, st, flags := r.command(t, row.text)
				d := r.policy.decide(c, st, flags, &r.sit)
				if d.String() != row.want {
					t.Errorf("%s, dialect %d, line %d: %q goes to %s (%s), want %s",
						s.title, mode, row.line, row.text, d, d.why, row.want)
				}
				if d.why == "" {
					t.Errorf("line %d: %q: it is not said why", row.line, row.text)
				}
				if row.done {
					r.run(c, st, d, row.fail)
				}
			}
		}
		count += len(s.rows)
	}
	if count < 300 {
		t.Errorf("there are %d statements, want 300 at least", count)
	}
}

// Where the statement is known, a decision is made without allocating.
func TestDecideAllocatesNothing(t *testing.T) {
	for _, text := range []string{
		"SELECT * FROM t WHERE id = 5", "SELECT @x", "SELECT f()", "SELECT RAND()", "SHOW TABLES", "SHOW VARIABLES",
		"EXPLAIN SELECT 1", "INSERT INTO t VALUES (1)", "BEGIN", "COMMIT", "START TRANSACTION READ ONLY", "SET @x = 1",
		"SET autocommit = 0", "USE d", "SELECT 1; SELECT 2", "EXECUTE s", "EXECUTE w USING @x", "DEALLOCATE PREPARE s",
		"prepare: SELECT ?", "execute: SELECT ?", "execute: SELECT ? -- weir route to primary",
		"execute: SELECT ? -- weir max_lag=10", "COM_PING",
	} {
		t.Run(text, func(t *testing.T) {
			r := routed{policy: &policy{userVariables: "all"}}
			for _, prepare := range []string{"PREPARE s FROM 'SELECT 1'", "PREPARE w FROM 'DELETE FROM t'"} {
				c, st, flags := r.command(t, prepare)
				r.run(c, st, r.policy.decide(c, st, flags, &r.sit), false)
			}
			c, st, flags := r.command(t, text)
			var d decision
			if n := testing.AllocsPerRun(100, func() { d = r.policy.decide(c, st, flags, &r.sit) }); n != 0 {
				t.Errorf("decide allocates %v times", n)
			}
			if st == nil || st.Class == sqlscan.Deallocate || c.Com() == protocol.ComStmtPrepare {
				return
			}
			if n := testing.AllocsPerRun(100, func() { r.run(c, st, d, false) }); n != 0 {
				t.Errorf("before and after allocate %v times", n)
			}
		})
	}
}

func TestHeld(t *testing.T) {
	strict, loose := &policy{strictTemporary: true}, &policy{}
	for _, c := range []struct {
		text          string
		strict, loose bool
	}{
		{"SELECT 1", false, false},
		{"SET @x = 1", false, false},
		{"CREATE TEMPORARY TABLE x (a INT)", true, false},
		{"LOCK TABLES t READ", true, true},
		{"SELECT GET_LOCK('a', 1)", true, true},
		{"XA START 'a'", true, true},
		{"HANDLER t OPEN", true, true},
		{"SELECT @x := 1", true, true},
		{"SET sql_mode = f()", true, true},
	} {
		r := routed{policy: &policy{}}
		cmd, st, flags := r.command(t, c.text)
		r.run(cmd, st, r.policy.decide(cmd, st, flags, &r.sit), false)
		if got := r.sit.held(strict) != ""; got != c.strict {
			t.Errorf("%s: held is %v where strict, want %v", c.text, got, c.strict)
		}
		if got := r.sit.held(loose) != ""; got != c.loose {
			t.Errorf("%s: held is %v where not strict, want %v", c.text, got, c.loose)
		}
		if got := r.sit.bound(); got != c.strict {
			t.Errorf("%s: bound is %v, want %v", c.text, got, c.strict)
		}
	}
}

func TestExplain(t *testing.T) {
	s := pipeline.Detached(pipeline.SessionInfo{ID: 1})
	defer s.Close()
	for text, want := range map[string]string{
		"SELECT 1":                                "replica or primary",
		"DELETE FROM t":                           "primary",
		"SET NAMES utf8":                          "all servers",
		"SELECT 1 -- weir route to server db2":    "server db2",
		"SELECT 1 -- weir begin route to primary": "primary",
		"SELECT 1 -- weir max_lag=10":             "replica at most 10s behind or primary",
		"SELECT 1 -- weir max_lag=0":              "replica at most 0s behind or primary",
		"DELETE FROM t -- weir max_lag=10":        "primary",
	} {
		c := pipeline.NewCommand(protocol.ComQuery, []byte(text), 0)
		step := explain(&policy{userVariables: "all", primaryReads: true}, s, c)
		if step.Does != want || step.Why == "" {
			t.Errorf("%s: %+v, want %s", text, step, want)
		}
	}
}

// No statement that may write goes to a replica unless a hint has it do so, whatever came before.
func FuzzDecide(f *testing.F) {
	for _, text := range []string{
		"SELECT 1", "WITH a AS (SELECT 1) DELETE FROM t", "SELECT /*! f() */", "SELECT 1; DELETE FROM t",
		"PREPARE s FROM 'SELECT 1';", "SET @x = 1", "SELECT 1 -- weir begin route to replica", "TABLE t",
		"EXPLAIN ANALYZE DELETE FROM t", "START TRANSACTION READ ONLY", "SHOW TABLES WHERE f()", "EXECUTE s",
	} {
		f.Add("BEGIN", text, true)
		f.Add(text, "SELECT 1", false)
	}
	f.Fuzz(func(t *testing.T, first, text string, mariadb bool) {
		if strings.HasPrefix(first, "COM_") || strings.HasPrefix(text, "COM_") {
			return
		}
		r := routed{policy: &policy{userVariables: "all"}}
		if mariadb {
			r.sit.mode = sqlscan.MariaDB
		}
		c, st, flags := r.command(t, first)
		r.run(c, st, r.policy.decide(c, st, flags, &r.sit), false)
		hinted := flags&sqlscan.Hinted != 0
		c, st, flags = r.command(t, text)
		d := r.policy.decide(c, st, flags, &r.sit)
		of, effects, _ := r.sit.executed(st)
		if hinted || flags&sqlscan.Hinted != 0 || d.target != toReplica || strings.HasPrefix(text, "prepare: ") {
			return
		}
		reads := of.Class == sqlscan.Read || of.Class == sqlscan.Show ||
			of.Class == sqlscan.Begin && effects&sqlscan.ReadOnly != 0
		if bad := effects &^ (harmless | sqlscan.ReadOnly | sqlscan.ImplicitCommit | sqlscan.Snapshot); !reads || bad != 0 {
			t.Errorf("%q after %q goes to a replica: %s, effects %b", text, first, of.Class, effects)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	for _, text := range []string{"SELECT c FROM sbtest1 WHERE id = 5", "INSERT INTO t VALUES (1)", "BEGIN", "SET @x = 1"} {
		b.Run(text, func(b *testing.B) {
			r := routed{policy: &policy{userVariables: "all"}}
			c, st, flags := r.command(b, text)
			for b.Loop() {
				d := r.policy.decide(c, st, flags, &r.sit)
				r.sit.before(c, st, d)
				r.sit.after(c, st, d, protocol.StatusAutocommit, false)
			}
		})
	}
}
