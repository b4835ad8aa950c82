package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestFailedCommit: what may have committed a transaction, and has failed, may have been carried out all the same. Nobody is
// told that the transaction was rolled back, and to try it again.
func TestFailedCommit(t *testing.T) {
	for _, end := range []string{"COMMIT", "BEGIN", "CREATE TABLE x (a INT)", "CALL p()"} {
		for _, code := range []uint16{protocol.ErServerShutdown, protocol.ErConnectionKilled, 1180} {
			for _, next := range []string{"ROLLBACK", "BEGIN", "INSERT 9", "COMMIT"} {
				k := newCluster(t, replaying)
				c := k.Session()
				c.Run(t, do("BEGIN", "INSERT 1"))
				k.db1.on(end, pt.Script(pt.ReplyError(code, "HY000", "it ends"), pt.Close()))
				c.Run(t, pt.Query(end), pt.ExpectError(code))
				k.in(down, primary, replica)
				c.Run(t, pt.Query(next), lost())
				k.db2.expect()
			}
		}
	}
}
