package pipeline

import (
	"context"
	"slices"
)

// A Family is all figures of one name. What exposes them says what they are to be called; pipeline knows no metrics
// system.
type Family struct {
	Name, Help string
	Kind       FamilyKind
	// Labels are the names of the labels, in the order of the figures' values.
	Labels  []string
	Figures []Figure
}

// FamilyKind is what sort of figures a Family has.
type FamilyKind uint8

// The kinds.
const (
	Gauge   FamilyKind = iota
	Counter            // only grows
	Durations
)

// A Figure is one value of a Family.
type Figure struct {
	Labels []string
	// Value is the figure, or Distribution where the family is of Durations.
	Value        float64
	Distribution *Distribution
}

// families collects figures by name.
type families []*Family

// add makes a family. Its figures are added with put.
func (f *families) add(kind FamilyKind, name, help string, labels ...string) *Family {
	one := &Family{Name: name, Help: help, Kind: kind, Labels: labels}
	*f = append(*f, one)
	return one
}

func (f *Family) put(value float64, labels ...string) {
	f.Figures = append(f.Figures, Figure{Labels: labels, Value: value})
}

// Families returns the process's figures as they are now. A worker that does not answer while ctx lasts is left at what
// it last said. Any goroutine may call it, at any time.
func (p *Process) Families(ctx context.Context) []*Family {
	stocks, answered := p.takeStock(ctx)
	var f families
	p.putWorkers(&f, stocks, answered)
	p.putListeners(&f)
	p.putServers(&f, stocks)
	p.putPipelines(&f, stocks)
	p.putExposed(&f)
	return slices.DeleteFunc(f, func(one *Family) bool { return len(one.Figures) == 0 })
}
