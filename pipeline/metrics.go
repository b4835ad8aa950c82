package pipeline

import (
	"errors"
	"slices"
	"time"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// What happens on a worker is counted there, in words that are that worker's alone: counting takes no lock, shares no
// cache line and allocates nothing once a combination has been seen. Who wants to know has the worker copy them: see
// stock.

// tallies is what is counted on one worker, and by that worker only.
type tallies struct {
	pipelines []*tally
	servers   []traffic      // by Server.slot
	slots     map[string]int // of the servers, by name; not written to any more
	lastName  string         // of the server looked up last, and
	lastSlot  int
	random    uint64
}

// traffic is what has passed between Weir and one server.
type traffic struct{ received, sent uint64 }

// tally is what the sessions of one pipeline do on one worker: those of clients, or those that are branches.
type tally struct {
	pipeline       *Pipeline
	branch         bool
	home           *worker
	commands       [256]uint64    // by code
	statements     [][]*histogram // by Server.slot; then by class and outcome
	steps          []*histogram   // the session itself, then the pipeline's steps
	rows           uint64
	transactions   [numAccessModes]uint64
	received, sent uint64 // at the clients' end
}

// newTallies makes the tallies of a worker.
func newTallies(servers []*Server, seed int) tallies {
	t := tallies{servers: make([]traffic, len(servers)+1), slots: make(map[string]int), random: uint64(seed)}
	for _, srv := range servers {
		t.slots[srv.Name()] = srv.slot
	}
	return t
}

// tallyOf returns the worker's tally of a pipeline's sessions, or of its branches.
func (w *worker) tallyOf(p *Pipeline, branch bool) *tally {
	for _, t := range w.tallies.pipelines {
		if t.pipeline == p && t.branch == branch {
			return t
		}
	}
	t := &tally{
		pipeline: p, branch: branch, home: w, statements: make([][]*histogram, len(w.tallies.servers)),
		steps: make([]*histogram, 1+p.steps()),
	}
	w.tallies.pipelines = append(w.tallies.pipelines, t)
	return t
}

// slot returns the slot of the server of that name; 0 is for none, and for those that the file does not have.
func (t *tallies) slot(name string) int {
	if name != t.lastName {
		t.lastName, t.lastSlot = name, t.slots[name]
	}
	return t.lastSlot
}

// draw is true once in 64 times, at random: taking every 64th would see the same statement of a loop each time.
func (t *tallies) draw() bool {
	t.random = t.random*6364136223846793005 + 1442695040888963407
	return t.random>>58 == 0
}

// countAs has what the session is served be counted as the pipeline's, on the worker that the session is on now.
func (s *Session) countAs(p *Pipeline, branch bool) {
	if s.home != nil && (s.tally == nil || s.tally.home != s.home) {
		s.tally = s.home.tallyOf(p, branch)
	}
}

// countCommand counts a command that has come, and has the session's clock run where its steps are to be timed.
func (s *Session) countCommand(c *Command) {
	if s.tally == nil { // not on a worker, or a branch that is on no pipeline
		return
	}
	s.uncounted = true
	s.tally.commands[c.Com()]++
	if s.home.tallies.draw() {
		s.clock.start()
	}
}

// countReply counts how the command that countCommand has counted went. err is what Serve returned.
func (s *Session) countReply(c *Command, statement *Statement, err error) {
	if !s.uncounted {
		return
	}
	s.uncounted = false
	if s.clock.on {
		s.clock.stop(s)
	}
	t, h := s.tally, &s.watch
	t.rows += h.Rows
	s.countTransaction(c, statement)
	if !c.Executes() {
		return
	}
	class := sqlscan.Unknown
	if statement != nil {
		class = statement.Class
	}
	slot, out, took := s.home.tallies.slot(h.Server), outcomeOK, h.Last
	if h.Err != nil {
		out = outcomeOf(h.Err)
	}
	if err != nil || !h.Done {
		out = aborted(err)
		if lost, ok := errors.AsType[*ServerError](err); ok {
			slot = lost.Server.slot
		}
		took = time.Since(h.Start)
	}
	t.duration(slot, class, out).observe(took)
}

// duration returns the histogram of a combination.
func (t *tally) duration(slot int, class sqlscan.Class, out outcome) *histogram {
	row := t.statements[slot]
	if row == nil {
		row = make([]*histogram, sqlscan.NumClasses*numOutcomes)
		t.statements[slot] = row
	}
	h := &row[int(class)*numOutcomes+int(out)]
	if *h == nil {
		*h = newHistogram()
	}
	return *h
}

// step returns the histogram of a step; 0 is the session itself.
func (t *tally) step(i int) *histogram {
	if t.steps[i] == nil {
		t.steps[i] = newHistogram()
	}
	return t.steps[i]
}

// clone returns a copy that other goroutines may read.
func (t *tallies) clone() tallies {
	c := tallies{servers: slices.Clone(t.servers)}
	for _, one := range t.pipelines {
		c.pipelines = append(c.pipelines, one.clone())
	}
	return c
}

func (t *tally) clone() *tally {
	c := *t
	c.steps = cloneAll(t.steps)
	c.statements = slices.Clone(t.statements)
	for i, row := range c.statements {
		c.statements[i] = cloneAll(row)
	}
	return &c
}

func cloneAll(all []*histogram) []*histogram {
	c := slices.Clone(all)
	for i, h := range c {
		if h != nil {
			c[i] = h.clone()
		}
	}
	return c
}

// add adds what another tally of the same pipeline has counted.
func (t *tally) add(other *tally) {
	for i, n := range other.commands {
		t.commands[i] += n
	}
	addAll(t.steps, other.steps)
	for i, row := range other.statements {
		if t.statements[i] == nil && row != nil {
			t.statements[i] = make([]*histogram, len(row))
		}
		addAll(t.statements[i], row)
	}
	t.rows += other.rows
	for i, n := range other.transactions {
		t.transactions[i] += n
	}
	t.received += other.received
	t.sent += other.sent
}

func addAll(to, from []*histogram) {
	for i, h := range from {
		switch {
		case h == nil:
		case to[i] == nil:
			to[i] = h.clone()
		default:
			to[i].add(h)
		}
	}
}
