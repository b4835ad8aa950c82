package readwritesplit

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// keep remembers a session command that m has carried out, for the other servers.
func (x *session) keep(m *member, j *job) {
	c := x.asQuery(j)
	if x.r.tracks() && j.st != nil && containsFold(j.st.Canonical, "session_track") {
		for i := range x.members {
			x.members[i].ready = false // what the router has asked for is overruled
		}
	}
	t := traitsOf(c, j.st, x.s.Mode())
	if t.ends && !t.opaque() && !preparedAfter(x.history.entries, t.sets) { // others have not prepared it
		return
	}
	x.addRun(m, c, t)
}

// addRun adds to the history what m has run.
func (x *session) addRun(m *member, c *pipeline.Command, t traits) {
	if m.synced == x.history.next {
		m.synced++
	}
	x.history.add(c, t)
}

// asQuery is a session command as other servers run it, where the statement is not prepared.
func (x *session) asQuery(j *job) *pipeline.Command {
	if j.stmt != nil {
		return pipeline.NewQuery(j.stmt.Text, x.s.Capabilities())
	}
	return j.c
}

// confine has a session command that cannot be kept for other servers go to the primary alone, where the session stays.
func (x *session) confine(j *job) {
	var why string
	switch {
	case !kept(j.c, j.st):
		return
	case j.c.Part != protocol.Whole || len(j.c.Data) > maxKept:
		why = "a session command was too long to be kept"
	case j.stmt != nil && (j.stmt.Params > 0 || j.stmt.Truncated):
		why = "a prepared session command has parameters"
	case x.history.full(traitsOf(x.asQuery(j), j.st, x.s.Mode()), x.r.config.MaxHistory):
		why = "there were more session commands than are kept"
	default:
		return
	}
	if x.sit.apart() && !x.sit.optimistic {
		j.d = x.confineApart(j, why)
		return
	}
	if x.sit.bonds&boundSession == 0 {
		x.s.Log().Info("session stays with the primary from now on", "why", why)
	}
	j.d = decision{why: why, marks: marksBound, move: x.sit.movable()}
}

// confineApart is where such a command goes while a read-only transaction is open on a replica. User variables can be fetched
// from there later. To commit the transaction for anything else would have later reads see another snapshot.
func (x *session) confineApart(j *job, why string) decision {
	if j.c.Part == protocol.Whole && (j.stmt == nil || !j.stmt.Truncated) && j.st != nil && j.st.Class == sqlscan.Set {
		if text, ok := x.asQuery(j).Text(); ok && setsUserVariables(text, x.s.Mode()) {
			return decision{target: toLast, why: whyReadOnly, marks: marksVariablesLast}
		}
	}
	return decision{target: toNone, why: why}
}

// kept reports whether a command that goes to all servers is one that changes the session's state.
func kept(c *pipeline.Command, st *pipeline.Statement) bool {
	switch c.Com() {
	case protocol.ComInitDB, protocol.ComSetOption:
		return true
	case protocol.ComQuery, protocol.ComStmtExecute:
		return st != nil
	}
	return false
}
