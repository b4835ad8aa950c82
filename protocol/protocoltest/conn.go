package protocoltest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// Timeout is how long a step waits for its peer before that is an error.
const Timeout = time.Minute

// A Step is one thing an end of a connection does or expects. An error ends the script.
type Step func(c *Conn) error

// Script makes one step of several.
func Script(steps ...Step) Step {
	return func(c *Conn) error {
		for i, step := range steps {
			if err := step(c); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		return nil
	}
}

// Repeat plays the steps again and again until the peer closes the connection between two packets.
func Repeat(steps ...Step) Step {
	return func(c *Conn) error {
		for {
			switch err := Script(steps...)(c); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
		}
	}
}

// Conn is one end of a connection and what its script has learned. A single script uses it at a time. Bytes
// written to it go out as they are: that is how a script sends what is no packet.
type Conn struct {
	net.Conn
	// Seq is the sequence number that the next packet has, whoever sends it.
	Seq uint8
	// Greeting and Login are as sent or received, Caps what both announce.
	Greeting protocol.Greeting
	Login    protocol.Login
	Caps     protocol.Capability

	in *bufio.Reader
	// The running authentication: plugin, nonce and the client's answer to it.
	plugin          string
	nonce, response []byte
}

// NewConn makes an end of any connection.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c, in: bufio.NewReader(c)} }

// Run plays steps and fails the test at the first error.
func (c *Conn) Run(t testing.TB, steps ...Step) {
	t.Helper()
	if err := Script(steps...)(c); err != nil {
		t.Fatal(err)
	}
}

// ReadPacket reads one packet, whatever its sequence number. payload is the caller's. The error is io.EOF only
// where the peer has closed the connection between two packets.
func (c *Conn) ReadPacket() (seq uint8, payload []byte, err error) {
	if err := c.SetReadDeadline(time.Now().Add(Timeout)); err != nil {
		return 0, nil, err
	}
	var header [protocol.HeaderSize]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, protocol.PayloadLen(header[:]))
	if n, err := io.ReadFull(c.in, payload); err != nil {
		return 0, nil, fmt.Errorf("closed after %d of a packet's %d bytes: %w", n, len(payload), noEOF(err))
	}
	c.Seq = header[3] + 1
	return header[3], payload, nil
}

// noEOF keeps an end inside a packet from being taken for an end between two.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadPayload reads a payload of any length and checks that its packets are numbered from c.Seq on.
func (c *Conn) ReadPayload() ([]byte, error) {
	var whole []byte
	for {
		want := c.Seq
		seq, payload, err := c.ReadPacket()
		if err != nil {
			if whole != nil {
				err = noEOF(err)
			}
			return nil, err
		}
		if seq != want {
			return nil, fmt.Errorf("packet is numbered %d, not %d: % x", seq, want, payload[:min(len(payload), 64)])
		}
		if whole = append(whole, payload...); len(payload) < protocol.MaxPayload {
			return whole, nil
		}
	}
}

// ReadCommand reads a command's payload, whose first packet must be numbered 0.
func (c *Conn) ReadCommand() ([]byte, error) {
	c.Seq = 0
	return c.ReadPayload()
}

// WritePacket writes a payload of any length, its first packet numbered seq.
func (c *Conn) WritePacket(seq uint8, payload []byte) error {
	c.Seq = seq + uint8(len(payload)/protocol.MaxPayload) + 1
	_, err := c.Write(protocol.AppendPacket(nil, seq, payload))
	return err
}

// Write writes bytes as they are.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(Timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
