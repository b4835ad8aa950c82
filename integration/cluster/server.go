package cluster

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/server"
)

// A Server is one of a cluster.
type Server struct {
	Name string // db1, db2, ...
	ID   int    // its @@server_id: 1, 2, ...
	Addr string // host:port, always the same

	cluster *Cluster
	run     *server.Server
	admin   *sql.DB
	source  *Server // that it replicates from; nil for the primary
	files   string  // folder of its init file
	stopped bool    // by SIGSTOP
	held    bool    // by StopApplying
	delayed bool
}

// Admin is the server's administrator, who may write even where it is read-only. Its connections are made anew as
// they are needed after the server has been killed.
func (s *Server) Admin() *sql.DB { return s.admin }

// Exec runs statements as the administrator.
func (s *Server) Exec(statements ...string) error {
	ctx, cancel := timeout()
	defer cancel()
	for _, statement := range statements {
		if _, err := s.admin.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %s: %w", s.Name, statement, err)
		}
	}
	return nil
}

// PID is the server's process id.
func (s *Server) PID() int { return s.run.PID() }

// LogEnd returns the last lines of the server's error log.
func (s *Server) LogEnd() string { return s.run.LogEnd() }

// Running reports whether the server's process is there, stopped or not.
func (s *Server) Running() bool {
	if s.run == nil {
		return false
	}
	select {
	case <-s.run.Done():
		return false
	default:
		return true
	}
}

// Kill kills the server as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	s.run.Kill()
	s.stopped, s.held = false, false
}

// Stop stops the server's process: connections to it stay, and nothing answers.
func (s *Server) Stop() error {
	s.stopped = true
	return s.run.Signal(syscall.SIGSTOP)
}

// Continue continues a stopped server.
func (s *Server) Continue() error {
	s.stopped = false
	return s.run.Signal(syscall.SIGCONT)
}

// SetReadOnly says whether the server takes writes of applications. It returns once the transactions that are being
// committed have been.
func (s *Server) SetReadOnly(on bool) error {
	// It waits for the statements that run, has all others wait, and so meets deadlocks that the server does not see: a
	// statement that runs may wait for a transaction whose next statement waits. Then it lets them go and tries again: not
	// at once, since each transaction would get no further than to its next statement, and those that wait for one another
	// in a row would wait until they time out.
	for deadline, pause := time.Now().Add(patience), 50*time.Millisecond; ; pause *= 2 {
		err := s.Exec(s.cluster.dialect.readOnly(on)...)
		var failed *mysql.MySQLError
		if !errors.As(err, &failed) || failed.Number != lockWaitTimeout || time.Now().After(deadline) {
			return err
		}
		time.Sleep(min(pause, time.Second))
	}
}

// lockWaitTimeout is the error of who has waited for a lock too long.
const lockWaitTimeout = 1205

// StopApplying has a replica apply nothing, though it still receives: it lags until CatchUp.
func (s *Server) StopApplying() error {
	s.held = true
	return s.Exec(s.cluster.dialect.stopApplying())
}

// Delay has a replica apply each transaction d, of whole seconds, after the primary: it lags by d until CatchUp. The
// primary does not count on a replica of MariaDB's while that is delayed, and needs another one.
func (s *Server) Delay(d time.Duration) error {
	s.delayed = true
	return s.Exec(s.cluster.dialect.delay(int(d / time.Second))...)
}

// CatchUp ends StopApplying and Delay. It does not wait for the replica to have caught up.
func (s *Server) CatchUp() error {
	if s.held {
		if err := s.Exec(s.cluster.dialect.startApplying()); err != nil {
			return err
		}
		s.held = false
	}
	if s.delayed {
		if err := s.Exec(s.cluster.dialect.delay(0)...); err != nil {
			return err
		}
		s.delayed = false
	}
	return nil
}

// create starts the server at addr with no data but the accounts.
func (s *Server) create(addr string) error {
	d := s.cluster.dialect
	if s.files == "" {
		dir, err := os.MkdirTemp("", "weir-cluster-")
		if err != nil {
			return err
		}
		s.files = dir
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	// What an init file does at every start would be transactions of the replicas' own: it is emptied after the first.
	if err := os.WriteFile(s.initFile(), []byte(accountStatements(d.privileges())), 0o644); err != nil {
		return err
	}
	run, err := s.cluster.tmpl.StartAt(addr, s.args()...)
	if err != nil {
		return err
	}
	s.run = run
	if err := os.WriteFile(s.initFile(), nil, 0o644); err != nil {
		return err
	}
	if err := s.openAdmin(); err != nil {
		return err
	}
	return s.Exec(d.forget())
}

// args are the arguments of the server program.
func (s *Server) args() []string {
	args := append([]string{
		fmt.Sprintf("--server-id=%d", s.ID), "--init-file=" + s.initFile(), "--read-only=ON", "--log-bin=binlog",
		"--relay-log=relay", "--relay-log-recovery=ON", "--report-host=127.0.0.1", "--log-bin-trust-function-creators=ON",
		// What is committed outlives the process, though not the machine.
		"--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=ON",
	}, s.cluster.dialect.args()...)
	return append(args, s.cluster.args...)
}

func (s *Server) initFile() string { return filepath.Join(s.files, "init.sql") }

func (s *Server) openAdmin() (err error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", s.run.Socket
	c.Params = map[string]string{"lock_wait_timeout": "1"}
	s.admin, err = sql.Open("mysql", c.FormatDSN())
	return err
}

// closeAdmin closes the administrator's connections. Where the server has been killed, they cannot say goodbye, which is an
// error that does not matter.
func (s *Server) closeAdmin() { _ = s.admin.Close() }

// copyOf starts the server, of which nothing is left, on a copy of the data of other, which runs.
func (s *Server) copyOf(other *Server) error {
	run, err := other.run.StartCopy(s.Addr, s.args()...)
	if err != nil {
		return err
	}
	s.run, s.source = run, other.source
	return s.openAdmin()
}

// Restart starts a server that was killed, with the data it has. A replica goes on; the primary is the primary again,
// unless another one was promoted: then the server comes back, under its address, as a replica.
func (s *Server) Restart() error {
	if s.Running() {
		return fmt.Errorf("%s runs", s.Name)
	}
	primary := s.cluster.primary
	switch {
	case s == primary:
		if err := s.run.Restart(); err != nil {
			return err
		}
		return s.lead()
	case s.source != primary:
		return s.rejoin(primary)
	}
	if err := s.run.Restart(); err != nil {
		return err
	}
	return s.SetReadOnly(true)
}

// rejoin brings back a server that missed a promotion: on a copy of another one's data where it has what that has not, and
// else with its own. These are under another address at first: nobody is to use it before it has what the others have.
func (s *Server) rejoin(primary *Server) error {
	hidden, err := process.FreeAddress()
	if err != nil {
		return err
	}
	s.run.Addr = hidden
	if err := s.run.Restart(); err != nil {
		return err
	}
	diverged, err := s.cluster.dialect.diverged(s, primary, s.cluster.takeover)
	if err != nil {
		return err
	}
	if diverged {
		// It has transactions that were never acknowledged, as they reached no replica. Nobody has seen them. Replaying the
		// whole history on empty data would not do, and not only because it is long: a replica takes no transactions from
		// others that have its own @@server_id, and so would not get back those it made itself.
		s.closeAdmin()
		if err := s.run.Stop(); err != nil {
			return err
		}
		if err := s.copyOf(s.cluster.donor()); err != nil {
			return err
		}
		return s.follow(primary)
	}
	if err := s.follow(primary); err != nil {
		return err
	}
	at, err := primary.position()
	if err != nil {
		return err
	}
	if err := s.waitFor(at); err != nil {
		return err
	}
	if err := s.run.Process.Stop(); err != nil {
		return err
	}
	s.run.Addr = s.Addr
	if err := s.run.Restart(); err != nil {
		return err
	}
	return s.SetReadOnly(true)
}

// remove kills the server and removes its data.
func (s *Server) remove() error {
	var errs []error
	if s.admin != nil {
		s.closeAdmin()
	}
	if s.run != nil {
		errs = append(errs, s.run.Stop())
	}
	if s.files != "" {
		errs = append(errs, os.RemoveAll(s.files))
	}
	return errors.Join(errs...)
}
