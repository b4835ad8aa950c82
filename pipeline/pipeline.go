package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/protocol"
)

// A Pipeline is a chain of filters and the target behind them. It is a Target itself.
type Pipeline struct {
	Name    string
	filters []Filter
	target  Target
}

// NewPipeline makes a pipeline of filters, in the order commands pass them, and their target.
func NewPipeline(name string, filters []Filter, target Target) *Pipeline {
	return &Pipeline{name, filters, target}
}

// Open opens the target and then the filters, last to first.
func (p *Pipeline) Open(s *Session) (Handler, error) {
	h, err := p.target.Open(s)
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(p.filters) {
		if h, err = v.Open(s, h); err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
	}
	return h, nil
}

// Greeting is Greeter's, where the target is one.
func (p *Pipeline) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	g, ok := p.target.(Greeter)
	if !ok {
		return nil, fmt.Errorf("pipeline %s ends in a %T, which does not say what its servers can do", p.Name, p.target)
	}
	return g.Greeting(ctx)
}
