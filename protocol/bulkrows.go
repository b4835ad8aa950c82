package protocol

// BulkRows is the number of rows that a COM_STMT_BULK_EXECUTE of a statement with that number of parameters has values
// for; 0 where that cannot be made out, as where the types of the values do not come with it.
func BulkRows(payload []byte, params int) int {
	p, err := DecodeExecute(payload, params, nil, 0)
	if err != nil || !p.Bulk || p.Count == 0 {
		return 0
	}
	n := 0
	for p.More() {
		if _, err := p.Next(); err != nil {
			return 0
		}
		n++
	}
	if n%p.Count != 0 {
		return 0
	}
	return n / p.Count
}
