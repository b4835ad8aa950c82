package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// hangs has a server not answer a command, not even once it was told to kill it.
func hangs(t *testing.T, f *fake, command string) (running <-chan struct{}) {
	t.Helper()
	begun, end := make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(func() { close(end) })
	f.on(command, func(c *pt.Conn) error {
		begun <- struct{}{}
		<-end
		return c.Close()
	})
	return begun
}

// TestKillOwn: who kills a statement does not wait for what the router itself has asked of a server that hangs, and the session
// goes on.
func TestKillOwn(t *testing.T) {
	d := dialects["mariadb"]
	for name, test := range map[string]struct {
		change  func(c *readwritesplit.Config)
		before  func(k *cluster) pt.Step
		server  int
		command string
		killed  pt.Step
		after   pt.Step
	}{
		"a session command": {
			nil, func(*cluster) pt.Step { return do("INSERT 0", "SET @a = 1") }, 1, "SET @a = 1",
			pt.Query("SELECT 1"), ask("SELECT 2", "db3"),
		},
		"several": {
			nil, func(*cluster) pt.Step { return do("INSERT 0", "SET @a = 1", "SET @b = 2", "SET @c = 3") }, 1, "SET @b = 2",
			pt.Query("SELECT 1"), ask("SELECT 2", "db3"),
		},
		"COM_STMT_PREPARE": {
			nil, func(*cluster) pt.Step { return prepare("SELECT 1", 1) }, 2, "prepare SELECT 1",
			execute(1, nil), ask("SELECT 2", "db2"),
		},
		"a causal wait": {
			causal("session", "wait"), func(k *cluster) pt.Step { k.db1.wrote(d.gtid); return do("INSERT 0") }, 1, d.wait,
			pt.Query("SELECT 1"), do("INSERT 2"),
		},
		"the primary's position": {
			causal("cluster", "wait"), func(*cluster) pt.Step { return do("INSERT 0") }, 0, d.position,
			pt.Query("SELECT 1"), do("INSERT 2"),
		},
		"a replay": {
			replaying, func(k *cluster) pt.Step {
				return pt.Script(do("BEGIN", "INSERT 1"), func(*pt.Conn) error { failOver(k); return nil })
			}, 1, "INSERT 1", pt.Query("INSERT 2"), do("INSERT 3", "COMMIT"),
		},
		"the last attempt of a replay": {
			func(c *readwritesplit.Config) { replaying(c); c.TransactionReplayAttempts = 1 },
			func(k *cluster) pt.Step {
				return pt.Script(do("BEGIN", "INSERT 1"), func(*pt.Conn) error { failOver(k); return nil })
			}, 1, "INSERT 1", pt.Query("INSERT 2"), pt.Script(pt.Query("INSERT 3"), deadlock()),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits until patience with its server is over
			k := newCluster(t, test.change)
			victim := k.Session()
			victim.Run(t, test.before(k))
			running := hangs(t, k.fakes[test.server], test.command)
			victim.Run(t, test.killed)
			<-running
			k.Session().Run(t, killQuery(victim), pt.ExpectOK())
			victim.Run(t, killed())
			k.fakes[test.server].on(test.command)
			victim.Run(t, test.after)
		})
	}
}

// TestKillOwnInTransaction: a connection that the session cannot do without is not given up.
func TestKillOwnInTransaction(t *testing.T) {
	k := newCluster(t, nil)
	victim := k.Session()
	victim.Run(t, prepare("SELECT 1", 1), do("BEGIN"))
	runs := blocked(t, k.db1, "prepare SELECT 1")
	victim.Run(t, execute(1, nil))
	<-runs
	k.Session().Run(t, killQuery(victim), pt.ExpectOK())
	victim.Run(t, pt.ExpectError(protocol.ErQueryInterrupted), do("COMMIT"))
}
