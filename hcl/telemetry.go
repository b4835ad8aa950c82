package hcl

import (
	"reflect"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// buildTelemetry decodes the telemetry block, which may be nil.
func (l *loader) buildTelemetry(block *hclsyntax.Block) (config pipeline.TelemetryConfig) {
	if block == nil {
		return config
	}
	out := l.decode(block, reflect.ValueOf(&config).Elem())
	if err := config.Check(); err != nil {
		l.invalid(err, block, out)
	}
	return config
}
