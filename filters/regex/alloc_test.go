//go:build !race

// The race detector has package regexp's pools lose what is put back, so that it allocates anew.

package regex

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

func TestAllocatesNothingWhereNothingMatches(t *testing.T) {
	exprs := []string{`(?i)from secret`, `\d{9}`, `(?i)(\w+)\s+secret`, `^x`, `(?i)ks`, `(a|b)+;`}
	c := config(func(c *Config) {
		for _, expr := range exprs {
			c.Rules = append(c.Rules, Rule{Match: expr, Replace: "x"}, Rule{Match: expr, Replace: "x", All: new(false)})
		}
	})
	h := open(t, c)
	cmd := pipeline.NewCommand(protocol.ComQuery, []byte("SELECT c FROM sbtest1 WHERE id=4711"), pipelinetest.Caps)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if err := h.Serve(ctx, nil, cmd); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
