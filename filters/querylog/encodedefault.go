package querylog

import (
	"encoding/hex"
	"strconv"

	"github.com/weirproxy/weir/protocol"
)

// appendDefault is appendRecord for JSON with the default fields, without a look at what is wanted for each of them: that
// takes a third longer. A test sees to it that both say the same.
func (e *encoder) appendDefault(dst []byte, r *record) []byte {
	h := r.watch
	dst = append(r.session.clock.append(append(dst, `{"time":"`...), h.Start), '"')
	dst = append(dst, r.session.constants[0]...)
	dst = appendEscaped(append(dst, `,"schema":"`...), r.schema)
	dst = append(append(append(dst, `","command":"`...), protocol.CommandName(r.com)...), '"')
	if r.known {
		dst = append(e.statement(append(dst, `,"statement":"`...), r), '"')
	}
	if r.executes {
		dst = e.appendDefaultParams(dst, r)
	}
	if r.truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	dst = strconv.AppendUint(append(dst, `,"first_us":`...), uint64(h.First.Microseconds()), 10)
	dst = strconv.AppendUint(append(dst, `,"last_us":`...), uint64(h.Last.Microseconds()), 10)
	dst = strconv.AppendUint(append(dst, `,"rows":`...), h.Rows, 10)
	dst = strconv.AppendUint(append(dst, `,"affected_rows":`...), h.AffectedRows, 10)
	dst = strconv.AppendUint(append(dst, `,"bytes":`...), h.Bytes, 10)
	if r.err != nil {
		dst = strconv.AppendUint(append(dst, `,"error":`...), uint64(r.err.Code), 10)
		dst = e.value(append(dst, `,"sqlstate":"`...), fieldSQLState, r)
		dst = append(e.message(append(dst, `","error_message":"`...), r.err), '"')
	}
	if r.aborted {
		dst = append(dst, `,"aborted":true`...)
	}
	dst = appendEscaped(append(dst, `,"server":"`...), h.Server)
	if r.traced {
		dst = hex.AppendEncode(append(dst, `","trace_id":"`...), r.trace[:])
	}
	return append(dst, "\"}\n"...)
}

func (e *encoder) appendDefaultParams(dst []byte, r *record) []byte {
	if r.count > 0 {
		dst = e.params(append(dst, `,"params":`...), r)
	}
	if r.count > 0 && r.params.Bulk {
		dst = strconv.AppendInt(append(dst, `,"param_sets":`...), int64(r.sets()), 10)
	}
	return dst
}
