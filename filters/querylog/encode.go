package querylog

import (
	"encoding/hex"
	"strconv"

	"github.com/weirproxy/weir/protocol"
)

// An encoder writes records in one format.
type encoder struct {
	csv     bool
	redact  bool
	columns []column
	limits  limits
	fixed   int // what is not long in a record takes no more
}

func newEncoder(fields []field, csv, redact bool, l limits) *encoder {
	e := &encoder{csv: csv, redact: redact, columns: columns(fields, csv), limits: l, fixed: 64}
	for _, c := range e.columns {
		e.fixed += len(c.key) + 48 // more than a number, a time, a name of a command or a trace id takes
		switch c.field {
		case fieldUser, fieldClient:
			e.fixed += 6 * maxName
		}
	}
	return e
}

// append appends the record. It writes it twice where only then it is known that parameters had to be left out, which
// may have to be said before them.
func (e *encoder) append(dst []byte, r *record) []byte {
	start := len(dst)
	truncated := r.truncated
	dst = e.appendRecord(dst, r)
	if r.truncated != truncated {
		dst = e.appendRecord(dst[:start], r)
	}
	return dst
}

func (e *encoder) appendRecord(dst []byte, r *record) []byte {
	start := len(dst)
	for i := range e.columns {
		dst = e.column(dst, &e.columns[i], r)
	}
	if e.csv {
		return append(dst, ",\n"...) // it is no event
	}
	if len(dst) == start {
		dst = append(dst, '{')
	}
	dst[start] = '{' // in place of the first comma
	return append(dst, "}\n"...)
}

// column appends one value, or nothing where there is none, and in CSV an empty cell.
func (e *encoder) column(dst []byte, c *column, r *record) []byte {
	switch c.field {
	case fieldTime:
		return e.time(dst, c, r)
	case fieldSession:
		return append(append(dst, c.key...), r.session.id...)
	case fieldUser:
		return append(append(dst, c.key...), r.session.user...)
	case fieldClient:
		return append(append(dst, c.key...), r.session.client...)
	case fieldSchema:
		return text(e, dst, c, r.schema)
	case fieldCommand:
		dst = append(append(dst, c.key...), '"')
		return append(append(dst, protocol.CommandName(r.com)...), '"')
	case fieldStatement:
		switch {
		case !r.known:
			return e.absent(dst, c)
		case r.text != nil:
			return text(e, dst, c, r.text)
		}
		return text(e, dst, c, r.prepared)
	case fieldParams:
		return e.params(dst, c, r)
	case fieldParamSets:
		if !r.executes || !r.params.Bulk {
			return e.absent(dst, c)
		}
		return number(dst, c, uint64(r.sets()))
	case fieldTruncated:
		return e.flag(dst, c, r.truncated)
	case fieldAborted:
		return e.flag(dst, c, r.aborted)
	case fieldServer:
		return text(e, dst, c, r.watch.Server)
	case fieldTraceID:
		if !r.traced {
			return e.absent(dst, c)
		}
		dst = append(append(dst, c.key...), '"')
		return append(hex.AppendEncode(dst, r.trace[:]), '"')
	case fieldError, fieldSQLState, fieldMessage:
		return e.error(dst, c, r)
	case fieldDigest, fieldClass, fieldSummary:
		return e.about(dst, c, r)
	}
	return e.count(dst, c, r)
}

// count appends one of the numbers that say how the command went.
func (e *encoder) count(dst []byte, c *column, r *record) []byte {
	switch c.field {
	case fieldFirst:
		return number(dst, c, uint64(r.watch.First.Microseconds()))
	case fieldLast:
		return number(dst, c, uint64(r.watch.Last.Microseconds()))
	case fieldRows:
		return number(dst, c, r.watch.Rows)
	case fieldAffected:
		return number(dst, c, r.watch.AffectedRows)
	case fieldBytes:
		return number(dst, c, r.watch.Bytes)
	}
	return number(dst, c, r.watch.LastInsertID)
}

func (e *encoder) time(dst []byte, c *column, r *record) []byte {
	dst = append(append(dst, c.key...), '"')
	return append(r.session.clock.append(dst, r.watch.Start), '"')
}

func (e *encoder) error(dst []byte, c *column, r *record) []byte {
	if r.err == nil {
		return e.absent(dst, c)
	}
	switch c.field {
	case fieldError:
		return number(dst, c, uint64(r.err.Code))
	case fieldSQLState:
		return text(e, dst, c, r.err.State[:min(len(r.err.State), 5)])
	}
	message := r.err.Message
	if e.redact {
		message = redact(r.err.Code)
	}
	message, _ = clip(message, maxMessage, false)
	return text(e, dst, c, message)
}

func (e *encoder) about(dst []byte, c *column, r *record) []byte {
	if r.about == nil {
		return e.absent(dst, c)
	}
	switch c.field {
	case fieldDigest:
		dst = append(append(dst, c.key...), '"')
		for shift := 60; shift >= 0; shift -= 4 {
			dst = append(dst, hexDigits[r.about.Digest>>shift&0xf])
		}
		return append(dst, '"')
	case fieldClass:
		return text(e, dst, c, r.about.Class.String())
	}
	return text(e, dst, c, r.about.Summary[:min(len(r.about.Summary), maxSummary)])
}

// text appends a value that is text.
func text[S string | []byte](e *encoder, dst []byte, c *column, s S) []byte {
	dst = append(append(dst, c.key...), '"')
	if e.csv {
		dst = appendCell(dst, s)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

func number(dst []byte, c *column, n uint64) []byte {
	return strconv.AppendUint(append(dst, c.key...), n, 10)
}

// flag appends a value that is only there where it is true.
func (e *encoder) flag(dst []byte, c *column, v bool) []byte {
	if !v {
		return e.absent(dst, c)
	}
	return append(append(dst, c.key...), "true"...)
}

// absent appends no value.
func (e *encoder) absent(dst []byte, c *column) []byte {
	if e.csv {
		return append(dst, c.key...)
	}
	return dst
}
