package readwritesplit

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Hints are comments in a statement whose first word is weir or maxscale:
//
//	route to primary | master | replica | slave | last | server NAME
//	max_lag=10                  how far behind a replica may be that it is read at; max_replication_lag is the same
//	NAME prepare HINT           has a name mean one of these
//	begin HINT                  for this statement and all that follow, up to the end
//	NAME begin [HINT]           likewise, by a name
//	end                         of the last one begun
//
// start is begin, and stop is end. A hint with anything before or behind it is no hint.

// A hint says where a statement is to go, or how far behind a replica may be that it is read at. Its zero value says nothing.
type hint struct {
	set    bool
	target target
	server string
	maxLag time.Duration // not 0: this is all that it says
}

// parseOwn reads what a hint says of one statement.
func parseOwn(words []string) (h hint, ok bool) {
	if h.maxLag, h.set = parseMaxLag(words); h.set {
		return h, true
	}
	return parseRoute(words)
}

// parseMaxLag reads "max_lag=10", which is in seconds, or as the setting is: "max_lag=500ms".
func parseMaxLag(words []string) (lag time.Duration, ok bool) {
	name, value, _ := strings.Cut(strings.Join(words, " "), "=")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "max_lag", "max_replication_lag", "max_slave_replication_lag":
	default:
		return 0, false
	}
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		lag = time.Duration(seconds) * time.Second
	} else if lag, err = time.ParseDuration(value); err != nil || lag < 0 {
		return 0, false
	}
	return max(lag, 1), true // 0 is to be a limit, and a wish's 0 is none
}

// parseRoute reads "route to ...".
func parseRoute(words []string) (h hint, ok bool) {
	if len(words) < 3 || !strings.EqualFold(words[0], "route") || !strings.EqualFold(words[1], "to") {
		return hint{}, false
	}
	h.set = true
	switch words[2] = strings.ToLower(words[2]); {
	case words[2] == "server" && len(words) == 4:
		h.target, h.server = toServer, words[3]
		return h, true
	case len(words) != 3:
		return hint{}, false
	case words[2] == "primary", words[2] == "master":
		h.target = toPrimary
	case words[2] == "replica", words[2] == "slave":
		h.target = toReplica
	case words[2] == "last":
		h.target = toLast
	default:
		return hint{}, false
	}
	return h, true
}

// A directive is a hint that is about others.
type directive struct {
	verb string // "prepare", "begin" or "end"
	name string
	hint hint
}

// parseHint reads one hint: what it says of the statement, or else a directive.
func parseHint(text string) (own hint, about directive, ok bool) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return hint{}, directive{}, false
	}
	if h, ok := parseOwn(words); ok {
		return h, directive{}, true
	}
	about.verb = directiveVerb(words[0])
	if about.verb == "" && len(words) > 1 {
		about.name, about.verb = words[0], directiveVerb(words[1])
		words = words[1:]
	}
	words = words[1:]
	about.hint, ok = parseOwn(words)
	switch about.verb {
	case "end":
		return hint{}, about, about.name == "" && len(words) == 0
	case "begin":
		return hint{}, about, ok || about.name != "" && len(words) == 0
	case "prepare":
		return hint{}, about, ok && about.name != ""
	}
	return hint{}, directive{}, false
}

func directiveVerb(word string) string {
	switch strings.ToLower(word) {
	case "begin", "start":
		return "begin"
	case "end", "stop":
		return "end"
	case "prepare":
		return "prepare"
	}
	return ""
}

// noted is what the hints of one command say.
type noted struct {
	own        hint // of the command itself
	directives []directive
}

func (n *noted) clear() {
	if n.own.set || n.directives != nil {
		*n = noted{}
	}
}

// read notes the hints in c. Of several about c itself, the first holds.
func (n *noted) read(c *pipeline.Command, mode sqlscan.Mode) {
	text, _ := c.Text()
	for _, one := range sqlscan.Hints(text, mode) {
		own, about, ok := parseHint(one)
		switch {
		case !ok:
		case !own.set:
			n.directives = append(n.directives, about)
		case !n.own.set:
			n.own = own
		}
	}
}

// apply has the session remember what is said for the statements that follow.
func (n *noted) apply(sit *situation) {
	if len(n.directives) == 0 {
		return
	}
	if sit.hints == nil {
		sit.hints = new(hintStack)
	}
	for _, d := range n.directives {
		sit.hints.take(d)
	}
	n.directives = nil
}

// maxHints bounds the hints with names, and those begun, that a session remembers.
const maxHints = 64

// A hintStack is what hints have said of the statements that follow.
type hintStack struct {
	begun []hint // the last is in force
	over  int    // how many more have begun than are remembered
	names []directive
}

func (s *hintStack) take(d directive) {
	at := slices.IndexFunc(s.names, func(known directive) bool { return known.name == d.name })
	if d.name != "" && d.hint.set {
		switch {
		case at >= 0:
			s.names[at] = d
		case len(s.names) < maxHints:
			s.names = append(s.names, d)
		}
	}
	switch d.verb {
	case "end":
		switch {
		case s.over > 0:
			s.over--
		case len(s.begun) > 0:
			s.begun = s.begun[:len(s.begun)-1]
		}
	case "begin":
		if !d.hint.set && d.name != "" && at >= 0 {
			d.hint = s.names[at].hint
		}
		switch {
		case !d.hint.set:
		case len(s.begun) < maxHints:
			s.begun = append(s.begun, d.hint)
		default:
			s.over++
		}
	}
}

// hint is the one that holds for the command whose hints are noted: its own, or the one in force.
func (sit *situation) hint(p *policy) hint {
	h := sit.noted.own
	if !h.set && (sit.hints != nil || sit.noted.directives != nil) {
		h = sit.inForce()
	}
	if h.target == toServer && p.servers != nil && !slices.Contains(p.servers, h.server) {
		return hint{}
	}
	return h
}

// inForce is the hint in force once the noted directives hold. It changes nothing: who asks may not send the command.
func (sit *situation) inForce() (h hint) {
	var then hintStack
	if sit.hints != nil {
		then = *sit.hints
	}
	if sit.noted.directives != nil {
		then.begun, then.names = slices.Clone(then.begun), slices.Clone(then.names)
		for _, d := range sit.noted.directives {
			then.take(d)
		}
	}
	if n := len(then.begun); n > 0 {
		h = then.begun[n-1]
	}
	return h
}
