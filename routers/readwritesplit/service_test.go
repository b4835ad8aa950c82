package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestTiedToMaintenance: nothing begins on a server in maintenance, and what is open there is ended first. While it drains, a
// session that is tied to it stays.
func TestTiedToMaintenance(t *testing.T) {
	k := newCluster(t, nil)
	idle, open, drains := k.Session(), k.Session(), k.Session()
	idle.Run(t, do("CREATE TEMPORARY TABLE t (n INT)"))
	open.Run(t, do("CREATE TEMPORARY TABLE t (n INT)", "BEGIN", "INSERT 1"))
	drains.Run(t, do("CREATE TEMPORARY TABLE t (n INT)"))
	k.Servers[0].SetService(pipeline.Draining)
	drains.Run(t, do("INSERT 2", "BEGIN", "INSERT 3", "COMMIT"), ask("SELECT 4", "db1"))
	k.Servers[0].SetService(pipeline.InMaintenance)
	k.forget()
	idle.Run(t, pt.Query("INSERT 5"), lost())
	drains.Run(t, pt.Query("SELECT 6"), lost())
	open.Run(t, do("INSERT 7", "COMMIT"), pt.Query("INSERT 8"), lost())
	k.db1.expect("INSERT 7", "COMMIT")
	k.AwaitLog("the server is in maintenance")
}
