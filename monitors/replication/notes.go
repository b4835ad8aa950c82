package replication

import (
	"fmt"
	"log/slog"
)

// A note says what is remarkable about the servers together.
type note struct {
	text string
	warn bool
	// after is how many further decisions it must hold for: what two servers say may be of different times.
	after int
}

// notes logs each note once, for as long as it holds.
type notes struct {
	log  *slog.Logger
	held map[note]int // for how many decisions
}

// take logs what is new in all that is remarkable now.
func (n *notes) take(now []note) {
	held := make(map[note]int, len(now))
	for _, one := range now {
		held[one] = n.held[one] + 1
		switch {
		case held[one] != one.after+1:
		case one.warn:
			n.log.Warn(one.text)
		default:
			n.log.Info(one.text)
		}
	}
	n.held = held
}

// describe notes what is remarkable. last was the primary before the decision.
func describe(t *topology, d decision, last int) []note {
	all := append(t.rings(), t.manySources()...)
	var standing []string
	for i := range t.servers {
		if t.standing(i) && (d.primary == none || !t.ring(i, d.primary)) {
			standing = append(standing, t.servers[i].name)
		}
	}
	switch {
	case d.primary == none && last == none:
		all = append(all, note{"there is no primary: no server takes writes and replicates from no other", true, 0})
	case d.primary == none && len(standing) > 0:
		all = append(all, note{fmt.Sprintf("there is no primary: %s cannot be it, and %s, which takes writes, is not known to have what it had",
			t.servers[last].name, list(standing)), true, 0})
	case d.primary == none:
		all = append(all, note{fmt.Sprintf("there is no primary: %s cannot be it, and no other has been promoted", t.servers[last].name), true, 0})
	case last != none && last != d.primary:
		all = append(all, note{fmt.Sprintf("the primary is %s, in place of %s", t.servers[d.primary].name, t.servers[last].name), false, 0})
	case last == none && len(standing) > 1:
		all = append(all, note{fmt.Sprintf("several servers take writes and replicate from no other: %s; the primary is %s, from which %d replicate",
			list(standing), t.servers[d.primary].name, t.followers(d.primary)), true, 0})
	}
	return all
}

// rings describes circular replication.
func (t *topology) rings() (all []note) {
	seen := make(map[int]bool)
	for i := range t.servers {
		if seen[i] || !t.ring(i, i) {
			continue
		}
		var members []string
		for j := range t.servers {
			if t.ring(i, j) {
				seen[j] = true
				members = append(members, t.servers[j].name)
			}
		}
		all = append(all, note{"circular replication: " + list(members), false, 2 * len(t.servers)})
	}
	return all
}

// manySources describes replicas of several sources.
func (t *topology) manySources() (all []note) {
	for i := range t.servers {
		channels := t.servers[i].Answer.channels
		if len(channels) < 2 {
			continue
		}
		var sources []string
		for at := range channels {
			sources = append(sources, fmt.Sprintf("%s (%q)", t.nameOf(i, at), channels[at].name))
		}
		all = append(all, note{fmt.Sprintf("%s has several sources: %s", t.servers[i].name, list(sources)), false, 0})
	}
	return all
}
