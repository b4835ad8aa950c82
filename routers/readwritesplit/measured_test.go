package readwritesplit_test

import (
	"testing"
	"time"

	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestMeasured: how long servers take is measured, so that a slow replica is left for a fast one. What is slow is said by how
// fast this machine is.
func TestMeasured(t *testing.T) {
	for slow := 100 * time.Millisecond; ; slow *= 2 {
		k := newCluster(t, func(c *readwritesplit.Config) { c.Choice = "response_time" })
		k.db2.on("SELECT 1", func(c *pt.Conn) error {
			time.Sleep(slow)
			return pt.ReplyRows([]string{"server"}, []string{"db2"})(c)
		})
		c := k.Session()
		c.Run(t, ask("SELECT 1", "db2"))
		start := time.Now()
		c.Run(t, ask("SELECT 1", "db3"))
		if time.Since(start) < slow/2 {
			c.Run(t, ask("SELECT 1", "db3")) // and not db2, whose turn it is
			return
		}
	}
}
