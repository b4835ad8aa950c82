package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// How far Process.Run is. What it sets before a phase may be read in it.
const (
	phaseStarting int32 = iota
	phaseServing        // workers run, listeners accept
	phaseStopping
)

// Health returns an error where a worker does not come to what it is asked while ctx lasts: it is stuck, or the machine
// is. Any goroutine may call it, at any time.
func (p *Process) Health(ctx context.Context) error {
	if p.phase.Load() == phaseStarting {
		return nil
	}
	asked := make([]<-chan struct{}, len(p.workers))
	for i, w := range p.workers {
		asked[i] = w.sign.ask(w, nil)
	}
	var errs []error
	for i := range p.workers {
		if !answers(ctx, asked[i]) && p.phase.Load() == phaseServing {
			errs = append(errs, fmt.Errorf("worker %d does not respond", i))
		}
	}
	return errors.Join(errs...)
}

// A ServerLister is a Target that says which servers its sessions may be opened on.
type ServerLister interface {
	// Servers returns the servers. Any goroutine may call it; nobody changes what it returns.
	Servers() []*Server
}

// Servers are those of the pipeline's target, none where it does not say.
func (p *Pipeline) Servers() []*Server {
	if l, ok := p.target.(ServerLister); ok {
		return l.Servers()
	}
	return nil
}

// Unready returns why a client that connected now would not be served, nothing where it would: the process is starting
// or stopping, or the pipeline of a listener has no server that could be reached. Servers of which that is not known it
// tries to reach while ctx lasts. Any goroutine may call it, at any time.
func (p *Process) Unready(ctx context.Context) (reasons []string) {
	switch p.phase.Load() {
	case phaseStarting:
		return []string{"starting"}
	case phaseStopping:
		return []string{"shutting down"}
	}
	var seen []*Pipeline
	for _, l := range p.Listeners {
		line := l.Config.Pipeline
		if slices.Contains(seen, line) {
			continue
		}
		seen = append(seen, line)
		servers := line.Servers()
		if len(servers) > 0 && !anyReachable(ctx, servers) {
			reasons = append(reasons, fmt.Sprintf("pipeline %s: none of its servers could be reached", line.Name))
		}
	}
	return reasons
}

// anyReachable reports whether the last attempt to reach one of the servers has succeeded. Servers that have not been
// tried, or not lately, are tried where no other can be reached: not each time, since servers shut those out who
// connect often and do not log in. Of servers that somebody watches, and that an operator has taken out of service, it is
// known without.
func anyReachable(ctx context.Context, servers []*Server) bool {
	var trying []*probe
	for _, srv := range servers {
		st := srv.State()
		switch failed := srv.failed.Load(); {
		case !st.Takes():
		case st.Monitored:
			return true
		case failed == 0 && srv.greeting.Load() != nil:
			return true
		case failed == 0 || !srv.Suspect():
			trying = append(trying, srv.probe(false))
		}
	}
	for _, p := range trying {
		select {
		case <-p.done:
			if p.err == nil {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
	return false
}
