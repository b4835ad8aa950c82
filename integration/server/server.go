// Package server runs private MariaDB and MySQL servers for tests and benchmarks: each has its own data, its own
// port, and the account below.
package server

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql" // registers the database/sql driver

	"github.com/weirproxy/weir/integration/process"
)

// The account every server has, with all rights, and the schema it starts with.
const (
	User     = "app"
	Password = "Se cret'1"
	Schema   = "test"
)

const startTimeout = 60 * time.Second

// A Template is a prepared data folder that servers are started from.
type Template struct {
	family   string
	dir      string
	args     []string            // the server program and what it needs to find its files
	account  *syscall.Credential // nil: this process's own
	initFile string
}

// Family is "mariadb" or "mysql".
func (t *Template) Family() string { return t.family }

// A Server is a running server.
type Server struct {
	*process.Process
	Addr   string // host:port
	Socket string // path of its Unix socket
	dir    string
	cmd    []string
	tmpl   *Template
}

// Start starts a server on a copy of the template's data, with further arguments, and waits until it answers.
func (t *Template) Start(args ...string) (*Server, error) {
	addr, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	return t.StartAt(addr, args...)
}

// StartAt is Start for a server at a certain address of the loopback interface.
func (t *Template) StartAt(addr string, args ...string) (*Server, error) {
	return t.startOn(addr, args, func(data string) error { return copyFolder(filepath.Join(t.dir, "data"), data) })
}

// StartCopy starts another server, at addr and with further arguments, on a copy of the data that s has: those which a
// crash of s would leave at this moment. The process of s, which is to run, is stopped while they are copied.
func (s *Server) StartCopy(addr string, args ...string) (*Server, error) {
	return s.tmpl.startOn(addr, args, func(data string) error {
		if err := s.pause(); err != nil {
			return err
		}
		err := errors.Join(copyFolder(filepath.Join(s.dir, "data"), data), s.Signal(syscall.SIGCONT))
		if err != nil {
			return err
		}
		return forgetIdentity(data)
	})
}

// pause stops the server's process, and waits until it has stopped.
func (s *Server) pause() error {
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return s.Await(startTimeout, s.paused)
}

// paused returns nil once all of the process's threads are stopped.
func (s *Server) paused() error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.PID()))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			return err
		}
		// The state comes after the name, which may have anything in it. https://man7.org/linux/man-pages/man5/proc.5.html
		if state := stat[bytes.LastIndexByte(stat, ')')+1:]; !bytes.HasPrefix(state, []byte(" T")) {
			return fmt.Errorf("%s: state%.2s", thread, state)
		}
	}
	return nil
}

func copyFolder(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

// forgetIdentity removes the identity of the MySQL server that the data were made by: each is to have its own.
func forgetIdentity(data string) error {
	err := os.Remove(filepath.Join(data, "auto.cnf"))
	if errors.Is(err, os.ErrNotExist) { // MariaDB has none
		return nil
	}
	return err
}

// startOn starts a server on the data that fill puts into the folder it is given.
func (t *Template) startOn(addr string, args []string, fill func(data string) error) (*Server, error) {
	dir, err := t.folder("server-")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: addr, dir: dir, Socket: filepath.Join(dir, "socket"), tmpl: t}
	data := filepath.Join(dir, "data")
	if err := fill(data); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.cmd = append(append([]string{}, t.args...), "--datadir="+data, "--socket="+s.Socket,
		"--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1", "--init-file="+t.initFile,
		"--tmpdir="+dir, // a MariaDB that starts removes what others have in a folder that they share
		"--max-allowed-packet=1G", "--local-infile=ON",
		// Nobody keeps this data through a power failure.
		"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF", "--sync-binlog=0")
	s.cmd = append(s.cmd, args...)
	if err := s.Restart(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Restart starts a server that has ended, at the same address with the same data.
func (s *Server) Restart() error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	cmd := s.tmpl.command(append(s.cmd, "--port="+port))
	if s.Process, err = process.Start(s.tmpl.family, cmd, filepath.Join(s.dir, "log")); err != nil {
		return err
	}
	if err := s.Await(startTimeout, s.ping); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// Stop kills the server and removes its data: nobody wants them back.
func (s *Server) Stop() error {
	s.Kill()
	return os.RemoveAll(s.dir)
}

// DSN is how go-sql-driver/mysql reaches a server, or a proxy, at addr as User. params is as in a URL, or empty.
func DSN(addr, params string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = User, Password, "tcp", addr, Schema
	dsn := c.FormatDSN()
	if params != "" {
		dsn += "?" + params
	}
	return dsn
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	db, err := sql.Open("mysql", DSN(s.Addr, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	// Another server may have taken the port meanwhile, and the socket may be what this one left when it was killed.
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// install prepares the data folder with a command of the server's.
func (t *Template) install(statements string, args ...string) (*Template, error) {
	if os.Geteuid() == 0 {
		account, err := credential("mysql")
		if err != nil {
			return nil, err
		}
		t.account = account
	}
	var err error
	if t.dir, err = t.folder("template-"); err != nil {
		return nil, err
	}
	t.initFile = filepath.Join(t.dir, "init.sql")
	err = os.WriteFile(t.initFile, []byte(statements), 0o644)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		cmd := t.command(append(args, "--datadir="+filepath.Join(t.dir, "data"), "--tmpdir="+t.dir))
		err = process.Run(ctx, "set up "+t.family, cmd, filepath.Join(t.dir, "log"))
	}
	if err != nil {
		return nil, errors.Join(err, t.Remove())
	}
	return t, nil
}

// Remove removes the template's data.
func (t *Template) Remove() error { return os.RemoveAll(t.dir) }

// folder makes a folder that the server's account may use.
func (t *Template) folder(name string) (string, error) {
	dir, err := os.MkdirTemp("", "weir-"+t.family+"-"+name)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	if t.account == nil {
		return dir, nil
	}
	return dir, os.Chown(dir, int(t.account.Uid), int(t.account.Gid))
}

func (t *Template) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: t.account}
	return cmd
}

// accountStatements makes the account and schema. Servers run it at every start.
func accountStatements() string {
	password := strings.ReplaceAll(Password, "'", "''")
	// One statement per line: that is the format of an init file.
	return fmt.Sprintf("CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[2]s';\n"+
		"GRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;\n"+
		"CREATE DATABASE IF NOT EXISTS %[3]s;\n", User, password, Schema)
}

// credential looks up the account servers run as: they refuse to be root.
func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
