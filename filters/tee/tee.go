// Package tee is the filter that copies a session's statements to a second pipeline, and may compare how the two went.
//
// What the client is told comes from the main pipeline alone. When it has been told, the command is copied into the
// session's queue, from which a branch (a session of its own) takes it. So the branch sees what the servers of the main
// pipeline have carried out, in that order, and with statements that they failed at for reasons of the moment (a
// deadlock, a KILL) left out.
package tee

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// Config is what can be set.
type Config struct {
	pipeline.Only
	// Target is where copies go.
	Target *pipeline.Pipeline `hcl:"target"`
	// Sample is the share of sessions that are copied.
	Sample float64 `hcl:"sample,optional"`
	// TargetUser and TargetPassword log in to the target's servers, in place of the client's own name and password.
	TargetUser     string `hcl:"target_user,optional"`
	TargetPassword string `hcl:"target_password,optional"`
	// QueueBytes and QueueStatements bound what waits in one session.
	QueueBytes      int `hcl:"queue_bytes,optional"`
	QueueStatements int `hcl:"queue_statements,optional"`
	// TotalBytes bounds what waits in all sessions together.
	TotalBytes int `hcl:"total_bytes,optional"`
	// Grace is how long a branch may go on when its session has ended.
	Grace time.Duration `hcl:"grace,optional"`
	// Compare compares the replies.
	Compare bool `hcl:"compare,optional"`
}

// Kind is the filter's kind.
var Kind = pipeline.KindOf("tee", Config{
	Sample: 1, QueueBytes: 1 << 20, QueueStatements: 1000, TotalBytes: 64 << 20, Grace: 5 * time.Second,
}, New)

// minQueue is the least a queue may hold: a few commands as long as a read buffer.
const minQueue = 64 << 10

// maxLingering is how many branches may go on at one time whose sessions have ended, or been reset. Where a branch's server
// is stuck, clients that come and go, or pools that reset their connections, would leave any number of them.
const maxLingering = 1000

var errLingering = errors.New("too many branches of ended sessions are under way")

// A Filter copies sessions to one target.
type Filter struct {
	config Config
	// selection is of statements; excluded has exclude alone, which counts for statements that match does not.
	selection, excluded *pipeline.Selection
	store               store
	stripes             [stripes]counts
	digests             *digests // nil where nothing is compared
	reports             *reports
	seed                uint32 // of the sample
	lingering           atomic.Int64
}

// New checks the settings.
func New(c Config, env pipeline.Env) (pipeline.Filter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	f := &Filter{config: c, seed: rand.Uint32()} //nolint:gosec // nobody gains by guessing which sessions are copied
	var err error
	if f.selection, err = c.Selection(); err != nil {
		return nil, err
	}
	if f.excluded, err = (pipeline.Only{Exclude: c.Exclude}).Selection(); err != nil {
		return nil, err
	}
	f.store.limit = int64(c.TotalBytes)
	f.reports = newReports(env.Log)
	env.OnStart(func() error { f.reports.start(); return nil })
	env.OnStop(f.reports.stop)
	if c.Compare {
		f.digests = new(digests)
		env.Page("compare", func() any { return f.page() })
	}
	f.expose(env)
	return f, nil
}

func (c *Config) check() error {
	switch {
	case c.Target == nil:
		return pipeline.Invalid("target", errors.New("must name a pipeline"))
	case !(c.Sample >= 0 && c.Sample <= 1):
		return pipeline.Invalid("sample", errors.New("must be between 0 and 1"))
	case c.TargetPassword != "" && c.TargetUser == "":
		return pipeline.Invalid("target_password", errors.New("needs a target_user"))
	case c.QueueBytes < minQueue:
		return pipeline.Invalid("queue_bytes", fmt.Errorf("must be at least %d", minQueue))
	case c.QueueStatements < 1:
		return pipeline.Invalid("queue_statements", errors.New("must be at least 1"))
	case c.TotalBytes < c.QueueBytes:
		return pipeline.Invalid("total_bytes", errors.New("must be at least queue_bytes"))
	}
	return nil
}

// CopiesTo is pipeline.Copier's.
func (f *Filter) CopiesTo() pipeline.Target { return f.config.Target }

// Open forks the session where it is one of those that are copied.
func (f *Filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	if !f.selection.Session(s) || !f.sampled(s.ID()) {
		return next, nil
	}
	l := &link{
		f: f, s: s, next: next, counts: &f.stripes[s.ID()%stripes], queue: queue{store: &f.store, limit: f.config.QueueBytes},
	}
	l.body.l, l.feed.l = l, l
	l.branch = s.Fork(f.config.Target, pipeline.BranchConfig{
		Name: f.config.Target.Name, User: f.config.TargetUser, Password: f.config.TargetPassword, Grace: f.config.Grace,
	}, &l.feed)
	l.counts.branches.Add(1)
	var ended atomic.Int32
	l.branch.Session().OnClose(func() {
		if ended.Add(1) == 2 {
			f.lingering.Add(-1)
			l.report()
		}
	})
	s.OnClose(func() {
		switch {
		case ended.Add(1) == 2:
			l.report()
		case f.lingering.Add(1) > maxLingering:
			l.branch.Cut(errLingering)
		default:
			l.branch.Close()
		}
	})
	return l, nil
}

// sampled decides by the session's id: a session that is reset stays what it was, and of sessions that come one after
// another every tenth, say, is taken.
func (f *Filter) sampled(id uint32) bool {
	const golden = 0x9e3779b9 // multiples of it are spread evenly
	return float64(id*golden+f.seed) < f.config.Sample*(1<<32)
}
