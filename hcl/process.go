package hcl

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// maxWorkers is more than any machine has processors; it keeps a slip of the finger from starting a million.
const maxWorkers = 1024

// buildProcess decodes the process block, which may be nil. Its Log is never nil.
func (l *loader) buildProcess(block *hclsyntax.Block) pipeline.ProcessConfig {
	config, log := pipeline.ProcessDefaults, pipeline.LogDefaults
	if block != nil {
		out := l.decode(block, reflect.ValueOf(&config).Elem())
		if !out.bad["workers"] && (config.Workers < 0 || config.Workers > maxWorkers) {
			at, _ := locate(block, "workers")
			l.report(at, `"workers" is out of range`, fmt.Sprintf("It may be from 0 to %d; 0 is one for each processor.", maxWorkers))
		}
		if !out.bad["worker_load"] && (config.WorkerLoad < 0 || config.WorkerLoad > 100) {
			at, _ := locate(block, "worker_load")
			l.report(at, `"worker_load" is out of range`, "It may be from 0 to 100 percent; 0 spreads sessions evenly over all workers.")
		}
		for nested, inner := range out.nested {
			l.checkOneOf(nested, inner, "format", config.Log.Format, "text", "json")
			l.checkOneOf(nested, inner, "level", config.Log.Level, "debug", "info", "warn", "error")
		}
	}
	if config.Log == nil {
		config.Log = &log
	}
	return config
}

// checkOneOf reports a setting whose value is none of those known.
func (l *loader) checkOneOf(block *hclsyntax.Block, out outcome, setting, value string, known ...string) {
	if out.bad[setting] || slices.Contains(known, value) {
		return
	}
	at, _ := locate(block, setting)
	l.report(at, fmt.Sprintf("unknown %s %q", setting, value), suggestion(quoted(nearest(value, known)), "Known are", known))
}
