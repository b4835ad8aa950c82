package poll

// A condition is how a server is, as far as its polls say.
type condition uint8

const (
	unknown condition = iota
	down
	refusing // it is there and answers, but refuses what the monitor asks
	up
)

// health makes a server's condition of its polls: it takes several to change what is known, and one to begin with.
type health struct {
	failures, successes int // to change the condition
	condition           condition
	bad, good           int // polls in a row
}

// succeeded notes a poll.
func (h *health) succeeded() {
	h.bad = 0
	h.good++
	if h.condition != down || h.good >= h.successes {
		h.condition = up
	}
}

// failed notes a poll, and reports whether it is believed.
func (h *health) failed(f failure) bool {
	h.good = 0
	h.bad++
	if h.condition != unknown && h.bad < h.failures {
		return false
	}
	h.condition = down
	if f.answers {
		h.condition = refusing
	}
	return true
}

// doubtful says that polls fail and nothing has been made of it yet.
func (h *health) doubtful() bool { return h.bad > 0 && h.bad < h.failures }
