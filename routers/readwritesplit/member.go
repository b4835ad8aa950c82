package readwritesplit

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A member is one of the router's servers in one session.
type member struct {
	x     *session
	index int
	link  *pipeline.Link // nil or closed: not connected

	ready    bool   // it has been told what the router wants of it
	insertID uint64 // LAST_INSERT_ID(), as the router has told it, or untold
	synced   uint64 // it has run the entries of the history before this number
	resets   uint64 // of GTIDs there had been when it was connected
	at       map[uint32]*there
	recent   *there // asked for last
	// unfit says that it answered a session command otherwise than the others did: it is not used by this session.
	unfit bool
	// lacks is the default schema for which it has refused a connection, since it has none. until is when it is asked again.
	lacks string
	until time.Time
}

// there is a prepared statement at one server.
type there struct {
	weir, id uint32 // its ids for the client and at the server
	types    []byte // as they were last bound there
	// foreign says that types are those of a statement that the client has closed, and means nothing by any more. holds
	// says that there may be a cursor, or values that were sent ahead.
	foreign, holds bool
}

func (m *member) server() *pipeline.Server { return m.x.r.candidates[m.index].server }

func (m *member) load() *load { return m.x.r.candidates[m.index].load }

func (m *member) connected() bool { return m.link != nil && m.link.IsOpen() }

// connect opens the server's connection. What the server knew of the session is lost with one that was there.
func (m *member) connect() error {
	if m.connected() {
		return nil
	}
	if m.link != nil {
		m.link.Close() // it may have been severed
	}
	m.ready, m.synced, m.at, m.recent, m.insertID = false, 0, nil, nil, 0
	if m.x.causal != nil {
		m.x.causal.reconnected(m.index)
	}
	config := pipeline.LinkConfig{Lost: m.x.idleLoss}
	if m.x.r.tracks() {
		config.State = m.x.learn
	}
	m.resets = m.x.r.service.resets.Load()
	link, err := m.x.s.Dial(m.server(), config)
	if err != nil {
		return err
	}
	m.link = link
	return nil
}

// schemaPause is for how long a session leaves out a replica that does not have its default schema, or not yet.
const schemaPause = 10 * time.Second

// lacksSchema notes that a replica was not connected to since it does not have the default schema, where err says so. It
// reports whether that was known.
func (m *member) lacksSchema(err error) bool {
	refused, _ := errors.AsType[*protocol.SQLError](err)
	if refused == nil || refused.Code != protocol.ErBadDB || m.server().State().Role == pipeline.Primary {
		return false
	}
	schema := m.x.s.Schema()
	known := schema != "" && m.lacks == schema
	m.lacks, m.until = schema, time.Now().Add(schemaPause)
	return known
}

// leftOut reports whether the session is not to use the server.
func (m *member) leftOut() bool {
	return m.unfit || m.lacks != "" && !m.connected() && m.lacks == m.x.s.Schema() && time.Now().Before(m.until)
}

// errUnfit says that a server answered a session command otherwise than the session's others did.
type errUnfit struct {
	server string
	err    error
}

func (e *errUnfit) Error() string {
	return fmt.Sprintf("server %s answers a session command otherwise than the session's other servers did: %v", e.server, e.err)
}

// prepared returns the server's id of a statement, which it prepares where it has not. An error that is a
// *protocol.SQLError is the server's refusal.
func (m *member) prepared(st *pipeline.PreparedStatement) (*there, error) {
	if m.recent != nil && m.recent.weir == st.ID {
		return m.recent, nil
	}
	t := m.at[st.ID]
	if t == nil {
		if st.Truncated {
			return nil, &protocol.SQLError{
				Code: protocol.ErUnknownStmtHandler, State: "HY000",
				Message: fmt.Sprintf("Statement %d is too long to be prepared at another server, and the one that had it is lost", st.ID),
			}
		}
		if err := m.prepare(st); err != nil {
			return nil, err
		}
		if m.x.answer.params != st.Params {
			return nil, &protocol.SQLError{
				Code: protocol.ErUnknown, State: "HY000",
				Message: fmt.Sprintf("Server %s finds %d parameters in a statement where another found %d", m.server().Name(), m.x.answer.params, st.Params),
			}
		}
		t = m.keep(st.ID, m.x.answer.statementID)
	}
	m.recent = t
	return t, nil
}

// keep remembers a statement that the server has prepared.
func (m *member) keep(weir, id uint32) *there {
	if m.at == nil {
		m.at = make(map[uint32]*there)
	}
	t := &there{weir: weir, id: id}
	m.at[weir] = t
	return t
}

// forget takes a statement from the server that the client has closed.
func (m *member) forget(weir uint32) error {
	t := m.at[weir]
	if t == nil || !m.connected() {
		return nil
	}
	delete(m.at, weir)
	m.recent = nil
	var rest [4]byte
	return m.link.Try(&m.x.answer, pipeline.NewCommand(protocol.ComStmtClose, rest[:], m.x.s.Capabilities()), t.id)
}

// rename has a statement be the client's by another id.
func (m *member) rename(old, weir uint32) {
	t := m.at[old]
	if t == nil {
		return
	}
	delete(m.at, old)
	t.weir, t.foreign = weir, len(t.types) > 0
	m.at[weir] = t
}

// unbound returns the statement for an execution that finds no types: where there are those of a closed one, the server is
// not to take these.
func (m *member) unbound(st *pipeline.PreparedStatement, t *there) (*there, error) {
	if !t.foreign {
		return t, nil
	}
	if err := m.forget(st.ID); err != nil {
		return nil, err
	}
	return m.prepared(st)
}

// bound returns the command that executes st with the types it means: c, unless those were bound at another server. types
// are those it binds itself, empty where it binds none.
func (m *member) bound(c *pipeline.Command, st *pipeline.PreparedStatement, t *there, binds bool) (*pipeline.Command, error) {
	if st.Params == 0 {
		return c, nil
	}
	if binds {
		t.types, t.foreign = append(t.types[:0], st.Types...), false
		return c, nil
	}
	if bytes.Equal(t.types, st.Types) {
		return c, nil
	}
	caps := m.x.s.Capabilities()
	payload, ok := protocol.BindTypes(nil, c.Payload(), st.Params, st.Types, caps)
	if c.Part != protocol.Whole || !ok {
		return nil, &protocol.SQLError{
			Code: protocol.ErUnknown, State: "HY000",
			Message: "The types of the parameters are not known to server " + m.server().Name() + ": bind them with the execution",
		}
	}
	t.types, t.foreign = append(t.types[:0], st.Types...), false
	return pipeline.NewCommand(payload[0], payload[1:], caps), nil
}
