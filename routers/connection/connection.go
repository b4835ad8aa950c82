// Package connection is the router that gives each session one server connection of its own.
package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Config is a router "connection" block.
type Config struct {
	// Servers are the servers sessions are spread over.
	Servers []*pipeline.Server `hcl:"servers"`
}

// Kind is the router's entry in the list of routers.
var Kind = pipeline.KindOf("connection", Config{}, New)

// suspect is more than any load.
const suspect = 1 << 40

// Router opens each session on one of its servers.
type Router struct {
	servers []*pipeline.Server
}

// New checks the settings.
func New(c Config, _ pipeline.Env) (pipeline.Target, error) {
	if len(c.Servers) == 0 {
		return nil, pipeline.Invalid("servers", errors.New("a router needs at least one server"))
	}
	for i, srv := range c.Servers {
		if slices.Contains(c.Servers[:i], srv) {
			return nil, pipeline.Invalid("servers", fmt.Errorf("server %s is named twice", srv.Name()))
		}
	}
	return &Router{c.Servers}, nil
}

// Greeting is pipeline.Greeter's.
func (r *Router) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, r.servers)
}

// Servers is pipeline.ServerLister's.
func (r *Router) Servers() []*pipeline.Server { return r.servers }

// Open connects the session to the server that has the fewest connections for its weight, or to the next one where
// that refuses. A session that is reset stays on its connection.
func (r *Router) Open(s *pipeline.Session) (pipeline.Handler, error) {
	if srv := s.Carried(r.servers); srv != nil {
		return s.Connect(srv)
	}
	var errs []error
	for _, srv := range r.byLoad() {
		link, err := s.Connect(srv)
		if err == nil {
			for _, err := range errs {
				s.Log().Warn("server passed over", "error", err, "instead", srv.Name())
			}
			return link, nil
		}
		errs = append(errs, err)
	}
	return nil, pipeline.NoServer(errs)
}

// byLoad returns the servers, those with the fewest connections for their weight first, and last those that could not
// be reached a short while ago: a client should not wait for them again where another server would take it.
func (r *Router) byLoad() []*pipeline.Server {
	load := make(map[*pipeline.Server]float64, len(r.servers))
	for _, srv := range r.servers {
		load[srv] = float64(srv.Links()) / float64(srv.Config.Weight)
		if srv.Suspect() {
			load[srv] += suspect
		}
	}
	servers := slices.Clone(r.servers)
	slices.SortStableFunc(servers, func(a, b *pipeline.Server) int {
		switch {
		case load[a] < load[b]:
			return -1
		case load[a] > load[b]:
			return 1
		}
		return 0
	})
	return servers
}
