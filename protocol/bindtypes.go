package protocol

// BoundTypes returns the types that a COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE of a statement with that number of
// parameters binds, two bytes each, in memory of their own. bound is false where it binds none, and means those that were
// bound before. ok is false where it cannot be made out.
func BoundTypes(payload []byte, params int, caps Capability) (types []byte, bound, ok bool) {
	if params == 0 {
		return nil, false, true
	}
	p, err := DecodeExecute(payload, params, untyped[:], caps)
	if err != nil || !p.Bound {
		return nil, false, err == nil
	}
	return p.AppendTypes(nil)[:2*params], true, true
}

// BindTypes appends to dst the payload of a command that binds no types, with types put in: what BoundTypes has returned
// for an earlier one. ok is false where that cannot be done: it has query attributes, whose types nobody knows.
func BindTypes(dst, payload []byte, params int, types []byte, caps Capability) (with []byte, ok bool) {
	p, err := DecodeExecute(payload, params, untyped[:], caps)
	if err != nil || p.Bound || p.Count != params || len(types) != 2*params {
		return dst, false
	}
	at, start := len(payload)-len(p.rest), len(dst)
	dst = append(dst, payload[:at]...)
	head := dst[start:]
	if p.Bulk {
		head[5] |= sendTypes
	} else {
		head[at-1] = 1
	}
	named := !p.Bulk && caps.Has(ClientQueryAttributes) && payload[5]&paramCountAvailable != 0
	for ; len(types) > 0; types = types[2:] {
		dst = append(dst, types[:2]...)
		if named {
			dst = append(dst, 0) // no name
		}
	}
	return append(dst, payload[at:]...), true
}
