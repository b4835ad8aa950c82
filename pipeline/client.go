package pipeline

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// joinBelow is the size up to which bytes are copied to go out together with others rather than on their own.
const joinBelow = 4 << 10

// errClientGone ends a session whose client has hung up, or takes no reply.
var errClientGone = errors.New("client gone")

// client is the client's end of a session: it cuts commands from what the client sends, and numbers and sends
// replies. It is the ReplyWriter at the top of the chain and the Body of commands.
type client struct {
	conn    loop.Conn
	session *Session
	worker  *loop.Worker
	timeout time.Duration // for the client to take anything of a reply

	// What has been read: in[at:have], borrowed while a command is served.
	in       []byte
	at, have int

	// The command being served.
	frames protocol.Framer // its packets, and those of a file
	body   bodyState
	piece  []byte // borrowed for what comes after the command's first part

	// The reply being written.
	seq       uint8           // number of the next packet
	final     bool            // the reply is complete
	between   bool            // no command is being served: one that has come in part is being waited for
	answering bool            // a command waits for one
	inside    bool            // a packet has been written in part
	last      protocol.Kind   // of the chunk written last
	out       []byte          // borrowed: bytes that had to be copied
	pend      []byte          // bytes in the reader's buffer that wait for flush; out is then empty
	walk      protocol.Framer // where the headers are in a packet that travels in fragments
	anew      bool            // that packet's numbers are not the server's
}

// bodyState says what Next delivers.
type bodyState uint8

const (
	bodyNone bodyState = iota
	bodyCommand
	bodyFile
)

// borrow gets the read buffer; release gives everything back that is not in use.
func (c *client) borrow() {
	if c.in == nil {
		c.in = c.worker.Small()
	}
}

func (c *client) release() {
	if c.in != nil && c.at == c.have {
		c.worker.PutSmall(c.in)
		c.in, c.at, c.have = nil, 0, 0
	}
	if c.piece != nil {
		c.worker.PutLarge(c.piece)
		c.piece = nil
	}
	if c.out != nil && len(c.out) == 0 {
		c.worker.PutSmall(c.out[:cap(c.out)])
		c.out = nil
	}
}

// gone reports whether the client has hung up and nothing of it is left to serve.
func (c *client) gone() bool { return c.at == c.have && c.conn.Ended() }

// waits reports whether a command, or a part of one, may have come that has not been begun.
func (c *client) waits() bool { return c.at < c.have || c.conn.HasInput() }

// nextCommand fills cmd with the next command the client sends. more is false where none is there; where one has come
// in part, it waits for the rest.
func (c *client) nextCommand(cmd *Command) (more bool, err error) {
	for {
		if n := c.cut(cmd); n > 0 {
			c.at += n
			return true, c.begin(cmd)
		}
		if c.at > 0 {
			c.have = copy(c.in, c.in[c.at:c.have])
			c.at = 0
		}
		if c.have == 0 && !c.conn.HasInput() {
			return false, nil
		}
		read := c.conn.Read
		if c.have == 0 { // an idle session waits without a task and a buffer
			read = c.conn.ReadNow
		} else if err := c.settle(); err != nil {
			return false, err
		}
		c.between = true
		n, err := read(c.in[c.have:])
		c.between = false
		if err != nil {
			return false, c.readError(err)
		}
		c.have += n
		c.session.tally.received += uint64(n)
	}
}

// settle waits until the client has taken all replies, and looks whether the session has been told to end meanwhile. Who waits
// between two commands may be ended at once, and all that is still to be sent would be lost.
func (c *client) settle() error {
	if err := c.conn.Flush(c.timeout); err != nil {
		return fmt.Errorf("%w: sending a reply: %w", errClientGone, err)
	}
	return c.session.isOver()
}

// readError tells an end between commands from one inside.
func (c *client) readError(err error) error {
	if errors.Is(err, io.EOF) && c.have > c.at {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errClientGone, err)
}

// cut takes the first command from in, or as much as fits, and returns its length; 0 where it has not come yet.
func (c *client) cut(cmd *Command) int {
	b := c.in[c.at:c.have]
	if len(b) < protocol.HeaderSize {
		return 0
	}
	n := protocol.HeaderSize + protocol.PayloadLen(b)
	cmd.Part = protocol.Whole
	if n > len(b) {
		if n <= len(c.in) || len(b) < len(c.in) {
			return 0
		}
		n, cmd.Part = len(b), protocol.First
	}
	cmd.Data, cmd.Body, cmd.scanned = b[:n:n], c, false
	return n
}

// begin prepares for the command's reply.
func (c *client) begin(cmd *Command) error {
	c.frames = protocol.Framer{}
	_, err := c.frames.Feed(cmd.Data)
	c.body = bodyNone
	if cmd.Part == protocol.First {
		c.body = bodyCommand
	}
	c.seq, c.final, c.answering = c.frames.Seq, false, cmd.ExpectsReply() || err != nil
	if err != nil {
		c.seq = cmd.Data[3] + 1
		return &protocol.SQLError{
			Code: protocol.ErNetPacketsOutOfOrder, State: "08S01", Message: "Got packets out of order",
		}
	}
	return nil
}

// Next is Body's.
func (c *client) Next() ([]byte, error) {
	var want int
	switch c.body {
	case bodyCommand:
		if want = c.frames.Left; c.frames.Length == protocol.MaxPayload {
			want = c.frames.Wanted()
		}
	case bodyFile:
		want = c.frames.Wanted()
	}
	if want == 0 || c.body == bodyNone {
		c.body = bodyNone
		return nil, io.EOF
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	b, err := c.nextBytes(want)
	if err != nil {
		return nil, err
	}
	length := c.frames.Length
	if _, err := c.frames.Feed(b); err != nil {
		return nil, &protocol.SQLError{
			Code: protocol.ErNetPacketsOutOfOrder, State: "08S01", Message: "Got packets out of order",
		}
	}
	c.seq = c.frames.Seq
	if c.body == bodyFile && c.frames.Length == 0 && c.frames.Between() && length != protocol.MaxPayload {
		c.body = bodyNone
	}
	return b, nil
}

// nextBytes returns up to want bytes: what has been read already, or else what comes.
func (c *client) nextBytes(want int) ([]byte, error) {
	if c.at < c.have {
		b := c.in[c.at:min(c.have, c.at+want)]
		c.at += len(b)
		return b, nil
	}
	if c.piece == nil {
		c.piece = c.worker.Large()
	}
	n, err := c.conn.Read(c.piece[:min(want, len(c.piece))])
	if err != nil {
		return nil, fmt.Errorf("%w: in the middle of a command: %w", errClientGone, err)
	}
	c.session.tally.received += uint64(n)
	return c.piece[:n], nil
}

// discardBody reads what a handler that answered without it has left of a command.
func (c *client) discardBody() error {
	for c.body == bodyCommand {
		if _, err := c.Next(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// WriteReply is ReplyWriter's: it numbers the chunk's packets and queues them for the client.
func (c *client) WriteReply(p *protocol.Chunk) error {
	if !c.answering {
		return nil // the client expects no reply, and would take this one for that to its next command
	}
	if c.final {
		return errors.New("a reply went on after its end")
	}
	if c.body == bodyCommand { // the reply is numbered on from the command's last packet
		if err := c.discardBody(); err != nil {
			return err
		}
	}
	c.final, c.last = p.Final, p.Kind
	c.inside = p.Part == protocol.First || p.Part == protocol.Middle
	if p.Kind == protocol.KindOK || p.Kind == protocol.KindEOF {
		c.session.noteReply(p)
	}
	if p.Kind == protocol.KindLocalInfile && !c.inside {
		defer c.beginFile()
	}
	b, packets, seq, ok := p.Wire()
	if p.Kind == protocol.KindEvent && ok && packets > 0 && (p.Part == protocol.Whole || p.Part == protocol.First) {
		c.seq = seq // which a replica that has acknowledged an event expects
	}
	if p.Part == protocol.Whole || p.Part == protocol.First {
		c.anew, c.walk = false, protocol.Framer{Seq: c.seq}
	}
	if !ok || c.anew || packets > 0 && seq != c.seq {
		c.anew = true
		return c.writeNumbered(p.Data)
	}
	c.seq += uint8(packets)
	if p.Part != protocol.Whole {
		if _, err := c.walk.Feed(b); err != nil {
			return err
		}
	}
	if len(c.out) > 0 {
		if len(b) <= joinBelow {
			return c.append(b)
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	if n := len(c.pend); n > 0 {
		if n < cap(c.pend) && &c.pend[:n+1][n] == &b[0] {
			c.pend = c.pend[:n+len(b)]
			return nil
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.pend = b
	return nil
}

// beginFile expects the file that the client has been asked for. Its packets count on from the request's.
func (c *client) beginFile() {
	c.body = bodyFile
	c.frames = protocol.Framer{Seq: c.seq, Length: 1}
}
