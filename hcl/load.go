package hcl

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/weirproxy/weir/pipeline"
)

// Kinds are the kinds of steps that a pipeline block may name, and of monitors.
type Kinds struct {
	Filters  []pipeline.Kind[pipeline.Filter]
	Routers  []pipeline.Kind[pipeline.Target]
	Monitors []pipeline.Kind[pipeline.Monitor]
}

// Load reads the file at path and builds the process it describes. newLog makes its logger, of the settings of
// the file; it is called once, unless the file cannot be read or parsed at all. The process is nil if any of the
// diagnostics is an error.
func Load(path string, kinds Kinds, newLog func(pipeline.LogConfig) *slog.Logger) (*pipeline.Process, Diagnostics) {
	sys := system{os.LookupEnv, readFile}
	src, err := sys.readFile(path)
	if err != nil {
		if in := (*fs.PathError)(nil); errors.As(err, &in) {
			err = in.Err // it goes without the path, which stands before it
		}
		return nil, Diagnostics{{File: path, Summary: "cannot be read: " + err.Error()}}
	}
	return load(path, src, kinds, newLog, sys)
}

// A loader is one run over one file.
type loader struct {
	path      string
	src       []byte
	kinds     Kinds
	functions map[string]function.Function
	diags     Diagnostics

	// holes are the places of values whose syntax was wrong and has been reported.
	holes map[int]bool
	// lost says that a part of the file could not be read in which further blocks may stand.
	lost bool

	blocks  blocks
	nodes   map[string]map[string]*node // by type and name
	steps   map[string]int              // how many there are, by pipeline and name
	process *pipeline.Process
}

func load(path string, src []byte, kinds Kinds, newLog func(pipeline.LogConfig) *slog.Logger, sys system) (*pipeline.Process, Diagnostics) {
	l := &loader{
		path: path, src: src, kinds: kinds,
		functions: functions(filepath.Dir(path), sys),
		holes:     make(map[int]bool),
		nodes:     make(map[string]map[string]*node),
		steps:     make(map[string]int),
		process:   &pipeline.Process{},
	}
	l.collect(l.parse())
	l.process.Config = l.buildProcess(l.blocks.process)
	l.process.Telemetry = l.buildTelemetry(l.blocks.telemetry)
	l.process.Log = newLog(*l.process.Config.Log)
	for _, n := range l.blocks.nodes {
		l.visit(n, nil)
	}
	for _, n := range l.blocks.nodes {
		switch built := n.value.(type) {
		case *pipeline.Server:
			l.process.Servers = append(l.process.Servers, built)
		case *pipeline.Pipeline:
			l.process.Pipelines = append(l.process.Pipelines, built)
		}
	}
	l.checkWatched()
	l.buildListeners()
	l.process.Control = l.buildControl(l.blocks.control)
	if len(l.blocks.listeners) == 0 && !l.lost {
		l.report(hcl.Range{Start: hcl.InitialPos, End: hcl.InitialPos}, "no listener block",
			"Nobody could connect. Add listener \"NAME\" with an address, accounts and a pipeline.")
	}
	if !l.diags.HasErrors() { // a mistake elsewhere may be why something is not used
		l.warnUnused()
	}
	l.diags.sort()
	if l.diags.HasErrors() {
		return nil, l.diags
	}
	return l.process, l.diags
}
