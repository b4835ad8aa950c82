package readwritesplit

import (
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// explain says where c would go if it were the first of a session, in the transaction that the session's status tells of.
func explain(p *policy, s *pipeline.Session, c *pipeline.Command) pipeline.Step {
	sit := newSituation(s)
	sit.elsewhere = sit.readOnly // where routers open read-only transactions
	st := s.Statement(c)
	d := p.decide(c, st, c.Flags(), &sit)
	step := pipeline.Step{Step: "router readwritesplit", Does: d.target.String(), Why: d.why}
	if d.target == toServer {
		step.Does += " " + d.server
	}
	if d.maxLag > 0 {
		step.Does += " at most " + d.maxLag.Truncate(time.Millisecond).String() + " behind"
	}
	if d.target == toReplica && p.primaryReads {
		step.Does += " or primary"
	}
	return step
}
