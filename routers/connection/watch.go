package connection

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A fate is what becomes of sessions when their server's state changes.
type fate uint8

const (
	stays  fate = iota
	leaves      // as soon as the session is idle and outside a transaction
	ends        // at once
)

// befall has a session meet its fate.
func (f fate) befall(c *pipeline.Cutter, why error) {
	switch f {
	case stays:
		c.Stay()
	case leaves:
		c.CutAtRest(why)
	case ends:
		c.Cut(why)
	}
}

// fate says what becomes of the sessions on a server, and why. An operator who takes the server out of service means it,
// and yet no transaction is to be lost by that.
func (r *Router) fate(srv *pipeline.Server) (f fate, why error) {
	st := srv.State()
	text := "is " + describe(st)
	switch {
	case st.Up && st.Service == pipeline.InService && r.roles.choice(st.Role) >= 0:
		return stays, nil
	case st.Service != pipeline.InService && (st.Up || r.onChange == onChangeKeep):
		f = leaves
	case r.onChange == onChangeClose:
		f = ends
	case r.onChange == onChangeIdle:
		f = leaves
	default:
		return stays, nil
	}
	if st.Up && st.Service == pipeline.InService {
		text += fmt.Sprintf(" now, and the session asked for %s", r.roles)
	}
	// A client takes this code for the end of its connection, and may connect anew.
	return f, &protocol.SQLError{
		Code: protocol.ErServerShutdown, State: "08S01", Message: fmt.Sprintf("Connection closed: server %s %s", srv.Name(), text),
	}
}

// A watch knows which sessions are on which server, and has them meet their fate when the server's state changes.
type watch struct {
	mu       sync.Mutex
	sessions map[*pipeline.Server]map[*pipeline.Cutter]struct{}
	leaving  map[*pipeline.Server]bool // whose sessions have been told to leave at rest

	unwatch func() // nil until it is started
}

func (w *watch) init(servers []*pipeline.Server) {
	w.sessions = make(map[*pipeline.Server]map[*pipeline.Cutter]struct{}, len(servers))
	w.leaving = make(map[*pipeline.Server]bool)
	for _, srv := range servers {
		w.sessions[srv] = make(map[*pipeline.Cutter]struct{})
	}
}

func (w *watch) add(srv *pipeline.Server, c *pipeline.Cutter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[srv][c] = struct{}{}
}

func (w *watch) remove(srv *pipeline.Server, c *pipeline.Cutter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions[srv], c)
}

// start begins to watch, and asks of what becomes of the sessions on a server whenever that may have changed.
func (w *watch) start(of func(*pipeline.Server) (fate, error)) {
	servers := slices.Collect(maps.Keys(w.sessions))
	w.unwatch = pipeline.OnStates(servers, func() {
		for _, srv := range servers {
			fate, why := of(srv)
			w.befall(srv, fate, why)
		}
	})
}

// befall does no more than to tell the sessions: nobody who waits for the lock waits for them.
func (w *watch) befall(srv *pipeline.Server, f fate, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f == stays && !w.leaving[srv] {
		return
	}
	w.leaving[srv] = f == leaves
	for c := range w.sessions[srv] {
		f.befall(c, why)
	}
}

// stop ends what start has begun.
func (w *watch) stop() {
	if w.unwatch != nil {
		w.unwatch()
	}
}
