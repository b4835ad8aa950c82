package protocol

import (
	"encoding/binary"
	"errors"
)

// Server status flags, as OK and EOF packets carry them.
// https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html#a1d854e841086925be1883e4d7b4e8cad
const (
	StatusInTrans            uint16 = 0x0001
	StatusAutocommit         uint16 = 0x0002
	StatusMoreResultsExists  uint16 = 0x0008
	StatusNoGoodIndexUsed    uint16 = 0x0010
	StatusNoIndexUsed        uint16 = 0x0020
	StatusCursorExists       uint16 = 0x0040
	StatusLastRowSent        uint16 = 0x0080
	StatusDBDropped          uint16 = 0x0100
	StatusNoBackslashEscapes uint16 = 0x0200
	StatusMetadataChanged    uint16 = 0x0400
	StatusQueryWasSlow       uint16 = 0x0800
	StatusPSOutParams        uint16 = 0x1000
	StatusInTransReadonly    uint16 = 0x2000
	StatusSessionStateChange uint16 = 0x4000
	StatusAnsiQuotes         uint16 = 0x8000 // MariaDB only
)

// Types of session state changes in an OK packet.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html
const (
	SessionTrackSystemVariables            byte = 0
	SessionTrackSchema                     byte = 1
	SessionTrackStateChange                byte = 2
	SessionTrackGTIDs                      byte = 3
	SessionTrackTransactionCharacteristics byte = 4
	SessionTrackTransactionState           byte = 5
)

// ErrMalformed is what decoders return for a payload that is not what it should be.
var ErrMalformed = errors.New("malformed packet")

// OK is an OK packet. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html
type OK struct {
	AffectedRows uint64
	LastInsertID uint64
	Status       uint16
	Warnings     uint16
	// Info is the message for people. It lies in the decoded payload.
	Info []byte
	// SessionState holds the session state changes: each a type byte and a length-encoded string, in the
	// decoded payload. Walk them with NextStateChange.
	SessionState []byte
}

// DecodeOK decodes the payload of an OK packet, whether its first byte is 0x00 or, at the end of rows, 0xFE.
// caps are the capabilities both ends agreed on. The fields of the result lie in payload.
func DecodeOK(payload []byte, caps Capability) (ok OK, err error) {
	if len(payload) == 0 || payload[0] != 0x00 && payload[0] != 0xfe {
		return ok, ErrMalformed
	}
	b := payload[1:]
	var n int
	if ok.AffectedRows, n = Lenenc(b); n == 0 {
		return ok, ErrMalformed
	}
	b = b[n:]
	if ok.LastInsertID, n = Lenenc(b); n == 0 {
		return ok, ErrMalformed
	}
	b = b[n:]
	if len(b) < 4 {
		return ok, ErrMalformed
	}
	ok.Status, ok.Warnings = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	b = b[4:]
	if len(b) == 0 {
		return ok, nil
	}
	if caps&ClientSessionTrack == 0 {
		// The documentation has it as the rest of the packet; all servers send its length, and clients expect it.
		if ok.Info, n = LenencString(b); n != len(b) {
			ok.Info = b
		}
		return ok, nil
	}
	if ok.Info, n = LenencString(b); n == 0 {
		return ok, ErrMalformed
	}
	b = b[n:]
	if ok.Status&StatusSessionStateChange != 0 && len(b) > 0 {
		if ok.SessionState, n = LenencString(b); n == 0 {
			return ok, ErrMalformed
		}
	}
	return ok, nil
}

// Append appends the OK packet's payload for an end with the capabilities caps.
func (ok *OK) Append(dst []byte, caps Capability) []byte {
	dst = AppendLenenc(append(dst, 0x00), ok.AffectedRows)
	dst = AppendLenenc(dst, ok.LastInsertID)
	dst = binary.LittleEndian.AppendUint16(dst, ok.Status)
	dst = binary.LittleEndian.AppendUint16(dst, ok.Warnings)
	if caps&ClientSessionTrack != 0 && ok.Status&StatusSessionStateChange != 0 {
		return AppendLenencString(AppendLenencString(dst, ok.Info), ok.SessionState)
	}
	if len(ok.Info) > 0 {
		dst = AppendLenencString(dst, ok.Info)
	}
	return dst
}

// NextStateChange cuts the first change from OK.SessionState (or from what an earlier call left of it). data
// is the change's content, still encoded by its type's rule. It returns ErrMalformed where state does not
// hold a whole one; callers stop at an empty rest.
func NextStateChange(state []byte) (kind byte, data, rest []byte, err error) {
	if len(state) < 2 {
		return 0, nil, nil, ErrMalformed
	}
	data, n := LenencString(state[1:])
	if n == 0 {
		return 0, nil, nil, ErrMalformed
	}
	return state[0], data, state[1+n:], nil
}
