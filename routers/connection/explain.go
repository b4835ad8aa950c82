package connection

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
)

// Explain is pipeline.Explainer's: it says where a session would go that began now, and with it all its statements.
func (r *Router) Explain(_ *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	step := pipeline.Step{Step: "router connection"}
	servers, refused := r.choose()
	if len(servers) == 0 {
		step.Does = "refuses the session"
		if none, ok := errors.AsType[noServerError](r.noServer(nil, refused)); ok {
			step.Why = none.told.Message
		}
		return step, nil
	}
	srv := servers[0]
	st := srv.State()
	is := "not monitored"
	if st.Monitored {
		is = describe(st)
	}
	step.Does = "server " + srv.Name()
	step.Why = fmt.Sprintf("a session that begins now has all its statements there: wanted is %s, and it is %s, of rank %d, with %d connections for a weight of %d",
		r.roles, is, srv.Config.Rank, srv.Links(), srv.Config.Weight)
	return step, c
}
