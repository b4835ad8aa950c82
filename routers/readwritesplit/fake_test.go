package readwritesplit_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// A fake is a server that does all it is asked, and notes it. It answers what reads by a row with its name.
type fake struct {
	name     string
	greeting protocol.Greeting
	firstID  uint32 // of its prepared statements
	t        *testing.T
	srv      *pt.Server

	mu     sync.Mutex
	got    []string
	logins int
	last   string             // the schema of the last login
	lacks  string             // a schema that it refuses logins for
	full   bool               // it refuses all logins
	script map[string]pt.Step // how statements are answered that are not answered as usual
	gtid   string             // what the next write is told to be, where it is tracked
	ports  []string           // clients' ends of connections, whether or not those are there
	misses bool               // it notices when they are lost
}

// newFake starts the server with the number i, from 0.
func newFake(t *testing.T, i int, greeting protocol.Greeting) *fake {
	t.Helper()
	f := &fake{
		name: fmt.Sprintf("db%d", i+1), greeting: greeting, firstID: uint32(100 * (i + 1)), t: t,
		script: make(map[string]pt.Step), misses: true,
	}
	f.srv = pt.NewServer(t, func(int) []pt.Step { return []pt.Step{f.connection} })
	return f
}

// die closes the server and all connections.
func (f *fake) die() { f.srv.Close() }

// rise has a server that has died be there again.
func (f *fake) rise() {
	f.t.Helper()
	ln, err := net.Listen("tcp", f.srv.Addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.srv = pt.Serve(f.t, ln, func(int) []pt.Step { return []pt.Step{f.connection} })
}

// on has the statement be answered by steps from now on; none, as usual.
func (f *fake) on(statement string, steps ...pt.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if delete(f.script, statement); len(steps) > 0 {
		f.script[statement] = pt.Script(steps...)
	}
}

// wrote has writes be told as this transaction from now on.
func (f *fake) wrote(gtid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gtid = gtid
}

// refuses has the server refuse logins, or take them again.
func (f *fake) refuses(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = all
}

// note keeps a command, and returns how it is to be answered where that is not as usual.
func (f *fake) note(command string) pt.Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, command)
	return f.script[command]
}

// takes returns what the server has got since it was last asked.
func (f *fake) takes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

// expect checks what the server has got since it was last asked.
func (f *fake) expect(want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.takes()); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", f.name, diff)
	}
}

// times is how often the server has got a command since it was last asked.
func (f *fake) times(command string) (n int) {
	for _, got := range f.takes() {
		if got == command {
			n++
		}
	}
	return n
}

// loggedIn is how often somebody has.
func (f *fake) loggedIn() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

// schema is the one that was last logged in with.
func (f *fake) schema() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// connection plays the server on one connection.
func (f *fake) connection(c *pt.Conn) error {
	if err := pt.Greet(f.greeting)(c); err != nil {
		return err
	}
	if err := pt.ReadLogin()(c); err != nil {
		if errors.Is(err, io.EOF) { // Weir only reads the greeting
			return nil
		}
		return err
	}
	f.mu.Lock()
	f.logins++
	_, port, _ := net.SplitHostPort(c.RemoteAddr().String())
	f.ports = append(f.ports, port)
	f.last = c.Login.Schema
	lacks, full := f.lacks != "" && f.lacks == f.last, f.full
	f.mu.Unlock()
	if full {
		return pt.ReplyError(1226, "42000", "User has exceeded the 'max_user_connections' resource")(c)
	}
	if lacks {
		return pt.ReplyError(1049, "42000", "Unknown database")(c)
	}
	if err := pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit})(c); err != nil {
		return err
	}
	l := &fakeLink{fake: f, status: protocol.StatusAutocommit, nextID: f.firstID, texts: make(map[uint32]string), values: make(map[string]string), open: make(map[uint32]bool)}
	if err := pt.Repeat(l.serve)(c); err != nil && !errors.Is(err, net.ErrClosed) { // by the script
		return err
	}
	return nil
}

// scriptedID is that of a statement whose COM_STMT_PREPARE a script answers.
const scriptedID = 7

// A fakeLink is a connection to a fake.
type fakeLink struct {
	*fake
	status uint16
	nextID uint32
	texts  map[uint32]string // of prepared statements
	values map[string]string // of session variables that were set
	open   map[uint32]bool   // cursors
}

// serve answers one command. Its notes are the text of a statement, "prepare TEXT", or the command's name and what follows:
// an execution's id and hexadecimal payload behind it.
func (l *fakeLink) serve(c *pt.Conn) error {
	command, err := c.ReadCommand()
	if err != nil {
		return err
	}
	rest := command[1:]
	switch command[0] {
	case protocol.ComQuit:
		return io.EOF
	case protocol.ComQuery:
		at, _ := protocol.QueryTextOffset(command, c.Caps)
		text := string(command[at:])
		if strings.Contains(text, "processlist") {
			return l.processes(c, text)
		}
		if names, ok := strings.CutPrefix(text, "SELECT @@sql_mode, @@"); ok {
			return l.settings(c, "sql_mode, @@"+names)
		}
		return l.statement(c, text, l.note(text))
	case protocol.ComStmtPrepare:
		if step := l.note("prepare " + string(rest)); step != nil {
			l.texts[scriptedID] = string(rest)
			return step(c)
		}
		return l.prepare(c, string(rest))
	case protocol.ComStmtExecute, protocol.ComStmtFetch, protocol.ComStmtSendLongData, protocol.ComStmtClose,
		protocol.ComStmtReset:
		id := binary.LittleEndian.Uint32(rest)
		if command[0] == protocol.ComStmtClose && id == 0 { // of none
			l.note(keptAlive)
			return nil
		}
		return l.prepared(c, command[0], id, l.note(fmt.Sprintf("%s %d %x", verbs[command[0]], id, rest[4:])), rest[4:])
	}
	if step := l.note(strings.TrimSpace(protocol.CommandName(command[0]) + " " + string(rest))); step != nil {
		return step(c)
	}
	if command[0] == protocol.ComResetConnection {
		l.status = protocol.StatusAutocommit
		clear(l.texts)
	}
	return l.ok(c)
}

var verbs = map[byte]string{
	protocol.ComStmtExecute: "execute", protocol.ComStmtFetch: "fetch", protocol.ComStmtSendLongData: "long",
	protocol.ComStmtClose: "close", protocol.ComStmtReset: "reset",
}

// statement answers one, prepared or not.
func (l *fakeLink) statement(c *pt.Conn, text string, step pt.Step) error {
	if step != nil {
		return step(c)
	}
	switch verb, _, _ := strings.Cut(text, " "); verb {
	case "BEGIN", "START":
		l.status |= protocol.StatusInTrans
		if strings.HasSuffix(text, "READ ONLY") {
			l.status |= protocol.StatusInTransReadonly
		}
	case "COMMIT", "ROLLBACK":
		l.status &^= protocol.StatusInTrans | protocol.StatusInTransReadonly
	case "SELECT", "SHOW":
		return l.rows(c, l.status, []string{l.name})
	case "SET":
		l.set(strings.TrimPrefix(text, "SET "))
	case "INSERT":
		return l.write(c)
	}
	return l.ok(c)
}

func (l *fakeLink) ok(c *pt.Conn) error { return pt.ReplyOK(protocol.OK{Status: l.status})(c) }

// write answers a write, and tells of its transaction.
func (l *fakeLink) write(c *pt.Conn) error {
	ok := protocol.OK{AffectedRows: 1, Status: l.status}
	l.mu.Lock()
	if gtid := l.gtid; gtid != "" {
		ok.Status |= protocol.StatusSessionStateChange
		ok.SessionState = written(l.greeting, gtid)
	}
	l.mu.Unlock()
	return pt.ReplyOK(ok)(c)
}

// written is what a server's OK packet tells of a transaction.
func written(g protocol.Greeting, gtid string) []byte {
	if g.Capabilities.Has(protocol.ClientMySQL) {
		change := protocol.AppendLenencString([]byte{0}, gtid)
		return protocol.AppendLenencString([]byte{protocol.SessionTrackGTIDs}, change)
	}
	change := protocol.AppendLenencString(protocol.AppendLenencString([]byte(nil), "last_gtid"), gtid)
	return protocol.AppendLenencString([]byte{protocol.SessionTrackSystemVariables}, change)
}

// processes says whether the server still has a connection that is lost. It is not noted.
func (l *fakeLink) processes(c *pt.Conn, text string) error {
	l.mu.Lock()
	has := func(port string) bool { return strings.HasSuffix(text, " = 7 AND HOST LIKE '%:"+port+"' LIMIT 1") }
	lost := l.misses || !slices.ContainsFunc(l.ports[:len(l.ports)-1], has)
	l.mu.Unlock()
	if lost {
		return l.rows(c, l.status)
	}
	return l.rows(c, l.status, []string{"7"})
}

// settings tells the values of variables. It is not noted.
func (l *fakeLink) settings(c *pt.Conn, names string) error {
	all := strings.Split(strings.TrimSuffix(names, " LIMIT 1"), ", @@")
	var row []string
	for _, name := range all {
		row = append(row, l.values[name])
	}
	payloads := pt.Rows(c.Caps, all, row)
	binary.LittleEndian.PutUint16(payloads[len(payloads)-1][3:], l.status)
	return pt.Raw(packed(payloads...))(c)
}

// set keeps what SET has set, as far as it is written plainly.
func (l *fakeLink) set(text string) {
	if charset, ok := strings.CutPrefix(text, "NAMES "); ok {
		l.values["character_set_client"], l.values["collation_connection"] = charset, charset+"_bin"
	}
	for assignment := range strings.SplitSeq(text, ", ") {
		if name, value, ok := strings.Cut(assignment, " = "); ok {
			l.values[name] = strings.Trim(value, "'")
		}
	}
}

// rows answers by rows of one column, all at once: who dies has sent all of them or none.
func (l *fakeLink) rows(c *pt.Conn, status uint16, rows ...[]string) error {
	all := pt.Rows(c.Caps, []string{"server"}, rows...)
	binary.LittleEndian.PutUint16(all[len(all)-1][3:], status) // of an EOF packet as of an OK
	return pt.Raw(packed(all...))(c)
}

func (l *fakeLink) prepare(c *pt.Conn, text string) error {
	l.nextID++
	l.texts[l.nextID] = text
	columns, params := 0, strings.Count(text, "?")
	if strings.HasPrefix(text, "SELECT") {
		columns = 1
	}
	payload := binary.LittleEndian.AppendUint32([]byte{0}, l.nextID)
	payload = append(payload, byte(columns), 0, byte(params), 0, 0, 0, 0)
	all := [][]byte{payload}
	for _, n := range []int{params, columns} {
		for range n {
			all = append(all, pt.Rows(c.Caps, []string{"?"})[1])
		}
		if n > 0 && !c.Caps.Has(protocol.ClientDeprecateEOF) {
			all = append(all, binary.LittleEndian.AppendUint16([]byte{0xfe, 0, 0}, l.status))
		}
	}
	return pt.Reply(all...)(c)
}

// prepared answers a command about a prepared statement. Rows are sent as text, which nobody on the way reads.
func (l *fakeLink) prepared(c *pt.Conn, com byte, id uint32, step pt.Step, rest []byte) error {
	text, known := l.texts[id]
	switch {
	case com == protocol.ComStmtClose, com == protocol.ComStmtSendLongData:
		if !known {
			return fmt.Errorf("%s about %d, which is not prepared here", verbs[com], id)
		}
		if com == protocol.ComStmtClose {
			delete(l.texts, id)
			delete(l.open, id)
		}
		return nil
	case step != nil:
		return step(c)
	case !known:
		return pt.ReplyError(protocol.ErUnknownStmtHandler, "HY000", "Unknown prepared statement handler")(c)
	case com == protocol.ComStmtReset:
		delete(l.open, id)
		return l.ok(c)
	case com == protocol.ComStmtFetch && !l.open[id]:
		return pt.ReplyError(1421, "HY000", "The statement has no open cursor")(c)
	case com == protocol.ComStmtFetch:
		end := pt.Rows(c.Caps, []string{"server"}, []string{l.name})
		binary.LittleEndian.PutUint16(end[len(end)-1][3:], l.status|protocol.StatusLastRowSent)
		return pt.Reply(end[len(end)-2:]...)(c)
	case rest[0] != 0: // with a cursor
		l.open[id] = true
		described := pt.Rows(c.Caps, []string{"server"})[:3] // and no rows
		binary.LittleEndian.PutUint16(described[2][3:], l.status|protocol.StatusCursorExists)
		return pt.Reply(described...)(c)
	}
	delete(l.open, id)
	return l.statement(c, text, l.note("executed "+text))
}
