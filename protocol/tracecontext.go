package protocol

// A TraceContext says which span of which trace somebody's call is part of.
// https://www.w3.org/TR/trace-context/#traceparent-header
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte
}

// TraceSampled is the flag of a trace whose caller records it.
const TraceSampled byte = 0x01

// TraceparentLen is the length of a traceparent: "00-", 32 and 16 hexadecimal digits, 2 of flags, dashes between them.
const TraceparentLen = 55

// ParseTraceparent reads a traceparent: digits in lower case, ids that are not zero, and, in a version to come, anything
// behind a further dash.
func ParseTraceparent(b []byte) (t TraceContext, ok bool) {
	if len(b) < TraceparentLen || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return TraceContext{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], b[0:2]) || !unhex(t.TraceID[:], b[3:35]) || !unhex(t.SpanID[:], b[36:52]) ||
		!unhex(flags[:], b[53:55]) {
		return TraceContext{}, false
	}
	t.Flags = flags[0]
	switch {
	case version[0] == 0xff, t.TraceID == [16]byte{}, t.SpanID == [8]byte{},
		len(b) > TraceparentLen && (version[0] == 0 || b[TraceparentLen] != '-'):
		return TraceContext{}, false
	}
	return t, true
}

// unhex decodes digits in lower case.
func unhex(dst, digits []byte) bool {
	bad := byte(0)
	for i := range dst {
		hi, lo := nibbles[digits[2*i]], nibbles[digits[2*i+1]]
		bad |= hi | lo
		dst[i] = hi<<4 | lo&0xf
	}
	return bad&noNibble == 0
}

const noNibble = 0x80

var nibbles = func() (all [256]byte) {
	for i := range all {
		all[i] = noNibble
	}
	for i := range 16 {
		all["0123456789abcdef"[i]] = byte(i)
	}
	return all
}()

// anyNibble takes digits in either case.
func anyNibble(b byte) byte {
	if 'A' <= b && b <= 'F' {
		b |= 'a' - 'A'
	}
	return nibbles[b]
}

// AppendTraceparent appends the traceparent of t.
func (t *TraceContext) AppendTraceparent(dst []byte) []byte {
	dst = appendHex(append(dst, "00-"...), t.TraceID[:])
	dst = appendHex(append(dst, '-'), t.SpanID[:])
	return appendHex(append(dst, '-'), []byte{t.Flags})
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, v := range b {
		dst = append(dst, digits[v>>4], digits[v&0xf])
	}
	return dst
}

// SetTraceparent writes t into a traceparent that ParseTraceparent has read, and leaves its version as it is.
func (t *TraceContext) SetTraceparent(b []byte) {
	var buf [TraceparentLen]byte
	copy(b[2:], t.AppendTraceparent(buf[:0])[2:])
}

// maxTracestate is the length of a tracestate that is carried on. https://www.w3.org/TR/trace-context/#tracestate-limits
const maxTracestate = 512

// AppendTracestate appends a tracestate, as TraceCarrier.State has it; nothing where it is malformed or too long.
// escaped says that it comes from a comment.
func AppendTracestate(dst, value []byte, escaped bool) []byte {
	start := len(dst)
	for i := 0; i < len(value); i++ {
		b := value[i]
		if escaped && b == '%' {
			if i+2 >= len(value) {
				return dst[:start]
			}
			hi, lo := anyNibble(value[i+1]), anyNibble(value[i+2])
			if (hi|lo)&noNibble != 0 {
				return dst[:start]
			}
			b = hi<<4 | lo
			i += 2
		}
		if b < ' ' || b > '~' || len(dst)-start == maxTracestate {
			return dst[:start]
		}
		dst = append(dst, b)
	}
	return dst
}

// A Range is bytes from From up to To of something.
type Range struct{ From, To int }

// Of returns the bytes of b in the range.
func (r Range) Of(b []byte) []byte { return b[r.From:r.To] }

// Behind returns the range in something of which n bytes more stand before.
func (r Range) Behind(n int) Range { return Range{r.From + n, r.To + n} }

// A TraceCarrier is where a command carries the trace context of its client. The ranges are of the bytes that were
// searched.
type TraceCarrier struct {
	Context TraceContext
	// Parent is the value of traceparent, State that of tracestate, empty where there is none. In a comment, it is
	// encoded as in a URL.
	Parent, State Range
}
