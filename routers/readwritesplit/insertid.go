package readwritesplit

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// An insertID is what is known of LAST_INSERT_ID(). It cannot be told from OK packets: to an INSERT, these give the number
// that was generated, which LAST_INSERT_ID() is from then on, or else one that the statement itself has said, which leaves
// LAST_INSERT_ID() as it was. So mostly the connection knows it alone.
type insertID struct {
	value  uint64
	unsure bool           // only the connection at knows it, value is 0
	at     *pipeline.Link // which has it. nil: every new one
	// blank says that what it was before has been lost: at has 0 until a statement sets it.
	blank bool
}

// untold is what a member has been told to have where it may have another one since. No server generates it.
const untold = math.MaxUint64

// insertIDText makes it what LAST_INSERT_ID() is at a connection.
func insertIDText(id uint64) string { return fmt.Sprintf("SET LAST_INSERT_ID = %d", id) }

// insertIDSetText leaves a connection as it was, FOUND_ROWS() too, and fails where LAST_INSERT_ID() is 0.
const insertIDSetText = "SET sql_mode = IF(LAST_INSERT_ID() = 0, 'x', @@sql_mode)"

// noteInsertID keeps up with what a statement that m has served makes of LAST_INSERT_ID().
func (x *session) noteInsertID(m *member, j *job) {
	if !j.c.Executes() || j.st != nil && j.st.Class == sqlscan.Read && j.st.Effects == 0 {
		return
	}
	n := &x.insert
	value, changed, sure := x.changesInsertID(j)
	switch {
	case sure:
		*n, m.insertID = insertID{value: value, at: m.link}, value
	case !changed:
	case m != x.primary && x.passage.lastInsertID == 0: // a replica, which has written nothing
		m.insertID = untold
	case n.at == m.link:
		n.value, n.unsure = 0, true
		m.insertID = untold
	default: // a new connection, which has been told what is known, or 0
		*n = insertID{unsure: true, at: m.link, blank: n.unsure || m.insertID != n.value}
		m.insertID = untold
	}
}

// changesInsertID reports whether a command that has been served may have changed LAST_INSERT_ID(), and whether it is sure to
// be value now.
func (x *session) changesInsertID(j *job) (value uint64, changed, sure bool) {
	if j.st == nil {
		return 0, true, false
	}
	r := &x.passage
	st, effects, _ := x.sit.executed(j.st)
	if st.Class == sqlscan.Set && namesInsertID(st.Canonical) {
		value, sure = x.assignedInsertID(j)
		return value, true, sure && !r.failed
	}
	if r.found != 0 && !r.failed {
		return r.found, setsInsertID(st.Canonical), true
	}
	if effects&sqlscan.LastInsertID != 0 && (setsInsertID(st.Canonical) || setsInsertID(j.st.Canonical)) {
		// There is but one number that an UPDATE could tell of.
		return r.lastInsertID, true, st.Operation == "UPDATE" && r.lastInsertID != 0 && !r.failed
	}
	switch st.Class {
	case sqlscan.Write, sqlscan.Schema: // what fails may have got a number before
		return 0, r.lastInsertID != 0 || r.failed || effects&sqlscan.Returning != 0 ||
			j.c.Com() == protocol.ComStmtBulkExecute, false
	case sqlscan.Call, sqlscan.Compound, sqlscan.Many, sqlscan.Execute, sqlscan.Unknown:
		return 0, true, false
	}
	return 0, effects&sqlscan.Uncertain != 0, false
}

// assignedInsertID returns what a SET sets LAST_INSERT_ID() to, where it says that.
func (x *session) assignedInsertID(j *job) (value uint64, ok bool) {
	text, ok := j.c.Text()
	if j.stmt != nil {
		text, ok = []byte(j.stmt.Text), !j.stmt.Truncated
	}
	if !ok {
		return 0, false
	}
	all, ok := sqlscan.Assignments(text, x.s.Mode())
	if !ok {
		return 0, false
	}
	ok = false
	for _, a := range all {
		if a.Name != "last_insert_id" && a.Name != "identity" {
			if setsInsertID(a.Value) {
				return 0, false
			}
			continue
		}
		var err error
		value, err = strconv.ParseUint(a.Value, 10, 64)
		ok = err == nil && a.Literal && a.Scope == "session"
	}
	return value, ok
}

// showsInsertID reports whether the reply to a command is LAST_INSERT_ID(), and nothing else.
func (x *session) showsInsertID(j *job) bool {
	st, effects := x.inner(j)
	if effects&sqlscan.LastInsertID == 0 {
		return false
	}
	before, rest, _ := cutFold(st.Canonical, insertIDFunction)
	rest, plain := strings.CutPrefix(rest, "()")
	if !plain {
		rest, plain = strings.CutPrefix(rest, "(?)")
	}
	name, named := strings.CutPrefix(rest, " AS ")
	return plain && before == "SELECT " && (rest == "" || named && !strings.ContainsAny(name, " ,"))
}

// asks are what a statement asks for: LAST_INSERT_ID(), and what the statement before has left.
type asks struct{ insertID, before bool }

// asksFor returns what a command asks for.
func (x *session) asksFor(j *job) (a asks) {
	if j.st == nil || !j.c.Executes() {
		return a
	}
	st, effects, _ := x.sit.executed(j.st)
	a.insertID = effects&sqlscan.LastInsertID != 0 && (readsInsertID(st) || st != j.st && readsInsertID(j.st))
	a.before = effects&sqlscan.FoundRows != 0
	return a
}

// bringInsertID sees to it that LAST_INSERT_ID() is at m what it is to the client, where the command asks for it. Where the
// connection is lost that knew it, the client is told.
func (x *session) bringInsertID(m *member, j *job) error {
	n := &x.insert
	if n.at == m.link && !n.blank {
		return nil
	}
	a := x.asksFor(j)
	switch {
	case !a.insertID:
		return nil
	case n.at == m.link:
		return x.askBlank(m, j, a)
	}
	if n.unsure {
		err := x.askInsertID()
		switch {
		case err != nil:
			return err
		case n.unsure && x.s.Killed():
			return errKilled
		case n.unsure:
			return x.lostInsertID(j)
		}
	}
	if n.value != m.insertID {
		if err := m.ask(pipeline.NewQuery(insertIDText(n.value), x.s.Capabilities())); err != nil {
			return err
		}
		m.insertID = n.value
	}
	n.at = m.link
	return nil
}

// lacksInsertID reports whether the primary's connection, which is new or was a replica's, is to be told LAST_INSERT_ID(), or
// by 0 that it is lost.
func (m *member) lacksInsertID() bool {
	n := &m.x.insert
	return m == m.x.primary && n.at != m.link && (n.unsure || n.value != m.insertID)
}

// askBlank asks a connection that did not know LAST_INSERT_ID() whether something has set it since.
func (x *session) askBlank(m *member, j *job, a asks) error {
	set, err := x.setSince(m, a)
	if err != nil {
		return err
	}
	if !set {
		return x.lostInsertID(j)
	}
	x.insert.blank = false
	return nil
}

// setSince reports whether LAST_INSERT_ID() is sure to have been set at m since it was 0. A statement that asks about the one
// before it, too, cannot have a question in between.
func (x *session) setSince(m *member, a asks) (bool, error) {
	if a.before {
		return false, nil
	}
	err := m.ask(pipeline.NewQuery(insertIDSetText, x.s.Capabilities()))
	if refusedBy(err) != nil {
		return false, nil
	}
	return err == nil, err
}

// askInsertID asks the connection that knows LAST_INSERT_ID(), if it is there and its server is. Its error is errKilled, or
// ends the session.
func (x *session) askInsertID() error {
	n := &x.insert
	m := x.behind(n.at)
	if m == nil || n.blank || !m.server().State().Up {
		return nil
	}
	err := m.ask(pipeline.NewQuery(question("LAST_INSERT_ID()"), x.s.Capabilities()))
	switch {
	case err == nil:
	case refusedBy(err) != nil, x.survives(m, err):
		return nil
	default:
		return err
	}
	field, _ := protocol.LenencString(x.answer.row)
	if value, err := strconv.ParseUint(string(field), 10, 64); err == nil {
		n.value, n.unsure, m.insertID = value, false, value
	}
	return nil
}

// stranded reports whether a connection to a server that is not to be used any more is kept for LAST_INSERT_ID() alone. The
// session may have learned of that server before it is told of the change, and may be idle then.
func (x *session) stranded() bool {
	n := &x.insert
	if !n.unsure || n.blank || x.trx != nil {
		return false
	}
	m := x.behind(n.at)
	return m != nil && !m.server().State().Takes() && x.needs(m) == "" && x.away.at != m && !x.cursorsAt(m)
}

// lostInsertID answers a command that asks for LAST_INSERT_ID() when nobody knows it any more.
func (x *session) lostInsertID(j *job) error {
	return j.answer(&protocol.SQLError{
		Code: protocol.ErUnknown, State: "HY000",
		Message: "LAST_INSERT_ID() is not known any more: the connection to the server that knew it was lost",
	})
}

const insertIDFunction = "last_insert_id"

// namesInsertID reports whether a SET may assign LAST_INSERT_ID(), or call it.
func namesInsertID(canonical string) bool {
	return containsFold(canonical, insertIDFunction) || containsFold(canonical, "identity")
}

// setsInsertID reports whether a text calls LAST_INSERT_ID with an argument, which makes it that.
func setsInsertID(text string) bool {
	for {
		_, rest, found := cutFold(text, insertIDFunction)
		if !found {
			return false
		}
		if argument, call := called(rest); call && argument {
			return true
		}
		text = rest
	}
}

// readsInsertID reports whether a statement that has to do with LAST_INSERT_ID() asks for it. Of several statements the first
// of which is an INSERT, those behind it are taken to ask for what that one has made of it.
func readsInsertID(st *pipeline.Statement) bool {
	text := st.Canonical
	if st.Statements > 1 && (st.Operation == "INSERT" || st.Operation == "REPLACE") {
		text, _, _ = strings.Cut(text, ";")
	}
	if containsFold(text, "identity") {
		return true
	}
	for {
		before, rest, found := cutFold(text, insertIDFunction)
		if !found {
			return false
		}
		argument, call := called(rest)
		if call && !argument || len(before) > 0 && (before[len(before)-1] == '@' || before[len(before)-1] == '.') {
			return true
		}
		text = rest
	}
}

// called reports whether what is behind a function's name calls it, and with an argument.
func called(rest string) (argument, call bool) {
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '`') {
		rest = rest[1:]
	}
	if len(rest) < 2 || rest[0] != '(' {
		return false, false
	}
	return rest[1] != ')', true
}
