package replication

import (
	"net"
	"strings"

	"github.com/weirproxy/weir/monitors/internal/poll"
)

// none is no server.
const none = -1

// A server is one of the monitor's, as the decision sees it.
type server struct {
	name    string
	address string // as configured
	poll.Seen[answer]
}

// A topology is who replicates from whom, by what the servers last said. A channel of which both halves are stopped leads
// nowhere: it is what promotion leaves behind.
type topology struct {
	servers []server
	// sources are the servers that the channels of each server lead to, none where that is no configured one.
	sources [][]int
	// below says whether a server replicates from another, directly or through others.
	below [][]bool
}

func newTopology(servers []server) *topology {
	t := &topology{servers: servers, sources: make([][]int, len(servers)), below: make([][]bool, len(servers))}
	for i := range servers {
		t.below[i] = make([]bool, len(servers))
		for _, c := range servers[i].Answer.channels {
			to := t.source(i, &c)
			t.sources[i] = append(t.sources[i], to)
			if to != none && c.active() {
				t.below[i][to] = true
			}
		}
	}
	for via := range servers {
		for i := range servers {
			for to := range servers {
				t.below[i][to] = t.below[i][to] || t.below[i][via] && t.below[via][to]
			}
		}
	}
	return t
}

// active says that the channel is meant to replicate.
func (c *channel) active() bool { return c.io != stopped || c.sql != stopped }

// source finds the server that a channel of server i leads to: by what it calls itself where the channel has been
// connected to it, otherwise by where it is.
func (t *topology) source(i int, c *channel) int {
	if to := t.only(i, func(srv *server) bool { return srv.Answered && c.uuid != "" && srv.Answer.uuid == c.uuid }); to != none {
		return to
	}
	if c.uuid == "" && c.id != "" {
		if to := t.only(i, func(srv *server) bool { return srv.Answered && srv.Answer.id == c.id }); to != none {
			return to
		}
	}
	return t.only(i, func(srv *server) bool { return srv.isAt(c.host, c.port) && !srv.isAnother(c) })
}

// isAnother says that the server is known not to be what a channel leads to. What the channel met last says nothing of
// that while it tries to connect anew: a server may come back under another id.
func (srv *server) isAnother(c *channel) bool {
	switch {
	case !srv.Answered, c.io == trying:
		return false
	case c.uuid != "":
		return srv.Answer.uuid != "" && srv.Answer.uuid != c.uuid
	}
	return c.id != "" && srv.Answer.id != "" && srv.Answer.id != c.id
}

// only returns the one server but i of which something is so, none where it is so of several.
func (t *topology) only(i int, is func(*server) bool) int {
	found := none
	for j := range t.servers {
		if j == i || !is(&t.servers[j]) {
			continue
		}
		if found != none {
			return none
		}
		found = j
	}
	return found
}

// isAt says whether the server is at a host and port, as its configuration or it itself names them.
func (srv *server) isAt(host, port string) bool {
	if h, p, err := net.SplitHostPort(srv.address); err == nil && p == port && sameHost(h, host) {
		return true
	}
	return srv.Answered && srv.Answer.port == port && sameHost(srv.Answer.host, host)
}

func sameHost(a, b string) bool { return strings.EqualFold(bareHost(a), bareHost(b)) }

// bareHost writes the names of this host in one way.
func bareHost(h string) string {
	ip := net.ParseIP(strings.Trim(h, "[]"))
	switch {
	case strings.EqualFold(h, "localhost"), ip != nil && ip.IsLoopback():
		return "localhost"
	case ip != nil:
		return ip.String()
	}
	return strings.TrimSuffix(h, ".")
}

// ring says that two servers replicate from each other, directly or through others.
func (t *topology) ring(i, j int) bool { return t.below[i][j] && t.below[j][i] }

// standing says that a server could be the primary by what it says itself: it takes writes, and replicates from no other
// of the servers but those that replicate from it too.
func (t *topology) standing(i int) bool {
	srv := &t.servers[i]
	if !srv.Up || srv.Refusing || srv.Answer.readOnly {
		return false
	}
	for to := range t.servers {
		if t.below[i][to] && to != i && !t.below[to][i] {
			return false
		}
	}
	return true
}

// strays is how many channels of a server lead to none of the servers, as far as can be told: it may be to one of them by
// another name.
func (t *topology) strays(i int) (n int) {
	for at, to := range t.sources[i] {
		if to == none && t.servers[i].Answer.channels[at].active() {
			n++
		}
	}
	return n
}

// followers is how many servers replicate from i, directly or through others, and not it from them.
func (t *topology) followers(i int) int {
	n := 0
	for j := range t.servers {
		if t.below[j][i] && !t.below[i][j] {
			n++
		}
	}
	return n
}

// best is the one of candidates that most servers replicate from, the first in the file where several are equal.
func (t *topology) best(candidate func(i int) bool) int {
	found := none
	for i := range t.servers {
		if candidate(i) && (found == none || t.followers(i) > t.followers(found)) {
			found = i
		}
	}
	return found
}
