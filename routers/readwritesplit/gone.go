package readwritesplit

import (
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// needs says why the session cannot go on without m, "" where it can. What is said of an open transaction, which may be
// run again, is not meant.
func (x *session) needs(m *member) string {
	if m != x.primary {
		return ""
	}
	return x.sit.held(&x.r.policy)
}

// idleLoss is what a link says that was lost while no command was running.
func (x *session) idleLoss(l *pipeline.Link, err error) {
	m := x.member(l.Server)
	x.s.Log().Info("connection to a server lost while idle", "server", l.Server.Name(), "error", err)
	if x.needs(m) != "" {
		x.failing = x.gone(m, err)
	}
}

// gone is the session's end with the server it depended on.
func (x *session) gone(m *member, err error) error {
	why := x.needs(m)
	switch {
	case why != "":
	case m == x.trx:
		why = "a transaction was open there"
	default:
		why = "it may have carried out what it was asked for"
	}
	return &lostSession{server: m.server().Name(), why: why, err: err}
}

// lostSession ends a session by the loss of a server. The client is told.
type lostSession struct {
	server, why string
	err         error
}

func (e *lostSession) Error() string {
	return fmt.Sprintf("lost server %s, which the session cannot go on without (%s): %v", e.server, e.why, e.err)
}

func (e *lostSession) Unwrap() []error {
	return []error{&protocol.SQLError{
		Code: protocol.ErConnectionKilled, State: "08S01", Message: "Lost connection to server " + e.server + " during query",
	}, pipeline.ErrServerLost, e.err}
}
