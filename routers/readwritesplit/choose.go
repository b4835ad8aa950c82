package readwritesplit

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A candidate is one of a router's servers. All sessions of the router share its load.
type candidate struct {
	server *pipeline.Server
	load   *load
}

// A criterion is what replicas are compared by.
type criterion uint8

const (
	fewestRunning criterion = iota
	responseTime
	leastLag
	fewestConnections
)

var criterionNames = [...]string{"fewest_running", "response_time", "least_lag", "fewest_connections"}

// String names the criterion as the setting does.
func (by criterion) String() string { return criterionNames[by] }

// criterionOf finds a criterion by its name.
func criterionOf(name string) (criterion, error) {
	for by, known := range criterionNames {
		if name == known {
			return criterion(by), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of fewest_running, response_time, least_lag, fewest_connections", name)
}

// A wish is what a session asks of the server for a read.
type wish struct {
	// maxLag is how far a replica may be behind. 0: any lag will do, one that is not known too.
	maxLag time.Duration
	// primaryReads has the primary be chosen like a replica that is never behind.
	primaryReads bool
	// gtid is what a replica must have executed by what its monitor knows, nil where that does not matter.
	gtid *position
	// tried are those not to choose, as bits by their index.
	tried uint64
	// connected are those the session has a connection to. Once these are maxReplicas replicas, no other one is chosen but in
	// the place of one of a higher rank; where that is 0, none at all.
	connected   uint64
	maxReplicas int
}

// choose returns the index of the server for a read, -1 where none is fit: only the primary, if any, can serve it then.
// Of those of the lowest rank it takes the best by the criterion for its weight, of equal ones the least recently used.
// Servers that are not connected and could not be reached a short while ago, and those that took no statement then, come last,
// whatever their rank.
// Any worker may call it; it changes nothing but the turn of the one that it chooses. There are at most maxServers candidates.
func choose(all []candidate, by criterion, w *wish) int {
	newest := newestTurn(all)
	full := w.replicas(all) >= w.maxReplicas
	best, least := -1, merit{}
	for i := range all {
		c, st, connected := &all[i], all[i].server.State(), w.connected>>i&1 != 0
		closed := full && st.Role != pipeline.Primary && (w.maxReplicas == 0 || !connected && !w.displaces(all, c))
		if closed || w.tried>>i&1 != 0 || !w.allows(c, st) {
			continue
		}
		m := c.merit(by, st, newest)
		m.suspect = !connected && c.server.Suspect() || c.load.refuses()
		if best < 0 || m.before(&least) {
			best, least = i, m
		}
	}
	if best >= 0 {
		all[best].load.take(newest, all[best].weight())
	}
	return best
}

// replicas counts those that the session is connected to. A server that is no longer one is one still until its
// connection is closed, but for the primary.
func (w *wish) replicas(all []candidate) int {
	n := bits.OnesCount64(w.connected)
	if n < w.maxReplicas {
		return n // whichever they are
	}
	for i := range all {
		if w.connected>>i&1 != 0 && all[i].server.State().Role == pipeline.Primary {
			n--
		}
	}
	return n
}

// displaces reports whether the session is connected to a replica in whose place c may be used, as its rank is higher.
func (w *wish) displaces(all []candidate, c *candidate) bool {
	for i := range all {
		if w.connected>>i&1 != 0 && all[i].beyond(c) {
			return true
		}
	}
	return false
}

// beyond reports whether c is no primary, and of a higher rank than the other.
func (c *candidate) beyond(other *candidate) bool {
	return c.server.Config.Rank > other.server.Config.Rank && c.server.State().Role != pipeline.Primary
}

// allows reports whether a server in a state may serve the read.
func (w *wish) allows(c *candidate, st *pipeline.ServerState) bool {
	switch {
	case !st.Monitored || !st.Takes():
		return false
	case st.Role == pipeline.Primary:
		return w.primaryReads
	case !st.Role.Reads():
		return false
	case w.maxLag > 0 && (st.Lag < 0 || st.Lag > w.maxLag):
		return false
	}
	return w.gtid == nil || c.load.has(st, w.gtid)
}

// A merit is what candidates are compared by.
type merit struct {
	suspect bool
	rank    int
	score   float64
	turn    int64
}

func (m *merit) before(other *merit) bool {
	switch {
	case m.suspect != other.suspect:
		return other.suspect
	case m.rank != other.rank:
		return m.rank < other.rank
	case m.score != other.score:
		return m.score < other.score
	}
	return m.turn < other.turn
}

func (c *candidate) merit(by criterion, st *pipeline.ServerState, newest int64) merit {
	return merit{
		rank:  c.server.Config.Rank,
		score: c.score(by, st, newest) / float64(c.weight()),
		turn:  c.load.turn.Load(),
	}
}

// score is the lower the better.
func (c *candidate) score(by criterion, st *pipeline.ServerState, newest int64) float64 {
	switch by {
	case responseTime:
		return float64(c.load.expected(newest)) * float64(c.load.running.Load()+1)
	case leastLag:
		if st.Role == pipeline.Primary {
			return 0
		}
		if st.Lag < 0 {
			return math.MaxInt64
		}
		return float64(st.Lag)
	case fewestConnections:
		return float64(c.server.Links())
	default:
		return float64(c.load.running.Load())
	}
}

// weight is at least 1, in a server that was not made from settings too.
func (c *candidate) weight() int { return max(c.server.Config.Weight, 1) }

func newestTurn(all []candidate) (newest int64) {
	for i := range all {
		newest = max(newest, all[i].load.turn.Load())
	}
	return newest
}

// primaryOf returns the index of the primary, -1 where there is none that may be used: it is down, in maintenance or
// draining. Of several, it is the first of the lowest rank.
func primaryOf(all []candidate) int {
	best, lowest := -1, 0
	for i := range all {
		srv := all[i].server
		if st := srv.State(); st.Role != pipeline.Primary || !st.Takes() {
			continue
		}
		if best < 0 || srv.Config.Rank < lowest {
			best, lowest = i, srv.Config.Rank
		}
	}
	return best
}
