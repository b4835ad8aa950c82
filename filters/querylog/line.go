package querylog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

const (
	// fixedSize is more than what is long in every line takes: names, numbers, time and command.
	fixedSize = 384
	// maxName cuts the names in a line (user, client, schema, server), so that they cannot grow it without
	// bound. Those of MySQL and MariaDB are at most 80 characters.
	maxName = 320
)

// maxText is the longest statement a line of a ring of the given number of bytes may have: with every byte of it
// escaped, the line is no more than a quarter of the ring.
func maxText(ringBytes int) int { return (ringBytes/4 - 2*fixedSize - 4*6*maxName) / 6 }

// An entry is what one line says.
type entry struct {
	who       []byte // the fields that never change in a session, encoded
	schema    string
	command   byte
	statement statement
	aborted   bool
	watch     *pipeline.Watch
}

// A statement is the text of a command.
type statement struct {
	text      []byte
	known     bool // the command has a text
	encoded   bool // text is escaped already
	truncated bool // text is only the beginning
}

// encode returns the statement as it stays in memory while it is prepared: a copy, escaped once.
func (s statement) encode() statement {
	if !s.encoded {
		s.text, s.encoded = appendEscaped(make([]byte, 0, escapedLen(s.text)), s.text), true
	}
	return s
}

// clip returns s with a text of at most n bytes, without half a character at its end where it was cut.
func (s statement) clip(n int) statement {
	if len(s.text) > n {
		s.text, s.truncated = s.text[:n], true
	}
	if s.truncated {
		for i := 1; i < utf8.UTFMax && i <= len(s.text); i++ {
			if b := s.text[len(s.text)-i]; utf8.RuneStart(b) {
				if b >= utf8.RuneSelf && !utf8.FullRune(s.text[len(s.text)-i:]) {
					s.text = s.text[:len(s.text)-i]
				}
				break
			}
		}
	}
	return s
}

// size returns how long the line can be at most.
func (e *entry) size() int {
	text := len(e.statement.text)
	if !e.statement.encoded {
		text = escapedLen(e.statement.text)
	}
	return fixedSize + len(e.who) + text + 6*len(e.schema) + 6*len(e.watch.Server)
}

// append appends the line.
func (e *entry) append(dst []byte, c *clock) []byte {
	h := e.watch
	dst = c.append(append(dst, `{"time":"`...), h.Start)
	dst = append(append(dst, '"'), e.who...)
	dst = appendEscaped(append(dst, `,"schema":"`...), e.schema)
	dst = append(append(dst, `","command":"`...), protocol.CommandName(e.command)...)
	dst = append(dst, '"')
	if e.statement.known {
		dst = append(dst, `,"statement":"`...)
		if e.statement.encoded {
			dst = append(dst, e.statement.text...)
		} else {
			dst = appendEscaped(dst, e.statement.text)
		}
		dst = append(dst, '"')
	}
	if e.statement.truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	dst = strconv.AppendInt(append(dst, `,"first_us":`...), h.First.Microseconds(), 10)
	dst = strconv.AppendInt(append(dst, `,"last_us":`...), h.Last.Microseconds(), 10)
	dst = strconv.AppendUint(append(dst, `,"rows":`...), h.Rows, 10)
	dst = strconv.AppendUint(append(dst, `,"affected_rows":`...), h.AffectedRows, 10)
	dst = strconv.AppendUint(append(dst, `,"bytes":`...), h.Bytes, 10)
	if h.Err != nil {
		dst = strconv.AppendUint(append(dst, `,"error":`...), uint64(h.Err.Code), 10)
	}
	if e.aborted {
		dst = append(dst, `,"aborted":true`...)
	}
	dst = appendEscaped(append(dst, `,"server":"`...), h.Server)
	return append(dst, "\"}\n"...)
}

// appendWho appends the fields that stay the same as long as a session lasts.
func appendWho(dst []byte, id uint32, user, client string) []byte {
	dst = strconv.AppendUint(append(dst, `,"session":`...), uint64(id), 10)
	dst = appendEscaped(append(dst, `,"user":"`...), clipName(user))
	dst = appendEscaped(append(dst, `","client":"`...), clipName(client))
	return append(dst, '"')
}

func clipName(s string) string { return s[:min(len(s), maxName)] }

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
	micros := t.Nanosecond() / 1000
	for unit := 100_000; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+micros/unit%10))
	}
	return append(dst, 'Z')
}
