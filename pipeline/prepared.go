package pipeline

import (
	"encoding/binary"

	"github.com/weirproxy/weir/protocol"
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
	// Selected is what Prepared.Select said of it.
	Selected bool
}

// Prepared remembers the statements a client keeps prepared, as they are at one place of the chain: a filter may have
// changed their text further up. A handler that wants them has one, and calls Learn for each command it has served.
// What the client closes is forgotten; a chain that is opened anew begins with none, as the servers do.
type Prepared struct {
	// Select, where set, is asked once for each statement, of its text.
	Select func(text []byte) bool

	textless bool // nobody asks for the texts
	all      map[uint32]*PreparedStatement
	last     uint32
}

// Of returns the prepared statement that c is about, nil where it is about none, or about one that is not known.
func (p *Prepared) Of(c *Command) *PreparedStatement {
	if id, ok := p.id(c); ok {
		return p.all[id]
	}
	return nil
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

// Learn remembers a statement that c has prepared, and forgets one that it has closed. reply has watched c's reply.
func (p *Prepared) Learn(s *Session, c *Command, reply *Watch) {
	switch c.Com() {
	case protocol.ComStmtPrepare:
		p.prepare(s, c, reply)
	case protocol.ComStmtClose:
		if id, ok := p.id(c); ok {
			delete(p.all, id)
		}
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
	if !p.textless {
		st.Text = string(text)
	}
	st.Selected = p.Select == nil || p.Select(text)
	p.all[st.ID], p.last = st, st.ID
}
