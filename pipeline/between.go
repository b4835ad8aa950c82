package pipeline

// Between has f run on the session's task when no command is being served: at once where the session is idle, and otherwise
// before its next command. f may wait, as Serve may, and an error that it returns ends the session. It runs once, in the chain
// that it was asked for in, and in place of one that has not run yet. It is called on the session's worker.
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
	if f := s.errand; f != nil {
		s.errand = nil
		return f()
	}
	return nil
}
