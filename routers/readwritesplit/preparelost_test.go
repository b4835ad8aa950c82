package readwritesplit_test

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestPrepareLostMidway: the answer to a COM_STMT_PREPARE of which the client has a part, whichever, does not go on, nor begin
// anew, where the open transaction could be run again.
func TestPrepareLostMidway(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			k := newCluster(t, replaying)
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"))
			got := make(chan struct{})
			k.db1.on("prepare SELECT ?, ?", func(c *pt.Conn) error {
				parameter := pt.Rows(c.Caps, []string{"?"})[1]
				all := [][]byte{{0, 7, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0}, parameter, parameter}
				if err := pt.Raw(packed(all[:n]...))(c); err != nil {
					return err
				}
				<-got
				k.in(down, primary, replica)
				return pt.Close()(c)
			})
			c.Run(t, pt.Send(protocol.ComStmtPrepare, "SELECT ?, ?"))
			for range n {
				if _, err := c.ReadPayload(); err != nil {
					t.Error(err)
				}
			}
			close(got)
			c.Run(t, lost())
			k.db2.expect()
		})
	}
}
