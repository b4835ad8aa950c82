package pipeline

import (
	"fmt"
	"regexp"
	"slices"
)

// Only are the settings by which a filter is told to look at some sessions and statements only. A filter's Config
// embeds it.
type Only struct {
	// Match is a regular expression (RE2): of statements, only those it matches somewhere.
	Match string `hcl:"match,optional"`
	// Exclude is a regular expression: not those it matches somewhere.
	Exclude string `hcl:"exclude,optional"`
	// Users are the users whose sessions are looked at. Empty: all.
	Users []string `hcl:"user,optional"`
	// Sources are host patterns as in MySQL's account names, or networks like "10.0.0.0/8": sessions of clients from
	// there are looked at. Empty: all.
	Sources []string `hcl:"source,optional"`
}

// A Selection is what an Only selects. Its methods may be called by any goroutine.
type Selection struct {
	match, exclude *regexp.Regexp
	users          []string
	sources        []hostPattern
}

// Selection checks the settings. A mistake is an Invalid error.
func (o Only) Selection() (*Selection, error) {
	sel := &Selection{users: o.Users}
	var err error
	if o.Match != "" {
		if sel.match, err = regexp.Compile(o.Match); err != nil {
			return nil, Invalid("match", err)
		}
	}
	if o.Exclude != "" {
		if sel.exclude, err = regexp.Compile(o.Exclude); err != nil {
			return nil, Invalid("exclude", err)
		}
	}
	for _, source := range o.Sources {
		h, err := parseHostPattern(source)
		if err != nil {
			return nil, Invalid("source", fmt.Errorf("source %w", err))
		}
		sel.sources = append(sel.sources, h)
	}
	return sel, nil
}

// Session reports whether the session is selected. A filter whose Open finds that it is not returns next.
func (sel *Selection) Session(s *Session) bool {
	return (len(sel.users) == 0 || slices.Contains(sel.users, s.user)) &&
		(len(sel.sources) == 0 || slices.ContainsFunc(sel.sources, func(h hostPattern) bool { return h.match(s.from) }))
}

// AllText reports whether every statement is selected, whatever its text.
func (sel *Selection) AllText() bool { return sel.match == nil && sel.exclude == nil }

// Text reports whether a statement with this text is selected.
func (sel *Selection) Text(text []byte) bool {
	return (sel.match == nil || sel.match.Match(text)) && (sel.exclude == nil || !sel.exclude.Match(text))
}

// Command reports whether c is selected: by the text of its statement, or of the prepared statement it is about, which
// is looked up in p. A command without either is selected where Match is not set. p.Select should be sel.Text.
func (sel *Selection) Command(c *Command, p *Prepared) bool {
	if sel.AllText() {
		return true
	}
	if text, ok := c.Text(); ok {
		return sel.Text(text)
	}
	if st := p.Of(c); st != nil {
		return st.Selected
	}
	return sel.match == nil
}
