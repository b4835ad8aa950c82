package protocol

import "github.com/go-mysql-org/go-mysql/mysql"

// QueryTextOffset returns where the statement text begins in the payload of a COM_QUERY, command code included:
// behind the query attributes where the ends agreed on them, at 1 otherwise. ok is false, and at is 1 at most,
// where the payload is cut off inside the attributes or they are malformed.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html
func QueryTextOffset(payload []byte, caps Capability) (at int, ok bool) {
	if len(payload) == 0 {
		return 0, false
	}
	if !caps.Has(ClientQueryAttributes) {
		return 1, true
	}
	b := payload[1:]
	count, n := Lenenc(b)
	if n == 0 {
		return 1, false
	}
	b = b[n:]
	if _, n = Lenenc(b); n == 0 { // the number of parameter sets: one, and servers do not look at it
		return 1, false
	}
	b = b[n:]
	if count > 0 {
		if b, ok = skipQueryAttrs(b, count); !ok {
			return 1, false
		}
	}
	return len(payload) - len(b), true
}

// skipQueryAttrs returns what follows count attributes: a bitmap of those that are NULL, a flag that says that
// types follow, all types and names, all values.
func skipQueryAttrs(b []byte, count uint64) (rest []byte, ok bool) {
	if count > uint64(len(b)) { // each takes three bytes at least
		return nil, false
	}
	bitmap := int(count+7) / 8
	if len(b) < bitmap+1 || b[bitmap] != 1 {
		return nil, false
	}
	nulls, types := b[:bitmap], b[bitmap+1:]
	values := types
	for range count {
		if values, ok = skipAttrType(values); !ok {
			return nil, false
		}
	}
	for i := range int(count) {
		if nulls[i/8]&(1<<(i%8)) == 0 {
			n := binaryValueLen(types[0], values)
			if n < 0 || n > len(values) {
				return nil, false
			}
			values = values[n:]
		}
		types, _ = skipAttrType(types) // whole, as seen above
	}
	return values, true
}

// skipAttrType returns what follows one attribute's type and name.
func skipAttrType(b []byte) (rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, false
	}
	_, n := LenencString(b[2:])
	return b[2+n:], n > 0
}

// binaryValueLen returns how many bytes the binary value of a type takes at the front of b, maybe more than are
// there. It returns -1 for a type that cannot be sent, and where b ends inside a length.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html#sect_protocol_binary_resultset_row_value
func binaryValueLen(typ byte, b []byte) int {
	switch typ {
	case mysql.MYSQL_TYPE_NULL:
		return 0
	case mysql.MYSQL_TYPE_TINY:
		return 1
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return 2
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_FLOAT:
		return 4
	case mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE:
		return 8
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		if len(b) == 0 {
			return -1
		}
		return 1 + int(b[0])
	case mysql.MYSQL_TYPE_DECIMAL, mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_BIT,
		mysql.MYSQL_TYPE_VECTOR, mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET,
		mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_LONG_BLOB, mysql.MYSQL_TYPE_BLOB,
		mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_GEOMETRY:
		if _, n := LenencString(b); n > 0 {
			return n
		}
	}
	return -1
}
