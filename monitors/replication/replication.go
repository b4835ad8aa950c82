// Package replication is the monitor that finds out by itself who is primary and who replicates from whom.
package replication

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// Config is what can be set.
type Config struct {
	poll.Config
	// Servers are the servers of the cluster, in order of preference where nothing else decides who is the primary.
	Servers []*pipeline.Server `hcl:"servers"`
	// Heartbeat, where there is one, has lag measured.
	Heartbeat *HeartbeatConfig `hcl:"heartbeat,block"`
}

// Kind is the monitor's entry in the list of monitors.
var Kind = pipeline.KindOf("replication", Config{Config: poll.Defaults}, New)

// A Monitor watches the servers of a cluster.
type Monitor struct {
	servers []*pipeline.Server
	watch   *poll.Watch[answer]
	beats   *heartbeat // nil where there is none
	before  []atomic.Pointer[answer]
	primary atomic.Int64 // none where there is none

	// What follows belongs to hear.
	reign *reign
	tell  *poll.Teller
	notes notes
}

// New checks the settings.
func New(c Config, env pipeline.Env) (pipeline.Monitor, error) {
	errs := []error{c.Check(), poll.CheckServers("servers", c.Servers)}
	m := &Monitor{
		servers: c.Servers, before: make([]atomic.Pointer[answer], len(c.Servers)),
		reign: newReign(len(c.Servers), c.Failures), tell: poll.NewTeller(env.Log, c.Servers), notes: notes{log: env.Log},
	}
	m.primary.Store(none)
	if c.Heartbeat != nil {
		var err error
		m.beats, err = newHeartbeat(*c.Heartbeat, c.Timeout, env.Log, openers(&c)...)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.watch = &poll.Watch[answer]{Config: &c.Config, Servers: c.Servers, Open: poll.Open, Ask: m.ask, Heard: m.hear}
	m.watch.Expose(env)
	env.OnStart(m.watch.Start)
	env.OnStop(m.stop)
	return m, nil
}

// openers open connections to the servers.
func openers(c *Config) (all []func() (poll.Conn, error)) {
	for _, srv := range c.Servers {
		all = append(all, func() (poll.Conn, error) { return poll.Open(&c.Config, srv) })
	}
	return all
}

func (m *Monitor) stop() {
	m.watch.Stop()
	if m.beats != nil {
		m.beats.stop()
	}
}

// Servers is pipeline.Monitor's.
func (m *Monitor) Servers() []*pipeline.Server { return m.servers }

// ask polls the i-th server.
func (m *Monitor) ask(ctx context.Context, i int, conn poll.Conn) (answer, error) {
	before := m.before[i].Load()
	a, err := ask(ctx, conn, before)
	if err != nil {
		return a, err
	}
	if m.beats != nil {
		a.behind = m.beats.ask(i, conn, int(m.primary.Load()) == i && !a.readOnly)
	}
	m.before[i].Store(&a)
	return a.cautious(before), nil
}

// hear decides anew, and tells the servers.
func (m *Monitor) hear(seen []poll.Seen[answer]) {
	servers := make([]server, len(seen))
	for i, s := range seen {
		servers[i] = server{m.servers[i].Name(), m.servers[i].Config.Address, s}
	}
	t := newTopology(servers)
	last := m.reign.last
	d := m.reign.decide(t)
	m.primary.Store(int64(d.primary))
	// Who is the primary no more is told first: nobody is to see two.
	for i := range servers {
		if i != d.primary {
			m.tell.Tell(i, m.state(&servers[i], &d.verdicts[i]))
		}
	}
	if d.primary != none {
		m.tell.Tell(d.primary, m.state(&servers[d.primary], &d.verdicts[d.primary]))
	}
	m.notes.take(describe(t, d, last))
}

// state is what a server is told of itself.
func (m *Monitor) state(srv *server, v *verdict) pipeline.ServerState {
	a := &srv.Answer
	st := pipeline.ServerState{
		Monitored: true, Up: srv.Up, Role: v.role, Lag: v.lag, ReadOnly: a.readOnly, Version: a.version, GTID: a.gtid,
		Reason: v.reason, Problem: v.problem,
	}
	if v.of != none {
		st.Of = m.servers[v.of]
	}
	if a.behind != pipeline.UnknownLag && v.role.Reads() {
		st.Lag = a.behind
	}
	return st
}
