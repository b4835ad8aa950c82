package pipeline

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// fairReads is how many buffers of a reply are relayed, or commands served, before others on the worker have a turn.
const fairReads = 32

// relay reads the reply and writes it to w. What in has already is the beginning of it, and what it has afterwards is that
// of the reply to the next command which has been sent.
func (l *Link) relay(w ReplyWriter, c *Command, frames *protocol.Framer, in *replyBuffer) error {
	for reads := 1; ; reads++ {
		if !in.ahead {
			if err := in.read(); err != nil {
				return l.lost(w, serverSide{err})
			}
		}
		in.ahead = false
		if l.leg > 0 {
			l.arrived()
		}
		at, err := l.write(w, c, frames, in.buf[:in.have])
		if err != nil {
			return err
		}
		if at > 0 {
			if err := l.s.flush(); err != nil {
				return err
			}
		}
		in.have = copy(in.buf, in.buf[at:in.have])
		if l.reader.Done() {
			if in.ahead = in.have > 0; in.ahead && !in.more {
				return l.surplus(in.buf[:in.have])
			}
			if l.conn.HasInput() && !in.more { // no further event will tell
				l.s.linkSpoke = true
			}
			return nil
		}
		if reads%fairReads == 0 {
			if l.s.branch == nil && l.s.home != nil {
				l.s.home.note(l.s)
			}
			if err := l.s.task.Yield(); err != nil {
				return l.lost(w, serverSide{err})
			}
		}
	}
}

// write writes the chunks at the front of b to w and returns their length.
func (l *Link) write(w ReplyWriter, c *Command, frames *protocol.Framer, b []byte) (at int, err error) {
	for at < len(b) && !l.reader.Done() {
		n, err := l.reader.Next(b[at:], at == 0 && len(b) == loop.LargeBuffer, &l.chunk)
		if err != nil {
			return at, l.nonsense(w, err)
		}
		if n == 0 {
			break
		}
		at += n
		if l.leg > 0 {
			l.passed(&l.chunk)
		}
		if err := l.pass(w); err != nil {
			return at, err
		}
		if l.chunk.Kind == protocol.KindLocalInfile && l.reader.AtPacketStart() {
			if err := l.upload(c, frames, b[at:]); err != nil {
				return at, l.lost(w, err)
			}
		}
	}
	return at, nil
}

// replyBuffer is the buffer a reply is read into, borrowed while there is something to read.
type replyBuffer struct {
	l    *Link
	buf  []byte
	have int // bytes of a packet that has not come whole, or, where ahead is set, that nobody has looked at
	// more says that replies to further commands will follow. ahead says that one has begun.
	more, ahead bool
}

// read waits for bytes and adds them to what is there.
func (in *replyBuffer) read() error {
	conn, worker := &in.l.conn, in.l.s.worker
	if in.have == 0 {
		if in.buf != nil && !conn.HasInput() { // waiting holds no buffer
			in.release()
		}
		if err := conn.WaitReadable(); err != nil {
			return err
		}
		if in.buf == nil {
			in.buf = worker.Large()
		}
	}
	n, err := conn.Read(in.buf[in.have:])
	in.have += n
	in.l.traffic().received += uint64(n)
	return err
}

// release gives the buffer back, unless the client's end still has bytes of it to send: where a chain has failed in
// the middle of a reply, they go out, or not, at the session's end, and nobody else may have the buffer before.
func (in *replyBuffer) release() {
	if in.buf != nil && !in.l.s.holds() {
		in.l.s.worker.PutLarge(in.buf)
	}
	in.buf = nil
}

// upload sends the file that the server has asked for, up to the empty packet that ends it.
func (l *Link) upload(c *Command, frames *protocol.Framer, ahead []byte) error {
	if len(ahead) > 0 {
		return serverSide{fmt.Errorf("bytes behind a LOCAL INFILE request: %w", protocol.ErrMalformed)}
	}
	if err := l.s.flush(); err != nil {
		return err
	}
	*frames = protocol.Framer{Seq: l.reader.Seq()}
	var err error
	if c.Body == nil { // a command of Weir's own making has no file
		err = l.sendBytes([]byte{0, 0, 0, frames.Seq}, frames)
	} else {
		err = l.sendBody(c, frames)
	}
	if err == nil {
		l.reader.Resume(frames.Seq)
	} else if isServerSide(err) && c.Body != nil { // the client looks for an answer when it has sent all, and counts on from there
		if failed := skip(c.Body); failed != nil {
			return failed
		}
	}
	return err
}

// skip reads what is left of b.
func skip(b Body) error {
	for {
		if _, err := b.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// lost ends the session when the server's end fails in a reply.
func (l *Link) lost(w ReplyWriter, err error) error {
	if l.s.cancelled != nil {
		return l.s.cancelled
	}
	if !isServerSide(err) {
		return err // the client's end failed
	}
	return l.fail(w, err, "Lost connection to server %s during query")
}

func (l *Link) nonsense(w ReplyWriter, err error) error {
	return l.fail(w, err, "Malformed packet from server %s")
}

// fail tells the client, where a packet may follow what it already has, that the reply will not be completed.
func (l *Link) fail(w ReplyWriter, err error, message string) error {
	if side := (serverSide{}); errors.As(err, &side) {
		err = side.error
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it closed the connection")
	}
	l.conn.Close()
	l.Server.Doubt()
	if l.config.Lost != nil {
		return &LostError{Server: l.Server, Err: err, Began: l.began}
	}
	if l.reader.AtPacketStart() {
		e := &protocol.SQLError{
			Code: protocol.ErConnectionKilled, State: "08S01", Message: fmt.Sprintf(message, l.Server.Config.Name),
		}
		if werr := Error(w, e); werr != nil {
			return werr
		}
	}
	return fmt.Errorf("%w: %w", ErrServerLost, &ServerError{l.Server, err})
}

// surplus ends the session when the server sends more than it was asked for.
func (l *Link) surplus(b []byte) error {
	if e := l.unasked(b); e != nil {
		return fmt.Errorf("%w: %w", ErrServerLost, &ServerError{l.Server, e})
	}
	return fmt.Errorf("%w: %w", ErrServerLost,
		&ServerError{l.Server, fmt.Errorf("%d bytes behind the end of a reply: %w", len(b), protocol.ErrMalformed)})
}
