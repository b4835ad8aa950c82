// Package connection is the router that gives each session one server connection of its own.
package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Config is a router "connection" block.
type Config struct {
	// Servers are the servers sessions are spread over.
	Servers []*pipeline.Server `hcl:"servers"`
	// Roles are the roles of servers that sessions may be on, the first choice first: primary, replica, any.
	Roles []string `hcl:"roles,optional"`
	// MaxLag is how far a replica may be behind to get a session. 0: however far.
	MaxLag time.Duration `hcl:"max_lag,optional"`
	// OnRoleChange says what becomes of sessions whose server goes down or has none of Roles any more: close, idle, keep.
	OnRoleChange string `hcl:"on_role_change,optional"`
}

// Defaults are the settings of a router block that names only its servers.
var Defaults = Config{Roles: []string{"any"}, OnRoleChange: onChangeClose}

// Kind is the router's entry in the list of routers.
var Kind = pipeline.KindOf("connection", Defaults, New)

// The values of on_role_change.
const (
	onChangeClose = "close"
	onChangeIdle  = "idle"
	onChangeKeep  = "keep"
)

// Router opens each session on one of its servers.
type Router struct {
	servers  []*pipeline.Server
	roles    roles
	maxLag   time.Duration
	onChange string
	watch    watch
}

// New checks the settings.
func New(c Config, env pipeline.Env) (pipeline.Target, error) {
	if len(c.Servers) == 0 {
		return nil, pipeline.Invalid("servers", errors.New("a router needs at least one server"))
	}
	for i, srv := range c.Servers {
		if slices.Contains(c.Servers[:i], srv) {
			return nil, pipeline.Invalid("servers", fmt.Errorf("server %s is named twice", srv.Name()))
		}
	}
	roles, err := newRoles(c.Roles)
	if err != nil {
		return nil, pipeline.Invalid("roles", err)
	}
	if c.MaxLag < 0 {
		return nil, pipeline.Invalid("max_lag", errors.New("a lag is not negative"))
	}
	switch c.OnRoleChange {
	case onChangeClose, onChangeIdle, onChangeKeep:
	default:
		return nil, pipeline.Invalid("on_role_change",
			fmt.Errorf("%q is none of %s, %s and %s", c.OnRoleChange, onChangeClose, onChangeIdle, onChangeKeep))
	}
	r := &Router{servers: c.Servers, roles: roles, maxLag: c.MaxLag, onChange: c.OnRoleChange}
	r.watch.init(r.servers)
	env.OnStart(func() error {
		r.watch.start(r.fate)
		return nil
	})
	env.OnStop(r.watch.stop)
	return r, nil
}

// Greeting is pipeline.Greeter's. A server that is known to be down is not waited for where another one is up.
func (r *Router) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	up := make([]*pipeline.Server, 0, len(r.servers))
	for _, srv := range r.servers {
		if srv.State().Up {
			up = append(up, srv)
		}
	}
	if len(up) == 0 {
		up = r.servers
	}
	return pipeline.MergeGreetings(ctx, up)
}

// Servers is pipeline.ServerLister's.
func (r *Router) Servers() []*pipeline.Server { return r.servers }

// Open connects the session to the best server, or to the next one where that refuses. A session that is reset stays on
// its connection, unless it is to leave the server.
func (r *Router) Open(s *pipeline.Session) (pipeline.Handler, error) {
	if srv := s.Carried(r.servers); srv != nil {
		if fate, _ := r.fate(srv); fate == stays {
			return r.enter(s, srv)
		}
	}
	servers, refused := r.choose()
	var failed []error
	for _, srv := range servers {
		link, err := r.enter(s, srv)
		if err == nil {
			for _, err := range failed {
				s.Log().Warn("server passed over", "error", err, "instead", srv.Name())
			}
			return link, nil
		}
		failed = append(failed, err)
	}
	return nil, r.noServer(failed, refused)
}

// enter connects the session to a server, and has it watched there.
func (r *Router) enter(s *pipeline.Session, srv *pipeline.Server) (pipeline.Handler, error) {
	link, err := s.Connect(srv)
	if err != nil {
		return nil, err
	}
	c := s.Cutter()
	r.watch.add(srv, c)
	s.OnClose(func() { r.watch.remove(srv, c) })
	// The server may have changed while it was connected to, unseen by the watch.
	fate, why := r.fate(srv)
	fate.befall(c, why)
	return link, nil
}
