package protocol

import (
	"bytes"
	"slices"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// FindTraceAttrs finds the trace context that a COM_QUERY carries in its query attributes, in strings called traceparent
// and tracestate, where the servers' own telemetry looks for it too. The ranges are of the payload.
// https://dev.mysql.com/doc/refman/9.7/en/telemetry-trace.html
func FindTraceAttrs(payload []byte, caps Capability) (c TraceCarrier, ok bool) {
	if len(payload) < 2 || payload[1] == 0 || !caps.Has(ClientQueryAttributes) {
		return c, false
	}
	var a queryAttrs
	for more := a.begin(payload); more; more = a.next() {
		c.take(payload, a.attrName(), a.value)
	}
	return c, !a.bad && c.Parent.To > 0
}

// take notes a value that is part of a trace context.
func (c *TraceCarrier) take(payload, name []byte, value Range) {
	switch {
	case bytes.Equal(name, traceparentKey):
		if context, ok := ParseTraceparent(value.Of(payload)); ok {
			c.Context, c.Parent = context, value
		}
	case bytes.Equal(name, tracestateKey):
		c.State = value
	}
}

// FindExecuteTrace finds the trace context that a COM_STMT_EXECUTE carries in its query attributes. params is the number
// of the statement's parameters, and long says which of them have been sent ahead, as Params.Long does.
func FindExecuteTrace(payload []byte, params int, long []uint64, caps Capability) (c TraceCarrier, ok bool) {
	if len(payload) < 10 || payload[5]&paramCountAvailable == 0 || !caps.Has(ClientQueryAttributes) {
		return c, false
	}
	p, err := DecodeExecute(payload, params, nil, caps)
	if err != nil || p.Count <= params {
		return c, false
	}
	p.Long = long
	for p.More() {
		v, err := p.Next()
		if err != nil {
			return c, false
		}
		if v.State == ParamValue && isStringType(v.Type) {
			end := len(payload) - len(p.rest)
			c.take(payload, v.Name, Range{end - len(v.Value), end})
		}
	}
	return c, c.Parent.To > 0
}

func isStringType(typ byte) bool {
	return typ == mysql.MYSQL_TYPE_VARCHAR || typ >= mysql.MYSQL_TYPE_TINY_BLOB && typ <= mysql.MYSQL_TYPE_STRING
}

// queryAttrs walks the query attributes of a COM_QUERY.
type queryAttrs struct {
	payload      []byte
	count, i     int
	nulls        Range // the bitmap
	attr, values int   // where the next attribute's type and the next value begin
	typ, value   Range // of the one at hand; value is empty where that is no string
	stored       Range // all of its value, length included
	bad          bool
}

// begin goes to the first attribute. It reports false where there is none, or they are malformed, which sets bad.
func (a *queryAttrs) begin(payload []byte) bool {
	*a = queryAttrs{payload: payload}
	b := payload[1:]
	count, n := Lenenc(b)
	if n == 0 || count > uint64(len(b)) {
		a.bad = true
		return false
	}
	at := 1 + n
	if _, n = Lenenc(payload[at:]); n == 0 {
		a.bad = true
		return false
	}
	at += n
	a.count = int(count)
	a.nulls = Range{at, at + (a.count+7)/8}
	if len(payload) <= a.nulls.To || payload[a.nulls.To] != 1 {
		a.bad = a.count > 0
		return false
	}
	a.attr = a.nulls.To + 1
	rest := payload[a.attr:]
	for range a.count {
		var ok bool
		if rest, ok = skipAttrType(rest); !ok {
			a.bad = true
			return false
		}
	}
	a.values = len(payload) - len(rest)
	a.i = -1
	return a.next()
}

// next goes to the next attribute.
func (a *queryAttrs) next() bool {
	if a.i++; a.i >= a.count {
		return false
	}
	rest, _ := skipAttrType(a.payload[a.attr:]) // whole, as begin has seen
	a.typ = Range{a.attr, len(a.payload) - len(rest)}
	a.attr = a.typ.To
	a.value, a.stored = Range{}, Range{a.values, a.values}
	if a.payload[a.nulls.From+a.i/8]&(1<<(a.i%8)) != 0 {
		return true
	}
	n := binaryValueLen(a.payload[a.typ.From], a.payload[a.values:])
	if n < 0 || n > len(a.payload)-a.values {
		a.bad = true
		return false
	}
	a.values += n
	a.stored.To = a.values
	if isStringType(a.payload[a.typ.From]) {
		s, _ := LenencString(a.stored.Of(a.payload))
		a.value = Range{a.values - len(s), a.values}
	}
	return true
}

func (a *queryAttrs) attrName() []byte {
	name, _ := LenencString(a.payload[a.typ.From+2 : a.typ.To])
	return name
}

// maxRemovable is the number of query attributes up to which RemoveTraceAttrs removes any.
const maxRemovable = 64

// RemoveTraceAttrs takes the attributes that FindTraceAttrs looks for out of the payload of a COM_QUERY. It changes
// payload and returns what is left of it: all of it where there are more than 64 attributes.
func RemoveTraceAttrs(payload []byte, caps Capability) []byte {
	if len(payload) < 2 || payload[1] == 0 || payload[1] > maxRemovable || !caps.Has(ClientQueryAttributes) {
		return payload
	}
	for {
		var a queryAttrs
		found, more := -1, a.begin(payload)
		var typ, stored Range
		for ; more; more = a.next() {
			if name := a.attrName(); bytes.Equal(name, traceparentKey) || bytes.Equal(name, tracestateKey) {
				found, typ, stored = a.i, a.typ, a.stored
			}
		}
		if found < 0 || a.bad {
			return payload
		}
		payload = slices.Delete(payload, stored.From, stored.To)
		payload = slices.Delete(payload, typ.From, typ.To)
		payload = removeNull(payload, a.nulls, found)
		payload[1]--
	}
}

// removeNull takes a bit out of the bitmap of NULL attributes, and with the last one what stands before the types.
func removeNull(payload []byte, nulls Range, i int) []byte {
	var all uint64
	for k, b := range nulls.Of(payload) {
		all |= uint64(b) << (8 * k)
	}
	all = all&(1<<i-1) | all>>(i+1)<<i
	for k := range nulls.Of(payload) {
		payload[nulls.From+k] = byte(all >> (8 * k))
	}
	switch count := int(payload[1]) - 1; {
	case count == 0:
		return slices.Delete(payload, nulls.From, nulls.To+1)
	case count%8 == 0:
		return slices.Delete(payload, nulls.To-1, nulls.To)
	}
	return payload
}
