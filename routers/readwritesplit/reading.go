package readwritesplit

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A reading is what the meaning of a statement depends on when it is prepared. A statement keeps it: one that is prepared
// on a further server later must not mean something else there.
type reading struct {
	schema   string
	settings string // sql_mode and character sets, as settingsText has them; "" where they are what they were
}

func (x *session) reading() reading { return reading{schema: x.s.Schema()} }

// A detour is a command that a server runs for the sake of one that follows, and what makes up for it; nil where nothing can.
type detour struct{ there, back *pipeline.Command }

// prepare has the server prepare a statement that another one has prepared earlier, in the schema and by the settings that
// there were. Its answer is in x.answer.
func (m *member) prepare(st *pipeline.PreparedStatement) error {
	detours, err := m.detours(m.x.made[st.ID])
	if err != nil {
		return err
	}
	made := 0
	for made < len(detours) && err == nil {
		if err = m.ask(detours[made].there); err == nil {
			made++
		}
	}
	if err == nil {
		err = m.ask(pipeline.NewCommand(protocol.ComStmtPrepare, []byte(st.Text), m.x.s.Capabilities()))
	}
	if err != nil && refusedBy(err) == nil && !errors.Is(err, errKilled) {
		return err
	}
	prepared := m.x.answer
	for ; made > 0; made-- {
		if failed := m.goBack(detours[made-1].back); failed != nil {
			return m.drop(failed)
		}
	}
	m.x.answer = prepared
	return err
}

// goBack runs what makes up for a detour, whoever kills it.
func (m *member) goBack(c *pipeline.Command) error {
	if c == nil {
		return nil
	}
	err := m.ask(c)
	if errors.Is(err, errKilled) {
		err = m.ask(c)
	}
	return err
}

// detours are those that have the server read a statement as it was read when it was prepared.
func (m *member) detours(made reading) (all []detour, err error) {
	x := m.x
	if now := x.s.Schema(); made.schema != "" && made.schema != now {
		d := detour{there: m.use(made.schema)}
		if now != "" {
			d.back = m.use(now)
		}
		all = append(all, d)
	}
	if made.settings == "" {
		return all, nil
	}
	now, err := m.settings()
	if err != nil {
		return nil, err
	}
	if now == unknownSettings || made.settings == unknownSettings {
		return nil, &protocol.SQLError{
			Code: protocol.ErUnknownStmtHandler, State: "HY000",
			Message: fmt.Sprintf("A statement needs to be prepared again: sql_mode or character sets have changed since, and server %s does not tell them", m.server().Name()),
		}
	}
	if now != made.settings {
		caps := x.s.Capabilities()
		all = append(all, detour{pipeline.NewQuery(made.settings, caps), pipeline.NewQuery(now, caps)})
	}
	return all, nil
}

// use is what changes the server's default schema.
func (m *member) use(schema string) *pipeline.Command {
	return pipeline.NewCommand(protocol.ComInitDB, []byte(schema), m.x.s.Capabilities())
}

// keepSettings has statements remember by which settings they were prepared, before m runs a command that may change these.
func (x *session) keepSettings(m *member, j *job) error {
	if len(x.made) == 0 || !j.c.Executes() || !x.changesSettings(j) {
		return nil
	}
	settings, asked := "", false
	for id, made := range x.made {
		if made.settings != "" {
			continue
		}
		if !asked {
			var err error
			if settings, err = m.settings(); err != nil {
				return err
			}
			asked = true
		}
		made.settings = settings
		x.made[id] = made
	}
	return nil
}

// changesSettings reports whether a command may change how statements read, other than by the default schema.
func (x *session) changesSettings(j *job) bool {
	st, _ := x.inner(j)
	if st == nil || st.Class != sqlscan.Set && (st.Statements < 2 || !begins(st.Canonical, setWord[:])) {
		return false
	}
	return mayNameReading(st.Canonical)
}

var setWord = [...]string{"SET "}

// refusedBy returns the answer that err is, nil where it is none: that of a server that is lost has one in it, at times.
func refusedBy(err error) *protocol.SQLError {
	if _, lost := errors.AsType[*pipeline.LostError](err); lost {
		return nil
	}
	refused, _ := errors.AsType[*protocol.SQLError](err)
	return refused
}
