package readwritesplit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// away is the user variables that one server alone knows, since their values may be others elsewhere: a replica has read
// them, in a read-only transaction, or been asked about its last statement. They are fetched from there before another
// server is sent a statement, and not sooner: that server may be asked about its last statement once more.
type away struct {
	at    *member // nil: there are none
	link  *pipeline.Link
	names []string
	vague bool // there are others, whose names are not known

	lost []string // those whose values nobody knows any more
	all  bool     // any may be
	why  string
}

// variableNames are the user variables that a statement has the names of.
type variableNames struct {
	reads, sets []string
	vague       bool // there may be others
	hidden      bool // it executes what is not known
}

func (n *variableNames) read(text []byte, mode sqlscan.Mode) {
	reads, sets, ok := sqlscan.UserVariables(text, mode)
	n.reads, n.sets = append(n.reads, reads...), append(n.sets, sets...)
	n.vague = n.vague || !ok
}

// variableNames returns the user variables in the statement of a command, and in what it executes.
func (x *session) variableNames(j *job) (n variableNames) {
	switch text, ok := j.c.Text(); {
	case j.stmt != nil && !j.stmt.Truncated:
		n.read([]byte(j.stmt.Text), x.s.Mode())
	case j.stmt == nil && ok && j.c.Part == protocol.Whole:
		n.read(text, x.s.Mode())
	default:
		n.vague = true
	}
	if j.st == nil || j.st.Class != sqlscan.Execute {
		return n
	}
	text := x.sit.textOf(j.st)
	if text == nil || text.statement == nil {
		n.hidden = true
		return n
	}
	n.reads, n.sets = append(n.reads, text.names.reads...), append(n.sets, text.names.sets...)
	n.vague = n.vague || text.names.vague
	return n
}

// sets notes that m has set the variables that the statement of the command sets.
func (a *away) sets(m *member, n variableNames) {
	a.at, a.link = m, m.link
	for _, name := range n.sets {
		if !slices.Contains(a.names, name) {
			a.names = append(a.names, name)
		}
	}
	if len(a.names) > maxAway {
		a.names, n.vague = nil, true
	}
	a.vague = a.vague || n.vague
}

// maxAway bounds the variables that are fetched at once.
const maxAway = 64

// known notes that variables have values again.
func (a *away) known(names []string) {
	a.lost = slices.DeleteFunc(a.lost, func(name string) bool {
		return name != sqlscan.OddVariable && slices.Contains(names, name)
	})
}

// lose notes that nobody knows the values of variables any more.
func (a *away) lose(why string, all bool, names ...string) {
	a.all = a.all || all
	a.known(names)
	a.lost = append(a.lost, names...)
	a.why = why
	if len(a.lost) > 4*maxAway {
		a.lost, a.all = nil, true
	}
}

// moved has what m had set be known to another server: it has run the same.
func (a *away) moved(m, to *member) {
	if a.at == m {
		a.at, a.link = to, to.link
	}
}

// noteVariables keeps up with which variables are known where, once the command has been served by m.
func (x *session) noteVariables(m *member, j *job) {
	a := &x.away
	if j.d.marks&marksVariablesLast != 0 && (x.sit.variables == variablesLast || m != x.primary) {
		a.sets(m, x.variableNames(j))
	}
	if len(a.lost) > 0 && j.c.Executes() && !x.passage.failed {
		a.known(x.variableNames(j).sets)
	}
}

// fetchVariables fetches the variables that another server than m alone knows, where the command may need them at m. It
// answers commands that read such as are lost.
func (x *session) fetchVariables(m *member, j *job) error {
	a := &x.away
	if a.at != nil && x.mustFetch(m, j) {
		if err := x.fetch(); err != nil {
			return err
		}
	}
	if len(a.lost) == 0 && !a.all || j.st == nil || !j.c.Executes() {
		return nil
	}
	if name := x.lostName(j); name != "" {
		return j.answer(&protocol.SQLError{
			Code: protocol.ErUnknown, State: "HY000",
			Message: "The value of " + name + " is not known any more, as " + a.why + ": set it again, or reset the connection",
		})
	}
	return nil
}

// mustFetch reports whether the variables have to be fetched before m is sent the command. A transaction begins without
// any, so that it can be run again elsewhere.
func (x *session) mustFetch(m *member, j *job) bool {
	a := &x.away
	if !j.c.Executes() && !kept(j.c, j.st) || j.d.beside && j.st.Effects&sqlscan.UserVariable == 0 {
		return false
	}
	return m != a.at || m.link != a.link || x.replay.on && x.trx == nil && j.st != nil && (j.st.Class == sqlscan.Begin || x.sit.manual)
}

// lostName is the name of a lost variable that the command reads, "" where it reads none.
func (x *session) lostName(j *job) string {
	_, effects, _ := x.sit.executed(j.st)
	if effects&sqlscan.UserVariable == 0 {
		return ""
	}
	n := x.variableNames(j)
	switch {
	case x.away.all, n.vague, n.hidden:
		return "user variables"
	}
	for _, name := range n.reads {
		switch {
		case !slices.Contains(x.away.lost, name):
		case name == sqlscan.OddVariable:
			return "user variables with such names"
		default:
			return "user variable @" + name
		}
	}
	return ""
}

// fetch has the history set the variables that one server alone knows, so that all others do. Those that cannot be had are
// lost. An error ends the command.
func (x *session) fetch() error {
	a := &x.away
	m, vague := a.at, a.vague
	names := slices.DeleteFunc(slices.Clone(a.names), func(name string) bool { return name == sqlscan.OddVariable })
	odd := len(names) < len(a.names)
	values, err := x.valuesAt(m, names)
	if errors.Is(err, errKilled) || err != nil && context.Cause(x.ctx) != nil {
		return err
	}
	a.at, a.link, a.names, a.vague = nil, nil, nil, false
	if x.sit.variables == variablesLast {
		x.sit.variables = variablesEverywhere
	}
	server := m.server().Name()
	if odd {
		a.lose("server "+server+" has set one, and what they are called cannot be told", false, sqlscan.OddVariable)
	}
	if vague {
		a.lose("the names of those that server "+server+" has set cannot be told", true)
	}
	if err != nil {
		x.s.Log().Warn("user variables lost", "server", server, "names", names, "error", err)
		a.lose(fmt.Sprintf("server %s, which has set it, is lost or does not tell it", server), false, names...)
		return nil
	}
	var set, sets []string
	for i, value := range values {
		if value == "" {
			a.lose("what server "+server+" has set is longer than is kept", false, names[i])
			continue
		}
		a.known(names[i : i+1])
		set = append(set, "@`"+names[i]+"` = "+value)
		sets = append(sets, "@"+names[i])
	}
	x.keepFetched(m, set, sets)
	return nil
}

// keepFetched adds to the history what sets the variables, which m has set before.
func (x *session) keepFetched(m *member, set, sets []string) {
	if len(set) == 0 {
		return
	}
	t := traits{sets: sets}
	if x.history.full(t, x.r.config.MaxHistory) && x.sit.bonds&boundSession == 0 {
		x.s.Log().Info("session stays with the primary from now on", "why", "more user variables were fetched than are kept")
		x.sit.bonds |= boundSession
	}
	if x.trx != nil {
		x.replay.spoil("user variables of another server were fetched in it")
	}
	x.addRun(m, pipeline.NewQuery("SET "+strings.Join(set, ", "), x.s.Capabilities()), t)
}
