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
	err := process.Run(ctx)
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

// useProcessors makes the number of processors that of the workers: a spare one would only wake threads for nothing.
// GOMAXPROCS is the number of processors the process may use, the cgroup's quota counted in.
func useProcessors(p *pipeline.Process) {
	if p.Config.Workers == 0 {
		p.Config.Workers = runtime.GOMAXPROCS(0)
	}
	// Also where it is this already: a number that has been set is not adjusted later, and no more are the workers.
	runtime.GOMAXPROCS(p.Config.Workers)
}
