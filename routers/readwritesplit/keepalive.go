package readwritesplit

import "time"

// Servers close connections on which nothing has come for their wait_timeout. A session that only reads, at its replicas,
// would lose its primary's by that, with all that is known there alone. A keeper has the sessions of a router, at each half of
// the setting, send something on the connections that are to be kept and that nothing was sent on since the half before. So
// statements do no more than to leave a mark on their connection.

// keeperTurns is how many turns the sessions take, so that not all of them send at the same moment.
const keeperTurns = 16

type keeper struct {
	stop, stopped chan struct{} // nil until it is started
}

func (r *Router) startKeeper() {
	if r.config.Keepalive == 0 {
		return
	}
	k := &r.keeper
	k.stop, k.stopped = make(chan struct{}), make(chan struct{})
	go r.keepAlive(r.config.Keepalive / 2 / keeperTurns)
}

func (r *Router) stopKeeper() {
	if k := &r.keeper; k.stop != nil {
		close(k.stop)
		<-k.stopped
	}
}

// keepAlive has sessions look after their connections, those of one turn after the other, until it is stopped.
func (r *Router) keepAlive(every time.Duration) {
	defer close(r.keeper.stopped)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for turn := uint32(0); ; turn = (turn + 1) % keeperTurns {
		select {
		case <-r.keeper.stop:
			return
		case <-ticker.C:
			r.tellTurn(turn)
		}
	}
}

// tellTurn has the sessions whose turn it is look after their connections.
func (r *Router) tellTurn(turn uint32) {
	w := &r.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, x := range w.sessions {
		if x.s.ID()%keeperTurns == turn {
			c.Tell(x.keepAlive)
		}
	}
}

// keepAlive has servers keep the connections that nothing was sent on since it was last called: all of them while the client
// uses the session, and otherwise those that alone have something of it. It runs on the session's worker, and does not wait.
func (x *session) keepAlive(busy bool) {
	var idle uint64
	for i := range x.members {
		m := &x.members[i]
		switch {
		case !m.connected():
		case m.link.Used():
			busy = true
		default:
			idle |= 1 << i
		}
	}
	for i := range x.members {
		if m := &x.members[i]; idle>>i&1 != 0 && x.keeps(m, busy) {
			m.link.KeepAlive()
		}
	}
}

// keeps reports whether the connection to m is to be kept. How long a transaction may be open without a statement, and hold
// its locks, is for the server to say.
func (x *session) keeps(m *member, used bool) bool {
	return m != x.trx && (used || x.needs(m) != "" || x.holds(m))
}
