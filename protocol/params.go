package protocol

import (
	"encoding/binary"
	"errors"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// errParams says that the parameters of a command end too early, or are not what they should be.
var errParams = errors.New("malformed parameters")

// paramCountAvailable is the flag of a COM_STMT_EXECUTE that says that the number of its values, and their names,
// come with it. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html
const paramCountAvailable = 0x08

// sendTypes is the flag of a COM_STMT_BULK_EXECUTE that says that types come with it.
// https://mariadb.com/kb/en/com_stmt_bulk_execute/
const sendTypes = 0x80

// unsignedParam is set in the second byte of a type.
const unsignedParam = 0x80

// Params reads the values of a COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE, one after another. It lies in the payload it
// was made of, and allocates nothing.
type Params struct {
	// Count is the number of values in a set: those of the statement's parameters, then those of query attributes.
	// A COM_STMT_EXECUTE has one set, a COM_STMT_BULK_EXECUTE one for each row.
	Count int
	// Bound says that types came with the command: a later one may leave them out and mean these.
	Bound bool
	// Bulk says that it is a COM_STMT_BULK_EXECUTE.
	Bulk bool
	// Long says, for each parameter, whether its value has been sent ahead by COM_STMT_SEND_LONG_DATA, and how much
	// of it: 0 for one that has not, otherwise 1 more than its length. Such a value is not in the command.
	// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_send_long_data.html
	Long []uint64

	named  bool   // each type is followed by a name
	types  []byte // of all, as they lie in the payload or were bound earlier
	typeAt []byte // of the next value and those behind it
	nulls  []byte
	values []byte
	rest   []byte // of values
	at     int    // the next value's place in its set
}

// ParamState says what kind of value a parameter has.
type ParamState uint8

// The states of a parameter. All but the first have no Value.
const (
	ParamValue   ParamState = iota
	ParamNull               // NULL
	ParamDefault            // the column's default, in a bulk execution
	ParamIgnore             // the column's default in an INSERT, unchanged in an UPDATE, in a bulk execution
	ParamLong               // sent ahead
)

// A Param is one value. Its slices lie in the payload.
type Param struct {
	Type     byte // mysql.MYSQL_TYPE_...
	Unsigned bool
	State    ParamState
	// Name is that of a query attribute, empty for a parameter.
	Name []byte
	// Value is the value in the binary protocol, without the length that stands before one of variable length.
	Value []byte
	// Sent is the length of a ParamLong.
	Sent uint64
}

// Decode finds the values in the payload of a COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE, or in the beginning of one, and
// is ready to read them. params is the number of the statement's parameters, bound the types they were last bound with,
// two bytes each, which count where the command has none; long is what Long says. An error means that not even types are
// to be found.
func (p *Params) Decode(payload []byte, params int, bound []byte, long []uint64, caps Capability) error {
	p.Count, p.Bulk, p.Bound, p.Long = params, len(payload) > 0 && payload[0] == ComStmtBulkExecute, false, long
	p.named, p.nulls, p.types, p.rest, p.at = false, nil, bound, nil, 0
	if p.Bulk {
		if len(payload) < 7 {
			return errParams
		}
		p.rest = payload[7:]
		p.Bound = payload[5]&sendTypes != 0
	} else {
		if len(payload) < 10 {
			return errParams
		}
		p.rest = payload[10:]
		p.named = caps.Has(ClientQueryAttributes) && payload[5]&paramCountAvailable != 0
		if err := p.nullsAndFlag(); err != nil {
			return err
		}
	}
	if p.Bound {
		p.types = p.rest
		for range p.Count {
			if !p.skipType(&p.rest) {
				return errParams
			}
		}
		p.types = p.types[:len(p.types)-len(p.rest)]
	} else {
		p.named = false // names come with types only
		if len(p.types) < 2*p.Count {
			return errParams
		}
	}
	p.values = p.rest
	p.Rewind()
	return nil
}

// DecodeExecute is Params.Decode, where no value has been sent ahead.
func DecodeExecute(payload []byte, params int, bound []byte, caps Capability) (p Params, err error) {
	err = p.Decode(payload, params, bound, nil, caps)
	return p, err
}

// Rewind has the first value be the next one again.
func (p *Params) Rewind() { p.rest, p.typeAt, p.at = p.values, p.types, 0 }

// nullsAndFlag reads what stands before the types of a COM_STMT_EXECUTE: the number of values where it is not the
// statement's, which of them are NULL, and whether types follow.
func (p *Params) nullsAndFlag() error {
	if p.named {
		count, n := Lenenc(p.rest)
		if n == 0 || count < uint64(p.Count) || count > 1<<16 {
			return errParams
		}
		p.Count, p.rest = int(count), p.rest[n:]
	}
	if p.Count == 0 {
		return nil
	}
	n := (p.Count + 7) / 8
	if len(p.rest) < n+1 {
		return errParams
	}
	p.nulls, p.Bound, p.rest = p.rest[:n], p.rest[n] != 0, p.rest[n+1:]
	return nil
}

// skipType takes a type, and its name where it has one, from the front of b.
func (p *Params) skipType(b *[]byte) bool {
	if len(*b) < 2 {
		return false
	}
	n := 2
	if p.named {
		_, l := LenencString((*b)[2:])
		if l == 0 {
			return false
		}
		n += l
	}
	*b = (*b)[n:]
	return true
}

// AppendTypes appends the types of a set's values, two bytes each, without names: what a later command that binds none
// means.
func (p *Params) AppendTypes(dst []byte) []byte {
	rest := p.types
	for range p.Count {
		dst = append(dst, rest[:2]...)
		p.skipType(&rest)
	}
	return dst
}

// Len is how many bytes of values there are.
func (p *Params) Len() int { return len(p.values) }

// More reports whether another value is to come. In a bulk execution it may be the first of another set.
func (p *Params) More() bool {
	if p.at < p.Count && (!p.Bulk || p.at > 0) {
		return true
	}
	return p.Bulk && p.Count > 0 && len(p.rest) > 0
}

// Next reads the next value, where there are More. An error means that the payload ends before the value does, or that
// its type is unknown: there is nothing more to read.
func (p *Params) Next() (Param, error) {
	if p.at == p.Count {
		p.at, p.typeAt = 0, p.types
	}
	v := p.typed()
	i := p.at
	p.at++
	if p.Bulk {
		if len(p.rest) == 0 || p.rest[0] > byte(ParamIgnore) {
			return v, errParams
		}
		v.State, p.rest = ParamState(p.rest[0]), p.rest[1:]
	} else if p.nulls[i/8]&(1<<(i%8)) != 0 {
		v.State = ParamNull
	} else if i < len(p.Long) && p.Long[i] > 0 {
		v.State, v.Sent = ParamLong, p.Long[i]-1
	}
	if v.State != ParamValue {
		return v, nil
	}
	if v.Type == mysql.MYSQL_TYPE_NULL {
		v.State = ParamNull
		return v, nil
	}
	n := binaryValueLen(v.Type, p.rest)
	if n < 0 || n > len(p.rest) {
		return v, errParams
	}
	v.Value, p.rest = v.withoutLength(p.rest[:n:n]), p.rest[n:]
	return v, nil
}

// typed returns the type of the next value.
func (p *Params) typed() (v Param) {
	v.Type, v.Unsigned = p.typeAt[0], p.typeAt[1]&unsignedParam != 0
	if p.named {
		v.Name, _ = LenencString(p.typeAt[2:])
	}
	p.skipType(&p.typeAt)
	return v
}

// withoutLength cuts the length from the front of a value that has one.
func (v *Param) withoutLength(b []byte) []byte {
	switch {
	case v.IsNumber():
		return b
	case v.IsTime():
		return b[1:]
	}
	s, _ := LenencString(b)
	return s
}

// LongData returns what a COM_STMT_SEND_LONG_DATA, or the beginning of one, says: which parameter of which statement it
// adds how many bytes to. packet is the command as it came, header included.
func LongData(packet []byte) (statement uint32, param int, length uint64, ok bool) {
	if len(packet) < HeaderSize+7 {
		return 0, 0, 0, false
	}
	payload := packet[HeaderSize:]
	// The length of the first packet counts, though it may not all have come.
	n := max(PayloadLen(packet), len(payload)) - 7
	return binary.LittleEndian.Uint32(payload[1:]), int(binary.LittleEndian.Uint16(payload[5:])), uint64(n), true
}
