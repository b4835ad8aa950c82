package readwritesplit_test

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestGoodbyeToStatement: a server that says goodbye is lost, whether or not the statement can be tried elsewhere. What may
// have been carried out ends the session as it would have with the connection.
func TestGoodbyeToStatement(t *testing.T) {
	small := func(c *readwritesplit.Config) {
		replaying(c)
		c.TransactionReplayMaxSize = 1
	}
	never := func(c *readwritesplit.Config) { c.RetryReads = false }
	for name, test := range map[string]struct {
		change    func(c *readwritesplit.Config)
		before    pt.Step
		statement string
		answer    pt.Step
	}{
		"a write":                              {nil, do("INSERT 0"), "INSERT 1", lost()},
		"a read that is not tried again":       {never, do("INSERT 0"), "SELECT 1", lost()},
		"in a transaction":                     {nil, do("BEGIN"), "INSERT 1", lost()},
		"COMMIT":                               {replaying, do("BEGIN"), "COMMIT", lost()},
		"in what cannot be run again":          {small, do("BEGIN", "INSERT 0"), "INSERT 1", restarted()},
		"COMMIT of what cannot be run again":   {small, do("BEGIN", "INSERT 0"), "COMMIT", lost()},
		"ROLLBACK of what cannot be run again": {small, do("BEGIN", "INSERT 0"), "ROLLBACK", pt.ExpectOK()},
	} {
		for _, code := range []uint16{protocol.ErServerShutdown, protocol.ErNormalShutdown} {
			t.Run(fmt.Sprintf("%s, %d", name, code), func(t *testing.T) {
				k := newCluster(t, test.change)
				c := k.Session()
				c.Run(t, test.before)
				for i, f := range k.fakes {
					f.on(test.statement, func(c *pt.Conn) error {
						if i == 0 {
							k.in(down, primary, replica)
						}
						return goAway(code)(c)
					})
				}
				c.Run(t, pt.Query(test.statement), test.answer)
			})
		}
	}
}
