package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// canCountSyscalls reports whether perf is here. Where it is not, it says so once, and what to install.
var canCountSyscalls = sync.OnceValue(func() bool {
	_, err := exec.LookPath("perf")
	if err != nil {
		progress("no perf here: system calls are not counted (on Debian: apt-get install linux-perf)")
	}
	return err == nil
})

// syscallsPerStatement runs the workload with perf looking on, which slows it down: hence a run of its own.
func syscallsPerStatement(ctx context.Context, p *peer, w workload, clients int, length time.Duration) (float64, error) {
	counter, err := newSyscallCounter(ctx, p.pid)
	if err != nil {
		return 0, err
	}
	var begun, ended time.Time
	var errs [2]error
	c, err := w.run(ctx, p.addr, clients, window{
		warm: warm, length: length,
		begin: func() { errs[0] = counter.control("enable"); begun = time.Now() },
		end:   func() { errs[1] = counter.control("disable"); ended = time.Now() },
	})
	calls, stopErr := counter.stop()
	if err := errors.Join(err, errs[0], errs[1], stopErr); err != nil {
		return 0, err
	}
	// perf takes orders a little late on a busy machine, so rates are compared.
	return calls / ended.Sub(begun).Seconds() / (float64(c.Statements) / c.Seconds), nil
}

// A syscallCounter is a perf that counts a process's system calls.
type syscallCounter struct {
	perf    *exec.Cmd
	out     bytes.Buffer
	control func(order string) error
	close   func()
}

// newSyscallCounter attaches a counter, which is off. stop ends it.
func newSyscallCounter(ctx context.Context, pid int) (*syscallCounter, error) {
	orders, toPerf, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fromPerf, acks, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, orders.Close(), toPerf.Close())
	}
	c := &syscallCounter{}
	c.perf = exec.CommandContext(ctx, "perf", "stat", "--no-big-num", "-e", "raw_syscalls:sys_enter",
		"-p", strconv.Itoa(pid), "--delay=-1", "--control=fd:3,4")
	c.perf.Env = append(c.perf.Environ(), "LC_ALL=C")
	c.perf.Stdout, c.perf.Stderr = &c.out, &c.out
	c.perf.ExtraFiles = []*os.File{orders, acks}
	c.perf.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = c.perf.Start()
	orders.Close()
	acks.Close()
	c.close = func() { toPerf.Close(); fromPerf.Close() }
	if err != nil {
		c.close()
		return nil, err
	}
	c.control = func(order string) error {
		if _, err := fmt.Fprintln(toPerf, order); err != nil {
			return err
		}
		var ack [64]byte
		_, err := fromPerf.Read(ack[:])
		return err
	}
	// The first answer tells that it is attached.
	if err := c.control("disable"); err != nil {
		_, stopErr := c.stop()
		return nil, errors.Join(err, stopErr)
	}
	return c, nil
}

var eventCount = regexp.MustCompile(`(?m)^\s*(\d+)\s+raw_syscalls:sys_enter`)

// stop ends perf and returns what it has counted.
func (c *syscallCounter) stop() (float64, error) {
	defer c.close()
	// It may have ended with an error, and ends by this signal otherwise: what it printed tells.
	_ = c.perf.Process.Signal(os.Interrupt)
	_ = c.perf.Wait()
	found := eventCount.FindSubmatch(c.out.Bytes())
	if found == nil {
		return 0, fmt.Errorf("perf counted nothing: %s", c.out.String())
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
