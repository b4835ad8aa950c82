package replication

import "github.com/weirproxy/weir/pipeline"

// A reign is what is kept from one decision to the next.
type reign struct {
	// last is the server that is the primary, or was until it could not be any more; none where there never was one.
	last int
	// heirs are the servers that may take over from last.
	heirs []heir
	// reads are the servers that served reads at the last decision, and replicas what each of them is as a replica.
	reads    []bool
	replicas []asReplica
	// failures is how many polls in a row it takes to believe that a replica replicates no more.
	failures int
}

// asReplica is what a server has been as a replica: Replica or Relay, or neither. failed is its first poll, from 1, that said
// otherwise, 0 where none has.
type asReplica struct {
	role   pipeline.Role
	failed int
}

// An heir is what makes a server trustworthy that takes writes when last no longer does. One that has been seen below last,
// or read-only, has been promoted. Any other may be the primary of something else, or one that was down during a promotion
// and lacks what has been written since.
type heir struct {
	seen   bool // below last, or read-only, during its time
	strays int  // how many of its channels led elsewhere when it was last seen below last
	// stood is the poll of last, from 1, at which the server first stood beside it, taking writes and replicating no more; 0
	// while it does not.
	stood int
}

// asides is how many polls of a primary that lives on a server may have stood beside it and yet be its heir: a promotion
// that is under way. One that has stood there for longer was stopped for another reason, and lacks what was written since.
const asides = 2

func newReign(servers, failures int) *reign {
	return &reign{
		last: none, heirs: make([]heir, servers), reads: make([]bool, servers), replicas: make([]asReplica, servers), failures: failures,
	}
}

// primary returns the server that is to be the primary, none where it is in doubt. The present one stays as long as it can
// be it: no other takes its place because it looks better.
func (r *reign) primary(t *topology) int {
	chosen := r.choose(t)
	if chosen != none && chosen != r.last {
		r.last = chosen
		clear(r.heirs)
	}
	if r.last == none {
		return none
	}
	for i := range t.servers {
		if srv := &t.servers[i]; i != r.last && srv.Up && !srv.Refusing {
			r.note(t, i)
		}
	}
	return chosen
}

func (r *reign) choose(t *topology) int {
	if r.last == none {
		// One that replicates from elsewhere is the primary only where others replicate from it.
		return t.best(func(i int) bool {
			return t.standing(i) && (t.strays(i) == 0 || t.followers(i) > 0 || len(t.servers) == 1)
		})
	}
	if t.standing(r.last) {
		return r.last
	}
	heir := t.best(func(i int) bool { return t.standing(i) && (r.inherits(t, i) || t.below[r.last][i]) })
	if heir == none && t.servers[r.last].Refusing {
		return r.last // it is there, and nothing speaks against it
	}
	return heir
}

// note keeps what is to be known of a server should it take over.
func (r *reign) note(t *topology, i int) {
	h, last := &r.heirs[i], &t.servers[r.last]
	if t.below[i][r.last] {
		h.seen, h.strays = true, t.strays(i)
	}
	switch {
	case t.servers[i].Answer.readOnly || !t.standing(i) || t.below[i][r.last]:
		h.seen, h.stood = true, 0
	case h.stood == 0 && t.standing(r.last):
		h.stood = last.Polls
	}
}

// inherits reports whether a server that takes writes may take over from last. One that replicates where it did not before is
// still a replica: of last, which has another name now.
func (r *reign) inherits(t *topology, i int) bool {
	h := &r.heirs[i]
	return h.seen && t.strays(i) <= h.strays && !r.aside(t, i)
}

// aside reports whether a server was beside last for so long that it was not promoted when last was lost. It was where others
// of last's replicas replicate from it.
func (r *reign) aside(t *topology, i int) bool {
	h := &r.heirs[i]
	if h.stood == 0 || t.servers[r.last].Polls-h.stood < asides {
		return false
	}
	for j := range t.servers {
		if j != i && r.heirs[j].seen && t.below[j][i] {
			return false
		}
	}
	return true
}
