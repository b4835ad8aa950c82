package tee

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

const (
	head    = "\x00\x01\x00\x00\x00" // flags and iterations of an execution
	bound   = "\x00\x01\x03\x00"     // it binds an integer
	unbound = "\x00\x00"
	long    = "\x00\x01\xfc\x00" // it binds a blob
)

func deadlock() pipelinetest.Reply { return pipelinetest.Err(1213, "40001", "Deadlock") }

// TestLostTypes: an execution that means the types of one that was left out gets them.
func TestLostTypes(t *testing.T) {
	p := session(t, caps, caps)
	p.send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(9, 1))
	p.send(protocol.ComStmtExecute, id(1)+head+bound+"\x05\x00\x00\x00", deadlock(), pipelinetest.OK(0, 0))
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x06\x00\x00\x00")
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x07\x00\x00\x00")
	p.want("COM_STMT_PREPARE INSERT INTO t VALUES (?)", "COM_QUERY ROLLBACK",
		"COM_STMT_EXECUTE "+id(9)+head+bound+"\x06\x00\x00\x00", "COM_STMT_EXECUTE "+id(9)+head+unbound+"\x07\x00\x00\x00")
	p.send(protocol.ComStmtExecute, id(1)+head+long+"\x01x", deadlock(), pipelinetest.OK(0, 0))
	p.ok(protocol.ComStmtExecute, id(1)+head+bound+"\x08\x00\x00\x00")
	p.want("COM_QUERY ROLLBACK", "COM_STMT_EXECUTE "+id(9)+head+bound+"\x08\x00\x00\x00")
	p.figures(map[string]int{"unfaithful_sessions_total": 0})
}

// TestLostExecution: what the branch has no room for leaves nothing of it in what comes later.
func TestLostExecution(t *testing.T) {
	p := session(t, caps, caps, func(c *Config) { c.QueueBytes, c.TotalBytes = minQueue, minQueue })
	p.send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(9, 1))
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00some")
	rest := id(1) + head + long + strings.Repeat("x", minQueue+1)
	var w pipelinetest.Recorder
	if err := p.chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComStmtExecute, []byte(rest), 16<<10)); err != nil {
		t.Fatal(err)
	}
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x01y")
	p.want("COM_STMT_PREPARE INSERT INTO t VALUES (?)", "COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00some",
		"COM_STMT_RESET "+id(9), "COM_STMT_EXECUTE "+id(9)+head+long+"\x01y")
	p.figures(map[string]int{"dropped_statements_total": 1, "queue_bytes": 0})
}

// TestLongDataOfTheMoment: values sent ahead of an execution that was left out are not those of the next one.
func TestLongDataOfTheMoment(t *testing.T) {
	p := session(t, caps, caps)
	p.send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(9, 1))
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00some")
	p.send(protocol.ComStmtExecute, id(1)+head+long, pipelinetest.Err(1205, "HY000", "Lock wait timeout"), nil)
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00some")
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00more")
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound)
	p.want("COM_STMT_PREPARE INSERT INTO t VALUES (?)", "COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00some",
		"COM_STMT_RESET "+id(9), "COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00some", "COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00more",
		"COM_STMT_EXECUTE "+id(9)+head+long)
	p.figures(map[string]int{"unfaithful_sessions_total": 0, "skipped_statements_total": 1, "sent_statements_total": 5})
}

// TestLostLongData: an execution is not tried with a part of its values.
func TestLostLongData(t *testing.T) {
	p := session(t, caps, caps, func(c *Config) { c.QueueBytes, c.TotalBytes = minQueue, minQueue })
	p.send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(9, 1))
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00some")
	var w pipelinetest.Recorder
	value := []byte(id(1) + "\x00\x00" + strings.Repeat("x", minQueue+1))
	if err := p.chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComStmtSendLongData, value, 16<<10)); err != nil {
		t.Fatal(err)
	}
	p.ok(protocol.ComStmtExecute, id(1)+head+long)
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x01y")
	p.want("COM_STMT_PREPARE INSERT INTO t VALUES (?)", "COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00some",
		"COM_STMT_RESET "+id(9), "COM_STMT_EXECUTE "+id(9)+head+long+"\x01y")
	p.figures(map[string]int{"dropped_statements_total": 2, "unfaithful_sessions_total": 1})
}

// TestUntakenExecution: what the branch's servers cannot be sent binds nothing there.
func TestUntakenExecution(t *testing.T) {
	const bulk = protocol.MariaDBClientStmtBulkOperations
	p := session(t, caps|bulk, caps)
	p.send(protocol.ComStmtPrepare, "INSERT INTO t VALUES (?)", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(9, 1))
	p.ok(protocol.ComStmtBulkExecute, id(1)+"\x80\x00"+"\x03\x00"+"\x00\x05\x00\x00\x00")
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x06\x00\x00\x00")
	p.ok(protocol.ComStmtExecute, id(1)+head+bound+"\x07\x00\x00\x00")
	p.ok(protocol.ComStmtExecute, id(1)+head+unbound+"\x08\x00\x00\x00")
	p.want("COM_STMT_PREPARE INSERT INTO t VALUES (?)", "COM_STMT_EXECUTE "+id(9)+head+bound+"\x07\x00\x00\x00",
		"COM_STMT_EXECUTE "+id(9)+head+unbound+"\x08\x00\x00\x00")
	p.figures(map[string]int{"skipped_statements_total": 2, "unfaithful_sessions_total": 1})
}
