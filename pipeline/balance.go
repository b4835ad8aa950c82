package pipeline

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// Sessions are kept on as few workers as can serve them, since a worker that finds several sockets ready at once serves
// each at less cost than one that is woken for each. When the workers in use get busy another one joins, and when they
// have little to do the last one is left. Busy workers share those sessions evenly that are in use, so that none waits
// longer for its turn than another. Sessions move while they are idle: from one statement to the next.

const (
	// balanceEvery is how often the load is looked at.
	balanceEvery = 100 * time.Millisecond
	// leaveAfter is how many looks in a row must find that one worker fewer would do.
	leaveAfter = 20
	// leaveShare is how much less than WorkerLoad the remaining workers would have to be loaded.
	leaveShare = 0.6
	// joinAfter is how many looks in a row must find that one worker more is needed.
	joinAfter = 3
	// fullShare is the share of time that workers in use may be busy on average before another one joins, whatever the
	// processor time: on a machine that is short of it they wait for their turn, and sessions for them. fullAfter is how many
	// looks in a row must find that: clients that all come at once make a machine short of it for a moment.
	fullShare = 0.85
	fullAfter = 10
	// unevenShares is the difference between the shares of time that two workers are busy that makes sessions move, and
	// unevenAfter how many looks in a row must find it: on a machine that is short of processor time, one look tells more of
	// who got some than of who had work.
	unevenShares = 0.25
	unevenAfter  = 3
	// unevenFor is how many looks after that do not go by the sessions' number, which it has made uneven.
	unevenFor = 50
	// unevenSessions is the difference between the sessions in use of two workers that makes some move, as a part of the more.
	unevenSessions = 0.2
	// calmShare is the share of time up to which a worker is busy without its sessions' waiting for each other.
	calmShare = 0.5
)

// A sight is what a look finds of a worker.
type sight struct {
	share  float64 // of time that it was busy
	active int     // sessions that were served something
}

// A balancer decides how many workers are in use and which sessions move.
type balancer struct {
	workers []*worker
	limit   float64 // processor time per second and worker above which another one joins
	used    int     // workers in use: the first ones
	short   int     // looks in a row that found one worker too few for the load
	full    int     // and workers busy
	spare   int     // and one worker too many
	tilted  int     // and the shares of these two workers uneven
	tilt    [2]int
	uneven  int // looks that are not to go by the number of sessions
	looks   uint32

	at   time.Time
	cpu  time.Duration
	busy []time.Duration
	idle []time.Duration

	// move has sessions of one worker move to another: n of those that are in use, or all of its sessions where n is
	// everySession.
	move func(from, to, n int)
}

const everySession = -1

func newBalancer(workers []*worker, load int) *balancer {
	b := &balancer{
		workers: workers, limit: float64(load) / 100, used: 1,
		at: time.Now(), cpu: loop.ProcessorTime(),
		busy: make([]time.Duration, len(workers)), idle: make([]time.Duration, len(workers)),
		looks: 1,
	}
	if load == 0 {
		b.used = len(workers)
	}
	b.move = func(from, to, n int) {
		b.workers[from].Post(func() { b.workers[from].shed(b.workers[to], n) })
	}
	return b
}

// run balances until stop is closed.
func (b *balancer) run(p *Process, stop <-chan struct{}) {
	ticker := time.NewTicker(balanceEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			cpu := loop.ProcessorTime()
			load := float64(cpu-b.cpu) / float64(max(now.Sub(b.at), 1))
			b.at, b.cpu = now, cpu
			b.look(load, b.sights())
			p.use(b.used)
		}
	}
}

// sights returns what the workers have done since the last call.
func (b *balancer) sights() []sight {
	seen := make([]sight, len(b.workers))
	b.looks++
	for i, w := range b.workers {
		busy, idle := w.Measured()
		if d := busy - b.busy[i] + idle - b.idle[i]; d > 0 {
			seen[i].share = float64(busy-b.busy[i]) / float64(d)
		}
		b.busy[i], b.idle[i] = busy, idle
		w.looks.Store(b.looks)
		seen[i].active = max(int(w.active.Swap(0)), 0) // one may have moved away just now
	}
	return seen
}

// look decides by the load, the processor time the process uses per second, and by what the workers have done.
func (b *balancer) look(load float64, seen []sight) {
	busy := 0.0
	for _, one := range seen[:b.used] {
		busy += one.share
	}
	b.short, b.full, b.spare = b.short+1, b.full+1, b.spare+1
	used, fewer := float64(b.used), float64(b.used-1)
	if load <= b.limit*used {
		b.short = 0
	}
	if busy <= fullShare*used {
		b.full = 0
	}
	if load > leaveShare*b.limit*fewer || busy > leaveShare*fullShare*fewer {
		b.spare = 0
	}
	switch {
	case (b.short >= joinAfter || b.full >= fullAfter) && b.used < len(b.workers):
		b.used++
		b.short, b.full, b.spare = 0, 0, 0
	case b.spare >= leaveAfter && b.used > 1:
		b.used--
		b.spare = 0
		// Sessions that are not idle now are moved at the next looks.
	}
	least := leastBusy(seen[:b.used])
	for i := b.used; i < len(b.workers); i++ {
		if b.workers[i].load.Load() > 0 {
			b.move(i, least, everySession)
		}
	}
	b.level(seen[:b.used])
}

// level has sessions move between two of the workers in use that are uneven.
func (b *balancer) level(seen []sight) {
	b.uneven = max(b.uneven-1, 0)
	least := leastBusy(seen)
	most, n := least, 0
	for i, one := range seen {
		// A worker that one session keeps busy has none to give away.
		if give := one.ahead(seen[least]); give > 0 && one.share > seen[most].share {
			most, n = i, give
		}
	}
	if pair := [2]int{most, least}; seen[most].share-seen[least].share <= unevenShares {
		b.tilted = 0
	} else if b.tilted++; pair != b.tilt {
		b.tilt, b.tilted = pair, 1
	}
	if b.tilted >= unevenAfter {
		b.tilted = 0
		b.uneven = unevenFor
		b.move(most, least, n)
		return
	}
	for i, one := range seen {
		if one.active > seen[most].active {
			most = i
		}
	}
	from := seen[most]
	to, fewest := most, from.active
	for i, one := range seen {
		// Where a worker with fewer sessions has more to do, its sessions are others.
		if one.active < fewest && one.share <= from.share {
			to, fewest = i, one.active
		}
	}
	more := from.active - fewest
	if b.uneven == 0 && more > 1 && float64(more) >= unevenSessions*float64(from.active) && from.share > calmShare {
		b.move(most, to, more/2)
	}
}

// ahead returns how many of a worker's sessions make up half of what it is busier than another one.
func (s sight) ahead(other sight) int {
	if s.share <= other.share {
		return 0
	}
	return int(float64(s.active) * (s.share - other.share) / 2 / s.share)
}

func leastBusy(seen []sight) int {
	least := 0
	for i, one := range seen {
		if one.share < seen[least].share {
			least = i
		}
	}
	return least
}

// note counts a session among those in use: it is served a command, or is in the middle of a large result.
func (w *worker) note(s *Session) {
	if now := w.looks.Load(); s.look != now {
		s.look = now
		w.active.Add(1)
	}
}

// inUse reports whether the session was served something since the last look but one.
func (w *worker) inUse(s *Session) bool { return w.looks.Load()-s.look <= 1 }

// shed moves sessions to another worker: n of those in use, or all where n is everySession. Those that are not idle move
// when what is under way is done, however long that takes. It runs on w.
func (w *worker) shed(to *worker, n int) {
	if w.draining {
		return
	}
	for _, s := range slices.Backward(w.sessions) { // a session that leaves is replaced by the last
		if n != everySession {
			if n == 0 {
				return
			}
			if !w.inUse(s) {
				continue
			}
			n--
			if s.awaited != nil {
				continue
			}
		}
		if s.movable() {
			s.moveTo(to)
		} else {
			s.awaited = to
		}
	}
}

// goOn has a session move that has been waited for, as soon as nothing of the worker's is in the middle of something with it.
func (s *Session) goOn() {
	s.onWorker(func() {
		if s.awaited != nil && s.movable() {
			s.moveTo(s.awaited)
		}
	})
}

// movable reports whether nothing of the session is under way on its worker.
func (s *Session) movable() bool { return s.still() && s.branchesMovable() }

// still reports whether nothing but the session's branches is under way.
func (s *Session) still() bool {
	c := &s.client
	if s.task != nil || s.ended || s.opening || s.draining || s.cancelled != nil || s.linkSpoke ||
		c.in != nil || c.out != nil || c.piece != nil || len(c.pend) > 0 || !c.conn.IsOpen() || !c.conn.Settled() {
		return false
	}
	return s.linksMovable()
}

// linksMovable reports whether no statement is under way on the session's server connections.
func (s *Session) linksMovable() bool {
	for _, l := range s.links {
		if l.fd < 0 && (!l.conn.IsOpen() || !l.conn.Settled() || !l.reader.Done()) {
			return false
		}
	}
	return true
}

// moveTo hands a movable session to another worker.
func (s *Session) moveTo(to *worker) {
	s.awaited = nil
	if s.look == s.home.looks.Load() { // it counts where it is
		s.home.active.Add(-1)
		to.active.Add(1)
	}
	s.home.drop(s)
	fd := s.client.conn.Leave()
	s.leaveLinks()
	s.leaveBranches(to)
	to.load.Add(1)
	s.home = to
	s.place.Store(to)
	posted := to.Post(func() {
		to.take(s)
		err := s.client.conn.Open(to.Worker, fd, s)
		if err == nil {
			err = s.attachLinks()
		}
		s.joinBranches(to)
		if err != nil {
			s.interrupt(err)
		} else if s.draining {
			to.Go(s)
		}
	})
	if !posted { // a worker stops after its process's last session
		loop.CloseDescriptor(fd)
	}
}

// leaveLinks takes the session's server connections off their worker.
func (s *Session) leaveLinks() {
	for _, l := range s.links {
		if l.fd < 0 {
			l.fd = l.conn.Leave()
		}
	}
}

// take adds a session to those of the worker.
func (w *worker) take(s *Session) {
	s.worker, s.client.worker = w.Worker, w.Worker
	s.index = len(w.sessions)
	w.sessions = append(w.sessions, s)
	s.draining = s.draining || w.draining
}

// drop takes a session off those of the worker.
func (w *worker) drop(s *Session) {
	last := len(w.sessions) - 1
	w.sessions[s.index] = w.sessions[last]
	w.sessions[s.index].index = s.index
	w.sessions[last] = nil
	w.sessions = w.sessions[:last]
	w.load.Add(-1)
}

// onWorker has f run on the session's worker, wherever that is by then. It reports false where the worker has stopped.
// Any goroutine may call it.
func (s *Session) onWorker(f func()) bool {
	at := s.place.Load()
	return at.Post(func() {
		// Where it is on its way here, what has it be taken comes after this.
		if s.place.Load() == at && s.worker == at.Worker {
			f()
		} else if !s.onWorker(f) {
			f() // nobody else runs any more
		}
	})
}
