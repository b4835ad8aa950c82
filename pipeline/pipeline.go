package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/protocol"
)

// A Pipeline is a chain of filters and the target behind them. It is a Target itself.
type Pipeline struct {
	Name string
	// Steps are the names of the filters and of the target, as metrics call them.
	Steps   []string
	filters []Filter
	target  Target
}

// NewPipeline makes a pipeline of filters, in the order commands pass them, and their target.
func NewPipeline(name string, filters []Filter, target Target) *Pipeline {
	return &Pipeline{Name: name, filters: filters, target: target}
}

// Open opens the target and then the filters, last to first.
func (p *Pipeline) Open(s *Session) (Handler, error) {
	h, err := p.target.Open(s)
	if err != nil {
		return nil, err
	}
	h = p.staged(s, p.steps(), h, nil)
	for i, v := range slices.Backward(p.filters) {
		behind := h
		if h, err = v.Open(s, behind); err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		h = p.staged(s, i+1, h, behind)
	}
	return h, nil
}

// A GTIDResetter is a target that keeps GTIDs which reads of its sessions must see.
type GTIDResetter interface {
	// ResetGTID forgets those that there are: an operator says that servers have forgotten them too. Sessions go by it
	// from their next statement on. Any goroutine may call it. An error says why the target keeps none.
	ResetGTID() error
}

// ResetGTID is GTIDResetter's, where the target is one.
func (p *Pipeline) ResetGTID() error {
	err := errors.New("its router keeps no GTIDs")
	if t, ok := p.target.(GTIDResetter); ok {
		err = t.ResetGTID()
	}
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", p.Name, err)
	}
	return nil
}

// Greeting is Greeter's, where the target is one.
func (p *Pipeline) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	g, ok := p.target.(Greeter)
	if !ok {
		return nil, fmt.Errorf("pipeline %s ends in a %T, which does not say what its servers can do", p.Name, p.target)
	}
	return g.Greeting(ctx)
}
