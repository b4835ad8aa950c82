package tee

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestLingering: a pool that resets its connections each time, or clients that come and go, cannot pile up branches that
// wait for a server that is stuck.
func TestLingering(t *testing.T) {
	main := answering(t)
	branch := serving(t, pt.MariaDB(), pt.AcceptLogin(), pt.Silence())
	f := start(t, main, branch, func(c *Config) { c.Grace = time.Hour })
	c := f.Session()
	most := 0
	for range maxLingering + 200 {
		c.Run(t, pt.Query("INSERT 1"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
		most = max(most, f.tee.figure("branch_sessions"))
	}
	if most > maxLingering+20 { // those that are just being cut off
		t.Errorf("there were %d branches at one time", most)
	}
	if lost := f.tee.figure("dropped_statements_total"); lost == 0 {
		t.Error("nothing is counted as dropped")
	}
	_ = c.Close()
	branch.Close()
	f.await("branch_sessions", 0)
	if n := f.tee.Filter.(*Filter).lingering.Load(); n != 0 {
		t.Errorf("%d branches linger", n)
	}
	f.stop()
	if log := f.tee.Log.String(); !strings.Contains(log, "too many") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}
