// Package querylog is the filter that writes a line of JSON for every command a client sends.
//
// A session encodes its line straight into a ring buffer in memory; one goroutine per filter writes what has
// collected there to the file. No worker waits for the disk, and the path of a statement has no lock and
// allocates nothing.
package querylog

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weirproxy/weir/pipeline"
)

// minQueue is the least a queue may be, so that a line has a statement of tens of kilobytes even where all of it
// must be escaped.
const minQueue = 1 << 20

// Config is what can be set.
type Config struct {
	// Path is the file to append to.
	Path string `hcl:"path"`
	// Queue is how many bytes of lines may wait for the disk. A power of two; others are rounded up to one.
	Queue int `hcl:"queue,optional"`
}

// Kind is the filter's kind.
var Kind = pipeline.KindOf("querylog", Config{Queue: 4 << 20}, New)

// A Filter writes one log.
type Filter struct {
	config Config
	queue  *queue
}

// New makes a filter whose file is opened when the process starts.
func New(c Config, env pipeline.Env) (pipeline.Filter, error) {
	if c.Path == "" {
		return nil, pipeline.Invalid("path", errors.New("must name a file"))
	}
	if c.Queue < minQueue || c.Queue > 1<<30 {
		return nil, pipeline.Invalid("queue", fmt.Errorf("must be between %d and %d bytes", minQueue, 1<<30))
	}
	f := &Filter{config: c}
	env.OnStart(func() error {
		file, err := os.OpenFile(c.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // as other logs: its group reads it
		if err != nil {
			return fmt.Errorf("query log: %w", err)
		}
		f.queue = newQueue(c.Queue, file, env.Log)
		return nil
	})
	env.OnStop(func() {
		if f.queue != nil { // stopped without a start where an earlier step did not start
			f.queue.close()
		}
	})
	return f, nil
}

// Open returns a link that logs what passes.
func (f *Filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return &link{
		queue: f.queue, s: s, next: next,
		who:     appendWho(nil, s.ID(), s.User(), s.ClientAddr()),
		maxText: maxText(len(f.queue.ring.buf)),
	}, nil
}

// A link logs the commands of one session.
type link struct {
	queue   *queue
	s       *pipeline.Session
	next    pipeline.Handler
	watch   pipeline.Watch
	who     []byte
	clock   clock
	maxText int
	prepared
}

// Serve passes c on and logs it when it has been served. While the queue is full it waits, and so does the client.
func (l *link) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	schema := l.s.Schema() // of when the statement began
	l.watch.Reset(w)
	err := l.next.Serve(ctx, &l.watch, c)
	e := entry{
		who: l.who, schema: clipName(schema), command: c.Com(), watch: &l.watch,
		statement: l.statement(c, l.maxText),
		aborted:   c.ExpectsReply() && !l.watch.Done,
	}
	l.watch.Server = clipName(l.watch.Server)
	if logErr := l.write(ctx, &e); err == nil {
		err = logErr
	}
	l.learn(c, e.statement, &l.watch)
	return err
}

// write queues the line for e.
func (l *link) write(ctx context.Context, e *entry) error {
	r := l.queue.ring
	size := e.size()
	for {
		taken := r.tail.Load()
		if line, at, ok := r.reserve(size); ok {
			r.commit(e.append(line, &l.clock), at)
			l.queue.committed()
			return nil
		}
		if err := l.wait(ctx, taken); err != nil {
			return err
		}
	}
}

// wait lets the session wait for room in the queue, and its worker go on with others.
func (l *link) wait(ctx context.Context, taken uint64) error {
	return l.s.Do(func() error { return l.queue.waitRoom(ctx, taken) })
}
