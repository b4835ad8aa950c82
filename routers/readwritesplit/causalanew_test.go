package readwritesplit_test

import (
	"strings"
	"testing"
)

// TestTrackedAgain: where a client says what it wants to be told of, the router says again what it wants, to servers that it
// has told before, too.
func TestTrackedAgain(t *testing.T) {
	const set = "SET session_track_system_variables='autocommit'"
	for _, statement := range []string{set, "SET @@session.session_track_gtids = 'OFF'"} {
		k, d := newCluster(t, causal("session", "wait")), dialects["mariadb"]
		c := k.Session()
		c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
		k.forget()
		c.Run(t, do(statement, "INSERT 4"), ask("SELECT 5", "db2"), ask("SELECT 6", "db3"))
		for i, last := range []string{"INSERT 4", "SELECT 5", "SELECT 6"} {
			got := k.fakes[i].takes()
			if len(got) != 3 || got[0] != statement || !strings.HasPrefix(got[1], d.track) || got[2] != last {
				t.Errorf("db%d has got %q", i+1, got)
			}
		}
	}
}

// TestCausalReconnected: a server that is connected to anew may be another one, or one that has lost something: it is not
// known any more to have what a read must see.
func TestCausalReconnected(t *testing.T) {
	k, d := newCluster(t, causal("session", "wait")), dialects["mariadb"]
	k.db1.wrote(d.gtid)
	for _, f := range []*fake{k.db2, k.db3} {
		f.on(d.wait, waited("0"))
	}
	c := k.Session()
	c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
	k.db2.die()
	k.AwaitLog("lost while idle")
	k.db2.rise()
	k.forget()
	c.Run(t, ask("SELECT 4", "db2"), ask("SELECT 5", "db3"))
	if rest := d.tracked(t, k.db2.takes()); len(rest) != 2 || rest[0] != d.wait {
		t.Errorf("on its new connection, db2 has got %q", rest)
	}
	k.db3.expect("SELECT 5")
}
