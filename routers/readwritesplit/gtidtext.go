package readwritesplit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
)

var errGTID = errors.New("not a set of global transaction ids")

// merge adds the transactions that a text names and reports whether one of them is new. The text is as servers write it:
//
//	0-1-23,5-1-7                                            MariaDB: domain, server, sequence
//	3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:9:weir:1-3     MySQL: UUID, runs; tag, runs
//
// https://mariadb.com/kb/en/gtid/, https://dev.mysql.com/doc/refman/9.5/en/replication-gtids-concepts.html
// Where it is something else in part, what stands before that may have been added.
func (p *position) merge(text []byte) (advanced bool, err error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return false, nil
	}
	for more := true; more; {
		var one []byte
		one, text, more = bytes.Cut(text, []byte{','})
		var added bool
		if one = bytes.TrimSpace(one); bytes.IndexByte(one, ':') >= 0 {
			added, err = p.mergeMySQL(one)
		} else {
			added, err = p.mergeMariaDB(one)
		}
		if advanced = advanced || added; err != nil {
			return advanced, err
		}
	}
	return advanced, nil
}

func (p *position) mergeMariaDB(text []byte) (bool, error) {
	domain, rest, ok1 := number(text)
	server, rest, ok2 := number(after(rest, '-'))
	sequence, rest, ok3 := number(after(rest, '-'))
	if !ok1 || !ok2 || !ok3 || len(rest) > 0 || domain > 1<<32-1 || server > 1<<32-1 {
		return false, errGTID
	}
	if sequence == 0 {
		return false, nil // of a domain in which nothing has been executed yet
	}
	return p.add(&origin{mariadb: true, domain: uint32(domain)}, uint32(server), run{1, sequence}), nil
}

func (p *position) mergeMySQL(text []byte) (advanced bool, err error) {
	var o origin
	if len(text) < uuidLen || !parseUUID(&o.uuid, text[:uuidLen]) || len(text) == uuidLen {
		return false, errGTID
	}
	bare := false // a tag stands alone
	for text = text[uuidLen:]; len(text) > 0; {
		var part []byte
		if text = after(text, ':'); text == nil {
			return advanced, errGTID
		}
		part, text = upTo(text, ':')
		if r, ok := parseRun(part); ok {
			advanced = p.add(&o, 0, r) || advanced
			bare = false
			continue
		}
		if bare || !parseTag(&o.tag, part) {
			return advanced, errGTID
		}
		bare = true
	}
	if bare {
		return advanced, errGTID
	}
	return advanced, nil
}

const uuidLen = 36

// uuidCuts is where a UUID in text has its hyphens.
var uuidCuts = [...]int{8, 13, 18, 23}

func parseUUID(dst *[16]byte, text []byte) bool {
	var digits [32]byte
	n := 0
	for i, c := range text {
		if i == uuidCuts[0] || i == uuidCuts[1] || i == uuidCuts[2] || i == uuidCuts[3] {
			if c != '-' {
				return false
			}
			continue
		}
		digits[n] = c
		n++
	}
	_, err := hex.Decode(dst[:], digits[:])
	return err == nil
}

// maxMySQL is the highest number that MySQL gives.
const maxMySQL = 1<<63 - 1

func parseRun(text []byte) (r run, ok bool) {
	r.first, text, ok = number(text)
	if !ok || r.first == 0 {
		return r, false
	}
	r.last = r.first
	if len(text) > 0 {
		r.last, text, ok = number(after(text, '-'))
	}
	return r, ok && len(text) == 0 && r.first <= r.last && r.last <= maxMySQL
}

func parseTag(dst *tag, text []byte) bool {
	*dst = tag{}
	if len(text) == 0 || len(text) > len(dst) {
		return false
	}
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		letter := c >= 'a' && c <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
		dst[i] = c
	}
	return true
}

// number cuts a number without a sign from the front of text.
func number(text []byte) (v uint64, rest []byte, ok bool) {
	n := 0
	for ; n < len(text) && text[n] >= '0' && text[n] <= '9'; n++ {
		d := uint64(text[n] - '0')
		if v > (1<<64-1-d)/10 {
			return 0, nil, false
		}
		v = v*10 + d
	}
	return v, text[n:], n > 0
}

// after returns what follows c, nil where text does not begin with it or has nothing else.
func after(text []byte, c byte) []byte {
	if len(text) < 2 || text[0] != c {
		return nil
	}
	return text[1:]
}

// upTo cuts text before the first c.
func upTo(text []byte, c byte) (before, rest []byte) {
	if i := bytes.IndexByte(text, c); i >= 0 {
		return text[:i], text[i:]
	}
	return text, nil
}

// String is the position as servers read it.
func (p *position) String() string { return string(p.appendText(nil)) }

// appendText appends the position as servers read it. It has nothing that would have to be quoted within a string.
func (p *position) appendText(dst []byte) []byte {
	for i := range p.sources {
		s := &p.sources[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if s.mariadb {
			dst = s.appendMariaDB(dst)
		} else {
			dst = s.appendMySQL(dst)
		}
	}
	return dst
}

func (s *source) appendMariaDB(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(s.domain), 10), '-')
	dst = append(strconv.AppendUint(dst, uint64(s.server), 10), '-')
	return strconv.AppendUint(dst, s.runs[len(s.runs)-1].last, 10)
}

func (s *source) appendMySQL(dst []byte) []byte {
	for i, from := range [...]int{0, 4, 6, 8, 10} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, s.uuid[from:[...]int{4, 6, 8, 10, 16}[i]])
	}
	if end := bytes.IndexByte(s.tag[:], 0); s.tag[0] != 0 {
		if end < 0 {
			end = len(s.tag)
		}
		dst = append(append(dst, ':'), s.tag[:end]...)
	}
	for _, r := range s.runs {
		dst = strconv.AppendUint(append(dst, ':'), r.first, 10)
		if r.last > r.first {
			dst = strconv.AppendUint(append(dst, '-'), r.last, 10)
		}
	}
	return dst
}
