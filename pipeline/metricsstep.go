package pipeline

import (
	"context"
	"reflect"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// Of one statement in 64, it is measured how long it spends in each step of its pipeline by itself: not in those
// behind it, which the step calls, nor in those before it, which it writes the reply to. All others pay for a look at
// one flag per step.

// stage stands before each step of a chain. While the session's clock is on, it tells it when the step is entered and
// left.
type stage struct {
	s        *Session
	pipeline *Pipeline
	step     int     // its number in tally.steps
	next     Handler // the step

	// What follows is of use while the clock is on.
	up    stageWriter
	spent time.Duration
	noted bool   // in the clock's list
	after *stage // there
}

// stageWriter is what a step writes its reply to while the clock is on.
type stageWriter struct {
	clock *stepClock
	w     ReplyWriter
	outer *stage // whose time it is meanwhile
}

// staged puts a stage before the handler that step number i of the pipeline has opened in front of behind. A step that
// has put nothing there gets none.
func (p *Pipeline) staged(s *Session, i int, opened, behind Handler) Handler {
	if behind != nil && same(opened, behind) {
		return opened
	}
	return &stage{s: s, pipeline: p, step: i, next: opened}
}

// same reports whether two handlers are one, where that can be told.
func same(a, b Handler) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// Serve is Handler's.
func (g *stage) Serve(ctx context.Context, w ReplyWriter, c *Command) error {
	if !g.s.clock.on {
		return g.next.Serve(ctx, w, c)
	}
	before := g.up
	outer := g.s.clock.enter(g)
	g.up = stageWriter{&g.s.clock, w, outer}
	err := g.next.Serve(ctx, &g.up, c)
	g.up = before
	g.s.clock.enter(outer)
	return err
}

// WriteReply is ReplyWriter's.
func (u *stageWriter) WriteReply(p *protocol.Chunk) error {
	inner := u.clock.enter(u.outer)
	err := u.w.WriteReply(p)
	u.clock.enter(inner)
	return err
}

// stepClock measures the steps of the statement that a session is serving.
type stepClock struct {
	on    bool
	mark  time.Time // when the step that runs was entered
	at    *stage    // that step; nil is the session itself
	spent time.Duration
	noted *stage // the steps that were entered, linked by after
}

func (k *stepClock) start() { *k = stepClock{on: true, mark: time.Now()} }

// enter makes g the step that runs and returns the one that did.
func (k *stepClock) enter(g *stage) (left *stage) {
	now := time.Now()
	if left = k.at; left == nil {
		k.spent += now.Sub(k.mark)
	} else {
		left.spent += now.Sub(k.mark)
	}
	if g != nil && !g.noted {
		g.noted, g.after = true, k.noted
		k.noted = g
	}
	k.at, k.mark = g, now
	return left
}

// stop notes what was measured.
func (k *stepClock) stop(s *Session) {
	k.enter(nil)
	s.tally.step(0).observe(k.spent)
	for g := k.noted; g != nil; {
		s.home.tallyOf(g.pipeline, s.tally.branch).step(g.step).observe(g.spent)
		next := g.after
		g.spent, g.noted, g.after = 0, false, nil
		g = next
	}
	*k = stepClock{}
}

// steps is the number of the pipeline's steps.
func (p *Pipeline) steps() int { return len(p.filters) + 1 }

// stepName names what tally.steps has the time of at i.
func (p *Pipeline) stepName(i int) string {
	switch {
	case i == 0:
		return "session"
	case i <= len(p.Steps):
		return p.Steps[i-1]
	case i == p.steps():
		return "router"
	}
	return "filter"
}
