package pipeline

import (
	"fmt"
	"log/slog"
)

// A Kind is one sort of filter, router or monitor (T says which): its label in the configuration file and how
// one is built.
type Kind[T any] struct {
	// Name is the label in the file: filter "regex".
	Name string
	// Defaults is a struct by value whose `hcl:"name"` and `hcl:"name,optional"` tags are the settings, and
	// whose fields hold what an optional setting is when the file does not name it.
	Defaults any
	// New builds one from a filled copy of Defaults. It checks settings and has no effects outside itself:
	// what it must open or start, it hands to Env.OnStart. A mistake in one setting is an Invalid error.
	New func(config any, env Env) (T, error)
}

// KindOf makes the Kind of a Config struct and its constructor.
func KindOf[C, T any](name string, defaults C, build func(C, Env) (T, error)) Kind[T] {
	return Kind[T]{name, defaults, func(config any, env Env) (T, error) { return build(config.(C), env) }}
}

// Env is what a filter or router gets from the process it is part of.
type Env struct {
	// Log carries the attributes that say which step of which pipeline this is.
	Log *slog.Logger
	// OnStart registers what is to run before the first session is accepted: opening files, starting
	// writers. An error stops the process from starting. Functions run in the order of the file.
	OnStart func(func() error)
	// OnStop registers what is to run after the last session has ended, in the opposite order. It may block
	// to write out what is held, and must do no harm where its OnStart has not run.
	OnStop func(func())
	// OnReopen registers what is to run when the operator asks for log files to be opened anew (SIGUSR1), as logrotate
	// does after it has renamed them. It runs on an ordinary goroutine, between OnStart and OnStop.
	OnReopen func(func())
	// Expose adds a figure to the process's metrics, with the labels pipeline and step. It is read at each scrape.
	Expose func(Metric)
	// Page adds a JSON document to the metrics address, at /pipelines/PIPELINE/STEP/NAME. document is called for each
	// request, on an ordinary goroutine, and returns what is to be encoded.
	Page func(name string, document func() any)
}

// A Metric is one figure of a step. Names follow Prometheus's conventions: base units, _total at a counter's end.
type Metric struct {
	Name string // begins with "weir_"
	Help string
	// Counter is set where the figure only grows.
	Counter bool
	// Read returns the figure now. Any goroutine may call it.
	Read func() float64
}

// InvalidError says which setting of a Config is wrong, so that the diagnostic can point at its line.
type InvalidError struct {
	Setting string // the name in the hcl tag
	Err     error
}

// Invalid wraps err as a mistake in the named setting.
func Invalid(setting string, err error) error { return &InvalidError{setting, err} }

func (e *InvalidError) Error() string { return fmt.Sprintf("%s: %v", e.Setting, e.Err) }

func (e *InvalidError) Unwrap() error { return e.Err }
