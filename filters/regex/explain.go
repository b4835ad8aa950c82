package regex

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// Explain is pipeline.Explainer's: it applies the rules, and counts and logs nothing.
func (f *Filter) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	text, ok := c.Text()
	if !ok {
		return pipeline.Step{Does: "passes it on", Why: "it has no text"}, c
	}
	if why := f.selection.WhyNot(s, text); why != "" {
		return pipeline.Step{Does: "passes it on", Why: why}, c
	}
	within := limits{
		held: lease{budget: &f.memory}, result: f.maxResult,
		until: time.Now().Add(f.longTime + time.Duration(len(text))*longTimePerByte),
	}
	defer within.held.release()
	switch r := f.apply(text, &within); {
	case r.limit != "" && f.reject:
		return pipeline.Step{Does: "rejects it", Why: "what the rules make of it is beyond the limit " + r.limit}, nil
	case r.limit != "":
		return pipeline.Step{Does: "passes it on", Why: "what the rules make of it is beyond the limit " + r.limit}, c
	case r.changed:
		return pipeline.Step{Does: "rewrites it", Why: r.why()}, c.WithText(r.text)
	case r.would() != nil:
		return pipeline.Step{Does: fmt.Sprintf("passes it on, and without dry_run would rewrite it to %s", r.would()), Why: r.why()}, c
	default:
		return pipeline.Step{Does: "passes it on", Why: r.why()}, c
	}
}

// would is what the rules would have made of the text without dry_run, nil where that is nothing else.
func (r *result) would() (text []byte) {
	for _, s := range r.steps {
		if s.after != nil {
			text = s.after
		}
	}
	return text
}

// why says what each rule that matches does.
func (r *result) why() string {
	var each []string
	for _, s := range r.steps {
		does := "matches"
		switch {
		case s.after == nil:
			does = "matches, and changes nothing"
		case s.rule.dryRun && r.changed:
			does = fmt.Sprintf("matches, and without dry_run would make it %s", s.after)
		}
		each = append(each, fmt.Sprintf("%q %s", s.rule.name, does))
	}
	if len(each) == 0 {
		return "no rule matches"
	}
	return strings.Join(each, "; ")
}
