package pipeline

import (
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A Command is one command of a client. It is valid until the Serve call it is passed to returns.
type Command struct {
	// Data is the command as it came over the wire: packet header and payload. Where the command is longer
	// than a read buffer, it is the first part, and Part is First.
	Data []byte
	Part protocol.Part
	// Body delivers what the client sends after Data: the rest of a First part, and the file once a reply
	// has asked for one (KindLocalInfile). It is nil for a command that has neither.
	Body Body

	caps      protocol.Capability
	scanned   bool // statement and flags are known
	flags     sqlscan.Flags
	statement *Statement
	joined    []byte                // the payload in one piece, where Data has it in several and somebody has asked
	trace     protocol.TraceContext // of the statement's span, where that is sure to be kept
}

// A Body is what a client sends for a command after its first part.
type Body interface {
	// Next waits for the next bytes as they come over the wire, headers included. They are valid until the
	// next call. It returns io.EOF after the command's last byte; of a file, that is the empty packet's.
	Next() ([]byte, error)
}

// NewCommand makes a whole command of its code and what follows it in the payload.
func NewCommand(com byte, rest []byte, caps protocol.Capability) *Command {
	payload := append(append(make([]byte, 0, 1+len(rest)), com), rest...)
	return &Command{Data: protocol.AppendPacket(nil, 0, payload), caps: caps}
}

// NewQuery makes a COM_QUERY of a statement, without query attributes.
func NewQuery(text string, caps protocol.Capability) *Command {
	var rest []byte
	if caps.Has(protocol.ClientQueryAttributes) {
		rest = append(rest, 0, 1) // no attributes, in one set
	}
	return NewCommand(protocol.ComQuery, append(rest, text...), caps)
}

// Com returns the command's code, protocol.ComQuery for one.
func (c *Command) Com() byte {
	if len(c.Data) <= protocol.HeaderSize {
		return protocol.ComSleep
	}
	return c.Data[protocol.HeaderSize]
}

// Payload returns what follows the header in Data, code included. Only the first packet's payload of a command
// longer than protocol.MaxPayload lies in one piece.
func (c *Command) Payload() []byte { return c.Data[protocol.HeaderSize:] }

// Text returns the statement of a COM_QUERY or COM_STMT_PREPARE as it lies in Data, without query attributes:
// all of it where Part is Whole, its beginning otherwise. ok is false for other commands.
func (c *Command) Text() (text []byte, ok bool) {
	switch c.Com() {
	case protocol.ComQuery:
		payload := c.onePayload()
		at, ok := protocol.QueryTextOffset(payload, c.caps)
		return payload[at:], ok
	case protocol.ComStmtPrepare:
		return c.onePayload()[1:], true
	}
	return nil, false
}

// onePayload returns the payload without the headers that lie in it where the command has several packets.
func (c *Command) onePayload() []byte {
	payload := c.Payload()
	if len(payload) <= protocol.MaxPayload || c.Part != protocol.Whole {
		return payload
	}
	if c.joined == nil {
		c.joined = make([]byte, 0, len(payload))
		for rest := c.Data; len(rest) > 0; {
			n := protocol.HeaderSize + protocol.PayloadLen(rest)
			c.joined = append(c.joined, rest[protocol.HeaderSize:n]...)
			rest = rest[n:]
		}
	}
	return c.joined
}

// WithText returns a copy of a COM_QUERY or COM_STMT_PREPARE that has another statement, of any length, and the
// same query attributes. c must be Whole.
func (c *Command) WithText(text []byte) *Command {
	old, _ := c.Text()
	payload := c.onePayload()
	payload = payload[:len(payload)-len(old)]
	payload = append(append(make([]byte, 0, len(payload)+len(text)), payload...), text...)
	return &Command{Data: protocol.AppendPacket(nil, 0, payload), Body: c.Body, caps: c.caps, trace: c.trace}
}

// ExpectsReply reports whether the command is to be answered.
func (c *Command) ExpectsReply() bool { return protocol.ExpectsReply(c.Com()) }

// Executes reports whether the command runs statements.
func (c *Command) Executes() bool { return protocol.Executes(c.Com()) }

// Clone returns a copy that may be kept, without the Body.
func (c *Command) Clone() *Command {
	return &Command{Data: append([]byte(nil), c.Data...), Part: c.Part, caps: c.caps, trace: c.trace}
}
