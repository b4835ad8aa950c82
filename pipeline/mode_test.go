package pipeline_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// look is a command that modes answers itself.
const look = "look"

// modes is a filter that notes how statements read when it is asked to look.
func modes(seen *atomic.Uint32) filter {
	return serve(func(s *pipeline.Session, next pipeline.Handler, w pipeline.ReplyWriter, c *pipeline.Command) error {
		if text, ok := c.Text(); ok && string(text) == look {
			seen.Store(uint32(s.Mode()))
			return pipeline.Error(w, errNotHere)
		}
		return next.Serve(context.Background(), w, c)
	})
}

// okWith is an OK packet with these status flags and session state.
func okWith(status uint16, state string) pt.Step {
	ok := protocol.OK{Status: protocol.StatusAutocommit | status}
	if state != "" {
		ok.Status |= protocol.StatusSessionStateChange
		ok.SessionState = []byte(state)
	}
	return pt.ReplyOK(ok)
}

// tracked is how a server tells of a system variable.
func tracked(name, value string) string {
	data := protocol.AppendLenencString(protocol.AppendLenencString(nil, []byte(name)), []byte(value))
	return string(protocol.AppendLenencString([]byte{protocol.SessionTrackSystemVariables}, data))
}

// TestMode: how a session's statements read follows what servers say, and what clients set.
func TestMode(t *testing.T) {
	const more = protocol.StatusMoreResultsExists
	done := okWith(0, "")
	failed := pt.ReplyError(1064, "42000", "no")
	rows := pt.ReplyRows([]string{"a"}, []string{"b"})
	type exchange struct {
		text  string
		reply []pt.Step
		read  pt.Step // of the client
		want  sqlscan.Mode
	}
	ok := func(text string, want sqlscan.Mode) exchange {
		return exchange{text, []pt.Step{done}, pt.ExpectOK(), want}
	}
	cases := map[string]struct {
		greeting protocol.Greeting
		talk     []exchange
	}{
		"sql_mode of MySQL": {pt.MySQL(), []exchange{
			ok("SET sql_mode = 'ANSI_QUOTES'", sqlscan.AnsiQuotes), ok("SET GLOBAL sql_mode = ''", sqlscan.AnsiQuotes),
			ok("SET sql_mode = REPLACE(@@sql_mode, 'ANSI_QUOTES', '')", 0), ok("SET SESSION sql_mode = 5", sqlscan.AnsiQuotes),
			ok("SET sql_mode = @old", 0), ok("/*!40101 SET sql_mode = 'ansi' */", sqlscan.AnsiQuotes),
			ok("SET sql_mode = DEFAULT", 0),
		}},
		"character sets": {pt.MySQL(), []exchange{
			ok("SET NAMES gbk", sqlscan.GBK), ok("SET NAMES 'big5' COLLATE big5_bin", sqlscan.Big5),
			ok("SET character_set_client = 88", sqlscan.SJIS), ok("SET CHARACTER SET latin1", sqlscan.Latin),
			ok("SET NAMES cp866", sqlscan.DOS), ok("SET NAMES utf8mb4", 0),
		}},
		"one of several statements": {pt.MySQL(), []exchange{
			{"SET NAMES gbk; SELECT 1", []pt.Step{okWith(more, ""), rows}, pt.Script(pt.ExpectOK(), pt.ExpectRows([]string{"b"})), sqlscan.GBK},
			{"SET NAMES sjis; SELEC", []pt.Step{okWith(more, ""), failed}, pt.Script(pt.ExpectOK(), pt.ExpectError(1064)), sqlscan.SJIS},
			{"SELEC; SET NAMES gbk", []pt.Step{failed}, pt.ExpectError(1064), sqlscan.SJIS},
			{"DO 1; SET NAMES gbk", []pt.Step{okWith(more, ""), failed}, pt.Script(pt.ExpectOK(), pt.ExpectError(1064)), sqlscan.SJIS},
			{"SET NAMES gbk", []pt.Step{failed}, pt.ExpectError(1064), sqlscan.SJIS},
		}},
		"what the server tells": {pt.MySQL(), []exchange{
			{"CALL p", []pt.Step{okWith(0, tracked("character_set_client", "gbk"))}, pt.ExpectOK(), sqlscan.GBK},
			{"SET NAMES DEFAULT", []pt.Step{okWith(0, tracked("character_set_client", "sjis"))}, pt.ExpectOK(), sqlscan.SJIS},
			{"CALL p", []pt.Step{okWith(0, tracked("sql_mode", "STRICT_ALL_TABLES,ANSI_QUOTES"))}, pt.ExpectOK(), sqlscan.SJIS | sqlscan.AnsiQuotes},
		}},
		"status flags of MariaDB": {pt.MariaDB(), []exchange{
			{"DO 1", []pt.Step{okWith(protocol.StatusAnsiQuotes|protocol.StatusNoBackslashEscapes, "")}, pt.ExpectOK(), sqlscan.MariaDB | sqlscan.AnsiQuotes | sqlscan.NoBackslashEscapes},
			ok("DO 1", sqlscan.MariaDB),
		}},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			var script []pt.Step
			for _, e := range tt.talk {
				script = append(append(script, pt.ExpectQuery(e.text)), pt.Script(e.reply...))
			}
			srv := pipelinetest.Backend(t, tt.greeting, append(script, pt.Silence())...)
			var mode atomic.Uint32
			c := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{modes(&mode)}}).Session()
			for _, e := range tt.talk {
				c.Run(t, pt.Query(e.text), e.read, pt.Query(look), pt.ExpectError(1290))
				if got := sqlscan.Mode(mode.Load()); got != e.want {
					t.Errorf("%q: %b, want %b", e.text, got, e.want)
				}
			}
		})
	}
}

// TestModeOfPrepared: a SET may be prepared.
func TestModeOfPrepared(t *testing.T) {
	srv := pipelinetest.Backend(t, pt.MySQL(),
		pt.ExpectCommand(protocol.ComStmtPrepare), pt.Reply([]byte{0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
		pt.ExpectCommand(protocol.ComStmtExecute), okWith(0, ""), pt.Silence())
	var mode atomic.Uint32
	c := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{modes(&mode)}}).Session()
	c.Run(t, pt.Send(protocol.ComStmtPrepare, "SET NAMES gbk"), pt.Expect([]byte{0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
		pt.Send(protocol.ComStmtExecute, "\x05\x00\x00\x00\x00\x01\x00\x00\x00"), pt.ExpectOK(),
		pt.Query(look), pt.ExpectError(1290))
	if got := sqlscan.Mode(mode.Load()); got != sqlscan.GBK {
		t.Errorf("%b", got)
	}
}

// TestModeStays: what a server has said holds until it says otherwise, whatever Weir answers in between, and whatever
// becomes of the chain.
func TestModeStays(t *testing.T) {
	const want = sqlscan.MariaDB | sqlscan.NoBackslashEscapes
	odd := okWith(protocol.StatusNoBackslashEscapes, "")
	srv := pt.NewServer(t, func(n int) []pt.Step {
		if n == 0 {
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
		}
		return []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), odd, pt.Repeat(pt.Answer(func(c *pt.Conn, command []byte) [][]byte {
			if !protocol.ExpectsReply(command[0]) {
				return nil
			}
			ok := protocol.OK{Status: protocol.StatusAutocommit | protocol.StatusNoBackslashEscapes}
			return [][]byte{ok.Append(nil, c.Caps)}
		}))}
	})
	var mode atomic.Uint32
	r := run(t, srv.Addr, pipelinetest.Options{Filters: []pipeline.Filter{modes(&mode)}})
	c, other := r.Session(), r.Session()
	check := func(when string) {
		t.Helper()
		c.Run(t, pt.Query(look), pt.ExpectError(1290))
		if got := sqlscan.Mode(mode.Load()); got != want {
			t.Errorf("%s: %b, want %b", when, got, want)
		}
	}
	check("after the login")
	kill := binary.LittleEndian.AppendUint32(nil, other.Greeting.ConnectionID)
	c.Run(t, pt.Send(protocol.ComProcessKill, string(kill)), pt.ExpectOK())
	check("after a KILL")
	c.Run(t, pt.Query("DO 1"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	check("after a reset")
	c.Run(t, changeUser("other", "2nd", "", protocol.NativePassword), pt.ExpectOK())
	check("after a change of user")
}

// TestUncertainStatement: what is known of a text that servers may read otherwise is kept apart from the rest.
func TestUncertainStatement(t *testing.T) {
	s := pipeline.Detached(pipeline.SessionInfo{})
	defer s.Close()
	uncertain := func(text string, part protocol.Part) bool {
		c := pipeline.NewCommand(protocol.ComQuery, []byte(text), 0)
		c.Part = part
		st := s.Statement(c)
		if st.Class != sqlscan.Read || st.Canonical != "SELECT ? FROM t" {
			t.Errorf("%q is %+v", text, st)
		}
		return st.Effects&sqlscan.Uncertain != 0
	}
	for range 2 {
		if uncertain("SELECT 1 FROM t", protocol.Whole) {
			t.Error("a plain statement is uncertain")
		}
		if !uncertain("SELECT 1 /*!99000 FROM */ t", protocol.Whole) {
			t.Error("one with a comment for some versions is not")
		}
		if !uncertain("SELECT 1 FROM t", protocol.First) {
			t.Error("one that goes on is not")
		}
	}
}

// TestStatementsOfBothDialects: a worker may serve MariaDB and MySQL, to which one text may mean two things.
func TestStatementsOfBothDialects(t *testing.T) {
	var k pipeline.Statements
	for range 2 {
		for mode, want := range map[sqlscan.Mode]sqlscan.Effects{sqlscan.MariaDB: 0, 0: sqlscan.StoredFunction} {
			if st := k.Scan("SELECT NVL(a, 1)", mode); st.Effects != want {
				t.Errorf("mode %b: %+v", mode, st)
			}
		}
	}
	if k.Scan("SELECT NVL(a, 1)", 0) != k.Scan("SELECT NVL(a, 1)", sqlscan.AnsiQuotes) {
		t.Error("what is the same is not kept once")
	}
}
