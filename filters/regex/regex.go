// Package regex is the filter that changes the text of statements by regular expressions.
//
// A rule that cannot match is found out without running its expression where that is possible: most expressions have
// words that any match contains, and these are looked for first.
package regex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// Config is what can be set. With Replace, Match is the pattern of the only rule; with Rules, it selects the statements
// that they are applied to.
type Config struct {
	pipeline.Only
	// Replace is what stands in the place of what Match matches: $1 and ${name} are what its groups match.
	Replace *string `hcl:"replace,optional"`
	// All has all matches be replaced, not only the first.
	All *bool `hcl:"all,optional"`
	// Rules are applied one after another, each to what the one before has made.
	Rules []Rule `hcl:"rule,block"`
	// DryRun counts and logs what would be changed, and changes nothing.
	DryRun bool `hcl:"dry_run,optional"`
	// Log logs what is changed.
	Log bool `hcl:"log,optional"`
	// MaxStatement is the longest statement that is looked at, in bytes, MaxResult the longest that may come of one.
	MaxStatement int `hcl:"max_statement,optional"`
	MaxResult    int `hcl:"max_result,optional"`
	// Memory bounds what all sessions together hold of statements longer than a read buffer, in bytes.
	Memory int `hcl:"memory,optional"`
	// Oversize says what becomes of statements beyond these: "pass" or "reject".
	Oversize string `hcl:"oversize,optional"`
}

// Rule is a rule block.
type Rule struct {
	// Name is what logs and counters call the rule.
	Name    string `hcl:"name,optional"`
	Match   string `hcl:"match"`
	Replace string `hcl:"replace"`
	All     *bool  `hcl:"all,optional"`
	// Stop leaves out the rules after this one where it has changed the statement.
	Stop bool `hcl:"stop,optional"`
	// DryRun is Config's, for this rule alone.
	DryRun bool `hcl:"dry_run,optional"`
}

// Kind is the filter's kind.
var Kind = pipeline.KindOf("regex", Config{
	MaxStatement: 16 << 20, MaxResult: 64 << 20, Memory: 256 << 20, Oversize: "pass",
}, New)

// maxLength is what a server takes at most: the largest max_allowed_packet.
const maxLength = 1 << 30

// A Filter changes statements.
type Filter struct {
	selection    *pipeline.Selection
	rules        []*rule
	dryRun       bool
	log          bool
	maxStatement int
	maxResult    int
	reject       bool
	short        int // texts up to this length are worked on with other sessions waiting
	shortTime    time.Duration
	longTime     time.Duration
	memory       budget
	counts       counts
	journal      journal
}

// New makes a filter.
func New(c Config, env pipeline.Env) (pipeline.Filter, error) {
	f := &Filter{
		dryRun: c.DryRun, log: c.Log, maxStatement: c.MaxStatement, maxResult: c.MaxResult, reject: c.Oversize == "reject",
		shortTime: shortTime, longTime: longTime,
		short: shortFor(c.expressions()), memory: budget{limit: int64(c.Memory)}, journal: journal{log: env.Log},
	}
	var mistakes []error
	mistake := func(setting string, err error) {
		if err != nil {
			mistakes = append(mistakes, pipeline.Invalid(setting, err))
		}
	}
	mistake("max_statement", within(c.MaxStatement, 0))
	mistake("max_result", within(c.MaxResult, 1))
	mistake("memory", atLeast(c.Memory, 0))
	if c.Oversize != "pass" && c.Oversize != "reject" {
		mistake("oversize", errors.New(`must be "pass" or "reject"`))
	}
	if c.Replace != nil {
		rules, err := shortForm(c)
		mistakes = append(mistakes, err)
		f.rules = rules
		c.Match = "" // the rule's, and tested with it
	} else {
		rules, err := longForm(c)
		mistakes = append(mistakes, err)
		f.rules = rules
	}
	var err error
	f.selection, err = c.Selection()
	if err := errors.Join(append(mistakes, err)...); err != nil {
		return nil, err
	}
	f.expose(env)
	return f, nil
}

// expressions are all that the filter searches with.
func (c *Config) expressions() []string {
	all := []string{c.Match, c.Exclude}
	for _, r := range c.Rules {
		all = append(all, r.Match)
	}
	return all
}

// shortForm is the rule that stands in the filter block itself.
func shortForm(c Config) ([]*rule, error) {
	if len(c.Rules) > 0 {
		return nil, pipeline.Invalid("replace", errors.New("stands either in the filter block or in rule blocks, not in both"))
	}
	r, err := newRule(Rule{Match: c.Match, Replace: *c.Replace, All: c.All, DryRun: c.DryRun}, "")
	if err != nil {
		return nil, err
	}
	r.name = "rule 1"
	return []*rule{r}, nil
}

// longForm are the rules of the rule blocks.
func longForm(c Config) ([]*rule, error) {
	if len(c.Rules) == 0 {
		return nil, errors.New("it has neither a replace setting nor a rule block")
	}
	var rules []*rule
	var mistakes []error
	if c.All != nil {
		mistakes = append(mistakes, pipeline.Invalid("all", errors.New("stands beside replace: here, in each rule block")))
	}
	for i, one := range c.Rules {
		one.DryRun = one.DryRun || c.DryRun
		number := fmt.Sprintf("rule %d", i+1)
		r, err := newRule(one, number+": ")
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		if r.name == "" {
			r.name = number
		}
		rules = append(rules, r)
	}
	return rules, errors.Join(mistakes...)
}

func within(n, least int) error {
	if n < least || n > maxLength {
		return fmt.Errorf("must be between %d and %d bytes", least, maxLength)
	}
	return nil
}

func atLeast(n, least int) error {
	if n < least {
		return fmt.Errorf("must be at least %d", least)
	}
	return nil
}

// Open returns a link before next.
func (f *Filter) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	if !f.selection.Session(s) {
		return next, nil
	}
	return &link{
		Filter: f, s: s, next: next, within: limits{held: lease{budget: &f.memory}, result: f.maxResult},
	}, nil
}

// A link is the filter in one session.
type link struct {
	*Filter
	s      *pipeline.Session
	next   pipeline.Handler
	within limits // of the statement being served
}

// Serve passes c on, with another text where the rules make one.
func (l *link) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	if com := c.Com(); com != protocol.ComQuery && com != protocol.ComStmtPrepare {
		return l.next.Serve(ctx, w, c)
	}
	if c.Part != protocol.Whole {
		return l.serveLong(ctx, w, c)
	}
	text, ok := c.Text()
	if !ok || !l.mayMatch(text) {
		return l.next.Serve(ctx, w, c)
	}
	defer l.within.held.release()
	r, err := l.rewrite(text)
	if err != nil {
		return err
	}
	return l.pass(ctx, w, c, c, r)
}

// mayMatch reports whether a rule may match the text.
func (f *Filter) mayMatch(text []byte) bool {
	for _, r := range f.rules {
		if r.screen.passes(text) {
			return true
		}
	}
	return false
}

// pass passes on c, or what has become of it. whole is c with all of its text in one piece.
func (l *link) pass(
	ctx context.Context, w pipeline.ReplyWriter, c, whole *pipeline.Command, r result,
) error {
	if r.changed && len(r.text) > mayIgnore && !l.within.held.take(2*len(r.text)) { // the copies that WithText makes
		r = result{limit: limitMemory}
	}
	if r.limit != "" {
		return l.oversize(ctx, w, c, r.limit)
	}
	if r.changed {
		l.counts.changed.Add(1)
		c = whole.WithText(r.text)
	}
	return l.next.Serve(ctx, w, c)
}

// oversize serves a statement that is too long for the filter, by the setting that says so.
func (l *link) oversize(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command, limit string) error {
	l.counts.oversize.Add(1)
	text, _ := c.Text()
	attrs := []any{"limit", limit, "session", l.s.ID(), "user", l.s.User(), "statement", clip(text)}
	if !l.reject {
		l.journal.write(slog.LevelWarn, "regex: statement passed on unseen, it is too long", attrs...)
		return l.next.Serve(ctx, w, c)
	}
	l.journal.write(slog.LevelWarn, "regex: statement rejected, it is too long", attrs...)
	return pipeline.Error(w, &protocol.SQLError{
		Code: protocol.ErUnknown, State: "HY000",
		Message: "Statement is too long to be filtered (" + limit + " of filter regex)",
	})
}
