package readwritesplit_test

import (
	"testing"

	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestRefusedLock: a lock that was not released keeps the session with the primary.
func TestRefusedLock(t *testing.T) {
	k := newCluster(t, nil)
	const get, release = "SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('b')"
	answer := func(n string) pt.Step { return pt.ReplyRows([]string{"n"}, []string{n}) }
	k.db1.on(get, answer("1"))
	k.db1.on(release, answer("0"))
	c := k.Session()
	c.Run(t, ask(get, "1"), ask(release, "0"), ask("SELECT 1", "db1"))
	k.db1.on(release, answer("1"))
	c.Run(t, ask(release, "1"), ask("SELECT 2", "db2"))
}
