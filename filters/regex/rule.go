package regex

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/weirproxy/weir/pipeline"
)

// A rule replaces what an expression matches.
type rule struct {
	name     string
	match    *regexp.Regexp
	screen   screen
	template []byte
	own      int // length of the template's own text
	refs     int // how often it refers to a group
	all      bool
	stop     bool
	dryRun   bool

	matched, changed atomic.Uint64 // statements, or such as would have been
}

// newRule compiles a rule whose settings are called by the given prefix in diagnostics.
func newRule(c Rule, prefix string) (*rule, error) {
	if c.Match == "" {
		return nil, pipeline.Invalid(prefix+"match", errors.New("must not be empty: the empty pattern matches everywhere"))
	}
	match, err := regexp.Compile(c.Match)
	if err != nil {
		return nil, pipeline.Invalid(prefix+"match", err)
	}
	names, own := references(c.Replace)
	for _, name := range names {
		if !hasGroup(match, name) {
			return nil, pipeline.Invalid(prefix+"replace", fmt.Errorf("match has no group for $%s\n"+
				"The name of a group is as long as it can be: before a letter, a digit or _, write $${1} for $1", name))
		}
	}
	return &rule{
		name: c.Name, match: match, screen: screenOf(c.Match), template: []byte(c.Replace), own: own, refs: len(names),
		all: c.All == nil || *c.All, stop: c.Stop, dryRun: c.DryRun,
	}, nil
}

func hasGroup(match *regexp.Regexp, name string) bool {
	if n, err := strconv.Atoi(name); err == nil && strconv.Itoa(n) == name {
		return n <= match.NumSubexp()
	}
	return match.SubexpIndex(name) >= 0
}

// references returns the groups that a template refers to, as regexp.Expand reads it, and the length of what else is in
// it. A $ that begins no reference stands for itself.
func references(template string) (names []string, own int) {
	for {
		before, after, ok := strings.Cut(template, "$")
		own += len(before)
		if !ok {
			return names, own
		}
		if rest, escaped := strings.CutPrefix(after, "$"); escaped {
			own, template = own+1, rest
			continue
		}
		name, rest := groupName(after)
		if name == "" {
			own, template = own+1, after
			continue
		}
		names, template = append(names, name), rest
	}
}

// groupName cuts a group's name, in braces or as long as it can be, from the front of s.
func groupName(s string) (name, rest string) {
	s, braced := strings.CutPrefix(s, "{")
	end := strings.IndexFunc(s, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(s)
	}
	name, rest = s[:end], s[end:]
	if braced {
		var closed bool
		if rest, closed = strings.CutPrefix(rest, "}"); !closed {
			return "", ""
		}
	}
	return name, rest
}
