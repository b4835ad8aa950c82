package integration

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/monitors/replication"
	"github.com/weirproxy/weir/monitors/static"
	"github.com/weirproxy/weir/pipeline"
)

// startCluster starts a primary and two replicas for one test.
func startCluster(t *testing.T, template func() (*server.Template, error)) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(require(t, template), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// eachCluster runs a test on a cluster of each family's servers.
func eachCluster(t *testing.T, test func(t *testing.T, c *cluster.Cluster)) {
	t.Helper()
	t.Run("mariadb", func(t *testing.T) { test(t, startCluster(t, mariadb)) })
	t.Run("mysql", func(t *testing.T) { test(t, startCluster(t, mysql9)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watched is a process that has nothing but a monitor.
type watched struct {
	servers []*pipeline.Server
	log     *lockedBuffer
}

// startMonitor runs a monitor of a cluster's servers, that make builds of them.
func startMonitor(t *testing.T, c *cluster.Cluster, build func([]*pipeline.Server, pipeline.Env) (pipeline.Monitor, error)) *watched {
	t.Helper()
	w := &watched{log: &lockedBuffer{}}
	for _, s := range c.Servers {
		config := pipeline.ServerDefaults
		config.Name, config.Address = s.Name, s.Addr
		srv, err := pipeline.NewServer(config)
		must(t, err)
		w.servers = append(w.servers, srv)
	}
	p := &pipeline.Process{
		Config: pipeline.ProcessDefaults, Servers: w.servers, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	p.Config.Workers = 1
	m, err := build(w.servers, p.MonitorEnv("main"))
	must(t, err)
	if len(m.Servers()) != len(w.servers) {
		t.Fatalf("it watches %d servers", len(m.Servers()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
		if t.Failed() {
			t.Logf("the log:\n%s", w.log)
		}
	})
	return w
}

// watchReplication runs a monitor that is to notice soon.
func watchReplication(t *testing.T, c *cluster.Cluster, change func(*replication.Config)) *watched {
	t.Helper()
	return startMonitor(t, c, func(servers []*pipeline.Server, env pipeline.Env) (pipeline.Monitor, error) {
		config := replication.Kind.Defaults.(replication.Config)
		config.Servers, config.User, config.Password = servers, cluster.MonitorUser, cluster.MonitorPassword
		config.Interval = 100 * time.Millisecond
		change(&config)
		return replication.Kind.New(config, env)
	})
}

// await waits until the states are as said: for each server its role, of whom, and the problem.
func (w *watched) await(t *testing.T, want ...string) {
	t.Helper()
	w.awaitThat(t, strings.Join(want, "; "), func() bool {
		for i, srv := range w.servers {
			if said(srv) != want[i] {
				return false
			}
		}
		return true
	})
}

func (w *watched) awaitThat(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := pipeline.AwaitStates(ctx, w.servers, is); err != nil {
		var now []string
		for _, srv := range w.servers {
			now = append(now, fmt.Sprintf("%s (%s)", said(srv), srv.State().Reason))
		}
		t.Fatalf("the states are not %s, but %s", what, strings.Join(now, "; "))
	}
	t.Logf("%s: after %v", what, time.Since(began).Round(time.Millisecond))
}

func said(srv *pipeline.Server) string {
	st := srv.State()
	text := st.Role.String()
	if st.Of != nil {
		text += " of " + st.Of.Name()
	}
	if st.Problem != pipeline.NoProblem {
		text += " " + st.Problem.String()
	}
	return text
}

// TestReplicationMonitor has a cluster go through what clusters go through.
func TestReplicationMonitor(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		db1, db2, db3 := c.Servers[0], c.Servers[1], c.Servers[2]
		w := watchReplication(t, c, func(c *replication.Config) { c.Heartbeat = &replication.HeartbeatConfig{} })
		w.await(t, "primary", "replica of db1", "replica of db1")
		w.awaitThat(t, "all is known", func() bool {
			first, second := w.servers[0].State(), w.servers[1].State()
			return first.Up && first.Version != "" && first.GTID != "" && !first.ReadOnly &&
				second.Up && second.GTID != "" && second.ReadOnly && second.Lag != pipeline.UnknownLag
		})

		must(t, db2.StopApplying())
		w.await(t, "primary", "none of db1 replication_broken", "replica of db1")
		must(t, db2.CatchUp())
		w.await(t, "primary", "replica of db1", "replica of db1")
		must(t, db3.Delay(time.Hour))
		w.awaitThat(t, "db3 lags", func() bool { return w.servers[2].State().Lag > 300*time.Millisecond })
		must(t, db3.CatchUp())
		w.awaitThat(t, "db3 lags no more", func() bool {
			lag := w.servers[2].State().Lag
			return lag != pipeline.UnknownLag && lag < 300*time.Millisecond
		})

		must(t, db2.Stop())
		w.await(t, "primary", "none not_responding", "replica of db1")
		must(t, db2.Continue())
		w.await(t, "primary", "replica of db1", "replica of db1")

		must(t, db1.SetReadOnly(true))
		w.await(t, "replica read_only_primary", "replica of db1", "replica of db1")
		must(t, db1.SetReadOnly(false))
		w.await(t, "primary", "replica of db1", "replica of db1")

		must(t, c.Promote(db2))
		w.await(t, "replica of db2", "primary", "replica of db2")
		db2.Kill()
		w.awaitThat(t, "db2 is down", func() bool { return !w.servers[1].State().Up })
		if st := w.servers[0].State(); !st.Role.Reads() {
			t.Errorf("with the primary dead, a replica is %s", said(w.servers[0]))
		}
		must(t, c.Promote(db3))
		w.await(t, "replica of db3", "none unreachable", "primary")
		must(t, db2.Restart())
		w.await(t, "replica of db3", "replica of db3", "primary")

		for _, want := range []string{
			"server=db1 up=true role=primary", "reason=\"no answer in time\"", "in place of db1",
		} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("the log does not have %q", want)
			}
		}
	})
}

// TestMonitorAccounts checks that the log says what is wrong with an account, and that fixed roles need none but to log in.
func TestMonitorAccounts(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		denied := watchReplication(t, c, func(c *replication.Config) { c.Password = "wrong" })
		denied.await(t, "none access_denied", "none access_denied", "none access_denied")
		unprivileged := watchReplication(t, c, func(c *replication.Config) { c.User, c.Password = "nobody", "" })
		unprivileged.await(t, "none access_denied", "none access_denied", "none access_denied")
		must(t, c.Primary().Exec("CREATE USER 'nobody'@'%' IDENTIFIED BY ''"))
		must(t, c.WaitCaughtUp())
		unprivileged.await(t, "none missing_privilege", "none missing_privilege", "none missing_privilege")
		if !strings.Contains(unprivileged.log.String(), "privilege(s) for this operation") {
			t.Error("the log does not name the privilege")
		}
		privilege := map[string]string{"mariadb": "SLAVE MONITOR", "mysql": "REPLICATION CLIENT"}[c.Family()]
		must(t, c.Primary().Exec("GRANT "+privilege+" ON *.* TO 'nobody'@'%'"))
		unprivileged.await(t, "primary", "replica of db1", "replica of db1")
		fixed := startMonitor(t, c, func(servers []*pipeline.Server, env pipeline.Env) (pipeline.Monitor, error) {
			config := static.Kind.Defaults.(static.Config)
			config.Primary, config.Replicas = servers[0], servers[1:]
			config.User, config.Interval = "nobody", 100*time.Millisecond
			return static.Kind.New(config, env)
		})
		fixed.await(t, "primary", "replica of db1", "replica of db1")
		c.Servers[1].Kill()
		fixed.await(t, "primary", "none unreachable", "replica of db1")
		must(t, c.Servers[1].Restart())
		fixed.await(t, "primary", "replica of db1", "replica of db1")
	})
}

// TestMonitorOfAProcess checks what a whole Weir tells of its servers.
func TestMonitorOfAProcess(t *testing.T) {
	s := startMariaDB(t)
	metrics := freeAddress(t)
	startWeir(t, proxy.Config{Servers: []string{s.Addr}, Metrics: metrics, More: fmt.Sprintf(`
monitor "replication" "main" {
  servers  = [server.db1]
  user     = %q
  password = %q
  interval = "50ms"
}
`, server.User, server.Password)})
	if status, body := get(t, "http://"+metrics+"/readyz"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	_, text := get(t, "http://"+metrics+"/metrics")
	for _, want := range []string{
		`weir_server_up{server="db1"} 1`, `weir_server_role{role="primary",server="db1"} 1`,
		`weir_server_problem{problem="none",server="db1"} 1`, `weir_monitor_polls_total{monitor="main"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	s.Kill()
	deadline := time.Now().Add(time.Minute)
	for {
		status, body := get(t, "http://"+metrics+"/readyz")
		if status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("ready without a server: %s", body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
}
