// Package process runs the programs the integration tests and the benchmark need: each dies with the program that
// started it, whatever way that one ends.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// killAfter is how long Stop waits for a program before it kills it.
const killAfter = 40 * time.Second

// A Process is a running program. Its methods may be called from several goroutines.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, valid once done is closed
}

// Start starts cmd with its output in the file log, which it appends to. The program is killed when this one
// dies; cmd.SysProcAttr may set more, and Credential in particular: a program that changes its user by itself
// loses the kernel's promise to kill it.
func Start(name string, cmd *exec.Cmd, log string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = f
	}
	if cmd.Stderr == nil {
		cmd.Stderr = f
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A session of its own: Ctrl-C is for us, and we stop what we started in our own order. It is scheduled as a
	// service is, too: Linux schedules sessions, and not only processes, against each other (sched_autogroup).
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &Process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	if err := onStarter(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Run runs cmd to its end. An error holds the end of what it printed.
func Run(ctx context.Context, name string, cmd *exec.Cmd, log string) error {
	p, err := Start(name, cmd, log)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return ctx.Err()
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", name, p.err, p.LogEnd())
	}
	return nil
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the program ended: nil for exit code 0. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends the program a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends the program with SIGTERM, where it still runs, and waits for it. It returns an error where the program
// did not end in time, or with another exit code than 0.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(killAfter):
		p.Kill()
		return fmt.Errorf("%s did not end %v after SIGTERM: %s", p.name, killAfter, p.LogEnd())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, p.LogEnd())
	}
	return nil
}

// Kill ends the program with SIGKILL, and its process group with it, and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its process group may be another's by now
		return
	default:
	}
	// It may end just now: then there is nothing to kill.
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
}

// Log returns what the program has printed.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// LogEnd returns the last lines of Log.
func (p *Process) LogEnd() string {
	const most = 4 << 10
	s := p.Log()
	return s[max(0, len(s)-most):]
}

// AwaitAddress waits until something accepts connections at the TCP address, or the program ends.
func (p *Process) AwaitAddress(addr string, timeout time.Duration) error {
	return p.Await(timeout, func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// Await calls ready until it returns nil. It returns an error when the program ends or the time is over.
func (p *Process) Await(timeout time.Duration, ready func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w: %s", p.name, errors.Join(err, p.err), p.LogEnd())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v: %w: %s", p.name, timeout, err, p.LogEnd())
		}
	}
}

// FreeAddress returns a TCP address of the loopback interface that nobody listens at.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// The kernel kills a child when the thread that started it dies, not the process, so one thread that lives as
// long as the process starts them all.
var starter = sync.OnceValue(func() chan func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

func onStarter(start func() error) error {
	result := make(chan error)
	starter() <- func() { result <- start() }
	return <-result
}
