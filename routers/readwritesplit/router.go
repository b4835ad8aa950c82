package readwritesplit

import (
	"context"
	"log/slog"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// maxServers is how many servers a router may have: sets of them are bits of a word.
const maxServers = 64

// Kind is the router's entry in the list of routers.
var Kind = pipeline.KindOf("readwritesplit", Defaults, New)

// Router opens sessions on a primary and its replicas.
type Router struct {
	config     Config
	policy     policy
	by         criterion
	candidates []candidate
	scope      causalScope
	service    servicePosition
	log        *slog.Logger
	counts     counts
	watch      watch
	keeper     keeper
}

// New checks the settings.
func New(c Config, env pipeline.Env) (pipeline.Target, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	by, _ := criterionOf(c.Choice)
	r := &Router{
		config: c, by: by, log: env.Log,
		policy: policy{
			userVariables: c.UserVariables, strictMulti: c.StrictMultiStatements, strictCalls: c.StrictCalls,
			strictTemporary: c.StrictTemporaryTables, primaryReads: c.PrimaryReads, optimistic: c.OptimisticTransactions,
		},
	}
	for _, srv := range c.Servers {
		r.candidates = append(r.candidates, candidate{server: srv, load: new(load)})
		r.policy.servers = append(r.policy.servers, srv.Name())
	}
	r.scope, _ = causalScopeOf(c.CausalReads)
	r.counts.expose(env)
	env.OnStart(func() error {
		r.startWatch()
		r.startKeeper()
		return nil
	})
	env.OnStop(r.stopWatch)
	env.OnStop(r.stopKeeper)
	return r, nil
}

// Greeting is pipeline.Greeter's.
func (r *Router) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, r.config.Servers)
}

// Servers is pipeline.ServerLister's.
func (r *Router) Servers() []*pipeline.Server { return r.config.Servers }

// Explain is pipeline.Explainer's.
func (r *Router) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	return explain(&r.policy, s, c), nil
}

// Open begins a session. It connects to servers where there are connections from before a reset, or where that is not to
// wait until they are used.
func (r *Router) Open(s *pipeline.Session) (pipeline.Handler, error) {
	x := newSession(r, s)
	cutter := s.Cutter()
	r.watch.add(cutter, x)
	s.OnClose(func() { r.watch.remove(cutter) })
	if r.config.OnPrimaryLoss == "close" && primaryOf(r.candidates) < 0 {
		return nil, &noServer{&protocol.SQLError{
			Code: protocol.ErNoServer, State: "08001", Message: "Can't connect: " + errNoPrimary.Error(),
		}}
	}
	for srv := s.Carried(r.config.Servers); srv != nil; srv = s.Carried(r.config.Servers) {
		if err := x.member(srv).connect(); err != nil {
			return nil, err
		}
	}
	if !r.config.LazyConnect {
		if err := x.start(); err != nil {
			return nil, err
		}
	}
	if at := primaryOf(r.candidates); at >= 0 && x.members[at].connected() {
		x.adopt(x.members[at].link)
	}
	return x, nil
}
