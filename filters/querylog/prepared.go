package querylog

import (
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// lastPrepared is the statement id by which MariaDB's clients mean the statement prepared last, so that they can
// execute one whose id they have not been told yet. https://mariadb.com/kb/en/com_stmt_execute/
const lastPrepared = 1<<32 - 1

// prepared are the texts of the statements a client keeps prepared. What the client closes is forgotten.
type prepared struct {
	texts map[uint32]statement
	last  uint32
}

// statement returns the text of c, or of the prepared statement that c names, of at most n bytes. It lies in c or
// in p.
func (p *prepared) statement(c *pipeline.Command, n int) statement {
	if text, ok := c.Text(); ok {
		return statement{text: text, known: true, truncated: c.Part != protocol.Whole}.clip(n)
	}
	if id, ok := p.id(c); ok {
		return p.texts[id]
	}
	return statement{}
}

// id returns the statement id in a command that has one.
func (p *prepared) id(c *pipeline.Command) (uint32, bool) {
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

// learn remembers a statement that c has prepared, and forgets one that it has closed. s is the text of c.
func (p *prepared) learn(c *pipeline.Command, s statement, reply *pipeline.Watch) {
	switch c.Com() {
	case protocol.ComStmtPrepare:
		if !reply.Prepared {
			p.last = lastPrepared // now means none, at the server too
			return
		}
		if p.texts == nil {
			p.texts = make(map[uint32]statement)
		}
		p.texts[reply.StatementID], p.last = s.encode(), reply.StatementID
	case protocol.ComStmtClose:
		if id, ok := p.id(c); ok {
			delete(p.texts, id)
		}
	}
}
