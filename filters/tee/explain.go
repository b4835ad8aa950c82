package tee

import (
	"fmt"
	"strconv"

	"github.com/weirproxy/weir/pipeline"
)

// Explain is pipeline.Explainer's: it judges the command as a link would, and forks nothing.
func (f *Filter) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	text, _ := c.Text()
	if !f.selection.Session(s) {
		return pipeline.Step{Does: "does not copy it", Why: f.selection.WhyNot(s, text)}, c
	}
	if f.config.Sample == 0 {
		return pipeline.Step{Does: "does not copy it", Why: "sample is 0: no session is copied"}, c
	}
	l := &link{f: f, s: s}
	switch v, _ := l.judge(c); v {
	case skip:
		return pipeline.Step{Does: "does not copy it", Why: "it is about the server it is sent to, or may hold a statement that is, such as KILL or SHUTDOWN"}, c
	case leave:
		why := f.selection.WhyNot(s, text)
		if why == "" {
			why = "it concerns this session alone"
		}
		return pipeline.Step{Does: "does not copy it", Why: why}, c
	}
	step := pipeline.Step{Does: fmt.Sprintf("copies it to pipeline %s", f.config.Target.Name)}
	if f.config.Compare {
		step.Does += ", and compares the answers"
	}
	if f.config.Sample < 1 {
		step.Does += fmt.Sprintf(", in %s %% of the sessions", strconv.FormatFloat(100*f.config.Sample, 'g', 4, 64))
	}
	step.Why = "session and statement are selected"
	if why := f.selection.WhyNot(s, text); why != "" {
		step.Why = why + ", but what is copied may depend on what it sets"
	}
	step.Copy = f.config.Target.Explain(s.As(f.config.TargetUser), c.Clone())
	return step, c
}
