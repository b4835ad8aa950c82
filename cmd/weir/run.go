package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/weirproxy/weir/hcl"
	"github.com/weirproxy/weir/pipeline"
)

// run runs what the file at path describes until a signal ends it.
func run(path string, stderr io.Writer) int {
	// A log that nobody reads any more is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGUSR1)
	defer signal.Stop(reopen)

	var queue *logQueue
	process, diags := hcl.Load(path, kinds, func(c pipeline.LogConfig) *slog.Logger {
		queue = newLogQueue(stderr, c)
		return slog.New(newLogHandler(queue, c))
	})
	if process == nil {
		queue.close()
		_ = diags.Print(stderr) // there is nowhere else to say it
		return 1
	}
	for _, d := range diags {
		process.Log.Warn(d.Summary, "file", d.File, "line", d.Line, "detail", d.Detail)
	}
	useProcessors(process)
	process.Log.Info("starting", "version", version(), "file", path, "workers", process.Config.Workers)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go obey(signals, process.Log, cancel, os.Exit)
	go reopenAt(ctx, reopen, process)
	stopTraces, err := startTraces(process)
	if err == nil {
		err = runWithControl(ctx, process)
		stopTraces()
	}
	queue.close()
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	return 0
}

// obey stops the process at the first signal, and the program at the second.
func obey(signals <-chan os.Signal, log *slog.Logger, stop func(), exit func(status int)) {
	log.Info("stopping", "signal", (<-signals).String())
	stop()
	<-signals
	exit(1)
}

// reopenAt has the process open its files anew at each signal, until ctx is done.
func reopenAt(ctx context.Context, signals <-chan os.Signal, process *pipeline.Process) {
	for {
		select {
		case s := <-signals:
			process.Log.Info("opening files anew", "signal", s.String())
			process.Reopen()
		case <-ctx.Done():
			return
		}
	}
}

// useProcessors has the number of processors follow that of the workers in use: a spare one would only wake threads for
// nothing. There are as many workers as the process may use processors, the cgroup's quota counted in.
func useProcessors(p *pipeline.Process) {
	if p.Config.Workers == 0 {
		p.Config.Workers = runtime.GOMAXPROCS(0)
	}
	p.Processors = func(n int) { runtime.GOMAXPROCS(n) }
}
