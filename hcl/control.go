package hcl

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// buildControl decodes the control block, which may be nil, when the listeners are built.
func (l *loader) buildControl(block *hclsyntax.Block) *pipeline.ControlConfig {
	if block == nil {
		return nil
	}
	config := pipeline.ControlDefaults
	out := l.decode(block, reflect.ValueOf(&config).Elem())
	if err := config.Check(); err != nil {
		l.invalid(err, block, out)
	}
	for _, listener := range l.process.Listeners {
		if listener.Config.Socket == config.Socket && !out.bad["socket"] {
			at, _ := locate(block, "socket")
			l.report(at, fmt.Sprintf("socket is taken by listener %q", listener.Config.Name), "Only one can listen there.")
		}
	}
	return &config
}
