package pipeline

import (
	"context"
	"log/slog"
)

// A Process is all that one configuration file describes, built and not yet running.
type Process struct {
	Config    ProcessConfig
	Log       *slog.Logger
	Servers   []*Server
	Listeners []*Listener
	starts    []func() error
	stops     []func()
}

// Env returns the environment of a step called name ("filter querylog", "router connection") of the named
// pipeline.
func (p *Process) Env(pipeline, name string) Env {
	return Env{
		Log:     p.Log.With("pipeline", pipeline, "step", name),
		OnStart: func(f func() error) { p.starts = append(p.starts, f) },
		OnStop:  func(f func()) { p.stops = append(p.stops, f) },
	}
}

// Run starts what was registered, opens the listeners, and serves until ctx is done; then it stops accepting,
// lets running statements finish for up to Config.ShutdownTimeout, and returns nil. An error means that the
// process could not start: it names the listener or step, and nothing is left running.
func (p *Process) Run(ctx context.Context) error {
	panic("written beside this")
}

// A Server is one configured server.
type Server struct{ Config ServerConfig }

// NewServer checks a server block. A mistake in one setting is an Invalid error.
func NewServer(c ServerConfig) (*Server, error) { return &Server{Config: c}, nil }

// Accounts are the users who may log in.
type Accounts struct{}

// NewAccounts checks an accounts block. A mistake in one setting is an Invalid error; one in a user block is
// named "user NAME: setting".
func NewAccounts(c AccountsConfig) (*Accounts, error) { return &Accounts{}, nil }

// A Pipeline is a chain of filters and the target behind them.
type Pipeline struct{ Name string }

// NewPipeline makes a pipeline of filters, in the order commands pass them, and their target.
func NewPipeline(name string, filters []Filter, target Target) *Pipeline { return &Pipeline{Name: name} }

// Open opens the target and then the filters, last to first.
func (p *Pipeline) Open(s *Session) (Handler, error) { return nil, nil }

// A Listener accepts clients at one address.
type Listener struct{ Config ListenerConfig }

// NewListener checks a listener block. It does not open the address: Process.Run does.
func NewListener(c ListenerConfig) (*Listener, error) { return &Listener{Config: c}, nil }
