package readwritesplit

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A reading is what the meaning of a statement depends on when it is prepared. A statement keeps it: one that is prepared
// on a further server later must not mean something else there.
type reading struct {
	schema   string
	settings int // how often one has changed that matters
}

func (x *session) reading() reading { return reading{x.s.Schema(), x.settings} }

// changesReading reports whether a session command may change how statements read, other than by the default schema.
func changesReading(st *pipeline.Statement) bool {
	if st.Class != sqlscan.Set {
		return false
	}
	for _, name := range [...]string{"mode", "names", "char", "collat"} {
		if containsFold(st.Canonical, name) {
			return true
		}
	}
	return false
}

// astray are the servers that could not prepare a statement any more as it was meant, as bits: none, where none of them
// has it.
func (x *session) astray(st *pipeline.PreparedStatement) (set uint64) {
	if x.made[st.ID].settings == x.settings {
		return 0
	}
	some := false
	for i := range x.members {
		m := &x.members[i]
		if m.connected() && m.at[st.ID] != nil {
			some = true
		} else {
			set |= 1 << i
		}
	}
	if !some {
		return 0
	}
	return set
}

// prepare has the server prepare a statement that another one has prepared earlier. Its answer is in x.answer.
func (m *member) prepare(st *pipeline.PreparedStatement) error {
	made, now := m.x.made[st.ID], m.x.reading()
	if made.settings != now.settings {
		return &protocol.SQLError{
			Code: protocol.ErUnknownStmtHandler, State: "HY000",
			Message: fmt.Sprintf("Statement %d needs to be prepared again: sql_mode or character sets have changed since, and the server that had it is lost", st.ID),
		}
	}
	prepare := pipeline.NewCommand(protocol.ComStmtPrepare, []byte(st.Text), m.x.s.Capabilities())
	if made.schema == "" || made.schema == now.schema {
		return m.ask(prepare)
	}
	if err := m.ask(m.use(made.schema)); err != nil {
		return err
	}
	err := m.ask(prepare)
	if err != nil && refusedBy(err) == nil && !errors.Is(err, errKilled) {
		return err
	}
	prepared := m.x.answer
	if now.schema != "" {
		if err := m.ask(m.use(now.schema)); err != nil {
			return m.drop(err)
		}
	}
	m.x.answer = prepared
	return err
}

// use is what changes the server's default schema.
func (m *member) use(schema string) *pipeline.Command {
	return pipeline.NewCommand(protocol.ComInitDB, []byte(schema), m.x.s.Capabilities())
}

// refusedBy returns the answer that err is, nil where it is none: that of a server that is lost has one in it, at times.
func refusedBy(err error) *protocol.SQLError {
	if _, lost := errors.AsType[*pipeline.LostError](err); lost {
		return nil
	}
	refused, _ := errors.AsType[*protocol.SQLError](err)
	return refused
}
