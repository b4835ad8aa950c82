package readwritesplit

import (
	"encoding/binary"

	"github.com/weirproxy/weir/pipeline"
)

// maxPreparedHints bounds the prepared statements with hints that a session remembers.
const maxPreparedHints = 4096

// preparedHints are the hints of prepared statements, which hold whenever one is executed, by Weir's ids.
type preparedHints struct {
	all  map[uint32]hint // nil as long as there is none
	last uint32          // prepared last
}

// keepHint remembers the hint of the COM_STMT_PREPARE that was last decided. id is what the client was told.
func (sit *situation) keepHint(id uint32) {
	p := &sit.prepared
	p.last = id
	if !sit.noted.own.set || len(p.all) >= maxPreparedHints {
		delete(p.all, id)
		return
	}
	if p.all == nil {
		p.all = make(map[uint32]hint)
	}
	p.all[id] = sit.noted.own
}

// dropHint is for when the client closes a statement.
func (sit *situation) dropHint(id uint32) { delete(sit.prepared.all, id) }

// of returns the hint of the statement that c executes.
func (p *preparedHints) of(c *pipeline.Command) hint {
	payload := c.Payload()
	if len(p.all) == 0 || len(payload) < 5 {
		return hint{}
	}
	id := binary.LittleEndian.Uint32(payload[1:])
	if id == 1<<32-1 { // as MariaDB's clients say the one prepared last
		id = p.last
	}
	return p.all[id]
}
