package tee

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/protocol"
)

const (
	// perSecond is how many messages of one sort are logged in a second; the others are counted.
	perSecond = 10
	// queued is how many messages may wait for the log.
	queued = 256
)

// The sorts of messages. Each has its own share of the log.
const (
	sortDifference = iota
	sortLoss
	sortSession
	numSorts
)

// reports writes what is to be said of branches to the log, on a goroutine of its own: the log may block, and workers must
// not.
type reports struct {
	log   *slog.Logger
	lines chan func()
	quit  chan struct{}
	done  sync.WaitGroup
	sorts [numSorts]share
}

// A share is what one sort of message may take of the log.
type share struct {
	second atomic.Int64 // that n is of
	n      atomic.Int64
	unsaid atomic.Int64 // messages since the last one that was logged
}

func newReports(log *slog.Logger) *reports {
	return &reports{log: log, lines: make(chan func(), queued), quit: make(chan struct{})}
}

func (r *reports) start() { r.done.Go(r.run) }

func (r *reports) run() {
	for {
		select {
		case line := <-r.lines:
			line()
			continue
		case <-r.quit:
		}
		for {
			select {
			case line := <-r.lines:
				line()
			default:
				return
			}
		}
	}
}

// stop logs what waits, once.
func (r *reports) stop() {
	close(r.quit)
	r.done.Wait()
}

// allow reports whether another message of a sort may be logged now.
func (r *reports) allow(sort int) bool {
	s := &r.sorts[sort]
	if now := time.Now().Unix(); s.second.Swap(now) != now {
		s.n.Store(0)
	}
	if s.n.Add(1) > perSecond {
		s.unsaid.Add(1)
		return false
	}
	return true
}

// say has a message logged that allow has allowed.
func (r *reports) say(sort int, level slog.Level, l *link, text string, attrs ...slog.Attr) {
	who := []slog.Attr{
		slog.Uint64("session", uint64(l.s.ID())), slog.String("user", l.s.User()), slog.String("client", l.s.ClientAddr()),
		slog.String("target", l.f.config.Target.Name),
	}
	line := func() {
		if n := r.sorts[sort].unsaid.Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64("not_logged_before", n))
		}
		r.log.LogAttrs(context.Background(), level, text, append(who, attrs...)...)
	}
	select {
	case r.lines <- line:
	default:
		r.sorts[sort].unsaid.Add(1)
	}
}

// difference logs that a command went in two ways.
func (r *reports) difference(l *link, t *tally, d difference, main, branch *outcome) {
	if !r.allow(sortDifference) {
		return
	}
	r.say(sortDifference, slog.LevelWarn, l, "replies differ", slog.String("in", d.String()),
		slog.String("digest", fmt.Sprintf("%016x", t.digest)), slog.String("statement", t.text),
		slog.Group("main", main.attrs()...), slog.Group("branch", branch.attrs()...),
		slog.Bool("faithful", l.session.unfaithful == ""))
}

// attrs says how a command went. The message of an error is told without what the server has put in: that may be a value,
// or the password in a statement that one side cannot parse.
func (o *outcome) attrs() []any {
	if o.code != 0 {
		return []any{
			slog.Int("error", int(o.code)), slog.String("message", protocol.ErrText(o.code)), slog.Duration("took", o.took),
		}
	}
	return []any{
		slog.Uint64("rows", o.rows), slog.Uint64("affected_rows", o.affected),
		slog.String("checksum", fmt.Sprintf("%016x", o.sum)), slog.Duration("took", o.took),
	}
}

// lost logs that a branch has ended too early.
func (r *reports) lost(l *link, opened bool, err error) {
	if !r.allow(sortLoss) {
		return
	}
	text := "branch could not be opened"
	if opened {
		text = "branch lost: the session goes on without it"
	}
	r.say(sortLoss, slog.LevelWarn, l, text, slog.Any("error", err))
}

// A summary is what is to be said of a session when it has ended.
type summary struct {
	sent, dropped, skipped int
	compared, differences  int
	mainTime, time         time.Duration // of what was compared
	unfaithful             string        // why the branch is no longer what the session is; empty where it is
	end                    error         // of the branch, where it was lost
}

// report logs the summary. It is called when neither the link nor its feed is any more.
func (l *link) report() {
	f, s := l.f, &l.session
	level := slog.LevelDebug
	switch {
	case s.unfaithful != "":
		level = slog.LevelWarn
	case f.digests != nil:
		level = slog.LevelInfo
	}
	if level > slog.LevelDebug && !f.reports.allow(sortSession) {
		return
	}
	attrs := []slog.Attr{
		slog.Bool("faithful", s.unfaithful == ""), slog.Int("sent", s.sent), slog.Int("dropped", s.dropped),
		slog.Int("skipped", s.skipped),
	}
	if s.unfaithful != "" {
		attrs = append(attrs, slog.String("why_not", s.unfaithful))
	}
	if f.digests != nil {
		attrs = append(attrs, slog.Int("compared", s.compared), slog.Int("differences", s.differences),
			slog.Duration("main_time", s.mainTime), slog.Duration("branch_time", s.time))
	}
	f.reports.say(sortSession, level, l, "session copied", attrs...)
}
