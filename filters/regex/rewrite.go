package regex

import (
	"bytes"
	"log/slog"
	"regexp/syntax"
	"time"
)

const (
	// shortText is the longest text that is worked on with other sessions waiting, shortTime for how long, as far as that
	// can be stopped. One search cannot: shortWork bounds the product of the text's length and the steps of the expression,
	// of which each byte may take all, at some 10 ns each.
	shortText = 4 << 10
	shortTime = time.Millisecond
	shortWork = 128 << 10
	// longTime is for how long a text may be worked on, longTimePerByte how much longer for each byte of it. One search
	// takes time in proportion to the text. To find all matches may take so many searches that each go to its end.
	longTime        = time.Second
	longTimePerByte = time.Microsecond
)

// The limits that a statement may go beyond, by the names of their settings.
const (
	limitStatement = "max_statement"
	limitResult    = "max_result"
	limitMemory    = "memory"
	limitTime      = "time" // which has no setting
)

// A result is what has become of a statement.
type result struct {
	text    []byte
	changed bool
	limit   string // gone beyond; nothing is to be changed then
	steps   []step // of the rules that matched
}

// A step is what one rule has made of a text. after is nil where that is nothing else.
type step struct {
	rule          *rule
	before, after []byte
}

// rewrite applies the rules to a text, on another goroutine where that may take long.
func (l *link) rewrite(text []byte) (r result, err error) {
	if len(text) <= l.short {
		l.within.until = time.Now().Add(l.shortTime)
		r = l.apply(text, &l.within)
	}
	if len(text) > l.short || r.limit == limitTime {
		r, err = l.rewriteElsewhere(text)
	}
	if err == nil && r.limit == "" {
		l.count(r)
	}
	return r, err
}

// shortFor is how long a text may be to be worked on with other sessions waiting, with these expressions.
func shortFor(expressions []string) int {
	most := 1
	for _, expr := range expressions {
		if tree, err := syntax.Parse(expr, syntax.Perl); err == nil {
			if program, err := syntax.Compile(tree.Simplify()); err == nil {
				most = max(most, len(program.Inst))
			}
		}
	}
	return min(shortText, shortWork/most)
}

func (l *link) rewriteElsewhere(text []byte) (r result, err error) {
	err = l.s.Do(func() error {
		l.within.until = time.Now().Add(l.longTime + time.Duration(len(text))*longTimePerByte)
		r = l.apply(text, &l.within)
		return nil
	})
	return r, err
}

// apply applies the rules to a text.
func (f *Filter) apply(text []byte, within *limits) (r result) {
	if !f.selection.AllText() && !f.selection.Text(text) {
		return r
	}
	r.text = text
	would := text // be, were it not for dry_run
	for _, rule := range f.rules {
		before := r.text
		if rule.dryRun {
			before = would
		}
		after, matched, limit := rule.apply(before, within)
		if limit != "" {
			return result{limit: limit}
		}
		if !matched {
			continue
		}
		r.steps = append(r.steps, step{rule, before, after})
		if after == nil {
			continue
		}
		would = after
		if !rule.dryRun {
			r.text, r.changed = after, true
		}
		if rule.stop && (f.dryRun || !rule.dryRun) {
			break
		}
	}
	return r
}

// count counts and logs what the rules have done.
func (f *Filter) count(r result) {
	kept := false
	for _, s := range r.steps {
		s.rule.matched.Add(1)
		if s.after == nil {
			continue
		}
		s.rule.changed.Add(1)
		kept = kept || s.rule.dryRun
		message := "regex: statement changed"
		if s.rule.dryRun {
			message = "regex: statement would be changed"
		}
		if f.log || s.rule.dryRun {
			f.journal.write(slog.LevelInfo, message, "rule", s.rule.name, "old", clip(s.before), "new", clip(s.after))
		}
	}
	if kept {
		f.counts.wouldChange.Add(1)
	}
}

// limits are what the work on one statement must keep within.
type limits struct {
	held   lease
	result int
	until  time.Time
}

// allow takes the memory that a result of up to n bytes needs. It returns the limit that forbids it, if one does.
func (l *limits) allow(n int) (limit string) {
	switch {
	case n > l.result:
		return limitResult
	case n > mayIgnore && !l.held.take(n):
		return limitMemory
	}
	return ""
}

// apply returns what the rule makes of a text, nil where that is nothing else.
func (r *rule) apply(text []byte, within *limits) (after []byte, matched bool, limit string) {
	if !r.screen.passes(text) {
		return nil, false, ""
	}
	if r.all {
		after, matched, limit = r.replaceAll(text, within)
	} else {
		after, matched, limit = r.replaceFirst(text, within)
	}
	if bytes.Equal(after, text) || isEmpty(after) {
		after = nil
	}
	return after, matched, limit
}

func (r *rule) replaceFirst(text []byte, within *limits) (after []byte, matched bool, limit string) {
	at := r.match.FindSubmatchIndex(text)
	if at == nil {
		return nil, false, ""
	}
	length := at[1] - at[0]
	bound := len(text) - length + r.own + r.refs*length
	if limit := within.allow(bound); limit != "" {
		return nil, true, limit
	}
	after = append(make([]byte, 0, bound), text[:at[0]]...)
	after = r.match.Expand(after, r.template, text, at)
	return append(after, text[at[1]:]...), true, ""
}

// replaceAll finds all matches before it replaces them, to know what it takes: neither length nor time of the work can
// be bounded once it has begun.
func (r *rule) replaceAll(text []byte, within *limits) (after []byte, matched bool, limit string) {
	if !r.match.Match(text) { // which allocates nothing
		return nil, false, ""
	}
	bound, inTime := r.measure(text, within.until)
	if !inTime {
		return nil, true, limitTime
	}
	if limit := within.allow(bound); limit != "" {
		return nil, true, limit
	}
	return r.match.ReplaceAll(text, r.template), true, ""
}

// errLate is what measure panics with: nothing else stops ReplaceAllFunc.
type errLate struct{}

// measure returns the most that replacing all matches makes of a text, and whether they were found in time.
func (r *rule) measure(text []byte, until time.Time) (bound int, inTime bool) {
	defer func() {
		if e := recover(); e != nil {
			if _, late := e.(errLate); !late {
				panic(e)
			}
		}
	}()
	count, matched := 0, 0
	r.match.ReplaceAllFunc(text, func(match []byte) []byte {
		if count++; count > 1 && time.Now().After(until) {
			panic(errLate{})
		}
		matched += len(match)
		return nil
	})
	return len(text) - matched + count*r.own + r.refs*matched, true
}

// isEmpty reports whether a text has no statement in it.
func isEmpty(text []byte) bool { return len(bytes.Trim(text, " \t\r\n;")) == 0 }
