package pipeline

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/weirproxy/weir/protocol"
)

// maxLogin is the longest packet the connection phase takes: connection attributes alone may have 64 KiB.
const maxLogin = 128 << 10

// A packetConn exchanges the packets of an authentication.
type packetConn interface {
	// readPacket waits for a packet. payload is valid until the next call.
	readPacket() (payload []byte, err error)
	writePacket(payload []byte) error
}

// packets is a packetConn over a net.Conn, for the connection phase.
type packets struct {
	net.Conn
	seq  uint8 // of the next packet, in either direction
	buf  []byte
	r, w int // what has been read and not returned: buf[r:w]
	out  []byte
}

// errSequence is a packet with the wrong number.
type errSequence struct{ got, want uint8 }

func (e errSequence) Error() string {
	return fmt.Sprintf("packet number %d where %d was expected", e.got, e.want)
}

func newPackets(c net.Conn) *packets { return &packets{Conn: c, buf: make([]byte, 1024)} }

func (p *packets) readPacket() ([]byte, error) {
	if err := p.fill(protocol.HeaderSize); err != nil {
		return nil, err
	}
	head := p.buf[p.r:]
	length := protocol.PayloadLen(head)
	if head[3] != p.seq {
		return nil, errSequence{head[3], p.seq}
	}
	p.seq++
	if length > maxLogin {
		return nil, fmt.Errorf("packet of %d bytes before login: %w", length, protocol.ErrMalformed)
	}
	if err := p.fill(protocol.HeaderSize + length); err != nil {
		return nil, err
	}
	start := p.r + protocol.HeaderSize
	p.r = start + length
	return p.buf[start:p.r:p.r], nil
}

// ask sends a command that is answered by one packet, and returns its payload, valid until the next call. A
// *protocol.SQLError is the server's refusal.
func (p *packets) ask(command []byte) (answer []byte, err error) {
	p.seq = 0
	if err := p.writePacket(command); err != nil {
		return nil, err
	}
	answer, err = p.readPacket()
	if err != nil {
		return nil, err
	}
	if len(answer) > 0 && answer[0] == 0xff {
		refused, err := protocol.DecodeErr(answer)
		if err != nil {
			return nil, err
		}
		return nil, refused
	}
	return answer, nil
}

// fill reads until n bytes are there.
func (p *packets) fill(n int) error {
	if p.r == p.w {
		p.r, p.w = 0, 0
	}
	for p.w-p.r < n {
		if p.w == len(p.buf) { // grow with what has come, not with what is announced
			buf := p.buf
			if p.w-p.r > len(buf)/2 {
				buf = make([]byte, 2*len(buf))
			}
			p.w = copy(buf, p.buf[p.r:p.w])
			p.r, p.buf = 0, buf
		}
		got, err := p.Read(p.buf[p.w:])
		p.w += got
		if err != nil {
			if errors.Is(err, io.EOF) && p.w > p.r {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// rest returns a copy of what has been read behind the last packet.
func (p *packets) rest() []byte { return append([]byte(nil), p.buf[p.r:p.w]...) }

func (p *packets) writePacket(payload []byte) error {
	p.out = protocol.AppendPacket(p.out[:0], p.seq, payload)
	p.seq++
	_, err := p.Write(p.out)
	return err
}
