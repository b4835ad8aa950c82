package readwritesplit_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestRouter: with nothing but a primary, it is a router like any other.
func TestRouter(t *testing.T) {
	pipelinetest.TestRouter(t, func(servers []*pipeline.Server) pipeline.Target {
		servers[0].SetState(primary)
		c := readwritesplit.Defaults
		c.Servers, c.LazyConnect = servers, false
		r, err := readwritesplit.New(c, pipeline.Env{
			Log: slog.New(slog.DiscardHandler), OnStart: func(func() error) {}, OnStop: func(func()) {}, Expose: func(pipeline.Metric) {},
		})
		if err != nil {
			panic(err)
		}
		return r
	})
}

// TestSpread: reads are spread over the replicas, and nothing else is.
func TestSpread(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db3"), ask("SELECT 3", "db2"), do("INSERT 4"), ask("SELECT 5", "db3"),
		ask("SELECT 6 FOR UPDATE", "db1"), ask("SHOW TABLES", "db2"))
	k.db1.expect("INSERT 4", "SELECT 6 FOR UPDATE")
	k.db2.expect("SELECT 1", "SELECT 3", "SHOW TABLES")
	k.db3.expect("SELECT 2", "SELECT 5")
	c.Run(t, do("BEGIN"), ask("SELECT 7", "db1"), do("COMMIT"), ask("SELECT 8", "db3"))
}

// TestLazyConnect: a server is connected when it is first used, unless the setting says otherwise.
func TestLazyConnect(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	for step, want := range []string{"0 0 0", "0 1 0", "0 1 1", "0 1 1"} {
		if step > 0 {
			c.Run(t, pt.Query("SELECT 1"))
			if _, err := c.ReadRows(); err != nil {
				t.Fatal(err)
			}
		}
		if got := k.links(); got != want {
			t.Errorf("after %d reads, there are %s connections, want %s", step, got, want)
		}
	}
	k = newCluster(t, func(c *readwritesplit.Config) { c.LazyConnect, c.MaxReplicas = false, 1 })
	c = k.Session()
	if got := k.links(); got != "1 1 0" {
		t.Errorf("eagerly and with one replica, there are %s connections", got)
	}
	c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db2"))
}

// TestReplicasAtStart: a session is connected to so many replicas at its start, which are fit to be read from, and to further
// ones when they are chosen.
func TestReplicasAtStart(t *testing.T) {
	down, late := replica, replica
	down.Up, late.Lag = false, time.Minute
	for name, tt := range map[string]struct {
		atStart  int
		db2, db3 pipeline.ServerState
		want     string
	}{
		"none":               {0, replica, replica, "1 0 0"},
		"one":                {1, replica, replica, "1 1 0"},
		"one, the other one": {1, down, replica, "1 0 1"},
		"one, not late":      {1, late, replica, "1 0 1"},
		"all":                {2, replica, replica, "1 1 1"},
		"more than there is": {5, replica, replica, "1 1 1"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) {
				c.LazyConnect, c.ReplicasAtStart, c.MaxLag = false, &tt.atStart, time.Second
			})
			k.in(primary, tt.db2, tt.db3)
			c := k.Session()
			if got := k.links(); got != tt.want {
				t.Errorf("there are %s connections, want %s", got, tt.want)
			}
			k.in(primary, replica, replica)
			for i := range 4 {
				c.Run(t, pt.Query(fmt.Sprintf("SELECT %d", i)))
				if _, err := c.ReadRows(); err != nil {
					t.Fatal(err)
				}
			}
			if got := k.links(); got != "1 1 1" {
				t.Errorf("after 4 reads, there are %s connections", got)
			}
		})
	}
	t.Run("a lost one", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.LazyConnect, c.ReplicasAtStart = false, new(1) })
		k.db2.die() // of which the monitor does not know yet
		k.Session()
		if got := k.links(); got != "1 0 1" {
			t.Errorf("there are %s connections", got)
		}
	})
}

// TestRanks: reads go to the replica of the lowest rank, whatever rank the primary is of. A session that may be connected to
// one replica returns to a nearer one, but while it needs something of the one that it has.
func TestRanks(t *testing.T) {
	near, far := pt.Script(ask("SELECT 1", "db2"), ask("SELECT 2", "db2")), pt.Script(ask("SELECT 1", "db3"), ask("SELECT 2", "db3"))
	k := newCluster(t, func(c *readwritesplit.Config) {
		c.MaxReplicas = 1
		c.Servers[0].Config.Rank, c.Servers[2].Config.Rank = 2, 2
	})
	c, holding := k.Session(), k.Session()
	c.Run(t, near)
	k.in(primary, down, replica)
	pipelinetest.Eventually(t, func() bool { return k.Servers[1].Links() == 0 }, k.Log.String)
	c.Run(t, far, do("INSERT 3"))
	cursor := prepare("SELECT 4", 1)
	holding.Run(t, far, cursor, pt.Send(protocol.ComStmtExecute, string(execution(1, 1, nil))), pt.ExpectRows())
	if got := k.links(); got != "1 0 2" {
		t.Errorf("while the near one is down, there are %s connections", got)
	}
	k.in(primary, replica, replica)
	c.Run(t, near, do("INSERT 5"))
	holding.Run(t, far, fetched("db3"))
	if got := k.links(); got != "1 1 1" {
		t.Errorf("once it is back, there are %s connections", got)
	}
	holding.Run(t, pt.Send(protocol.ComStmtReset, "\x01\x00\x00\x00"), pt.ExpectOK(), near)
	if got := k.links(); got != "1 2 0" {
		t.Errorf("once nothing holds it, there are %s connections", got)
	}
}

// TestRanksRefused: a replica is not left for a nearer one that cannot be connected to.
func TestRanksRefused(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) {
		c.MaxReplicas = 1
		c.Servers[2].Config.Rank = 2
	})
	k.in(primary, down, replica)
	c := k.Session()
	c.Run(t, ask("SELECT 1", "db3"))
	k.db2.refuses(true)
	k.in(primary, replica, replica)
	for range 3 {
		c.Run(t, ask("SELECT 2", "db3"))
	}
	if n := k.db3.loggedIn(); n != 1 {
		t.Errorf("the far one was logged in to %d times", n)
	}
	k.db2.refuses(false)
	c.Run(t, ask("SELECT 3", "db2"))
	if got := k.links(); got != "0 1 0" {
		t.Errorf("once the near one takes connections, there are %s", got)
	}
}

// TestReadOnlyTransaction: it stays on one replica, and is committed where a statement cannot be part of it.
func TestReadOnlyTransaction(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("START TRANSACTION READ ONLY"), ask("SELECT 1", "db2"), ask("SELECT 2", "db2"), do("COMMIT"), ask("SELECT 3", "db3"))
	k.forget()
	c.Run(t, do("START TRANSACTION READ ONLY"), ask("SELECT 4", "db2"), do("BEGIN", "INSERT 5", "COMMIT"), ask("SELECT 6", "db3"))
	k.db2.expect("START TRANSACTION READ ONLY", "SELECT 4", "COMMIT AND NO CHAIN NO RELEASE")
	k.db1.expect("BEGIN", "INSERT 5", "COMMIT")
}

// TestKill: a session has several connections, and the one that runs something is killed; or all, and the session.
func TestKill(t *testing.T) {
	k := newCluster(t, nil)
	running := make(chan struct{})
	k.db3.on("SELECT SLEEP(1000)", func(c *pt.Conn) error { close(running); return pt.Silence()(c) })
	victim, killer := k.Session(), k.Session()
	victim.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"), pt.Query("SELECT SLEEP(1000)"))
	<-running
	k.forget()
	id := victim.Greeting.ConnectionID
	killer.Run(t, do(fmt.Sprintf("KILL QUERY %d", id)))
	k.db1.expect()
	k.db2.expect()
	k.db3.expect("KILL QUERY 7") // the server's own id
	killer.Run(t, do(fmt.Sprintf("KILL %d", id)))
	victim.Run(t, pt.Silence())
	for _, f := range k.fakes {
		f.expect("KILL 7")
	}
}

// TestResetConnection: after it the session is as new, on the connections it has.
func TestResetConnection(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	reset := pt.Script(pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	c.Run(t, do("INSERT 1"), ask("SELECT 2", "db2"), do("SET @x = 1", "BEGIN", "LOCK TABLES t READ"))
	k.forget()
	c.Run(t, reset)
	k.db1.expect("COM_RESET_CONNECTION")
	k.db2.expect("COM_RESET_CONNECTION")
	k.db3.expect()
	c.Run(t, ask("SELECT 3", "db3"), ask("SELECT 4", "db2"), do("INSERT 5"))
	k.db1.expect("INSERT 5")
	k.db2.expect("SELECT 4")                         // and no SET
	k.db3.expect("COM_RESET_CONNECTION", "SELECT 3") // to be as the others are
	for i, f := range k.fakes {
		if n := f.loggedIn(); n != 1 {
			t.Errorf("db%d has been logged in to %d times", i+1, n)
		}
	}
}

// TestHints: a hint goes by the server's name.
func TestHints(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	for range 3 {
		c.Run(t, ask("SELECT 1 -- weir route to server db3", "db3"), ask("SELECT 2 /* maxscale route to master */", "db1"),
			ask("SELECT 3 -- weir route to last", "db1"))
	}
	k.in(primary, replica, down)
	c.Run(t, ask("SELECT 1 -- weir route to server db3", "db1")) // not there: as if a replica had been missing
}

// TestMaxLagHint: a statement is read at replicas that are no further behind than its hint and the settings say, else at the
// primary.
func TestMaxLagHint(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxLag = 30 * time.Second })
	late, later, unknown := replica, replica, replica
	late.Lag, later.Lag, unknown.Lag = 10*time.Second, 40*time.Second, pipeline.UnknownLag
	c := k.Session()
	for _, tt := range []struct {
		hint     string
		db2, db3 pipeline.ServerState
		want     string
	}{
		{"max_lag=9", late, replica, "db3"},
		{"max_lag=9", late, late, "db1"},
		{"max_lag=9", late, unknown, "db1"},
		{"max_lag=10", late, later, "db2"},
		{"max_lag=60", late, later, "db2"},
		{"max_lag=60", later, later, "db1"},
		{"max_lag=0", late, replica, "db3"},
	} {
		k.in(primary, tt.db2, tt.db3)
		for range 2 { // which of two that are fit would be its turn
			c.Run(t, ask("SELECT 1 -- weir "+tt.hint, tt.want))
		}
	}
	k.in(primary, late, replica)
	c.Run(t, do("START TRANSACTION /* weir max_lag=9 */ READ ONLY"), ask("SELECT 2", "db3"), do("COMMIT"))
	c.Run(t, prepare("SELECT 3 -- weir max_lag=9", 1))
	for range 2 {
		c.Run(t, pt.Send(protocol.ComStmtExecute, string(execution(1, 0, nil))), rows("db3"))
	}
}

// TestSettings: mistakes are found before anything runs.
func TestSettings(t *testing.T) {
	k := newCluster(t, nil)
	for name, change := range map[string]func(c *readwritesplit.Config){
		"servers":           func(c *readwritesplit.Config) { c.Servers = nil },
		"servers twice":     func(c *readwritesplit.Config) { c.Servers = append(c.Servers, c.Servers[0]) },
		"choice":            func(c *readwritesplit.Config) { c.Choice = "fastest" },
		"max_replicas":      func(c *readwritesplit.Config) { c.MaxReplicas = -1 },
		"replicas_at_start": func(c *readwritesplit.Config) { c.LazyConnect, c.ReplicasAtStart = false, new(-1) },
		"replicas_at_start too many": func(c *readwritesplit.Config) {
			c.LazyConnect, c.MaxReplicas, c.ReplicasAtStart = false, 2, new(3)
		},
		"replicas_at_start lazily": func(c *readwritesplit.Config) { c.ReplicasAtStart = new(1) },
		"max_lag":                  func(c *readwritesplit.Config) { c.MaxLag = -1 },
		"user_variables":           func(c *readwritesplit.Config) { c.UserVariables = "master" },
		"on_primary_loss":          func(c *readwritesplit.Config) { c.OnPrimaryLoss = "fail" },
		"primary_reconnect replay": func(c *readwritesplit.Config) {
			c.PrimaryReconnect, c.TransactionReplay = false, true
		},
		"primary_reconnect optimistic": func(c *readwritesplit.Config) {
			c.PrimaryReconnect, c.OptimisticTransactions = false, true
		},
		"delayed_retry":                  func(c *readwritesplit.Config) { c.DelayedRetry = -1 },
		"transaction_replay_max_size":    func(c *readwritesplit.Config) { c.TransactionReplayMaxSize = 0 },
		"transaction_replay_attempts":    func(c *readwritesplit.Config) { c.TransactionReplayAttempts = 0 },
		"transaction_replay_on_deadlock": func(c *readwritesplit.Config) { c.TransactionReplayOnDeadlock = true },
		"transaction_replay_timeout":     func(c *readwritesplit.Config) { c.TransactionReplayTimeout = 0 },
		"transaction_replay_checksum":    func(c *readwritesplit.Config) { c.TransactionReplayChecksum = "none" },
		"transaction_replay_on_mismatch": func(c *readwritesplit.Config) { c.TransactionReplayOnMismatch = true },
		"causal_reads":                   func(c *readwritesplit.Config) { c.CausalReads = "local" },
		"causal_reads_by":                func(c *readwritesplit.Config) { c.CausalReadsBy = "hope" },
		"causal_reads_timeout":           func(c *readwritesplit.Config) { c.CausalReadsTimeout = 0 },
		"max_history":                    func(c *readwritesplit.Config) { c.MaxHistory = -1 },
		"keepalive":                      func(c *readwritesplit.Config) { c.Keepalive = time.Millisecond },
		"reuse_prepared_statements":      func(c *readwritesplit.Config) { c.ReusePreparedStatements = -1 },
	} {
		config := readwritesplit.Defaults
		config.Servers = k.Servers
		change(&config)
		setting, _, _ := strings.Cut(name, " ")
		_, err := readwritesplit.New(config, pipeline.Env{})
		if invalid := (*pipeline.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Setting != setting {
			t.Errorf("%s: %v", name, err)
		}
	}
}
