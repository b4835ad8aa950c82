package cluster

import "fmt"

// follow makes the server a read-only replica of source.
func (s *Server) follow(source *Server) error {
	d := s.cluster.dialect
	if err := s.SetReadOnly(true); err != nil {
		return err
	}
	if err := s.Exec(d.follow(source, s.source == nil)...); err != nil {
		return err
	}
	s.source = source
	return nil
}

// lead makes the server a primary that waits for its replicas, if it has any.
func (s *Server) lead() error {
	d := s.cluster.dialect
	if s.source != nil {
		if err := s.Exec(d.followNobody()...); err != nil {
			return err
		}
		s.source = nil
	}
	if err := s.Exec(d.waitForReplicas(len(s.cluster.Servers) > 1)); err != nil {
		return err
	}
	return s.SetReadOnly(false)
}

// retire has a primary take no more writes, and wait for no replicas, of which it will have none.
func (s *Server) retire() error {
	if err := s.SetReadOnly(true); err != nil {
		return err
	}
	return s.Exec(s.cluster.dialect.waitForReplicas(false))
}

// drain has a replica receive nothing more, and waits until it has applied what it has received.
func (s *Server) drain() error {
	d := s.cluster.dialect
	if err := s.Exec(d.stopReceiving()); err != nil {
		return err
	}
	received, err := d.received(s)
	if err != nil {
		return err
	}
	return s.waitFor(received)
}

// follows waits until the server, a replica, has applied what other, which takes no writes, has: from other itself
// where it does not replicate from there.
func (s *Server) follows(other *Server) error {
	if s == other {
		return nil
	}
	at, err := other.position()
	if err != nil {
		return err
	}
	has, err := s.cluster.dialect.has(s, at)
	if err != nil || has {
		return err
	}
	if s.source != other {
		if err := s.follow(other); err != nil {
			return err
		}
	}
	return s.waitFor(at)
}

// position is what the server has executed.
func (s *Server) position() (string, error) { return s.text(s.cluster.dialect.position()) }

// waitFor waits until the server, a replica, has executed what another one had at a position.
func (s *Server) waitFor(position string) error {
	result, err := s.text(s.cluster.dialect.wait(), position, int(patience.Seconds())-1)
	if err != nil {
		return err
	}
	if result != "0" {
		return fmt.Errorf("%s does not reach %s: %s", s.Name, position, s.cluster.dialect.explain(s))
	}
	return nil
}

// purgeLogs begins a new binary log, and keeps the last two: a replica that has caught up may still read the last but one.
func (s *Server) purgeLogs() error {
	if err := s.Exec("FLUSH BINARY LOGS"); err != nil {
		return err
	}
	logs, err := s.rows("SHOW BINARY LOGS")
	if err != nil || len(logs) < 2 {
		return err
	}
	return s.Exec("PURGE BINARY LOGS TO '" + logs[len(logs)-2]["Log_name"] + "'")
}
