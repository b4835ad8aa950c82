package main

import (
	"context"
	"runtime/debug"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/telemetry/metrics"
)

// runWithMetrics runs the process, with its metrics address where the file has one: from before it is ready to after it
// has stopped, so that who asks is told of both.
func runWithMetrics(ctx context.Context, process *pipeline.Process) error {
	if process.Telemetry.Metrics != nil {
		server, err := metrics.Start(process, build())
		if err != nil {
			return err
		}
		defer server.Stop()
	}
	return process.Run(ctx)
}

// build is what the metrics say of what the program was built from.
func build() metrics.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return metrics.Build{}
	}
	b := metrics.Build{Version: info.Main.Version}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}
