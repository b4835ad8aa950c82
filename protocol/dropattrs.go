package protocol

// untyped are types for as many values as a statement may have: what they are is not asked.
var untyped [2 << 16]byte

// DropQueryAttrs takes the query attributes out of the payload of a COM_QUERY, in place, for an end that did not agree on
// ClientQueryAttributes. rest is the end of payload. ok is false where the attributes go on behind payload, or are
// malformed; payload is then as it was.
func DropQueryAttrs(payload []byte) (rest []byte, ok bool) {
	at, ok := QueryTextOffset(payload, ClientQueryAttributes)
	if !ok {
		return payload, false
	}
	payload[at-1] = ComQuery
	return payload[at-1:], true
}

// DropExecuteAttrs takes the query attributes out of the payload of a COM_STMT_EXECUTE of a statement with that number of
// parameters, in place. rest is the beginning of payload. whole says that payload is all of the command: where it goes on
// behind payload, only the number and the names of values can be taken out, not values. long is as in Params. ok is false
// where that is not enough, or the command malformed; payload is then as it was.
func DropExecuteAttrs(payload []byte, params int, long []uint64, whole bool) (rest []byte, ok bool) {
	const head = 10 // code, statement id, flags, iterations
	if len(payload) < head || payload[0] != ComStmtExecute {
		return payload, false
	}
	if payload[5]&paramCountAvailable == 0 {
		return payload, true
	}
	// Types that were bound before say nothing of attributes, but their number must be right.
	p, err := DecodeExecute(payload, params, untyped[:2*params], ClientQueryAttributes)
	if err != nil || p.Count > params && !(whole && p.Bound) {
		return payload, false
	}
	p.Long = long
	from := len(payload) - len(p.rest)
	to := len(payload)
	if p.Count > params {
		for range params {
			if _, err := p.Next(); err != nil {
				return payload, false
			}
		}
		to = len(payload) - len(p.rest)
	}
	payload[5] &^= paramCountAvailable
	if params == 0 {
		return payload[:head], true
	}
	out := append(payload[:head], p.nulls[:(params+7)/8]...)
	if !p.Bound {
		out = append(out, 0)
	} else {
		out = append(out, 1)
		types := p.types
		for range params {
			out = append(out, types[:2]...)
			p.skipType(&types)
		}
	}
	return append(out, payload[from:to]...), true
}
