package querylog

import "time"

// timeLayout is how times are written.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// A clock formats times in UTC, and works out date and time of day once a second.
type clock struct {
	second int64
	text   [len("2006-01-02T15:04:05.")]byte
}

// append appends t as in RFC 3339, with microseconds.
func (c *clock) append(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second != c.second || c.text[0] == 0 {
		c.second = second
		t.UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	dst = append(dst, c.text[:]...)
	micros := uint32(t.Nanosecond()) / 1000
	return append(dst,
		byte('0'+micros/100_000), byte('0'+micros/10_000%10), byte('0'+micros/1000%10),
		byte('0'+micros/100%10), byte('0'+micros/10%10), byte('0'+micros%10), 'Z')
}
