package replication

// A reign is what is kept from one decision to the next.
type reign struct {
	// last is the server that is the primary, or was until it could not be any more; none where there never was one.
	last int
	// heirs are the servers that have been seen below last, read-only or replicating. One of these that takes writes has
	// been promoted. Any other that does may be the primary of something else, or one that was down during a promotion and
	// lacks what has been written since: it is not trusted.
	heirs []bool
	// reads are the servers that served reads at the last decision.
	reads []bool
}

func newReign(servers int) *reign {
	return &reign{none, make([]bool, servers), make([]bool, servers)}
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
		srv := &t.servers[i]
		if i != r.last && srv.Up && !srv.Refusing && (srv.Answer.readOnly || !t.standing(i) || t.below[i][r.last]) {
			r.heirs[i] = true
		}
	}
	return chosen
}

func (r *reign) choose(t *topology) int {
	if r.last == none {
		return t.best(t.standing)
	}
	if t.standing(r.last) {
		return r.last
	}
	heir := t.best(func(i int) bool { return t.standing(i) && (r.heirs[i] || t.ring(i, r.last)) })
	if heir == none && t.servers[r.last].Refusing {
		return r.last // it is there, and nothing speaks against it
	}
	return heir
}
