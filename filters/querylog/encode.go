package querylog

import (
	"encoding/hex"
	"strconv"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// An encoder writes records in one format. It belongs to the writer.
type encoder struct {
	csv     bool
	redact  bool
	columns []column
	limits  limits
	clock   clock
	names   nameCache
}

// append appends the record. It writes it twice where only then it is known that parameters had to be left out, which
// may have to be said before them.
func (e *encoder) append(dst []byte, r *record) []byte {
	if r.names = nil; len(r.canonical) > 0 {
		r.names = e.names.of(r.digest, r.canonical)
	}
	start, before := len(dst), r.flags
	dst = e.appendRecord(dst, r)
	if r.flags != before {
		dst = e.appendRecord(dst[:start], r)
	}
	return dst
}

func (e *encoder) appendRecord(dst []byte, r *record) []byte {
	start := len(dst)
	present := r.present()
	for i := range e.columns {
		c := &e.columns[i]
		bit := uint32(1) << c.field
		if present&bit == 0 {
			dst = append(dst, c.absent...)
			continue
		}
		dst = e.value(append(dst, c.key...), c.field, r)
		if unquoted&bit == 0 {
			dst = append(dst, '"')
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

// optional are the fields that not every record has a value for, by the flag that says that it has.
var optional = []struct {
	flag   flags
	fields uint32
}{
	{known, 1 << fieldStatement},
	{executes, 1<<fieldParams | 1<<fieldParamSets},
	{truncated, 1 << fieldTruncated},
	{failed, 1<<fieldError | 1<<fieldSQLState | 1<<fieldMessage},
	{aborted, 1 << fieldAborted},
	{traced, 1 << fieldTraceID},
	{described, 1<<fieldDigest | 1<<fieldClass | 1<<fieldSummary},
}

// present returns the fields that the record has a value for.
func (r *record) present() uint32 {
	present := uint32(1<<numFields - 1)
	for _, o := range optional {
		if r.flags&o.flag == 0 {
			present &^= o.fields
		}
	}
	if !r.params.Bulk {
		present &^= 1 << fieldParamSets
	}
	if r.names == nil || r.names.tables == nil {
		present &^= 1<<fieldTables | 1<<fieldFunctions
	}
	return present
}

// value appends the value of a field that is present.
func (e *encoder) value(dst []byte, f field, r *record) []byte {
	switch f {
	case fieldTime:
		return e.clock.append(dst, r.start)
	case fieldCommand:
		return append(dst, protocol.CommandName(r.com)...)
	case fieldParams:
		return e.params(dst, r)
	case fieldTables:
		return e.list(dst, r.names.tables)
	case fieldFunctions:
		return e.list(dst, r.names.functions)
	case fieldTruncated, fieldAborted:
		return append(dst, "true"...)
	case fieldTraceID:
		return hex.AppendEncode(dst, r.trace)
	case fieldDigest:
		for shift := 60; shift >= 0; shift -= 4 {
			dst = append(dst, hexDigits[r.digest>>shift&0xf])
		}
		return dst
	case fieldClass:
		return append(dst, sqlscan.Class(r.class).String()...)
	case fieldMessage:
		if e.redact {
			return e.text(dst, []byte(protocol.ErrText(r.code)))
		}
	}
	if 1<<f&unquoted != 0 {
		return strconv.AppendUint(dst, r.number(f), 10)
	}
	return e.text(dst, r.bytesOf(f))
}

// list appends a list that is JSON.
func (e *encoder) list(dst, list []byte) []byte {
	from := len(dst)
	dst = append(dst, list...)
	if e.csv {
		dst = quoteCell(dst, from)
	}
	return dst
}

// number returns the value of a field that is a number.
func (r *record) number(f field) uint64 {
	switch f {
	case fieldSession:
		return uint64(r.id)
	case fieldParamSets:
		return uint64(r.sets())
	case fieldFirst:
		return uint64(r.first.Microseconds())
	case fieldLast:
		return uint64(r.last.Microseconds())
	case fieldRows:
		return r.rows
	case fieldAffected:
		return r.affected
	case fieldBytes:
		return r.bytes
	case fieldError:
		return uint64(r.code)
	}
	return r.insertID
}

// bytesOf returns the value of a field that is a text.
func (r *record) bytesOf(f field) []byte {
	switch f {
	case fieldUser:
		return r.user
	case fieldClient:
		return r.client
	case fieldSchema:
		return r.schema
	case fieldStatement:
		return r.text
	case fieldServer:
		return r.server
	case fieldSQLState:
		return r.state
	case fieldMessage:
		return r.message
	}
	return r.summary
}

// text appends s as it stands between quotes.
func (e *encoder) text(dst, s []byte) []byte {
	if e.csv {
		return appendCell(dst, s)
	}
	return appendEscaped(dst, s)
}
