package readwritesplit

import (
	"slices"

	"github.com/weirproxy/weir/pipeline"
)

// start connects a session before its first statement: to the primary, and to as many replicas as the settings say, those
// that its first reads would choose. It fails where no server can be connected to; one that cannot be is passed over.
func (x *session) start() error {
	var errs []error
	connect := func(m *member) {
		if err := m.connect(); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range x.members {
		m := &x.members[i]
		st := m.server().State()
		if st.Takes() && m.link == nil && (st.Role == pipeline.Primary || st.Role == pipeline.NoRole && !st.Monitored) {
			connect(m)
		}
	}
	w := wish{maxLag: x.r.config.MaxLag, tried: x.connected(), maxReplicas: x.r.config.atStart()}
	for at := x.chooseAnother(&w); at >= 0; at = x.chooseAnother(&w) {
		connect(&x.members[at])
	}
	if len(errs) > 0 && !slices.ContainsFunc(x.members, func(m member) bool { return m.connected() }) {
		return pipeline.NoServer(errs)
	}
	for _, err := range errs {
		x.s.Log().Warn("session begins without a server", "error", err)
	}
	return nil
}

// chooseAnother returns the index of a replica that it has not returned for this wish, -1 where there are enough, or no more.
func (x *session) chooseAnother(w *wish) int {
	if w.connected = x.connected(); w.replicas(x.r.candidates) >= w.maxReplicas {
		return -1
	}
	at := choose(x.r.candidates, x.r.by, w)
	if at >= 0 {
		w.tried |= 1 << at
	}
	return at
}
