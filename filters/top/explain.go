package top

import (
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Explain is pipeline.Explainer's.
func (f *Filter) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	text, ok := c.Text()
	if why := f.selection.WhyNot(s, text); ok && why != "" {
		return pipeline.Step{Does: "does not count it", Why: why}, c
	}
	if c.Com() != protocol.ComQuery {
		return pipeline.Step{Does: "does not count it", Why: "it executes no statement"}, c
	}
	step := pipeline.Step{
		Does: fmt.Sprintf("counts it, and how long it takes, as %s", s.Statement(c).Canonical),
		Why:  "statements that differ only in their literals are counted as one",
	}
	if f.config.Path != "" {
		which := fmt.Sprintf("the session's report has it where it is one of its %d slowest", f.config.Count)
		if f.config.MinDuration > 0 {
			which += fmt.Sprintf(" and takes %v or longer", f.config.MinDuration)
		}
		step.Why += "; " + which
	}
	return step, c
}
