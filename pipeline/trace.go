package pipeline

// TraceID is the id of the trace that the statement being served belongs to: what its client sent along, or the one its
// span begins. ok is false where it has none. It may be called in Serve.
func (s *Session) TraceID() (id [16]byte, ok bool) { return [16]byte{}, false }
