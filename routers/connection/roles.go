package connection

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
)

// The values of roles.
const (
	rolePrimary = "primary"
	roleReplica = "replica"
	roleAny     = "any"
)

// roles are the roles that are wanted, the first choice first.
type roles []string

func newRoles(names []string) (roles, error) {
	if len(names) == 0 {
		return nil, errors.New("no role is wanted")
	}
	for i, name := range names {
		switch name {
		case rolePrimary, roleReplica, roleAny:
		default:
			return nil, fmt.Errorf("%q is none of %s, %s and %s", name, rolePrimary, roleReplica, roleAny)
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s is named twice", name)
		}
	}
	return roles(names), nil
}

// choice returns which choice a server of that role is: the least of its places in the list, -1 where it has none.
func (rs roles) choice(role pipeline.Role) int {
	return slices.IndexFunc(rs, func(name string) bool {
		switch name {
		case rolePrimary:
			return role == pipeline.Primary
		case roleReplica:
			return role.Reads()
		}
		return true
	})
}

// String is "primary", "replica or primary".
func (rs roles) String() string { return strings.Join(rs, " or ") }

// describe says in a few words, for clients to see, how a server is: "down (connection refused)", "a replica, 12s behind".
func describe(st *pipeline.ServerState) string {
	text := inWords(st)
	switch {
	case st.Problem.Quotes():
		text += " (" + st.Problem.String() + ")"
	case st.Reason != "":
		text += " (" + st.Reason + ")"
	}
	return text
}

// inWords is describe without what is wrong.
func inWords(st *pipeline.ServerState) string {
	text := ""
	switch {
	case !st.Up:
		text = "down"
	case st.Service == pipeline.Draining:
		text = "draining"
	case st.Service == pipeline.InMaintenance:
		text = "in maintenance"
	case !st.Monitored:
		return "of unknown role, since no monitor watches it"
	case st.Role == pipeline.Primary:
		text = "the primary"
	case st.Role.Reads() && st.Lag == pipeline.UnknownLag:
		text = fmt.Sprintf("a %s, how far behind is not known", st.Role)
	case st.Role.Reads():
		text = fmt.Sprintf("a %s, %v behind", st.Role, st.Lag)
	default:
		text = "neither primary nor replica"
	}
	return text
}
