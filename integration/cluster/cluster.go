// Package cluster runs a primary and its replicas for tests: private servers with real replication by GTID, which can
// be killed, stopped, made to lag and promoted.
//
// What the primary has acknowledged is not lost with it: it waits, without a limit that a test would reach, until one
// of its replicas has the transaction (semi-synchronous replication, AFTER_SYNC), and a replica is not promoted before
// it has applied what any of the living ones has received.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/server"
)

// The account of a monitor: it may see the state of replication, and keep tables in the schema of its name. Programs
// use the account of package server, which here may do what an application needs, and cannot write where a server is
// read-only.
const (
	MonitorUser     = "weir"
	MonitorPassword = "Mo ni'tor"
)

// patience is how long the cluster waits for what servers do at their own pace.
const patience = 40 * time.Second

// A Cluster is a primary and its replicas. Its methods, and those of its servers, are called by one goroutine at a
// time.
type Cluster struct {
	Servers []*Server // in the order of their names
	tmpl    *server.Template
	dialect dialect
	args    []string
	primary *Server
	// takeover is the position that the primary had when it became the primary.
	takeover string
}

// Start starts a primary, db1, and replicas of it, with further arguments of the server program. The template is the
// caller's, who removes it after Close.
func Start(tmpl *server.Template, replicas int, args ...string) (*Cluster, error) {
	c := &Cluster{tmpl: tmpl, dialect: dialects[tmpl.Family()], args: args}
	for i := range replicas + 1 {
		addr, err := process.FreeAddress()
		if err != nil {
			return nil, err
		}
		c.Servers = append(c.Servers, &Server{Name: fmt.Sprintf("db%d", i+1), ID: i + 1, Addr: addr, cluster: c})
	}
	c.primary = c.Servers[0]
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start() error {
	if err := each(c.Servers, func(s *Server) error { return s.create(s.Addr) }); err != nil {
		return err
	}
	if err := each(c.Replicas(), func(s *Server) error { return s.follow(c.primary) }); err != nil {
		return err
	}
	if err := c.primary.lead(); err != nil {
		return err
	}
	return c.WaitCaughtUp()
}

// Family is "mariadb" or "mysql".
func (c *Cluster) Family() string { return c.tmpl.Family() }

// Primary is the server that takes writes, which Promote changes.
func (c *Cluster) Primary() *Server { return c.primary }

// Replicas are all servers but the primary, dead ones too.
func (c *Cluster) Replicas() []*Server {
	return slices.DeleteFunc(slices.Clone(c.Servers), func(s *Server) bool { return s == c.primary })
}

// WaitCaughtUp waits until every running replica has applied what the primary has by now. Replicas that are stopped or
// do not apply are not waited for: it returns an error at once.
func (c *Cluster) WaitCaughtUp() error {
	at, err := c.primary.position()
	if err != nil {
		return err
	}
	return each(c.Replicas(), func(s *Server) error {
		if !s.Running() {
			return nil
		}
		if s.stopped || s.held || s.delayed {
			return fmt.Errorf("%s is made to lag", s.Name)
		}
		return s.waitFor(at)
	})
}

// PurgeLogs removes what is older than the call before from the servers' binary logs, so that long runs need no more disk
// and time than short ones. All servers run and have caught up.
func (c *Cluster) PurgeLogs() error { return each(c.Servers, (*Server).purgeLogs) }

// donor is a running server to copy: a replica, where there is one.
func (c *Cluster) donor() *Server {
	for _, s := range c.Replicas() {
		if s.Running() && !s.stopped && !s.held && !s.delayed {
			return s
		}
	}
	return c.primary
}

// Promote makes s the primary, and the other running servers replicas of it. The old primary is made read-only first
// where it runs, and killed where it is stopped, as whoever decides that it is dead must do. A replica that is made to
// lag does so no longer.
func (c *Cluster) Promote(s *Server) error {
	old := c.primary
	if s == old {
		return fmt.Errorf("%s is the primary", s.Name)
	}
	if old.stopped {
		old.Kill()
	}
	survivors := slices.DeleteFunc(c.Replicas(), func(s *Server) bool { return !s.Running() || s.stopped })
	if !slices.Contains(survivors, s) {
		return fmt.Errorf("%s does not run", s.Name)
	}
	if err := each(survivors, (*Server).CatchUp); err != nil {
		return err
	}
	if err := c.handOver(old, s, survivors); err != nil {
		return fmt.Errorf("promote %s: %w", s.Name, err)
	}
	return nil
}

// handOver is called with all survivors applying what they receive.
func (c *Cluster) handOver(old, s *Server, survivors []*Server) error {
	if old.Running() {
		if err := old.retire(); err != nil {
			return err
		}
		if err := s.follows(old); err != nil {
			return err
		}
		survivors = append(survivors, old)
	} else {
		if err := each(survivors, (*Server).drain); err != nil {
			return err
		}
		for _, other := range survivors {
			if err := s.follows(other); err != nil {
				return err
			}
		}
	}
	at, err := s.position()
	if err != nil {
		return err
	}
	c.primary, c.takeover = s, at
	err = each(survivors, func(other *Server) error {
		if other == s {
			return nil
		}
		return other.follow(s)
	})
	if err != nil {
		return err
	}
	return s.lead()
}

// Explain tells what the servers are doing, for a test that has failed.
func (c *Cluster) Explain() string {
	var all strings.Builder
	for _, s := range c.Servers {
		fmt.Fprintf(&all, "%s (primary: %v, runs: %v, stopped: %v)\n", s.Name, s == c.primary, s.Running(), s.stopped)
		if !s.Running() || s.stopped {
			continue
		}
		for _, query := range []string{"SHOW FULL PROCESSLIST", "SELECT * FROM information_schema.innodb_trx"} {
			rows, err := s.rows(query)
			for _, row := range rows {
				fmt.Fprintf(&all, "  %v\n", row)
			}
			if err != nil {
				fmt.Fprintf(&all, "  %s: %v\n", query, err)
			}
		}
		fmt.Fprintf(&all, "  replication: %s\n", c.dialect.explain(s))
	}
	return all.String()
}

// Close kills the servers and removes their data.
func (c *Cluster) Close() error { return each(c.Servers, (*Server).remove) }

// each calls do for all servers at once.
func each(servers []*Server, do func(*Server) error) error {
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			if err := do(s); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
