package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 15 * time.Second // more than the shutdown_timeout of examples/demo.hcl
)

func init() {
	// Weir is told when the thread that started it ends: main's, then, and so this process.
	runtime.LockOSThread()
}

// weir is a running Weir.
type weir struct {
	process *exec.Cmd
	said    *tail
	exited  chan struct{}
	err     error // set when exited is closed
}

// startWeir starts Weir and waits until it listens.
func startWeir(ctx context.Context, program, config string, s settings) (*weir, error) {
	free, err := listenOn(s.port, "Weir", portVariable)
	if err != nil {
		return nil, err
	}
	free.Close()

	w := &weir{process: exec.Command(program, "run", config), said: new(tail), exited: make(chan struct{})}
	w.process.Env = append(os.Environ(), s.environment()...)
	w.process.Stdout, w.process.Stderr = w.said, w.said
	// Its own group, so that Ctrl-C ends the demo, and the demo Weir.
	w.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := w.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		w.err = w.process.Wait()
		close(w.exited)
	}()
	if err := w.waitListening(ctx, s.address()); err != nil {
		return nil, w.explain(errors.Join(err, w.stop()))
	}
	return w, nil
}

// waitListening waits until Weir accepts connections at address.
func (w *weir) waitListening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("weir does not listen on %s after %v", address, startTimeout))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-again.C:
		case <-w.exited:
			return errors.New("weir ended before it listened")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends Weir. An error means that it did not end well, then or earlier.
func (w *weir) stop() error {
	_ = w.process.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-w.exited:
	case <-time.After(stopTimeout):
		_ = w.process.Process.Kill()
		<-w.exited
		return fmt.Errorf("weir did not end within %v of SIGTERM", stopTimeout)
	}
	if w.err != nil {
		return fmt.Errorf("weir: %w", w.err)
	}
	return nil
}

// explain adds to err what Weir said last.
func (w *weir) explain(err error) error {
	said := w.said.String()
	if err == nil || said == "" {
		return err
	}
	return fmt.Errorf("%w\n\nWhat weir said:\n%s", err, said)
}
