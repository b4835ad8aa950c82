package pipeline_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// silentStep is a filter and target that does not explain itself.
type silentStep struct{}

func (silentStep) Open(_ *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return next, nil
}

type silentTarget struct{}

func (silentTarget) Open(*pipeline.Session) (pipeline.Handler, error) {
	return pipeline.HandlerFunc(func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { return nil }), nil
}

// explaining is a filter, or behind target a target, that adds to the text, or answers.
type explaining struct {
	silentStep
	add     string
	answers bool
}

func (e explaining) Explain(s *pipeline.Session, c *pipeline.Command) (pipeline.Step, *pipeline.Command) {
	text, _ := c.Text()
	step := pipeline.Step{Step: "itself", Does: "sees " + string(text), Why: s.User()}
	switch {
	case e.answers:
		return step, nil
	case e.add != "":
		return step, c.WithText(append(append([]byte(nil), text...), e.add...))
	}
	return step, c
}

func TestExplain(t *testing.T) {
	inner := pipeline.NewPipeline("inner", []pipeline.Filter{explaining{}}, silentTarget{})
	inner.Steps = []string{"filter last", "router none"}
	p := pipeline.NewPipeline("outer", []pipeline.Filter{explaining{add: " b"}, silentStep{}, explaining{add: " c"}}, inner)
	p.Steps = []string{"filter one", "filter two", "filter three", "router inner"}
	s := pipeline.Detached(pipeline.SessionInfo{User: "app"})
	defer s.Close()
	ask := func(p *pipeline.Pipeline) []pipeline.Step {
		return p.Explain(s, pipeline.NewCommand(protocol.ComQuery, []byte("a"), 0))
	}
	unknown := "does not explain what it does"
	why := "this kind of step has no explanation"
	want := []pipeline.Step{
		{Step: "filter one", Does: "sees a", Why: "app", Statement: "a b"},
		{Step: "filter two", Does: unknown, Why: why},
		{Step: "filter three", Does: "sees a b", Why: "app", Statement: "a b c"},
		{Step: "filter last", Does: "sees a b c", Why: "app"},
		{Step: "router none", Does: unknown, Why: why},
	}
	if diff := cmp.Diff(want, ask(p)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	answered := pipeline.NewPipeline("p", []pipeline.Filter{explaining{answers: true}, explaining{}}, silentTarget{})
	answered.Steps = []string{"filter one", "filter two", "router none"}
	if diff := cmp.Diff([]pipeline.Step{{Step: "filter one", Does: "sees a", Why: "app"}}, ask(answered)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSituation checks what a Detached session knows, and that one made of it for another user knows the same.
func TestSituation(t *testing.T) {
	s := pipeline.Detached(pipeline.SessionInfo{
		User: "app", ClientAddr: "10.1.2.3:4711", Schema: "shop", Dialect: sqlscan.MariaDB,
		Status: protocol.StatusInTrans | protocol.StatusNoBackslashEscapes,
	})
	defer s.Close()
	for user, s := range map[string]*pipeline.Session{"app": s.As(""), "other": s.As("other")} {
		if s.User() != user || s.Schema() != "shop" || s.ClientAddr() != "10.1.2.3:4711" ||
			s.Mode() != sqlscan.MariaDB|sqlscan.NoBackslashEscapes || s.Status()&protocol.StatusInTrans == 0 {
			t.Errorf("%s: %q %q %q %v %x", user, s.User(), s.Schema(), s.ClientAddr(), s.Mode(), s.Status())
		}
	}
}

func TestWhyNot(t *testing.T) {
	only := pipeline.Only{Match: "a", Exclude: "b", Users: []string{"app", "web"}, Sources: []string{"10.0.0.0/8"}}
	sel, err := only.Selection()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ user, client, text, want string }{
		{"app", "10.1.2.3:1", "a", ""},
		{"root", "10.1.2.3:1", "a", "the setting user names app, web, not root"},
		{"app", "192.0.2.1:1", "a", "the setting source does not cover 192.0.2.1"},
		{"app", "10.1.2.3:1", "c", "the setting match does not match the statement"},
		{"app", "10.1.2.3:1", "ab", "the setting exclude matches the statement"},
	} {
		s := pipeline.Detached(pipeline.SessionInfo{User: tt.user, ClientAddr: tt.client})
		got := sel.WhyNot(s, []byte(tt.text))
		if selected := sel.Session(s) && sel.Text([]byte(tt.text)); got != tt.want || selected != (got == "") {
			t.Errorf("%+v: %q, selected %t", tt, got, selected)
		}
		s.Close()
	}
}
