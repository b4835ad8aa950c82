package protocol

// QueryTextOffset returns where the statement text begins in the payload of a COM_QUERY.
func QueryTextOffset(payload []byte, caps Capability) (at int, ok bool) { return 1, len(payload) > 0 }
