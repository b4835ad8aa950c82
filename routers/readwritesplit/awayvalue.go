package readwritesplit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// maxFetched is the length of a server's answer up to which variables are fetched.
const maxFetched = 8 * maxKept

// errTooLong says that values are too long to be fetched together.
var errTooLong = errors.New("the values are too long")

// valuesAt asks a server for the values of user variables, which it returns as SQL, "" for one that is too long.
func (x *session) valuesAt(m *member, names []string) ([]string, error) {
	switch {
	case m.link != x.away.link || !m.connected():
		return nil, errors.New("the connection is closed")
	case len(names) == 0:
		return nil, nil
	}
	values, err := m.values(names)
	switch {
	case !errors.Is(err, errTooLong):
		return values, err
	case len(names) == 1:
		return []string{""}, nil
	}
	values = values[:0]
	for i := range names {
		value, err := x.valuesAt(m, names[i:i+1])
		if err != nil {
			return nil, err
		}
		values = append(values, value...)
	}
	return values, nil
}

func (m *member) values(names []string) ([]string, error) {
	var text strings.Builder
	for i, name := range names {
		lead := ", "
		if i == 0 {
			lead = "SELECT "
		}
		fmt.Fprintf(&text, "%s@`%[2]s`, HEX(@`%[2]s`), CHARSET(@`%[2]s`), COLLATION(@`%[2]s`)", lead, name)
	}
	text.WriteString(" LIMIT 1") // which sql_select_limit would be 0 without
	var f fetched
	if err := m.tryOwn(&f, pipeline.NewQuery(text.String(), m.x.s.Capabilities()), 0); err != nil {
		return nil, err
	}
	switch {
	case f.err != nil && f.err.Code == protocol.ErQueryInterrupted:
		return nil, errKilled
	case f.err != nil:
		return nil, m.failed(f.err)
	case f.long:
		return nil, errTooLong
	}
	return f.values(len(names))
}

// fetched is the answer to a question for user variables: four columns for each.
type fetched struct {
	err          *protocol.SQLError
	columns, row []byte // packets
	long         bool
}

// WriteReply is pipeline.ReplyWriter's.
func (f *fetched) WriteReply(p *protocol.Chunk) error {
	switch p.Kind {
	case protocol.KindErr:
		e, err := protocol.DecodeErr(p.Payload())
		if err != nil {
			return err
		}
		f.err = e
	case protocol.KindColumn:
		f.columns = f.add(f.columns, p)
	case protocol.KindRow:
		f.row = f.add(f.row, p)
	}
	return nil
}

func (f *fetched) add(to []byte, p *protocol.Chunk) []byte {
	if f.long = f.long || len(to)+len(p.Data) > maxFetched; f.long {
		return nil
	}
	return append(to, p.Data...)
}

var errNotTold = errors.New("the server does not say what they are")

// values returns what has been fetched of n variables as SQL.
func (f *fetched) values(n int) (all []string, err error) {
	if len(f.row) < protocol.HeaderSize {
		return nil, errNotTold
	}
	columns, row := f.columns, f.row[protocol.HeaderSize:]
	for range n {
		var v value
		for i := range 4 {
			if len(columns) < protocol.HeaderSize || len(columns)-protocol.HeaderSize < protocol.PayloadLen(columns) {
				return nil, errNotTold
			}
			end := protocol.HeaderSize + protocol.PayloadLen(columns)
			if i == 0 {
				v.describe(columns[protocol.HeaderSize:end])
			}
			columns = columns[end:]
			if len(row) > 0 && row[0] == 0xfb { // NULL
				v.null[i], row = true, row[1:]
				continue
			}
			s, used := protocol.LenencString(row)
			if used <= 0 {
				return nil, errNotTold
			}
			v.parts[i], row = ascii(s), row[used:]
		}
		sql, ok := v.sql()
		if !ok {
			return nil, errNotTold
		}
		all = append(all, sql)
	}
	return all, nil
}

// ascii returns what is read of a value as ASCII, which it is but for what is not read of it: where results come in utf16 or
// the like, there are zeros around each character.
func ascii(b []byte) []byte {
	if bytes.IndexByte(b, 0) < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{0}, nil)
}

// A value is a user variable's: itself, in hexadecimal digits, its character set and its collation.
type value struct {
	kind     byte // of the column: mysql.MYSQL_TYPE_...
	unsigned bool
	parts    [4][]byte
	null     [4]bool
}

// describe takes what a column definition says.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html
func (v *value) describe(column []byte) {
	if at := len(column) - 6; at >= 0 { // kind, flags, decimals and two bytes of nothing end it
		v.kind, v.unsigned = column[at], binary.LittleEndian.Uint16(column[at+1:])&mysql.UNSIGNED_FLAG != 0
	}
}

// sql returns what evaluates to the value, whatever the session's settings are: "" where it is too long.
func (v *value) sql() (sql string, ok bool) {
	if v.null[0] {
		return "NULL", true
	}
	number := string(v.parts[0])
	switch v.kind {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		if v.unsigned {
			number = "CAST(" + number + " AS UNSIGNED)"
		}
		return number, isNumber(v.parts[0], "-")
	case mysql.MYSQL_TYPE_DECIMAL, mysql.MYSQL_TYPE_NEWDECIMAL:
		if !strings.Contains(number, ".") {
			number += "."
		}
		return number, isNumber(v.parts[0], "-.")
	case mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE:
		if !strings.ContainsAny(number, "eE") {
			number += "e0"
		}
		return number, isNumber(v.parts[0], "-+.eE")
	}
	switch {
	case v.null[1] || v.null[2] || v.null[3] || !consists(v.parts[1], hexLetters) || len(v.parts[1])%2 != 0 ||
		!consists(v.parts[2], nameLetters) || !consists(v.parts[3], nameLetters):
		return "", false
	case len(v.parts[1]) > 2*maxKept:
		return "", true
	}
	sql = "_" + string(v.parts[2]) + " x'" + string(v.parts[1]) + "'"
	if string(v.parts[2]) != "binary" {
		sql += " COLLATE " + string(v.parts[3])
	}
	return sql, true
}

const (
	hexLetters  = "ABCDEFabcdef"
	nameLetters = "abcdefghijklmnopqrstuvwxyz_"
)

// isNumber reports whether it is a number that consists of digits and these characters alone.
func isNumber(s []byte, of string) bool {
	_, err := strconv.ParseFloat(string(s), 64)
	return err == nil && consists(s, of)
}

// consists reports whether there are digits and these characters alone.
func consists(s []byte, of string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && strings.IndexByte(of, c) < 0 {
			return false
		}
	}
	return true
}
