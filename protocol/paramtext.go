package protocol

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// IsNumber reports whether the value is a number in the binary protocol. A DECIMAL is not: it is sent as text.
func (v *Param) IsNumber() bool {
	switch v.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR, mysql.MYSQL_TYPE_LONG,
		mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE:
		return true
	}
	return false
}

// Float returns a ParamValue that is a FLOAT or DOUBLE, 0 for others.
func (v *Param) Float() float64 {
	switch v.Type {
	case mysql.MYSQL_TYPE_FLOAT:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Value)))
	case mysql.MYSQL_TYPE_DOUBLE:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
	}
	return 0
}

// IsTime reports whether the value is a date, a time, or both.
func (v *Param) IsTime() bool {
	switch v.Type {
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		return true
	}
	return false
}

// AppendText appends a ParamValue as the server would write it: numbers in decimal digits, dates as 2026-11-20, with
// 18:46:07.001234 behind where there is a time, times as -838:59:59. All else is text already.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html#sect_protocol_binary_resultset_row_value
func (v *Param) AppendText(dst []byte) []byte {
	b := v.Value
	switch v.Type {
	case mysql.MYSQL_TYPE_TINY:
		return v.appendInt(dst, int64(int8(b[0])), uint64(b[0]))
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		n := binary.LittleEndian.Uint16(b)
		return v.appendInt(dst, int64(int16(n)), uint64(n))
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24:
		n := binary.LittleEndian.Uint32(b)
		return v.appendInt(dst, int64(int32(n)), uint64(n))
	case mysql.MYSQL_TYPE_LONGLONG:
		n := binary.LittleEndian.Uint64(b)
		return v.appendInt(dst, int64(n), n)
	case mysql.MYSQL_TYPE_FLOAT:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 32)
	case mysql.MYSQL_TYPE_DOUBLE:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case mysql.MYSQL_TYPE_DATE:
		return appendDate(dst, b)
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return appendClock(append(appendDate(dst, b), ' '), 0, b, 4)
	case mysql.MYSQL_TYPE_TIME:
		return appendTime(dst, b)
	}
	return append(dst, b...)
}

func (v *Param) appendInt(dst []byte, signed int64, unsigned uint64) []byte {
	if v.Unsigned {
		return strconv.AppendUint(dst, unsigned, 10)
	}
	return strconv.AppendInt(dst, signed, 10)
}

// appendDate appends the year, month and day at the front of b; what is not there is zero.
func appendDate(dst, b []byte) []byte {
	var year uint16
	var month, day byte
	if len(b) >= 4 {
		year, month, day = binary.LittleEndian.Uint16(b), b[2], b[3]
	}
	dst = append(appendDigits(dst, uint64(year), 4), '-')
	dst = append(appendDigits(dst, uint64(month), 2), '-')
	return appendDigits(dst, uint64(day), 2)
}

// appendClock appends the time of day that begins at b[at], with the hours of that many days added; what is not there
// is zero.
func appendClock(dst []byte, days uint64, b []byte, at int) []byte {
	var hour, minute, second byte
	if len(b) >= at+3 {
		hour, minute, second = b[at], b[at+1], b[at+2]
	}
	dst = append(appendDigits(dst, days*24+uint64(hour), 2), ':')
	dst = append(appendDigits(dst, uint64(minute), 2), ':')
	dst = appendDigits(dst, uint64(second), 2)
	if len(b) >= at+7 {
		dst = appendDigits(append(dst, '.'), uint64(binary.LittleEndian.Uint32(b[at+3:])), 6)
	}
	return dst
}

// appendTime appends a TIME: a sign, days, and a time of day.
func appendTime(dst, b []byte) []byte {
	if len(b) < 8 {
		return appendClock(dst, 0, nil, 0)
	}
	if b[0] != 0 {
		dst = append(dst, '-')
	}
	return appendClock(dst, uint64(binary.LittleEndian.Uint32(b[1:])), b, 5)
}

// appendDigits appends n with at least that many digits.
func appendDigits(dst []byte, n uint64, digits int) []byte {
	for limit := uint64(1); digits > 1; digits-- {
		limit *= 10
		if n < limit {
			for range digits - 1 {
				dst = append(dst, '0')
			}
			break
		}
	}
	return strconv.AppendUint(dst, n, 10)
}
