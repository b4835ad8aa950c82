package connection

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A candidate is a server that may get a session, and what there is to be said for it.
type candidate struct {
	*pipeline.Server
	choice  int     // of the roles
	suspect bool    // it could not be reached a short while ago
	load    float64 // connections for its weight
}

// before orders candidates: the role first, and last of a role those that could not be reached a short while ago, since a
// client should not wait for them again where another server would take it.
func (c candidate) before(d candidate) int {
	late := func(c candidate) int {
		if c.suspect {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(c.choice, d.choice), cmp.Compare(late(c), late(d)), cmp.Compare(c.Config.Rank, d.Config.Rank),
		cmp.Compare(c.load, d.load),
	)
}

// choose returns the servers that may get a new session, the best first, and for the others why not.
func (r *Router) choose() (servers []*pipeline.Server, refused []error) {
	var all []candidate
	for _, srv := range r.servers {
		st := srv.State()
		if why := r.unfit(st); why != nil {
			refused = append(refused, &pipeline.ServerError{Server: srv, Err: why})
			continue
		}
		all = append(all, candidate{
			Server: srv, choice: r.roles.choice(st.Role), suspect: srv.Suspect(),
			load: float64(srv.Links()) / float64(srv.Config.Weight),
		})
	}
	slices.SortStableFunc(all, candidate.before)
	for _, c := range all {
		servers = append(servers, c.Server)
	}
	return servers, refused
}

// unfit says why a server in that state gets no new session, nil where it may.
func (r *Router) unfit(st *pipeline.ServerState) error {
	switch {
	case !st.Takes(), r.roles.choice(st.Role) < 0:
		return errors.New("it is " + describe(st))
	case r.maxLag > 0 && st.Role.Reads() && (st.Lag == pipeline.UnknownLag || st.Lag > r.maxLag):
		return fmt.Errorf("it is %s, more than %v", describe(st), r.maxLag)
	}
	return nil
}

// noServer is the error of a session that no server takes: those that failed have been tried, those that refused have
// not. Where the servers that might do agree on an error of their own, as for an unknown schema, the client gets that.
func (r *Router) noServer(failed, refused []error) error {
	if len(failed) > 0 {
		err := pipeline.NoServer(failed)
		if _, disagreed := errors.AsType[*pipeline.NoServerError](err); !disagreed || len(refused) == 0 {
			return err
		}
	}
	none := &pipeline.NoServerError{Tried: append(failed, refused...)}
	wanted := ""
	if !slices.Contains(r.roles, roleAny) {
		wanted = " that is " + r.roles.String()
	}
	return noServerError{none, &protocol.SQLError{
		Code: protocol.ErNoServer, State: "08001",
		Message: fmt.Sprintf("Can't connect to any server%s: %s", wanted, none.Brief()),
	}}
}

// noServerError is a NoServerError with what the client is told of it.
type noServerError struct {
	*pipeline.NoServerError
	told *protocol.SQLError
}

func (e noServerError) Unwrap() []error { return []error{e.told, e.NoServerError} }
