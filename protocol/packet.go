package protocol

import (
	"bytes"
	"encoding/binary"
)

const (
	// HeaderSize is the length of a packet's header in bytes: three of payload length, one of sequence number.
	HeaderSize = 4
	// MaxPayload is the longest payload one packet carries. A longer one is cut into packets of exactly
	// this length and a last one that is shorter, possibly empty.
	MaxPayload = 1<<24 - 1
)

// PayloadLen returns the payload length a packet header announces. len(header) must be at least 3.
func PayloadLen(header []byte) int {
	_ = header[2]
	return int(header[0]) | int(header[1])<<8 | int(header[2])<<16
}

// PutHeader writes a header into b, whose length must be at least HeaderSize.
func PutHeader(b []byte, payloadLen int, seq uint8) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(payloadLen), byte(payloadLen>>8), byte(payloadLen>>16), seq
}

// AppendPacket appends payload as one packet, or as several where it is MaxPayload or longer, the first of
// them numbered seq.
func AppendPacket(dst []byte, seq uint8, payload []byte) []byte {
	for {
		n := min(len(payload), MaxPayload)
		dst = append(dst, byte(n), byte(n>>8), byte(n>>16), seq)
		dst = append(dst, payload[:n]...)
		payload = payload[n:]
		seq++
		if n < MaxPayload {
			return dst
		}
	}
}

// Lenenc decodes a length-encoded integer at the front of b and returns it with the number of bytes it
// took: 1, 3, 4 or 9. n is 0 where b is too short or does not begin with one (0xFB is NULL, 0xFF is an ERR
// packet). https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
func Lenenc(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch first := b[0]; {
	case first < 0xfb:
		return uint64(first), 1
	case first == 0xfc && len(b) >= 3:
		return uint64(binary.LittleEndian.Uint16(b[1:])), 3
	case first == 0xfd && len(b) >= 4:
		return uint64(b[1]) | uint64(b[2])<<8 | uint64(b[3])<<16, 4
	case first == 0xfe && len(b) >= 9:
		return binary.LittleEndian.Uint64(b[1:]), 9
	}
	return 0, 0
}

// AppendLenenc appends v as a length-encoded integer.
func AppendLenenc(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, 0xfc, byte(v), byte(v>>8))
	case v < 1<<24:
		return append(dst, 0xfd, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xfe), v)
}

// LenencString decodes a length-encoded string at the front of b. s lies in b; n is the number of bytes
// length and string took together, 0 where b does not hold a whole one.
func LenencString(b []byte) (s []byte, n int) {
	l, n := Lenenc(b)
	if n == 0 || l > uint64(len(b)-n) {
		return nil, 0
	}
	end := n + int(l)
	return b[n:end:end], end
}

// AppendLenencString appends s behind its length-encoded length.
func AppendLenencString[S ~string | ~[]byte](dst []byte, s S) []byte {
	return append(AppendLenenc(dst, uint64(len(s))), s...)
}

// nulString cuts a string that ends with a NUL from the front of b. s lies in b; n counts the NUL, and is 0 where
// there is none.
func nulString(b []byte) (s []byte, n int) {
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return nil, 0
	}
	return b[:end:end], end + 1
}

// nulStringOrRest copies what stands before the first NUL of b, or all of b: at the end of a packet some senders
// leave the NUL out.
func nulStringOrRest(b []byte) string {
	s, n := nulString(b)
	if n == 0 {
		s = b
	}
	return string(s)
}

// shortString cuts a string behind one byte of length from the front of b, as LenencString does.
func shortString(b []byte) (s []byte, n int) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, 0
	}
	n = 1 + int(b[0])
	return b[1:n:n], n
}

// appendShortString appends s, or as much of it as one byte can count, behind its length.
func appendShortString(dst, s []byte) []byte {
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}
