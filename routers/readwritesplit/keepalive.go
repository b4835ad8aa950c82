package readwritesplit

import "time"

// Servers close connections on which nothing has come for their wait_timeout. A session that only reads, at its replicas,
// would lose its primary's by that, with all that is known there alone. A keeper has the sessions of a router that are in use,
// at each half of the setting, send something on the connections that nothing was sent on since the half before. So
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

// keepAlive has servers keep the connections that nothing was sent on since it was last called, where the client has used the
// session meanwhile: one that does nothing, and all that it holds, is for the servers' wait_timeout to end, as without Weir.
// So is a transaction in which nothing is done. It runs on the session's worker, and does not wait.
func (x *session) keepAlive(busy bool) {
	var idle uint64
	for i := range x.members {
		m := &x.members[i]
		switch {
		case !m.connected():
		case m.link.Used():
			busy = true
		case m != x.trx:
			idle |= 1 << i
		}
	}
	if !busy {
		return
	}
	for i := range x.members {
		if idle>>i&1 != 0 {
			x.members[i].link.KeepAlive()
		}
	}
}
