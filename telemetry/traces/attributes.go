package traces

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Spans are written as protocol buffers by hand, straight into a batch.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
// https://protobuf.dev/programming-guides/encoding/

// Keys of fields: the field's number and how its value is encoded.
const (
	spansOfScope = 2<<3 | lengthPrefixed

	spanTraceID    = 1<<3 | lengthPrefixed
	spanID         = 2<<3 | lengthPrefixed
	spanTraceState = 3<<3 | lengthPrefixed
	spanParentID   = 4<<3 | lengthPrefixed
	spanName       = 5<<3 | lengthPrefixed
	spanKind       = 6<<3 | varint
	spanStart      = 7<<3 | fixed64
	spanEnd        = 8<<3 | fixed64
	spanAttributes = 9<<3 | lengthPrefixed
	spanStatus     = 15<<3 | lengthPrefixed
	// The flags' key takes two bytes.
	spanFlags = 16<<3 | fixed32

	statusMessage = 2<<3 | lengthPrefixed
	statusCode    = 3<<3 | varint

	attributeKey   = 1<<3 | lengthPrefixed
	attributeValue = 2<<3 | lengthPrefixed
	valueString    = 1<<3 | lengthPrefixed
	valueBool      = 2<<3 | varint
	valueInt       = 3<<3 | varint
	valueDouble    = 4<<3 | fixed64

	varint         = 0
	fixed64        = 1
	lengthPrefixed = 2
	fixed32        = 5
)

func appendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// appendBytes appends a field.
func appendBytes[T string | []byte](dst []byte, key byte, value T) []byte {
	dst = appendVarint(append(dst, key), uint64(len(value)))
	return append(dst, value...)
}

// lengthRoom is how many bytes are left for the length of a span: those of one between 128 bytes and 16 KiB.
const lengthRoom = 2

// beginSpan appends the key of a span, with room for its length; endSpan fills that in.
func beginSpan(dst []byte) (_ []byte, at int) {
	dst = append(dst, spansOfScope, 0, 0)
	return dst, len(dst)
}

func endSpan(dst []byte, at int) []byte {
	n := uint64(len(dst) - at)
	if extra := sizeVarint(n) - lengthRoom; extra != 0 {
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		copy(dst[at+extra:], dst[at:at+int(n)])
		dst = dst[:at+extra+int(n)]
	}
	appendVarint(dst[:at-lengthRoom], n)
	return dst
}

// appendAttribute appends an attribute's key, and that of its value, of which size bytes will follow.
func appendAttribute(dst []byte, key string, size int) []byte {
	n := 2 + len(key) + 1 + sizeVarint(uint64(size)) + size
	dst = appendVarint(append(dst, spanAttributes), uint64(n))
	dst = append(append(dst, attributeKey, byte(len(key))), key...)
	return appendVarint(append(dst, attributeValue), uint64(size))
}

// stringAttribute appends an attribute whose value is ASCII, or known to be UTF-8.
func stringAttribute[T string | []byte](dst []byte, key string, value T) []byte {
	dst = appendAttribute(dst, key, 1+sizeVarint(uint64(len(value)))+len(value))
	return appendBytes(dst, valueString, value)
}

// textAttribute appends an attribute whose value somebody has sent. A receiver would refuse all spans because of one
// text that is not UTF-8.
func textAttribute(dst []byte, key, value string) []byte {
	return stringAttribute(dst, key, valid(value))
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

func intAttribute(dst []byte, key string, value uint64) []byte {
	dst = appendAttribute(dst, key, 1+sizeVarint(value))
	return appendVarint(append(dst, valueInt), value)
}

func doubleAttribute(dst []byte, key string, value float64) []byte {
	dst = append(appendAttribute(dst, key, 9), valueDouble)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(value))
}

func trueAttribute(dst []byte, key string) []byte {
	return append(appendAttribute(dst, key, 2), valueBool, 1)
}
