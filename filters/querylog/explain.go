package querylog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
)

// Explain is pipeline.Explainer's.
func (f *Filter) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	text, ok := c.Text()
	if why := f.selection.WhyNot(s, text); ok && why != "" {
		return pipeline.Step{Does: "does not log it", Why: why}, c
	}
	to := f.config.Path
	if to == "-" {
		to = "the standard output"
	}
	step := pipeline.Step{Does: "logs it to " + to, Why: "a record has " + f.recorded()}
	if when := f.when(); when != "" {
		step.Does += " if it " + when
	}
	if ok && f.redact && slices.Contains(f.fields(), fieldStatement) {
		step.Does += ", without its literals: " + s.Statement(c).Canonical
	}
	return step, c
}

// when says what must become of a statement for it to be logged, empty where that does not matter.
func (f *Filter) when() string {
	var all []string
	if f.config.OnlyErrors {
		all = append(all, "fails")
	}
	if f.config.MinDuration > 0 {
		all = append(all, fmt.Sprintf("takes %v or longer", f.config.MinDuration))
	}
	return strings.Join(all, " and ")
}

// fields are what records have.
func (f *Filter) fields() []field {
	all, _ := parseFields(f.config.Fields) // New has checked them
	return all
}

// recorded names what records have.
func (f *Filter) recorded() string {
	var all []string
	for _, v := range f.fields() {
		all = append(all, fieldNames[v])
	}
	return strings.Join(all, ", ")
}
