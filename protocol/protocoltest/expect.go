package protocoltest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
)

// Expect reads packets that must hold exactly these payloads and be numbered without a gap.
func Expect(payloads ...[]byte) Step {
	return func(c *Conn) error {
		for i, want := range payloads {
			got, err := c.ReadPayload()
			if err != nil {
				return fmt.Errorf("payload %d: %w", i, err)
			}
			if !bytes.Equal(want, got) {
				return fmt.Errorf("payload %d: %s", i, difference(want, got))
			}
		}
		return nil
	}
}

// difference shows where two payloads part. They may be too long for cmp.Diff.
func difference(want, got []byte) string {
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	end := at + 32
	return fmt.Sprintf("%d bytes, want %d; at %d: % x, want % x",
		len(got), len(want), at, got[at:min(end, len(got))], want[at:min(end, len(want))])
}

// ExpectOK reads an OK packet.
func ExpectOK() Step {
	return func(c *Conn) error {
		payload, err := c.ReadPayload()
		if err != nil {
			return fmt.Errorf("OK: %w", err)
		}
		if len(payload) > 0 && payload[0] == 0xff {
			return sqlError(payload)
		}
		if _, err := protocol.DecodeOK(payload, c.Caps); err != nil || payload[0] != 0 {
			return fmt.Errorf("packet is % x, not OK", payload[:min(len(payload), 64)])
		}
		return nil
	}
}

// ExpectError reads an ERR packet with this code and, where message is given, this message.
func ExpectError(code uint16, message ...string) Step {
	return func(c *Conn) error {
		payload, err := c.ReadPayload()
		if err != nil {
			return fmt.Errorf("ERR %d: %w", code, err)
		}
		e, err := protocol.DecodeErr(payload)
		if err != nil {
			return fmt.Errorf("packet is % x, not ERR %d", payload[:min(len(payload), 64)], code)
		}
		if e.Code != code || len(message) > 0 && e.Message != message[0] {
			return fmt.Errorf("%w; expected %d %s", e, code, message)
		}
		return nil
	}
}

// ExpectRows reads a text result set that must have these rows.
func ExpectRows(want ...[]string) Step {
	return func(c *Conn) error {
		got, err := c.ReadRows()
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("rows (-want +got):\n%s", diff)
		}
		return nil
	}
}

// ReadStatus reads the reply to a command and returns the status flags of each OK and EOF packet in it. An ERR packet is a
// *protocol.SQLError.
func (c *Conn) ReadStatus(com byte) (status []uint16, err error) {
	var r protocol.ReplyReader
	for r.Reset(com, c.Caps, 1); !r.Done(); {
		payload, err := c.ReadPayload()
		if err != nil {
			return status, err
		}
		var p protocol.Chunk
		if _, err := r.Next(protocol.AppendPacket(nil, r.Seq(), payload), false, &p); err != nil {
			return status, err
		}
		switch p.Kind {
		case protocol.KindErr:
			return status, sqlError(payload)
		case protocol.KindOK, protocol.KindEOF:
			status = append(status, p.Status)
		}
	}
	return status, nil
}

// ReadRows reads a text result set and returns its rows; a NULL is "NULL". An ERR packet anywhere in it is a
// *protocol.SQLError.
func (c *Conn) ReadRows() (rows [][]string, err error) {
	columns, err := c.readColumns()
	if err != nil {
		return nil, err
	}
	for {
		payload, err := c.ReadPayload()
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows), err)
		}
		switch {
		case len(payload) > 0 && payload[0] == 0xff:
			return nil, sqlError(payload)
		case len(payload) > 0 && payload[0] == 0xfe && len(payload) < protocol.MaxPayload:
			return rows, nil
		}
		var row []string
		for range columns {
			if len(payload) > 0 && payload[0] == 0xfb {
				row, payload = append(row, "NULL"), payload[1:]
				continue
			}
			value, n := protocol.LenencString(payload)
			if n == 0 {
				return nil, fmt.Errorf("row %d: %w", len(rows), protocol.ErrMalformed)
			}
			row, payload = append(row, string(value)), payload[n:]
		}
		rows = append(rows, row)
	}
}

// readColumns reads up to the first row, and returns the number of columns.
func (c *Conn) readColumns() (columns uint64, err error) {
	payload, err := c.ReadPayload()
	if err != nil {
		return 0, fmt.Errorf("result set: %w", err)
	}
	if len(payload) > 0 && payload[0] == 0xff {
		return 0, sqlError(payload)
	}
	definitions := true
	columns, n := protocol.Lenenc(payload)
	if n == 0 || columns == 0 {
		return 0, fmt.Errorf("packet is % x, not a number of columns", payload[:min(len(payload), 64)])
	}
	if c.Caps&(protocol.MariaDBClientCacheMetadata|protocol.ClientOptionalResultsetMetadata) != 0 {
		definitions = slices.Equal(payload[n:], []byte{1})
	}
	skip := columns
	if !definitions {
		skip = 0
	}
	if !c.Caps.Has(protocol.ClientDeprecateEOF) {
		skip++
	}
	for range skip {
		if _, err := c.ReadPayload(); err != nil {
			return 0, fmt.Errorf("column definitions: %w", err)
		}
	}
	return columns, nil
}

func sqlError(payload []byte) error {
	e, err := protocol.DecodeErr(payload)
	if err != nil {
		return err
	}
	return e
}
