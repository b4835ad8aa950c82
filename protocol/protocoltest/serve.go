package protocoltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/weirproxy/weir/protocol"
)

// ExpectCommand reads a command, which must have this code and, where rest is given, this behind it.
func ExpectCommand(com byte, rest ...string) Step {
	return func(c *Conn) error {
		payload, err := c.ReadCommand()
		if err != nil {
			return fmt.Errorf("%s: %w", protocol.CommandName(com), err)
		}
		if len(payload) == 0 || payload[0] != com {
			return fmt.Errorf("command is % x, not %s", payload[:min(len(payload), 64)], protocol.CommandName(com))
		}
		if len(rest) > 0 && string(payload[1:]) != rest[0] {
			return fmt.Errorf("%s is %.200q, not %.200q", protocol.CommandName(com), payload[1:], rest[0])
		}
		return nil
	}
}

// ExpectQuery reads a COM_QUERY whose statement must be this one. It may have attributes.
func ExpectQuery(text string) Step {
	return func(c *Conn) error {
		payload, err := c.ReadCommand()
		if err != nil {
			return fmt.Errorf("COM_QUERY: %w", err)
		}
		at, ok := protocol.QueryTextOffset(payload, c.Caps)
		if !ok || payload[0] != protocol.ComQuery {
			return fmt.Errorf("command is % x, not a COM_QUERY", payload[:min(len(payload), 64)])
		}
		if string(payload[at:]) != text {
			return fmt.Errorf("statement is %.200q, not %.200q", payload[at:], text)
		}
		return nil
	}
}

// Answer reads a command and replies with the payloads that answer returns for its payload; none, and it is not
// answered. A COM_QUIT is io.EOF, as a closed connection is, and ends a Repeat.
func Answer(answer func(c *Conn, command []byte) [][]byte) Step {
	return func(c *Conn) error {
		payload, err := c.ReadCommand()
		if err != nil {
			return err
		}
		if bytes.Equal(payload, []byte{protocol.ComQuit}) {
			return io.EOF
		}
		return Reply(answer(c, payload)...)(c)
	}
}

// Reply sends payloads, numbered as it is their turn.
func Reply(payloads ...[]byte) Step {
	return func(c *Conn) error {
		for _, payload := range payloads {
			if err := c.WritePacket(c.Seq, payload); err != nil {
				return err
			}
		}
		return nil
	}
}

// ReplyOK sends an OK packet.
func ReplyOK(ok protocol.OK) Step {
	return func(c *Conn) error { return Reply(ok.Append(nil, c.Caps))(c) }
}

// ReplyError sends an ERR packet.
func ReplyError(code uint16, state, message string) Step {
	e := protocol.SQLError{Code: code, State: state, Message: message}
	return Reply(e.Append(nil))
}

// ReplyRows sends a text result set in the form the client knows.
func ReplyRows(columns []string, rows ...[]string) Step {
	return func(c *Conn) error { return Reply(Rows(c.Caps, columns, rows...)...)(c) }
}

// Rows returns the payloads of a text result set of strings for a client with these capabilities.
func Rows(caps protocol.Capability, columns []string, rows ...[]string) (payloads [][]byte) {
	const varString, utf8mb4 = 0xfd, 45
	eof := []byte{0xfe, 0, 0, byte(protocol.StatusAutocommit), 0}
	payloads = append(payloads, protocol.AppendLenenc(nil, uint64(len(columns))))
	if caps&(protocol.MariaDBClientCacheMetadata|protocol.ClientOptionalResultsetMetadata) != 0 {
		payloads[0] = append(payloads[0], 1) // the definitions follow
	}
	for _, name := range columns {
		def := []byte("\x03def\x00\x00\x00") // catalog, schema, table twice
		def = protocol.AppendLenencString(protocol.AppendLenencString(def, name), "")
		if caps.Has(protocol.MariaDBClientExtendedMetadata) {
			def = append(def, 0)
		}
		def = binary.LittleEndian.AppendUint16(append(def, 0x0c), utf8mb4)
		def = append(binary.LittleEndian.AppendUint32(def, 1020), varString, 0, 0, 0, 0, 0)
		payloads = append(payloads, def)
	}
	if !caps.Has(protocol.ClientDeprecateEOF) {
		payloads = append(payloads, eof)
	}
	for _, row := range rows {
		var b []byte
		for _, value := range row {
			b = protocol.AppendLenencString(b, value)
		}
		payloads = append(payloads, b)
	}
	if caps.Has(protocol.ClientDeprecateEOF) {
		ok := protocol.OK{Status: protocol.StatusAutocommit}
		eof = ok.Append(nil, caps)
		eof[0] = 0xfe
	}
	return append(payloads, eof)
}
