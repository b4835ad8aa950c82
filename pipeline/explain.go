package pipeline

import (
	"fmt"
	"strings"
)

// A Step of an explanation says what one filter or router would do with a statement.
type Step struct {
	// Step is its name in the pipeline: "filter regex", "router readwritesplit". Pipeline.Explain sets it.
	Step string `json:"step"`
	// Does says what it would do, and Why why: "primary", "the statement writes".
	Does string `json:"does"`
	Why  string `json:"why,omitempty"`
	// Statement is what would be passed on, where that is another one than came. Pipeline.Explain sets it.
	Statement string `json:"statement,omitempty"`
	// Copy is what the steps of another pipeline would do with a copy.
	Copy []Step `json:"copy,omitempty"`
}

// An Explainer is a filter or router that can say what it would do with a statement, without doing it.
type Explainer interface {
	// Explain says what would become of the command in the session, which is Detached, and returns the command that
	// would be passed on: c where it stays what it is, nil where it is answered here. What is known of the session are
	// its user, schema, address, Mode, and by Status whether a transaction is open, whether that is READ ONLY, and
	// whether autocommit is on. It has no links, and no state that an Open would have given it. Explain must have no
	// effects: it counts, logs and keeps nothing. What servers are like is not known where nobody has asked them.
	Explain(s *Session, c *Command) (step Step, next *Command)
}

// Explain says what each step would do with a command in a session, which is Detached, up to the one that answers it.
func (p *Pipeline) Explain(s *Session, c *Command) []Step {
	var steps []Step
	for i, f := range p.filters {
		var step Step
		if step, c = explain(f, p.stepName(i+1), s, c); c == nil {
			return append(steps, step)
		}
		steps = append(steps, step)
	}
	if inner, ok := p.target.(*Pipeline); ok {
		return append(steps, inner.Explain(s, c)...)
	}
	step, _ := explain(p.target, p.stepName(p.steps()), s, c)
	return append(steps, step)
}

// explain asks one step, which is called name.
func explain(of any, name string, s *Session, c *Command) (step Step, next *Command) {
	step, next = Step{Does: "does not explain what it does", Why: "this kind of step has no explanation"}, c
	if e, ok := of.(Explainer); ok {
		step, next = e.Explain(s, c)
	}
	step.Step = name
	if next != nil && next != c {
		text, _ := next.Text()
		step.Statement = string(text)
	}
	return step, next
}

// As returns a Detached session in the situation of s, which is Detached too, of a user: that which a filter would fork.
// An empty user is that of s. It needs no Close.
func (s *Session) As(user string) *Session {
	if user == "" {
		user = s.user
	}
	fork := Detached(SessionInfo{
		ID: s.id, User: user, ClientAddr: s.from.text, Schema: s.schema, Capabilities: s.caps, Dialect: s.greeted.dialect,
		Status: s.status, Log: s.logger,
	})
	fork.cancel() // nothing waits in it
	return fork
}

// WhyNot says in words why a session, or a text in it, is not selected. It is empty where they are.
func (sel *Selection) WhyNot(s *Session, text []byte) string {
	switch {
	case !sel.Session(s):
		one := Selection{users: sel.users}
		if !one.Session(s) {
			return fmt.Sprintf("the setting user names %s, not %s", strings.Join(sel.users, ", "), s.user)
		}
		return fmt.Sprintf("the setting source does not cover %s", s.from.host())
	case sel.match != nil && !sel.match.Match(text):
		return "the setting match does not match the statement"
	case sel.exclude != nil && sel.exclude.Match(text):
		return "the setting exclude matches the statement"
	}
	return ""
}
