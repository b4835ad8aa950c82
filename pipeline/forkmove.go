package pipeline

// Branches stay on the worker of the session they were forked of, and move with it.

// join makes the branch one of the worker's.
func (b *Branch) join(w *worker) {
	if w.branches == nil {
		w.branches = make(map[*Branch]bool)
	}
	w.branches[b] = true
	s := b.s
	s.home, s.worker = w, w.Worker
	s.place.Store(w)
}

// branchesMovable reports whether nothing of the session's branches is under way on its worker.
func (s *Session) branchesMovable() bool {
	for _, b := range s.branches {
		switch {
		case b.state == branchEnded:
		case b.state != branchServing || b.closed || !b.movable():
			return false
		}
	}
	return true
}

func (b *Branch) movable() bool {
	s := b.s
	return !b.woken && s.task == nil && !s.linkSpoke && s.cancelled == nil && s.linksMovable() && s.branchesMovable()
}

// root is the client's session that the branch goes back to.
func (b *Branch) root() *Session {
	s := b.parent
	for s.branch != nil {
		s = s.branch.parent
	}
	return s
}

// inTheWay reports whether the session could move if the branch paused.
func (b *Branch) inTheWay() bool {
	if b.closed {
		return false
	}
	s := b.root()
	return s.awaited != nil && s.still()
}

// letGo has the session move that the branch has paused for, or goes on. A branch that is always behind would keep its
// session where it is for ever otherwise. Nothing may be done with the branch afterwards: it may be on another worker.
func (b *Branch) letGo() {
	s := b.root()
	to := s.awaited
	s.awaited = nil
	if to != nil && s.movable() {
		s.moveTo(to)
		return
	}
	b.Wake()
}

// leaveBranches takes the branches of a session that moves off its worker.
func (s *Session) leaveBranches(to *worker) {
	for _, b := range s.branches {
		if b.state != branchEnded {
			delete(b.s.home.branches, b)
			b.s.leaveLinks()
			b.s.place.Store(to)
			b.s.leaveBranches(to)
		}
	}
}

// joinBranches gives the branches of a session that has moved to its new worker, on which it runs.
func (s *Session) joinBranches(to *worker) {
	for _, b := range s.branches {
		if b.state == branchEnded {
			continue
		}
		b.join(to)
		if err := b.s.attachLinks(); err != nil {
			b.s.interrupt(err)
			continue
		}
		b.s.joinBranches(to)
		b.Wake() // it may have paused to move
	}
}
