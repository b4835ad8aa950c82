package replication

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A verdict is what has been decided of a server.
type verdict struct {
	role    pipeline.Role
	of      int // none, or whom it replicates from
	lag     time.Duration
	problem pipeline.Problem
	reason  string
}

// A decision is what has been decided of all servers.
type decision struct {
	primary  int // none where there is none
	verdicts []verdict
}

// decide says what each server is.
func (r *reign) decide(t *topology) decision {
	d := decision{primary: r.primary(t)}
	root := d.primary
	if root == none {
		root = r.last
	}
	for i := range t.servers {
		v := t.verdict(i, d.primary, root)
		if r.lingers(t, i, &v) {
			v.role, v.lag = r.replicas[i].role, pipeline.UnknownLag
		}
		if d.primary == none && r.last != none && !v.role.Reads() && t.carriesOn(i, r) {
			v.role, v.lag = pipeline.Replica, pipeline.UnknownLag
		}
		d.verdicts = append(d.verdicts, v)
	}
	for i := range d.verdicts {
		d.trace(t, i)
	}
	for i, v := range d.verdicts {
		r.reads[i] = v.role.Reads() || v.role == pipeline.Primary
	}
	return d
}

// lingers says that a server is what it was as a replica, although it does not replicate by what it says: that is not believed
// before it has said so several times.
func (r *reign) lingers(t *topology, i int, v *verdict) bool {
	was, polls := &r.replicas[i], t.servers[i].Polls
	switch {
	case v.role.Reads():
		*was = asReplica{role: v.role}
		return false
	case !was.role.Reads() || v.problem != pipeline.ReplicationStopped && v.problem != pipeline.ReplicationBroken:
		*was = asReplica{}
		return false
	case was.failed == 0:
		was.failed = polls
	}
	return polls-was.failed < r.failures-1
}

// trace has the lag of a replica be unknown where that of a relay is on the way to the primary.
func (d *decision) trace(t *topology, i int) {
	v := &d.verdicts[i]
	for at, hops := v.of, 0; v.role.Reads() && at != none && at != d.primary && hops < len(t.servers); hops++ {
		via := &d.verdicts[at]
		if via.lag == pipeline.UnknownLag && d.primary != none {
			v.lag = pipeline.UnknownLag
			if v.problem == pipeline.NoProblem {
				v.problem, v.reason = pipeline.ReplicationBroken, fmt.Sprintf("replicates from %s, which is not known to follow", t.servers[at].name)
			}
			return
		}
		at = via.of
	}
}

// carriesOn says that a server goes on serving reads for as long as there is no primary, whoever it replicates from: nobody
// has written anything that it could lack, and while a primary is replaced, replication is stopped everywhere.
func (t *topology) carriesOn(i int, r *reign) bool {
	srv := &t.servers[i]
	return r.reads[i] && srv.Up && !srv.Refusing && !slices.ContainsFunc(srv.Answer.channels, func(c channel) bool {
		return c.sql == stopped && c.sqlErr.code != 0
	})
}

// verdict decides of one server. root is where all replicate from that follow the primary: itself, or the one that was
// it last.
func (t *topology) verdict(i, primary, root int) verdict {
	srv := &t.servers[i]
	v := verdict{of: none, lag: pipeline.UnknownLag, problem: srv.Problem, reason: srv.Reason}
	switch {
	case i == primary:
		v.role = pipeline.Primary
		return v
	case !srv.Up, srv.Refusing:
		return v
	}
	at := t.channelTo(i, root)
	if at == none {
		v.problem, v.reason = t.apart(i, root)
		return v
	}
	c := &srv.Answer.channels[at]
	v.of, v.lag = t.sources[i][at], c.lag
	serves := false
	v.problem, v.reason, serves = c.fault(t.nameOf(i, at), v.of != none && !t.servers[v.of].Up)
	switch {
	case !serves:
		v.lag = pipeline.UnknownLag
	case t.relays(i, root):
		v.role = pipeline.Relay
	default:
		v.role = pipeline.Replica
	}
	return v
}

// channelTo returns which channel of a server leads to root, an active one where there is one. Where nobody is root, any
// will do: the servers' primary is not one of them.
func (t *topology) channelTo(i, root int) int {
	found := none
	for at, to := range t.sources[i] {
		leads := root == none || to != none && (to == root || t.below[to][root])
		if leads && (found == none || !t.servers[i].Answer.channels[found].active()) {
			found = at
		}
	}
	return found
}

// relays says that others than root replicate from i.
func (t *topology) relays(i, root int) bool {
	for j := range t.servers {
		if j == root || j == i {
			continue
		}
		for at, to := range t.sources[j] {
			if to == i && t.servers[j].Answer.channels[at].active() {
				return true
			}
		}
	}
	return false
}

// apart says why a server has no role that does not replicate from root.
func (t *topology) apart(i, root int) (pipeline.Problem, string) {
	srv := &t.servers[i]
	var from []string
	for at := range srv.Answer.channels {
		if srv.Answer.channels[at].active() {
			from = append(from, t.nameOf(i, at))
		}
	}
	switch {
	case i == root && srv.Answer.readOnly:
		return pipeline.ReadOnlyPrimary, "was the primary, and is read-only"
	case i == root:
		return pipeline.NotFollowing, fmt.Sprintf("was the primary, and replicates from %s", list(from))
	case len(from) > 0:
		return pipeline.NotFollowing, fmt.Sprintf("replicates from %s, not from %s", list(from), t.servers[root].name)
	case !srv.Answer.readOnly && root != none && !t.standing(root):
		return pipeline.SecondPrimary, fmt.Sprintf("takes writes and replicates from nobody, but is not known to have what %s had", t.servers[root].name)
	case !srv.Answer.readOnly && root != none:
		return pipeline.SecondPrimary, fmt.Sprintf("takes writes and replicates from nobody, while %s is the primary", t.servers[root].name)
	}
	return pipeline.NotFollowing, "is read-only and replicates from nobody"
}

// nameOf names what a channel leads to.
func (t *topology) nameOf(i, at int) string {
	if to := t.sources[i][at]; to != none {
		return t.servers[to].name
	}
	c := &t.servers[i].Answer.channels[at]
	return net.JoinHostPort(c.host, c.port)
}

func list(names []string) string { return strings.Join(names, " and ") }

// lost are the errors of connecting to a source that may be gone when it is tried the next time. Those of 1429 and 1927 are
// what a Weir says that stands between.
var lost = []int{0, 1040, 1053, 1158, 1159, 1160, 1161, 1429, 1927, 2002, 2003, 2005, 2006, 2013}

// fault says what is wrong with a channel, and whether the replica serves reads nevertheless: one that has lost its source
// does, and of its lag nothing is known. sourceDown says that the source is known to be down.
func (c *channel) fault(from string, sourceDown bool) (problem pipeline.Problem, reason string, serves bool) {
	unconnected := slices.Contains(lost, c.ioErr.code)
	switch {
	case !c.active():
		return pipeline.ReplicationStopped, fmt.Sprintf("replication from %s is stopped%s", from, c.errors()), false
	case c.sql == stopped:
		return pipeline.ReplicationBroken, fmt.Sprintf("replication from %s is not applied%s", from, c.errors()), false
	case c.io == running:
		return pipeline.NoProblem, "", true
	case c.io == trying && unconnected, c.io == stopped && unconnected && c.ioErr.code != 0 && sourceDown:
		return pipeline.ReplicationBroken, fmt.Sprintf("does not reach %s to replicate from it%s", from, c.errors()), true
	}
	return pipeline.ReplicationBroken, fmt.Sprintf("does not receive what %s writes%s", from, c.errors()), false
}

// errors are what the halves of a channel say is wrong, after a colon.
func (c *channel) errors() string {
	text := ""
	if c.ioErr.text != "" {
		text += ": " + c.ioErr.text
	}
	if c.sqlErr.text != "" {
		text += ": " + c.sqlErr.text
	}
	return text
}
