package readwritesplit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// causal has reads see what the scope says.
func causal(scope, by string) func(c *readwritesplit.Config) {
	return func(c *readwritesplit.Config) {
		c.CausalReads, c.CausalReadsBy, c.CausalReadsTimeout = scope, by, 10*time.Second
	}
}

// has is a replica's state that has executed gtid.
func has(gtid string) pipeline.ServerState {
	st := replica
	st.GTID = gtid
	return st
}

// A dialect is one of the two families' words.
type dialect struct {
	greeting    func() protocol.Greeting
	track       string // begins the statement by which a server is told to tell
	gtid, later string
	wait        string // for gtid
	position    string
}

var dialects = map[string]dialect{
	"mariadb": {
		greeting: pt.MariaDB, track: "SET SESSION session_track_system_variables", gtid: "0-1-5", later: "0-1-6",
		wait:     "SELECT CAST(MASTER_GTID_WAIT(_latin1'0-1-5',10.000) AS BINARY) LIMIT 1",
		position: "SELECT CAST(@@GLOBAL.gtid_current_pos AS BINARY) LIMIT 1",
	},
	"mysql": {
		greeting: pt.MySQL, track: "SET SESSION session_track_gtids=OWN_GTID",
		gtid:     "3e11fa47-71ca-11e1-9e33-c80aa9429562:5",
		later:    "3e11fa47-71ca-11e1-9e33-c80aa9429562:6",
		wait:     "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET(_latin1'3e11fa47-71ca-11e1-9e33-c80aa9429562:5',10.000) AS BINARY) LIMIT 1",
		position: "SELECT CAST(@@GLOBAL.gtid_executed AS BINARY) LIMIT 1",
	},
}

// tracked is what a server has got but for the statement, which it must have got once, that has it tell of transactions.
func (d *dialect) tracked(t *testing.T, got []string) (rest []string) {
	t.Helper()
	n := 0
	for _, statement := range got {
		if strings.HasPrefix(statement, d.track) {
			n++
			continue
		}
		rest = append(rest, statement)
	}
	if n != 1 {
		t.Errorf("a server was told %d times to tell: %q", n, got)
	}
	return rest
}

// waited is how a replica answers that has waited.
func waited(result string) pt.Step { return pt.ReplyRows([]string{"wait"}, []string{result}) }

// TestCausalReads: a replica waits for what the session has written, once, and others do not.
func TestCausalReads(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			k := clusterOf(t, d.greeting, causal("session", "wait"))
			for _, f := range k.fakes {
				f.on(d.wait, waited("0"))
			}
			c, other := k.Session(), k.Session()
			c.Run(t, ask("SELECT 1", "db2")) // nothing was written
			if rest := d.tracked(t, k.db2.takes()); len(rest) != 1 {
				t.Errorf("before a write, db2 has got %q", rest)
			}
			k.db1.wrote(d.gtid)
			c.Run(t, do("INSERT 2"))
			if rest := d.tracked(t, k.db1.takes()); len(rest) != 1 {
				t.Errorf("for a write, db1 has got %q", rest)
			}
			c.Run(t, ask("SELECT 3", "db3"), ask("SELECT 4", "db2"), ask("SELECT 5", "db3"), ask("SELECT 6", "db2"))
			k.db2.expect(d.wait, "SELECT 4", "SELECT 6")
			if rest := d.tracked(t, k.db3.takes()); len(rest) != 3 || rest[0] != d.wait || rest[2] != "SELECT 5" {
				t.Errorf("after a write, db3 has got %q", rest)
			}
			other.Run(t, ask("SELECT 7", "db3"))
			if rest := d.tracked(t, k.db3.takes()); len(rest) != 1 {
				t.Errorf("another session's read made it %q", rest)
			}
		})
	}
}

// TestCausalReadsKnown: a replica that has it, by what the monitor knows, is not made to wait.
func TestCausalReadsKnown(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("session", "wait"))
	k.db1.wrote(d.gtid)
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.in(primary, has(d.gtid), has("0-1-4"))
	k.db3.on(d.wait, waited("0"))
	c.Run(t, ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
	if rest := d.tracked(t, k.db2.takes()); len(rest) != 1 {
		t.Errorf("db2, which has it, has got %q", rest)
	}
	if rest := d.tracked(t, k.db3.takes()); len(rest) != 2 {
		t.Errorf("db3, which does not have it, has got %q", rest)
	}
}

// TestCausalReadsTimeout: where a replica does not have it in time, the primary is read from.
func TestCausalReadsTimeout(t *testing.T) {
	for name, d := range dialects {
		late := map[string]string{"mariadb": "-1", "mysql": "1"}[name]
		for what, answer := range map[string]pt.Step{
			"late": waited(late), "refused": pt.ReplyError(1193, "HY000", "Unknown function"),
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				k := clusterOf(t, d.greeting, causal("session", "wait"))
				k.db2.on(d.wait, answer)
				k.db1.wrote(d.gtid)
				c := k.Session()
				c.Run(t, do("INSERT 1"), ask("SELECT 2", "db1"))
				if got := k.db2.times("SELECT 2"); got != 0 {
					t.Errorf("it was read from the late replica, too")
				}
				if got := k.count("late_replicas"); got != 1 {
					t.Errorf("%d replicas were late", got)
				}
			})
		}
	}
	t.Run("lost meanwhile", func(t *testing.T) {
		d := dialects["mariadb"]
		k := newCluster(t, causal("session", "wait"))
		k.db2.on(d.wait, pt.Close())
		k.db3.on(d.wait, waited("0"))
		k.db1.wrote(d.gtid)
		k.Session().Run(t, do("INSERT 1"), ask("SELECT 2", "db3"))
	})
}

// TestCausalReadsChoose: only a replica is read from that has it, by what the monitor knows, or else the primary.
func TestCausalReadsChoose(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("session", "choose"))
	k.in(primary, has("0-1-4"), has("0-1-4"))
	k.db1.wrote(d.gtid)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), do("INSERT 3"), ask("SELECT 4", "db1"), ask("SELECT 5", "db1"))
	k.in(primary, has("0-1-4"), has("0-1-5"))
	c.Run(t, ask("SELECT 6", "db3"), ask("SELECT 7", "db3"))
	for _, f := range k.fakes {
		if n := f.times(d.wait); n != 0 {
			t.Errorf("%s was made to wait", f.name)
		}
	}
}

// TestCausalReadsService: what one session has written, the others see.
func TestCausalReadsService(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("service", "wait"))
	k.db1.wrote(d.gtid)
	k.db2.on(d.wait, waited("0"))
	writer, reader := k.Session(), k.Session()
	writer.Run(t, do("INSERT 1"))
	reader.Run(t, ask("SELECT 2", "db2"))
	if got := d.tracked(t, k.db2.takes()); len(got) != 2 || got[0] != d.wait {
		t.Errorf("for the other session's read, db2 has got %q", got)
	}
}

// TestCausalReadsCluster: the primary is asked before each read, and nothing is tracked.
func TestCausalReadsCluster(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			k := clusterOf(t, d.greeting, causal("cluster", "wait"))
			k.db1.on(d.position, pt.ReplyRows([]string{"position"}, []string{d.gtid}))
			k.db2.on(d.wait, waited("0"))
			k.db3.on(d.wait, waited("0"))
			c := k.Session()
			c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), ask("SELECT 3", "db2"), do("INSERT 4"))
			k.db1.expect(d.position, d.position, d.position, "INSERT 4")
			k.db2.expect(d.wait, "SELECT 1", "SELECT 3")
			k.db3.expect(d.wait, "SELECT 2")
		})
	}
}

// TestCausalReadsTold: what servers tell the router, a client gets that has asked for it, and others do not.
func TestCausalReadsTold(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			k := clusterOf(t, d.greeting, causal("session", "wait"))
			k.db1.wrote(d.gtid)
			k.db2.on(d.wait, waited("0"))
			for _, asked := range []bool{true, false} {
				c := k.Dial()
				caps := d.greeting().Capabilities
				if !asked {
					caps &^= protocol.ClientSessionTrack
				}
				c.Run(t, pt.LoginAs(protocol.Login{User: "app", Capabilities: caps, MaxPacket: 1 << 24, Collation: 45}, "secret"))
				c.Run(t, pt.Query("INSERT 1"))
				payload, err := c.ReadPayload()
				if err != nil {
					t.Fatal(err)
				}
				ok, err := protocol.DecodeOK(payload, c.Caps)
				if err != nil {
					t.Fatal(err)
				}
				if told := strings.Contains(string(payload), d.gtid); told != asked || ok.AffectedRows != 1 {
					t.Errorf("asked for it is %v, and the client gets %q", asked, payload)
				}
				if state := ok.Status&protocol.StatusSessionStateChange != 0; state != asked {
					t.Errorf("asked for it is %v, and the status is %#x", asked, ok.Status)
				}
				c.Run(t, pt.Query("SELECT 2"))
				if _, err := c.ReadRows(); err != nil {
					t.Error(err)
				}
			}
			if n := k.db2.times(d.wait); n == 0 {
				t.Error("the router has not heard of the write")
			}
		})
	}
}

// TestCausalReadsAfterFailover: nobody waits for what went down with the primary before.
func TestCausalReadsAfterFailover(t *testing.T) {
	d := dialects["mariadb"]
	k := newCluster(t, causal("session", "wait"))
	k.db1.wrote(d.later)
	c := k.Session()
	c.Run(t, do("INSERT 1"))
	k.db1.die()
	k.in(down, primary, replica)
	k.db2.on(d.position, pt.ReplyRows([]string{"position"}, []string{d.gtid})) // one behind
	k.db3.on(d.wait, waited("0"))
	c.Run(t, do("INSERT 2"), ask("SELECT 3", "db3"))
	got := d.tracked(t, k.db3.takes())
	if len(got) != 2 || got[0] != d.wait {
		t.Errorf("db3 has got %q, want it to wait for %s", got, d.gtid)
	}
}

// TestUntoldWrites: what writes and answers with rows tells nothing of its transaction to clients that know the older end
// of rows alone. The primary is asked.
func TestUntoldWrites(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			position := map[string]string{"mariadb": "SELECT CAST(@@last_gtid AS BINARY) LIMIT 1", "mysql": d.position}[name]
			for _, old := range []bool{true, false} {
				k := clusterOf(t, d.greeting, causal("session", "wait"))
				k.db1.on("INSERT 1 RETURNING id", pt.ReplyRows([]string{"id"}, []string{"1"}))
				k.db1.on(position, pt.ReplyRows([]string{"p"}, []string{d.gtid}))
				k.db2.on(d.wait, waited("0"))
				caps := d.greeting().Capabilities
				if old {
					caps &^= protocol.ClientDeprecateEOF
				}
				c := k.Dial()
				c.Run(t, pt.LoginAs(protocol.Login{User: "app", Capabilities: caps, MaxPacket: 1 << 24, Collation: 45}, "secret"))
				c.Run(t, ask("INSERT 1 RETURNING id", "1"), ask("SELECT 1", "db2"))
				if n := k.db2.times(d.wait); (n == 1) != old {
					t.Errorf("old client %v: the replica was told to wait %d times", old, n)
				}
			}
		})
	}
}
