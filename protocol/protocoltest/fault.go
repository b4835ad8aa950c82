package protocoltest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// Raw sends bytes as they are.
func Raw(b []byte) Step {
	return func(c *Conn) error {
		_, err := c.Write(b)
		return err
	}
}

// Packet sends a payload with any sequence number.
func Packet(seq uint8, payload []byte) Step {
	return func(c *Conn) error { return c.WritePacket(seq, payload) }
}

// Lie sends a packet whose header announces another length than its payload has.
func Lie(announced int, payload []byte) Step {
	return func(c *Conn) error {
		b := make([]byte, protocol.HeaderSize)
		protocol.PutHeader(b, announced, c.Seq)
		c.Seq++
		_, err := c.Write(append(b, payload...))
		return err
	}
}

// CloseInside sends the first n bytes of a payload's packet, its header among them, and closes the connection.
func CloseInside(payload []byte, n int) Step {
	return func(c *Conn) error {
		return Script(Raw(protocol.AppendPacket(nil, c.Seq, payload)[:n]), Close())(c)
	}
}

// Close closes the connection.
func Close() Step { return func(c *Conn) error { return c.Close() } }

// Reset closes the connection so that the peer gets "connection reset", whatever is still to be read.
func Reset() Step {
	return func(c *Conn) error {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				return err
			}
		}
		return c.Close()
	}
}

// Silence sends nothing, and reads and drops what comes, until the peer closes the connection.
func Silence() Step {
	return func(c *Conn) error { return untilClosed(c, io.Discard) }
}

// ExpectClosed waits for the peer to close the connection without another byte.
func ExpectClosed() Step {
	return func(c *Conn) error {
		var more limited
		if err := untilClosed(c, &more); err != nil {
			return err
		}
		if len(more) > 0 {
			return fmt.Errorf("more before the end: % x", []byte(more))
		}
		return nil
	}
}

func untilClosed(c *Conn, w io.Writer) error {
	if err := c.SetReadDeadline(time.Now().Add(Timeout)); err != nil {
		return err
	}
	if _, err := io.Copy(w, c.in); isTimeout(err) {
		return errors.New("peer keeps the connection open")
	}
	return nil // closed or reset, closed either way
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// limited keeps the first bytes written to it.
type limited []byte

func (l *limited) Write(b []byte) (int, error) {
	*l = append(*l, b[:min(len(b), 64-len(*l))]...)
	return len(b), nil
}
