package readwritesplit

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// evict ends the connection lost, on which a transaction was open that is about to be run again at the same server, where
// the server still has it: who runs the transaction again would wait for its locks. A port makes sure that the server's
// number is that of this connection, and not of somebody's since the server's restart.
func (x *session) evict(m *member, lost *pipeline.Link, cause error) error {
	if _, told := errors.AsType[*protocol.SQLError](cause); told || lost == nil || lost == m.link || lost.LocalPort == 0 {
		return nil
	}
	err := x.at(m, "SELECT ID FROM information_schema.processlist WHERE ID = %d AND HOST LIKE '%%:%d' LIMIT 1", lost.ThreadID, lost.LocalPort)
	if err == nil && len(x.answer.row) > 0 {
		x.s.Log().Info("connection killed that its server had not missed yet", "server", m.server().Name(), "thread", lost.ThreadID)
		err = x.at(m, "KILL %d", lost.ThreadID)
	}
	if refusedBy(err) != nil { // then it takes as long as it takes
		return nil
	}
	return err
}

// at runs a statement of the router's own.
func (x *session) at(m *member, format string, a ...any) error {
	return m.ask(pipeline.NewQuery(fmt.Sprintf(format, a...), x.s.Capabilities()))
}
