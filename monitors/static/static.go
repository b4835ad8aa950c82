// Package static is the monitor of servers whose roles are known beforehand: it watches whether they answer.
package static

import (
	"context"
	"errors"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// Config is what can be set.
type Config struct {
	poll.Config
	// Primary is the server that takes writes, nil where there is none.
	Primary *pipeline.Server `hcl:"primary,optional"`
	// Replicas are the servers that reads are spread over.
	Replicas []*pipeline.Server `hcl:"replicas,optional"`
}

// Kind is the monitor's entry in the list of monitors.
var Kind = pipeline.KindOf("static", Config{Config: poll.Defaults}, New)

// A Monitor watches servers of fixed roles.
type Monitor struct {
	servers []*pipeline.Server
	primary *pipeline.Server
	watch   *poll.Watch[poll.Row]
	tell    *poll.Teller
}

// New checks the settings.
func New(c Config, env pipeline.Env) (pipeline.Monitor, error) {
	servers := c.Replicas
	if c.Primary != nil {
		servers = append([]*pipeline.Server{c.Primary}, c.Replicas...)
	}
	if err := errors.Join(c.Check(), poll.CheckServers("replicas", servers)); err != nil {
		return nil, err
	}
	m := &Monitor{servers: servers, primary: c.Primary, tell: poll.NewTeller(env.Log, servers)}
	m.watch = &poll.Watch[poll.Row]{Config: &c.Config, Servers: servers, Open: poll.Open, Ask: ask, Heard: m.hear}
	m.watch.Expose(env)
	env.OnStart(m.watch.Start)
	env.OnStop(m.watch.Stop)
	return m, nil
}

// Servers is pipeline.Monitor's.
func (m *Monitor) Servers() []*pipeline.Server { return m.servers }

// ask asks a server the least there is.
func ask(ctx context.Context, _ int, conn poll.Conn) (poll.Row, error) {
	rows, err := conn.Query(ctx, "SELECT @@global.version AS version, @@global.read_only AS read_only")
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, errors.New("it does not say what it is")
	}
	return rows[0], nil
}

// hear tells the servers. One that refuses the monitor answers, and so is up.
func (m *Monitor) hear(seen []poll.Seen[poll.Row]) {
	for i, s := range seen {
		st := pipeline.ServerState{
			Monitored: true, Up: s.Up, Lag: pipeline.UnknownLag, Version: s.Answer.First("version"),
			ReadOnly: poll.IsOn(s.Answer.First("read_only")), Reason: s.Reason, Problem: s.Problem,
		}
		switch {
		case !s.Up:
		case m.servers[i] == m.primary:
			st.Role = pipeline.Primary
		default:
			st.Role, st.Of = pipeline.Replica, m.primary
		}
		m.tell.Tell(i, st)
	}
}
