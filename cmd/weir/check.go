package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/weirproxy/weir/filters"
	"github.com/weirproxy/weir/hcl"
	"github.com/weirproxy/weir/monitors"
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/routers"
)

// kinds are all kinds of steps there are.
var kinds = hcl.Kinds{Filters: filters.All, Routers: routers.All, Monitors: monitors.All}

// silent is for files that are not run.
func silent(pipeline.LogConfig) *slog.Logger { return slog.New(slog.DiscardHandler) }

// check prints what is wrong with the file at path.
func check(path string, stdout, stderr io.Writer) int {
	_, diags := hcl.Load(path, kinds, silent)
	if err := diags.Print(stderr); err != nil || diags.HasErrors() {
		return 1
	}
	fmt.Fprintf(stdout, "%s: ok\n", path)
	return 0
}
