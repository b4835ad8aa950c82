package readwritesplit_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestResumeBehindGoodbye: rows go on, too, where the server has ended them by saying that it is about to end.
func TestResumeBehindGoodbye(t *testing.T) {
	rows := []string{"1", "2", "3", "4"}
	var client tail
	k := newCluster(t, replaying)
	k.db1.on("SELECT n", func(c *pt.Conn) error {
		bye := protocol.SQLError{Code: protocol.ErServerShutdown, State: "08S01", Message: "Server shutdown in progress"}
		k.in(down, primary, replica)
		if err := pt.Raw(packed(append(result(c.Caps, rows...)[:head+2], bye.Append(nil))...))(c); err != nil {
			return err
		}
		return pt.Close()(c)
	})
	k.db2.on("SELECT n", whole(rows...))
	c := k.Session()
	c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("SELECT n"), client.read)
	if client.err != nil || !slices.Equal(client.rows, rows) {
		t.Errorf("%q, %v", client.rows, client.err)
	}
	c.Run(t, do("INSERT 2", "COMMIT"))
	k.db2.expect("BEGIN", "INSERT 1", "SELECT n", "INSERT 2", "COMMIT")
}
