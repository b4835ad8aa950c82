package pipeline

import (
	"fmt"

	"github.com/weirproxy/weir/protocol"
)

// writeNumbered copies a chunk to out and gives its packets their numbers there.
func (c *client) writeNumbered(b []byte) error {
	if len(c.pend) > 0 {
		if len(c.pend) > joinBelow {
			if err := c.flush(); err != nil {
				return err
			}
		}
		pend := c.pend
		c.pend = nil
		if err := c.append(pend); err != nil {
			return err
		}
	}
	for len(b) > 0 {
		if c.walk.Left > 0 {
			n := min(c.walk.Left, len(b))
			if err := c.append(b[:n]); err != nil {
				return err
			}
			c.walk.Left -= n
			b = b[n:]
			continue
		}
		if len(b) < protocol.HeaderSize {
			return fmt.Errorf("a reply chunk ends inside a packet header: %w", protocol.ErrMalformed)
		}
		c.walk.Left = protocol.PayloadLen(b)
		if err := c.append([]byte{b[0], b[1], b[2], c.seq}); err != nil {
			return err
		}
		c.seq++
		c.walk.Seq = c.seq
		b = b[protocol.HeaderSize:]
	}
	return nil
}

// append queues a copy of b.
func (c *client) append(b []byte) error {
	for len(b) > 0 {
		if c.out == nil {
			c.out = c.worker.Small()[:0]
		}
		if len(c.out) == cap(c.out) {
			if err := c.flush(); err != nil {
				return err
			}
		}
		n := min(len(b), cap(c.out)-len(c.out))
		c.out = append(c.out, b[:n]...)
		b = b[n:]
	}
	return nil
}

// flush sends what is queued, or has the worker send it before it waits for anything. Bytes a reply reader's buffer holds may be
// overwritten afterwards.
func (c *client) flush() error {
	b := c.pend
	if len(b) == 0 {
		b = c.out
	}
	if len(b) == 0 {
		return nil
	}
	err := c.conn.WriteSoon(b, c.timeout)
	c.pend = nil
	if c.out != nil {
		c.out = c.out[:0]
	}
	if err != nil {
		return fmt.Errorf("%w: sending a reply: %w", errClientGone, err)
	}
	c.session.tally.sent += uint64(len(b))
	return nil
}
