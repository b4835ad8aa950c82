package pipeline

import (
	"context"
	"sync"
	"time"

	"github.com/weirproxy/weir/protocol"
)

const (
	// greetingGrace is how long a client waits for the greetings of further servers when one is known.
	greetingGrace = time.Second
	// suspectFor is how long a server that could not be reached is tried after the others.
	suspectFor = 10 * time.Second
)

// A Greeter is a Target that knows what its servers greet with. The greeting of a session must be known before it is
// opened, and so before its servers are chosen.
type Greeter interface {
	// Greeting returns a greeting all servers that could serve the session agree with; it may block. An error
	// says that there is no such server.
	Greeting(ctx context.Context) (*protocol.Greeting, error)
}

// probe is a connection that is made to learn a server's greeting. A server has one at a time, however many clients
// wait for it: servers count connections that do not log in, and shut those out who make many.
type probe struct {
	began time.Time
	done  chan struct{}
	err   error // a *ServerError; set before done is closed
}

// prober makes the probes of a server.
type prober struct {
	mu   sync.Mutex
	last *probe
}

// probe returns the probe that runs, or the last one if that failed a short while ago and again is not set, or else a
// new one.
func (srv *Server) probe(again bool) *probe {
	srv.prober.mu.Lock()
	defer srv.prober.mu.Unlock()
	if p := srv.prober.last; p != nil {
		select {
		case <-p.done:
			if !again && srv.Suspect() {
				return p
			}
		default:
			return p
		}
	}
	p := &probe{began: time.Now(), done: make(chan struct{})}
	srv.prober.last = p
	go func() {
		defer close(p.done)
		conn, _, err := srv.dial(context.Background()) // has a deadline of its own
		if p.err = err; err == nil {
			_ = conn.Close()
		}
	}()
	return p
}

// Suspect reports whether the server could not be reached a short while ago. Any goroutine may call it.
func (srv *Server) Suspect() bool {
	failed := srv.failed.Load()
	return failed != 0 && time.Since(time.Unix(0, failed)) < suspectFor
}

// MergeGreetings returns the greeting of the first server whose greeting is known, with the capabilities that all have
// whose greetings are. A greeting is known from the server's last connection; where there has been none, one is made.
// It blocks only until the servers have answered, and not for long where one has. The error says why none has.
func MergeGreetings(ctx context.Context, servers []*Server) (*protocol.Greeting, error) {
	for _, again := range []bool{false, true} {
		probes := make(map[*Server]*probe)
		for _, srv := range servers {
			if srv.greeting.Load() == nil {
				probes[srv] = srv.probe(again)
			}
		}
		if await(ctx, probes, len(servers) > len(probes)) {
			return mergeKnown(servers), nil
		}
		if again {
			var errs []error
			for _, srv := range servers {
				errs = append(errs, probes[srv].failure(ctx, srv))
			}
			return nil, NoServer(errs)
		}
	}
	panic("unreachable")
}

// await waits until the probes have ended, or one greeting is known and the others have had their moment. It reports
// whether one is known; known says that one was before.
func await(ctx context.Context, probes map[*Server]*probe, known bool) bool {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	answers := make(chan bool, len(probes))
	var last time.Time
	for _, p := range probes {
		if p.began.After(last) {
			last = p.began
		}
		go func() {
			select {
			case <-p.done:
				answers <- p.err == nil
			case <-waiting.Done():
			}
		}()
	}
	grace := time.NewTimer(time.Until(last.Add(greetingGrace)))
	defer grace.Stop()
	for range probes {
		var enough <-chan time.Time
		if known {
			enough = grace.C
		}
		select {
		case ok := <-answers:
			known = known || ok
		case <-enough:
			return true
		case <-ctx.Done():
			return known
		}
	}
	return known
}

func (p *probe) failure(ctx context.Context, srv *Server) error {
	select {
	case <-p.done:
		return p.err
	default:
		return &ServerError{srv, context.Cause(ctx)}
	}
}

// mergeKnown merges the greetings that are known.
func mergeKnown(servers []*Server) *protocol.Greeting {
	var merged *protocol.Greeting
	for _, srv := range servers {
		g := srv.greeting.Load()
		switch {
		case g == nil:
		case merged == nil:
			first := *g
			merged = &first
		default:
			mysql := (merged.Capabilities | g.Capabilities) & protocol.ClientMySQL
			merged.Capabilities = merged.Capabilities&g.Capabilities | mysql
			if mysql != 0 {
				merged.Capabilities &= 1<<32 - 1
			}
		}
	}
	return merged
}
