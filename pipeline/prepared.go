package pipeline

import (
	"encoding/binary"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// lastPrepared is the statement id by which MariaDB's clients mean the statement prepared last, so that they can
// execute one whose id they have not been told yet. https://mariadb.com/kb/en/com_stmt_execute/
const lastPrepared = 1<<32 - 1

// A PreparedStatement is one that a client keeps prepared. It is valid until the client closes it.
type PreparedStatement struct {
	ID uint32
	// Text is as it was prepared, as far as it lay in one piece; Truncated says that it goes on.
	Text      string
	Truncated bool
	Statement *Statement
	// Params is the number of parameters.
	Params int
	// Types are the types the parameters were last bound with, two bytes each: type, and 0x80 where it is unsigned. A
	// COM_STMT_EXECUTE that does not bind them anew means these.
	Types []byte
	// Long says which parameters' values the client has sent ahead, for its next execution: 0, or 1 more than the
	// length. It is nil where there are none. See protocol.Params.
	Long []uint64
	// Selected is what Prepared.Select said of it.
	Selected bool
}

// Prepared remembers the statements a client keeps prepared, as they are at one place of the chain: a filter may have
// changed their text further up. A handler that wants them has one, and calls Learn for each command it has served.
// What the client closes is forgotten; a chain that is opened anew begins with none, as the servers do.
type Prepared struct {
	// Select, where set, is asked once for each statement, of its text.
	Select func(text []byte) bool

	textless bool // nobody asks for the texts, but for those of SET and USE
	all      map[uint32]*PreparedStatement
	last     uint32
	recent   *PreparedStatement // asked for last
}

// Of returns the prepared statement that c is about, nil where it is about none, or about one that is not known.
func (p *Prepared) Of(c *Command) *PreparedStatement {
	id, ok := p.id(c)
	if !ok {
		return nil
	}
	if p.recent == nil || p.recent.ID != id {
		p.recent = p.all[id]
	}
	return p.recent
}

// id returns the statement id in a command that has one.
func (p *Prepared) id(c *Command) (uint32, bool) {
	switch c.Com() {
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute, protocol.ComStmtFetch, protocol.ComStmtReset,
		protocol.ComStmtSendLongData, protocol.ComStmtClose:
	default:
		return 0, false
	}
	payload := c.Payload()
	if len(payload) < 5 {
		return 0, false
	}
	id := binary.LittleEndian.Uint32(payload[1:])
	if id == lastPrepared {
		id = p.last
	}
	return id, true
}

// Values has into read the values that c, a COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE of st, executes it with. They lie
// in c. It reports false where c is no such command, or their types are not known. It must be called before Learn is.
func (st *PreparedStatement) Values(s *Session, c *Command, into *protocol.Params) bool {
	if com := c.Com(); com != protocol.ComStmtExecute && com != protocol.ComStmtBulkExecute {
		return false
	}
	return into.Decode(c.Payload(), st.Params, st.Types, st.Long, s.caps) == nil
}

// Learn remembers a statement that c has prepared, and forgets one that it has closed. reply has watched c's reply. Of
// one that c executes, it remembers how its parameters are bound.
func (p *Prepared) Learn(s *Session, c *Command, reply *Watch) {
	switch c.Com() {
	case protocol.ComStmtPrepare:
		p.prepare(s, c, reply)
	case protocol.ComStmtClose:
		if id, ok := p.id(c); ok {
			delete(p.all, id)
			p.recent = nil
		}
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		p.bind(s, c)
	case protocol.ComStmtSendLongData:
		p.sendAhead(c)
	case protocol.ComStmtReset:
		if st := p.Of(c); st != nil {
			st.Long = nil
		}
	}
}

// bind remembers the types that a command has bound parameters with: whatever became of it, servers keep them. What was
// sent ahead is used up.
func (p *Prepared) bind(s *Session, c *Command) {
	if p.textless {
		return
	}
	st := p.Of(c)
	if st == nil || st.Params == 0 {
		return
	}
	st.Long = nil
	var values protocol.Params
	if err := values.Decode(c.Payload(), st.Params, st.Types, nil, s.caps); err != nil {
		st.Types = st.Types[:0] // it may have bound others, which cannot be made out
	} else if values.Bound {
		st.Types = values.AppendTypes(st.Types[:0])
	}
}

func (p *Prepared) sendAhead(c *Command) {
	st := p.Of(c)
	if st == nil || p.textless {
		return
	}
	if _, param, length, ok := protocol.LongData(c.Data); ok && param < st.Params {
		if st.Long == nil {
			st.Long = make([]uint64, st.Params)
		}
		st.Long[param] = max(st.Long[param], 1) + length
	}
}

func (p *Prepared) prepare(s *Session, c *Command, reply *Watch) {
	if !reply.Prepared {
		p.last = lastPrepared // now means none, at the server too
		return
	}
	if p.all == nil {
		p.all = make(map[uint32]*PreparedStatement)
	}
	text, _ := c.Text()
	st := &PreparedStatement{
		ID: reply.StatementID, Truncated: c.Part != protocol.Whole, Statement: s.Statement(c), Params: reply.Params,
	}
	if class := st.Statement.Class; !p.textless || class == sqlscan.Set || class == sqlscan.Use {
		st.Text = string(text)
	}
	st.Selected = p.Select == nil || p.Select(text)
	p.all[st.ID], p.last, p.recent = st, st.ID, st
}
