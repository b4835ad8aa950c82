package querylog

import (
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// An encoder writes records in one format.
type encoder struct {
	csv     bool
	redact  bool
	columns []column
	limits  limits
	fixed   int  // what is not long in a record takes no more
	usual   bool // the default fields in JSON
}

// widths are how long the values of fields can be at most. Those of others differ so much that they are looked at.
var widths = [numFields]int{
	fieldTime: len(timeLayout), fieldCommand: len("COM_STMT_SEND_LONG_DATA"), fieldParamSets: 20,
	fieldTruncated: len("true"), fieldFirst: 20, fieldLast: 20, fieldRows: 20, fieldAffected: 20, fieldBytes: 20,
	fieldError: 5, fieldSQLState: 6 * 5, fieldAborted: len("true"), fieldTraceID: 32, fieldLastInsertID: 20, fieldDigest: 16,
	fieldClass: 16,
}

func newEncoder(fields []field, csv, redact bool, l limits) *encoder {
	e := &encoder{csv: csv, redact: redact, columns: columns(fields, csv), limits: l, fixed: len("{}\n")}
	usual, _ := parseFields(nil)
	e.usual = !csv && slices.Equal(fields, usual)
	for _, f := range fields {
		if 1<<f&constant == 0 {
			e.fixed += len(key(f, false, csv)) + widths[f] + len(`"`)
		}
	}
	return e
}

// constants encodes the fields that stay the same in a session, for each of the columns that have such.
func (e *encoder) constants(s *pipeline.Session, fields []field) (all [][]byte) {
	for _, c := range e.columns {
		if c.group == nil {
			continue
		}
		var b []byte
		for _, f := range c.group {
			b = append(b, key(f, f == fields[0], e.csv)...)
			switch f {
			case fieldSession:
				b = strconv.AppendUint(b, uint64(s.ID()), 10)
			case fieldUser:
				b = append(text(e, append(b, '"'), clipName(s.User())), '"')
			case fieldClient:
				b = append(text(e, append(b, '"'), clipName(s.ClientAddr())), '"')
			}
		}
		all = append(all, b)
	}
	return all
}

// append appends the record. It writes it twice where only then it is known that parameters had to be left out, which
// may have to be said before them.
func (e *encoder) append(dst []byte, r *record) []byte {
	start := len(dst)
	truncated := r.truncated
	if e.usual {
		return e.appendDefault(dst, r)
	}
	dst = e.appendRecord(dst, r)
	if r.truncated != truncated {
		dst = e.appendRecord(dst[:start], r)
	}
	return dst
}

func (e *encoder) appendRecord(dst []byte, r *record) []byte {
	start := len(dst)
	present := r.present()
	constants := r.session.constants
	for i := range e.columns {
		c := &e.columns[i]
		switch bit := uint32(1) << c.field; {
		case bit&present == 0:
			dst = append(dst, c.absent...)
		case bit&numbers != 0:
			dst = strconv.AppendUint(append(dst, c.key...), r.number(c.field), 10)
		case bit&constant != 0:
			dst = append(dst, constants[0]...)
			constants = constants[1:]
		default:
			dst = e.value(append(dst, c.key...), c.field, r)
			if bit&unquoted == 0 {
				dst = append(dst, '"')
			}
		}
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

// present returns the fields that the record has a value for.
func (r *record) present() uint32 {
	present := uint32(numbers | constant | 1<<fieldTime | 1<<fieldSchema | 1<<fieldCommand | 1<<fieldServer)
	if r.known {
		present |= 1 << fieldStatement
	}
	if r.executes && r.count > 0 {
		present |= 1 << fieldParams
		if r.params.Bulk {
			present |= 1 << fieldParamSets
		}
	}
	if r.truncated {
		present |= 1 << fieldTruncated
	}
	if r.err != nil {
		present |= 1<<fieldError | 1<<fieldSQLState | 1<<fieldMessage
	}
	if r.aborted {
		present |= 1 << fieldAborted
	}
	if r.traced {
		present |= 1 << fieldTraceID
	}
	if r.about != nil {
		present |= 1<<fieldDigest | 1<<fieldClass | 1<<fieldSummary
	}
	return present
}

// number returns the value of one of the fields in numbers.
func (r *record) number(f field) uint64 {
	switch f {
	case fieldFirst:
		return uint64(r.watch.First.Microseconds())
	case fieldLast:
		return uint64(r.watch.Last.Microseconds())
	case fieldRows:
		return r.watch.Rows
	case fieldAffected:
		return r.watch.AffectedRows
	case fieldBytes:
		return r.watch.Bytes
	}
	return r.watch.LastInsertID
}

// value appends the value of any other field, which is present.
func (e *encoder) value(dst []byte, f field, r *record) []byte {
	switch f {
	case fieldTime:
		return r.session.clock.append(dst, r.watch.Start)
	case fieldSchema:
		return text(e, dst, r.schema)
	case fieldCommand:
		return append(dst, protocol.CommandName(r.com)...)
	case fieldStatement:
		return e.statement(dst, r)
	case fieldServer:
		return text(e, dst, r.watch.Server)
	case fieldParams:
		return e.params(dst, r)
	case fieldParamSets:
		return strconv.AppendInt(dst, int64(r.sets()), 10)
	case fieldTruncated, fieldAborted:
		return append(dst, "true"...)
	case fieldTraceID:
		return hex.AppendEncode(dst, r.trace[:])
	case fieldError:
		return strconv.AppendUint(dst, uint64(r.err.Code), 10)
	case fieldSQLState:
		return text(e, dst, r.err.State[:min(len(r.err.State), 5)])
	case fieldMessage:
		return e.message(dst, r.err)
	case fieldDigest:
		for shift := 60; shift >= 0; shift -= 4 {
			dst = append(dst, hexDigits[r.about.Digest>>shift&0xf])
		}
		return dst
	case fieldClass:
		return append(dst, r.about.Class.String()...)
	}
	return text(e, dst, r.about.Summary[:min(len(r.about.Summary), maxSummary)])
}

func (e *encoder) statement(dst []byte, r *record) []byte {
	switch {
	case r.plain:
		return append(append(dst, r.text...), r.prepared...) // one of them is empty
	case r.text != nil:
		return text(e, dst, r.text)
	}
	return text(e, dst, r.prepared)
}

func (e *encoder) message(dst []byte, err *protocol.SQLError) []byte {
	message := err.Message
	if e.redact {
		message = redact(err.Code)
	}
	message, _ = clip(message, maxMessage, false)
	return text(e, dst, message)
}

// text appends s as it stands between quotes.
func text[S string | []byte](e *encoder, dst []byte, s S) []byte {
	if e.csv {
		return appendCell(dst, s)
	}
	return appendEscaped(dst, s)
}
