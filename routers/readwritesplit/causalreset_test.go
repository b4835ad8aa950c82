package readwritesplit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// resetGTID is what weir pipeline reset-gtid does.
func (k *cluster) resetGTID() error { return k.Process.Listeners[0].Config.Pipeline.ResetGTID() }

// TestResetGTID: what was written before a reset is not waited for, by no session, and what is written later is, whatever
// the state of a server says that is from before.
func TestResetGTID(t *testing.T) {
	const before, later = "0-1-500", "0-1-2"
	const wait = "SELECT CAST(MASTER_GTID_WAIT(_latin1'" + later + "',10.000) AS BINARY) LIMIT 1"
	for _, scope := range []string{"session", "service"} {
		t.Run(scope, func(t *testing.T) {
			k := newCluster(t, causal(scope, "wait"))
			d := dialects["mariadb"]
			k.db2.on(wait, waited("0"))
			k.db3.on(wait, waited("0"))
			c, idle := k.Session(), k.Session()
			k.db1.wrote(before)
			c.Run(t, do("INSERT 1"))
			idle.Run(t, do("INSERT 2"))
			k.in(primary, has(before), has(before))
			c.Run(t, ask("SELECT 3", "db2")) // what it must see is known to it, and to be there
			if err := k.resetGTID(); err != nil {
				t.Fatal(err)
			}
			k.forget()
			c.Run(t, ask("SELECT 4", "db3"))
			if diff := cmp.Diff([]string{"SELECT 4"}, d.tracked(t, k.db3.takes())); diff != "" {
				t.Errorf("after a reset (-want +got):\n%s", diff)
			}
			k.db1.wrote(later)
			c.Run(t, do("INSERT 5"), ask("SELECT 6", "db2"))
			k.db2.expect(wait, "SELECT 6")
			idle.Run(t, do("INSERT 7"), ask("SELECT 8", "db3"))
			if diff := cmp.Diff([]string{wait, "SELECT 8"}, d.tracked(t, k.db3.takes())); diff != "" {
				t.Errorf("after a write (-want +got):\n%s", diff)
			}
			k.in(primary, has(later), has(later))
			idle.Run(t, do("INSERT 9"), ask("SELECT 10", "db2"))
			if got := k.db2.times(wait); got != 0 {
				t.Errorf("a replica waited %d times for what its state says that it has", got)
			}
			if got := k.count("late_replicas"); got != 0 {
				t.Errorf("%d replicas were late", got)
			}
		})
	}
	for scope, want := range map[string]string{
		"none":    `pipeline app: causal_reads is "none", so that it keeps no GTIDs`,
		"cluster": `pipeline app: causal_reads is "cluster", so that it keeps no GTIDs`,
	} {
		k := newCluster(t, causal(scope, "wait"))
		if err := k.resetGTID(); err == nil || err.Error() != want {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

// TestResetGTIDChoose: a replica is not chosen by a state that is from before the reset.
func TestResetGTIDChoose(t *testing.T) {
	k := newCluster(t, causal("service", "choose"))
	k.in(primary, has("0-1-500"), has("0-1-500"))
	k.db1.wrote("0-1-400")
	c := k.Session()
	c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"))
	if err := k.resetGTID(); err != nil {
		t.Fatal(err)
	}
	k.db1.wrote("0-1-2")
	c.Run(t, do("INSERT 3"), ask("SELECT 4", "db1"))
	k.in(primary, has("0-1-2"), has("0-1-1"))
	c.Run(t, ask("SELECT 5", "db2"), ask("SELECT 6", "db2"))
}

// TestResetGTIDUntold: what a connection says that it has written last may be from before a reset, so that the primary is
// asked for its position.
func TestResetGTIDUntold(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("session", "wait"))
	k.db1.on("INSERT 1 RETURNING id", pt.ReplyRows([]string{"id"}, []string{"1"}))
	k.db1.on("SELECT CAST(@@last_gtid AS BINARY) LIMIT 1", pt.ReplyRows([]string{"p"}, []string{"0-1-500"}))
	k.db1.on(d.position, pt.ReplyRows([]string{"p"}, []string{d.gtid}))
	k.db2.on(d.wait, waited("0"))
	c := k.Dial()
	c.Run(t, pt.LoginAs(protocol.Login{
		User: "app", Capabilities: d.greeting().Capabilities &^ protocol.ClientDeprecateEOF, MaxPacket: 1 << 24, Collation: 45,
	}, "secret"))
	c.Run(t, do("INSERT 0"))
	if err := k.resetGTID(); err != nil {
		t.Fatal(err)
	}
	c.Run(t, ask("INSERT 1 RETURNING id", "1"), ask("SELECT 1", "db2"))
	if n := k.db2.times(d.wait); n != 1 {
		t.Errorf("the replica was told %d times to wait for %s", n, d.gtid)
	}
}
