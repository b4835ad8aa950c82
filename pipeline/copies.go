package pipeline

import "fmt"

// A Copier is a Filter that has another target execute what passes it. Where both lead to one server, that would execute
// everything twice: a process that is so configured does not start.
type Copier interface {
	// CopiesTo returns the target.
	CopiesTo() Target
}

// reached returns the servers that sessions on a target lead to, and copies of what they do.
func reached(t Target) (all []*Server) {
	if l, ok := t.(ServerLister); ok {
		all = append(all, l.Servers()...)
	}
	if p, ok := t.(*Pipeline); ok {
		for _, f := range p.filters {
			if c, ok := f.(Copier); ok {
				all = append(all, reached(c.CopiesTo())...)
			}
		}
	}
	return all
}

// CheckCopies returns an error, for the setting "target", where f is a Copier whose copies lead to a server that target,
// the end of its own pipeline, leads to.
func CheckCopies(f Filter, target Target) error {
	c, ok := f.(Copier)
	own, lists := target.(ServerLister)
	if !ok || !lists {
		return nil
	}
	for _, srv := range own.Servers() {
		for _, other := range reached(c.CopiesTo()) {
			if srv != other && srv.Config.Address != other.Config.Address {
				continue
			}
			where := ""
			if srv != other {
				where = fmt.Sprintf(", which has the address of server %s", srv.Name())
			}
			return Invalid("target", fmt.Errorf("copies would come to server %s%s\n"+
				"Server %s is where this pipeline ends: it would execute every statement twice", other.Name(), where, srv.Name()))
		}
	}
	return nil
}
