package readwritesplit

import (
	"slices"
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// traits are what a session command changes, and what its meaning depends on. With none, it may depend on whatever came
// before: that is all kept, and so is the command itself.
type traits struct {
	// sets are settings by their names, "@a" for user variables, "stmt:s" for what PREPARE makes, and "schema". The command
	// is left out once a later one sets the same, unless one has come between whose meaning depends on it.
	sets []string
	// reads are the user variables that it reads. computes says that it depends on other settings, too.
	reads    []string
	computes bool
	ends     bool // it is a DEALLOCATE
}

func (t *traits) opaque() bool { return len(t.sets) == 0 }

// dependsOn reports whether the meaning of the command depends on one of the settings.
func (t *traits) dependsOn(settings []string) bool {
	return t.opaque() || slices.ContainsFunc(settings, func(setting string) bool {
		switch {
		case isUserVariable(setting):
			return slices.Contains(t.reads, setting)
		case strings.HasPrefix(setting, preparedTrait):
			return false
		}
		return t.computes || isReading(setting) && slices.ContainsFunc(t.sets, isUserVariable)
	})
}

func isUserVariable(setting string) bool { return strings.HasPrefix(setting, "@") }

const preparedTrait = "stmt:"

// traitsOf returns the traits of a session command.
func traitsOf(c *pipeline.Command, st *pipeline.Statement, mode sqlscan.Mode) traits {
	switch c.Com() {
	case protocol.ComInitDB:
		return traits{sets: []string{"schema"}}
	case protocol.ComSetOption:
		return traits{sets: []string{"option"}}
	}
	text, ok := c.Text()
	if !ok || st == nil || st.Effects&^ordinary != 0 {
		return traits{}
	}
	switch st.Class {
	case sqlscan.Use:
		return traits{sets: []string{"schema"}}
	case sqlscan.Set:
		return assignmentTraits(text, mode)
	case sqlscan.Prepare:
		name := preparedTraits(st)
		reads, ok := plainReads(text, mode)
		if name == nil || !ok {
			return traits{}
		}
		return traits{sets: name, reads: reads, computes: true}
	case sqlscan.Deallocate:
		return traits{sets: preparedTraits(st), ends: true}
	}
	return traits{}
}

// preparedTraits is what a PREPARE or DEALLOCATE sets, nil where its name may be another's, too.
func preparedTraits(st *pipeline.Statement) []string {
	name := strings.ToLower(strings.Trim(preparedName(st.Canonical), "`"))
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil
	}
	return []string{preparedTrait + name}
}

// plainReads are the user variables that a text reads, ok false where it has others than can be told apart.
func plainReads(text []byte, mode sqlscan.Mode) (all []string, ok bool) {
	reads, sets, ok := sqlscan.UserVariables(text, mode)
	if !ok || slices.Contains(reads, sqlscan.OddVariable) || slices.Contains(sets, sqlscan.OddVariable) {
		return nil, false
	}
	for _, name := range reads {
		all = append(all, "@"+name)
	}
	return all, true
}

// assignmentTraits are those of a SET: of system variables, it sets constants.
func assignmentTraits(text []byte, mode sqlscan.Mode) (t traits) {
	all, ok := sqlscan.Assignments(text, mode)
	if !ok {
		return traits{}
	}
	others := false
	for _, a := range all {
		t.sets = append(t.sets, a.Name)
		t.computes = t.computes || !a.Literal
		switch {
		case a.Name == "character set": // which sets a collation that the schema says
			return traits{}
		case a.Scope == "user":
		case a.Scope == "session":
			others = true
		default:
			return traits{}
		}
	}
	if t.reads, ok = plainReads(text, mode); !ok || others && t.computes {
		return traits{}
	}
	return t
}
