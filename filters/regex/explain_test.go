package regex

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// What is explained is what happens, and is not counted. cmd/weir has more of what explanations say.
func TestExplain(t *testing.T) {
	for _, c := range []Config{
		config(func(c *Config) { c.Match, c.Replace = "a", new("b") }),
		config(func(c *Config) { c.Match, c.Replace, c.DryRun = "a", new("b"), true }),
		config(func(c *Config) { c.Match, c.Replace, c.MaxResult, c.Oversize = "a", new("bbbb"), 8, "reject" }),
		config(func(c *Config) { c.Match, c.Replace, c.MaxResult = "a", new("bbbb"), 8 }),
		config(func(c *Config) { c.Match, c.Replace, c.Exclude = "a", new("b"), "no" }),
	} {
		p, explained := pipelinetest.Start(t, Kind, c), pipeline.Detached(pipelinetest.Session(1))
		server := pipelinetest.Always(pipelinetest.OK(0, 0))
		chain := pipelinetest.Start(t, Kind, c).Open(t, pipelinetest.Session(1), server) // counts by itself
		for _, text := range []string{"do a, a and a", "do no a", "do it"} {
			asked := pipeline.NewCommand(protocol.ComStmtPrepare, []byte(text), pipelinetest.Caps)
			step, next := p.Filter.(pipeline.Explainer).Explain(explained, asked)
			server.Got = nil
			if _, err := chain.Send(t.Context(), protocol.ComStmtPrepare, []byte(text)); err != nil {
				t.Fatal(err)
			}
			switch {
			case next == nil && len(server.Got) > 0, next != nil && len(server.Got) == 0:
				t.Errorf("%q: %+v, and %d commands arrived", text, step, len(server.Got))
			case next != nil && string(next.Payload()) != string(server.Got[0].Payload()):
				t.Errorf("%q: %+v, %q, and %q arrived", text, step, next.Payload(), server.Got[0].Payload())
			}
		}
		for name, m := range p.Metrics {
			if v := m.Read(); v != 0 {
				t.Errorf("%s is %v", name, v)
			}
		}
		explained.Close()
	}
}
