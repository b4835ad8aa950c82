package querylog

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/weirproxy/weir/protocol"
)

// params appends the parameters' values as a list in JSON, of a bulk execution as a list of lists.
func (e *encoder) params(dst []byte, r *record) []byte {
	from := len(dst)
	dst = e.appendSets(append(dst, '['), r, from+e.limits.params)
	dst = append(dst, ']')
	if e.csv {
		dst = quoteCell(dst, from)
	}
	return dst
}

// appendSets appends the sets of values as far as they go up to end, which leaves room for what closes them.
func (e *encoder) appendSets(dst []byte, r *record, end int) []byte {
	p := &r.params
	p.Rewind()
	for sets := 0; p.More(); sets++ {
		if sets == maxSets {
			r.flags |= truncated
			break
		}
		if sets > 0 {
			dst = append(dst, ',')
		}
		if p.Bulk {
			dst = append(dst, '[')
		}
		whole := false
		if dst, whole = e.appendSet(dst, p, r.count, end); !whole {
			r.flags |= truncated
		}
		if p.Bulk {
			dst = append(dst, ']')
		}
		if !whole || !p.Bulk {
			break
		}
	}
	return dst
}

// appendSet appends the values of one set, without those of query attributes, and reports whether all were there and had
// room.
func (e *encoder) appendSet(dst []byte, p *protocol.Params, count, end int) ([]byte, bool) {
	for i := range p.Count {
		v, err := p.Next()
		if err != nil {
			return dst, false
		}
		if i >= count {
			continue
		}
		if len(dst)+6*len(v.Value)+48 > end {
			return dst, false
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.redact {
			dst = append(dst, `"?"`...)
		} else {
			dst = appendParam(dst, &v)
		}
	}
	return dst, true
}

// appendParam appends one value as JSON.
func appendParam(dst []byte, v *protocol.Param) []byte {
	switch v.State {
	case protocol.ParamNull:
		return append(dst, "null"...)
	case protocol.ParamDefault:
		return append(dst, `{"indicator":"default"}`...)
	case protocol.ParamIgnore:
		return append(dst, `{"indicator":"ignore"}`...)
	case protocol.ParamLong:
		return append(strconv.AppendUint(append(dst, `{"long_data":`...), v.Sent, 10), '}')
	}
	switch {
	case v.IsNumber() && !isFinite(v):
		return append(v.AppendText(append(dst, '"')), '"')
	case v.IsNumber():
		return v.AppendText(dst)
	case v.IsTime():
		return append(v.AppendText(append(dst, '"')), '"')
	case plain(v.Value) || utf8.Valid(v.Value):
		return append(appendEscaped(append(dst, '"'), v.Value), '"')
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `{"base64":"`...), v.Value)
	return append(dst, `"}`...)
}

// isFinite reports whether a number is one that JSON can express.
func isFinite(v *protocol.Param) bool {
	f := v.Float()
	return !math.IsNaN(f) && !math.IsInf(f, 0)
}

// sets counts the sets of a bulk execution, as far as they have come.
func (r *record) sets() int {
	p := &r.params
	p.Rewind()
	n := 0
	for i := 0; p.More(); i++ {
		if _, err := p.Next(); err != nil {
			r.flags |= truncated
			break
		}
		if i%p.Count == p.Count-1 {
			n++
		}
	}
	return n
}
