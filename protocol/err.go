package protocol

import (
	"encoding/binary"
	"fmt"
)

// Error codes Weir itself sends or looks for, by the names of
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html. CR codes are clients' own and never sent:
// MariaDB's clients take a packet that has one for a malformed packet, and do not show what it says.
const (
	ErConCount                uint16 = 1040 // 08004
	ErHandshake               uint16 = 1043 // 08S01
	ErAccessDenied            uint16 = 1045 // 28000
	ErUnknownCom              uint16 = 1047 // 08S01
	ErBadDB                   uint16 = 1049 // 42000
	ErServerShutdown          uint16 = 1053 // 08S01
	ErParse                   uint16 = 1064 // 42000
	ErNormalShutdown          uint16 = 1077 // 00000
	ErNoSuchThread            uint16 = 1094 // HY000
	ErKillDenied              uint16 = 1095 // HY000
	ErUnknown                 uint16 = 1105 // HY000
	ErNetPacketsOutOfOrder    uint16 = 1156 // 08S01
	ErLockWaitTimeout         uint16 = 1205 // HY000
	ErLockDeadlock            uint16 = 1213 // 40001
	ErNotSupportedYet         uint16 = 1235 // 42000
	ErUnknownStmtHandler      uint16 = 1243 // HY000
	ErOptionPreventsStatement uint16 = 1290 // HY000
	ErQueryInterrupted        uint16 = 1317 // 70100
	ErConnectionKilled        uint16 = 1927 // 70100, MariaDB only
	ErNoServer                uint16 = 1429 // 08001; the name is ER_CONNECT_TO_FOREIGN_DATA_SOURCE
	CrMalformedPacket         uint16 = 2027 // HY000
)

// SQLError is an ERR packet. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
type SQLError struct {
	Code    uint16
	State   string // SQLSTATE, five characters; empty where the packet had none
	Message string
}

// Error gives the error as command line clients print it.
func (e *SQLError) Error() string {
	return fmt.Sprintf("ERROR %d (%s): %s", e.Code, e.State, e.Message)
}

// Append appends the ERR packet's payload.
func (e *SQLError) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(append(dst, 0xff), e.Code)
	if len(e.State) == 5 {
		dst = append(append(dst, '#'), e.State...)
	}
	return append(dst, e.Message...)
}

// DecodeErr decodes the payload of an ERR packet. Its strings are copies.
func DecodeErr(payload []byte) (*SQLError, error) {
	if len(payload) < 3 || payload[0] != 0xff {
		return nil, ErrMalformed
	}
	e := &SQLError{Code: binary.LittleEndian.Uint16(payload[1:])}
	b := payload[3:]
	if len(b) >= 6 && b[0] == '#' {
		e.State, b = string(b[1:6]), b[6:]
	}
	e.Message = string(b)
	return e, nil
}
