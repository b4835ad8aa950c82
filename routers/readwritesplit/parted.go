package readwritesplit

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
)

// With primary_reconnect = false, a session has one connection to a primary in its life: own, the first one. Once that
// is lost, or another server is the primary, the session is parted from it, and what needs the primary ends the session.

// adopt has the session keep its connection to the primary, the first that it has.
func (x *session) adopt(l *pipeline.Link) {
	if x.own == nil && !x.r.config.PrimaryReconnect {
		x.own = l
	}
}

// parted reports whether the session is not to go on with the primary that there is, or will be.
func (x *session) parted() bool {
	if x.own == nil {
		return false
	}
	at := primaryOf(x.r.candidates)
	return !x.own.IsOpen() || at >= 0 && x.members[at].link != x.own
}

// bars reports whether m is the primary, and one that the session is not to go on with.
func (x *session) bars(m *member) bool { return x.parted() && m.index == primaryOf(x.r.candidates) }

// barred is the server that bars is about, as a set.
func (x *session) barred() uint64 {
	if at := primaryOf(x.r.candidates); at >= 0 && x.parted() {
		return 1 << at
	}
	return 0
}

// part is for a command that needs the primary, where the session is parted from it: the session ends. Where there is
// no primary at all, it is up to on_primary_loss.
func (x *session) part(j *job) error {
	if primaryOf(x.r.candidates) >= 0 {
		return x.parting()
	}
	return x.refuse(j, fmt.Errorf("%w: %w", errNoPrimary, x.parting()))
}

// parting says why the session ends.
func (x *session) parting() error {
	lost := &lostSession{server: x.own.Server.Name(), why: "primary_reconnect is off", err: errDeposed}
	if !x.own.IsOpen() {
		lost.err = errors.New("the connection is closed")
	}
	return lost
}

// irreplaceable reports whether the session cannot have another connection to m in the place of the one it has.
func (x *session) irreplaceable(m *member) bool {
	return x.needs(m) != "" || x.own != nil && m.link == x.own
}
