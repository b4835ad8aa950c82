package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// A Feed gives a branch its commands. Its methods are called on the worker of the session that was forked, between and
// inside that session's own waits, but never at the same time as its Serve runs: what the two share needs no lock. They
// must not block, nor wait.
type Feed interface {
	// Next returns the next command and where its reply goes, or nil where there is none now. Both are the feed's, and
	// lent until the next call, which also says that the command before has been served. The command must be one made
	// anew (or a Command overwritten whole), without COM_QUIT, COM_CHANGE_USER and COM_RESET_CONNECTION: those are the
	// end of a branch.
	Next() (*Command, ReplyWriter)
	// End is called once, and Next not any more. err is why the branch ended before it had served everything, the
	// command that Next returned last included, and nil where it has. It is a method of its own since a feed must know
	// at once, on the worker, that nobody will take what it holds.
	End(err error)
}

// A BranchConfig says how a session is forked.
type BranchConfig struct {
	// Name is the branch's in logs.
	Name string
	// User and Password log in to the branch's servers. No User: the client's name and password.
	User, Password string
	// Grace is how long the branch may go on after Close.
	Grace time.Duration
}

// A Branch is a session beside that of a client, on the same worker, with a chain, server connections, tasks and state of
// its own. No client sees what becomes of it: whatever it waits for, fails at or panics in costs the branch alone.
type Branch struct {
	s      *Session
	parent *Session
	target Target
	feed   Feed
	grace  time.Duration
	front  branchFront
	state  branchState
	woken  bool // a task is about to run
	closed bool // Close has been called
	timer  *loop.Timer
	// before are branches of the same session on the same target that were there first: their order goes on in this one.
	before []*Branch
	ended  chan struct{} // closed at the very end
}

type branchState uint8

const (
	branchForked  branchState = iota // the session that was forked is not on a worker yet
	branchOpening                    // a goroutine opens the chain
	branchServing
	branchEnded
)

// errGrace ends a branch that is not done in time.
var errGrace = errors.New("it was not done when the time after its session's end was over")

// Fork opens a branch of the session on target, and may be called in Open only. The branch is opened by a goroutine once
// the session is served, so that nobody waits for it, with the capabilities that both the client and the target's servers
// have; its feed is asked from then on. The caller closes it, mostly in what it registers with OnClose. A branch that
// follows another one of the same session on the same target, as after a reset, begins when that has ended.
func (s *Session) Fork(target Target, c BranchConfig, feed Feed) *Branch {
	b := &Branch{parent: s, target: target, feed: feed, grace: c.Grace, ended: make(chan struct{})}
	b.s = &Session{
		id: s.id, user: s.user, from: s.from, schema: s.schema, caps: s.caps, account: s.account,
		logger: s.logger.With("branch", c.Name, "of", s.id), listener: s.listener, branch: b,
		maxPacket: s.maxPacket, collation: s.collation, connectAttrs: s.connectAttrs, greeted: s.greeted,
	}
	if c.User != "" {
		b.s.user, b.s.account = c.User, &account{user: c.User, password: c.Password}
	}
	b.s.ctx, b.s.cancel = context.WithCancel(context.WithoutCancel(s.ctx))
	b.front.s = b.s
	live := s.branches[:0:0]
	for _, other := range s.branches {
		select {
		case <-other.ended:
			continue
		default:
		}
		live = append(live, other)
		if other.target == target {
			b.before = append(b.before, other)
		}
	}
	s.branches = append(live, b)
	if s.listener == nil { // Detached: all is done in place
		b.state = branchOpening
		b.opened(b.open())
	} else {
		b.s.id = s.listener.process.nextID()
	}
	return b
}

// Session is the branch's own. Its Capabilities are final once the feed has been asked for a command.
func (b *Branch) Session() *Session { return b.s }

// Branch reports whether the session is a branch, and not a client's.
func (s *Session) Branch() bool { return s.branch != nil }

// startBranches opens the branches that were forked while the chain was opened. It runs on the worker.
func (s *Session) startBranches() {
	for _, b := range s.branches {
		if b.state == branchForked {
			b.start()
		}
	}
}

func (b *Branch) start() {
	s := b.s
	b.state = branchOpening
	b.join(b.parent.home)
	s.listener.process.sessions.Add(1) // the session that was forked is counted: nobody is done waiting
	w := s.worker
	go func() {
		var err error
		loop.Elsewhere(func() { err = b.open() })
		w.Post(func() { b.opened(err) }) // a worker stops after the last session
	}()
}

// open opens the chain. It blocks.
func (b *Branch) open() (err error) {
	s := b.s
	defer s.recovered(&err)
	for _, other := range b.before {
		select {
		case <-other.ended:
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
	b.before = nil
	if greeter, ok := b.target.(Greeter); ok {
		g, err := greeter.Greeting(s.ctx)
		if err != nil {
			return err
		}
		s.caps &= g.Capabilities | linkCaps
		s.greeted.status, s.greeted.dialect = g.Status, dialectOf(g)
	}
	s.startMode()
	s.prepared = Prepared{textless: true}
	s.chain, err = b.target.Open(s)
	if len(s.links) > 0 {
		s.noteLogin(s.links[0].ok)
	}
	return err
}

// opened begins to serve.
func (b *Branch) opened(err error) {
	s := b.s
	if s.cancelled != nil { // what open says of it is that its context is done
		err = s.cancelled
	}
	if err == nil && s.worker != nil {
		err = s.attachLinks()
	}
	if err != nil {
		b.end(fmt.Errorf("opening the branch: %w", err))
		return
	}
	b.state = branchServing
	s.obeyCutter()
	b.Wake()
}

// Wake says that the feed may have a command. It is called where the feed's methods are.
func (b *Branch) Wake() {
	s := b.s
	if b.state != branchServing || b.woken || s.task != nil {
		return
	}
	b.woken = true
	if s.worker == nil {
		b.Run()
		return
	}
	s.worker.Go(b)
}

// Close says that no more commands will come: the branch ends when it has served what there is, or when its grace is
// over. Any goroutine may call it, and more than once.
func (b *Branch) Close() { b.closeWithin(b.grace, errGrace) }

// Cut is Close without a grace: the branch ends at once, but for what it can serve without waiting. err is why.
func (b *Branch) Cut(err error) { b.closeWithin(0, err) }

func (b *Branch) closeWithin(grace time.Duration, late error) {
	f := func() { b.close(grace, late) }
	if b.parent.place.Load() == nil || !b.parent.onWorker(f) {
		f() // nothing runs on a worker, or not any more
	}
}

func (b *Branch) close(grace time.Duration, late error) {
	if b.closed || b.state == branchEnded {
		return
	}
	b.closed = true
	if b.state == branchForked {
		b.end(nil)
		return
	}
	if s := b.s; s.worker != nil {
		b.timer = s.worker.After(grace, func() { s.interrupt(late) })
	}
	b.Wake()
}

// A branchFront is where a branch's replies arrive, as a client's end is for its session.
type branchFront struct {
	s     *Session
	w     ReplyWriter // the feed's
	final bool        // the reply is complete
	last  protocol.Kind
}

// WriteReply is ReplyWriter's.
func (f *branchFront) WriteReply(p *protocol.Chunk) error {
	if f.final {
		return errors.New("a reply went on after its end")
	}
	f.final, f.last = p.Final, p.Kind
	if p.Kind == protocol.KindOK || p.Kind == protocol.KindEOF {
		f.s.noteReply(p)
	}
	return f.w.WriteReply(p)
}
