package pipeline

// Between has f run on the session's task when no command is being served: at once where the session is idle, and otherwise
// before its next command. f may wait, as Serve may, and an error that it returns ends the session. It runs once, in the chain
// that it was asked for in, and in place of one that has not run yet. It is called on the session's worker.
//
// The client's next command waits for f no longer than a moment: where f waits for a server by then, on a link that is Own,
// the connection is closed, and Try finds the server lost. Somebody may kill that command meanwhile: Killed is true when it is
// served.
func (s *Session) Between(f func() error) {
	if s.ended || s.opening {
		return
	}
	s.errand = f
	if s.task == nil {
		s.wake()
	}
}

// between does what is to be done between two commands.
func (s *Session) between() error {
	if s.linkSpoke {
		if err := s.idleInput(); err != nil {
			return err
		}
	}
	if s.errand != nil {
		return s.runErrand()
	}
	return nil
}

// runErrand does what Between was asked for.
func (s *Session) runErrand() error {
	if s.branch == nil {
		if err := s.client.settle(); err != nil {
			return err
		}
	}
	f, k := s.errand, &s.killable
	s.errand, k.errand = nil, true
	if s.branch != nil || s.client.waits() {
		s.hurry()
	}
	err := f()
	k.errand = false
	if k.patience != nil {
		k.patience.Stop()
		k.patience = nil
	}
	return err
}

// hurry has the errand that runs end soon, and counts the command that waits for it as one that can be killed.
func (s *Session) hurry() {
	k := &s.killable
	if k.patience != nil {
		return
	}
	k.begin()
	serial := k.serial
	k.patience = s.worker.After(killPatience, func() { s.giveUpOwn(serial) })
}

// betweenCommands reports whether the session, which is not idle, serves no command: it can end at once.
func (s *Session) betweenCommands() bool { return s.client.between || s.killable.errand }
