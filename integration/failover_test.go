package integration

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/bank"
	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// tellers is how many clients transfer money, and how many add it up.
const tellers = 8

// soak is for make soak.
var soak = flag.Duration("soak", time.Minute, "how long the bank works through each family's faults")

// TestFailover has a bank work through readwritesplit while its servers fail one after the other, again and again.
func TestFailover(t *testing.T) {
	eachCluster(t, testFailover)
}

// failures are what happens to the servers, in turn. Each leaves a cluster of a primary and two replicas that catch up.
var failures = []struct {
	name string
	fail func(*failover) error
}{
	{"a replica is killed", (*failover).killReplica},
	{"a replica is stopped", (*failover).stopReplica},
	{"a replica does not apply", (*failover).holdReplica},
	{"the primary is made read-only and another promoted", (*failover).switchOver},
	{"the primary is killed and another promoted", (*failover).killPrimary},
}

func testFailover(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	b, err := bank.Open(t.Context(), open(t, c.Primary().Addr), 50)
	must(t, err)
	f := &failover{c: c, b: b}
	must(t, c.WaitCaughtUp())
	// Long enough that the servers, who share the machine with everybody else, are ahead of the clients.
	f.b.Pause = 2 * time.Millisecond
	weir := startSplit(t, c, `
    delayed_retry      = "30s"
    transaction_replay = true
    max_lag            = "3s"
`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.b.Run(ctx, weir.Addr, tellers, tellers) }()
	for began, n := time.Now(), 0; n < len(failures) || time.Since(began) < *soak; n++ {
		f.meet(t, failures[n%len(failures)].name, failures[n%len(failures)].fail)
	}
	cancel()
	must(t, <-ended)
	must(t, c.WaitCaughtUp())
	for _, s := range c.Servers {
		must(t, f.b.Verify(t.Context(), s.Name, open(t, s.Addr)))
	}
	f.judge(t, f.b.Report())
}

// meet has the servers fail in one way while the bank works.
func (f *failover) meet(t *testing.T, name string, fail func(*failover) error) {
	t.Helper()
	began, before := time.Now(), f.b.Report()
	err := fail(f)
	if err == nil {
		err = f.work()
	}
	if err == nil {
		err = f.c.WaitCaughtUp()
	}
	if err == nil {
		err = f.c.PurgeLogs()
	}
	after := f.b.Report()
	if err != nil {
		t.Fatalf("%s: %v\n%v\n%v", name, err, after, f.c.Explain())
	}
	t.Logf("%s: %d transfers, %d reads in %v", name, after.Transfers-before.Transfers, after.Reads-before.Reads,
		time.Since(began).Round(time.Millisecond))
}

// judge says what clients may have met.
func (f *failover) judge(t *testing.T, r bank.Report) {
	t.Helper()
	t.Log(r)
	if len(r.Violations) > 0 {
		t.Error("the books are wrong")
	}
	for e, n := range r.ReadErrors {
		t.Errorf("%d reads failed: %s", n, e)
	}
	if r.ConnectErrors > 0 {
		t.Errorf("%d connections were refused", r.ConnectErrors)
	}
	again := 0
	for e, n := range r.TransferErrors {
		switch excused(e) {
		case notAgain:
			again += n
		case byServer:
		default:
			t.Errorf("%d transactions failed: %s", n, e)
		}
	}
	// A client is in one transaction when the primary changes, and may begin the next one before Weir knows of that.
	if most := 2 * 2 * tellers * (f.kills + f.switches); again > most {
		t.Errorf("%d transactions were not run again, which is more than %d", again, most)
	}
	transfers, readings := 0, 0
	for e, n := range r.Maybes {
		_, what, _ := strings.Cut(e, bank.Commit)
		if !strings.HasPrefix(what, "1927 Lost connection to server ") {
			t.Errorf("%d times the outcome of COMMIT was unknown: %s", n, e)
		}
		if strings.HasPrefix(e, bank.Reading) {
			readings += n
		} else {
			transfers += n
		}
	}
	if most := tellers * f.kills; transfers > most {
		t.Errorf("the outcome of %d transfers was unknown, which is more than %d: there were %d tellers, and the primary was killed %d times",
			transfers, most, tellers, f.kills)
	}
	if most := tellers * (f.kills + f.replicaKills); readings > most {
		t.Errorf("the outcome of %d reading transactions was unknown, which is more than %d", readings, most)
	}
}

// Why a transaction may fail.
const (
	byServer = "the server says so"
	notAgain = "it has read what is not so any more"
)

// excused says why clients must expect an error of a transaction: a server's own deadlock, and that the transaction cannot
// be run again since it is not as it has read something. All others can.
func excused(e string) (why string) {
	for _, kind := range []string{bank.Blind, bank.Locking, bank.Reading} {
		what, found := strings.CutPrefix(e, kind)
		if !found {
			continue
		}
		what = strings.TrimPrefix(what, bank.Commit)
		switch {
		case strings.HasPrefix(what, "1213 Deadlock found when trying to get lock"):
			return byServer
		case kind != bank.Blind && strings.HasPrefix(what, "1213 Transaction rolled back, as its server was lost and it cannot be run again"):
			return notAgain
		}
	}
	return ""
}

// A failover is a bank and the cluster that has its books.
type failover struct {
	c     *cluster.Cluster
	b     *bank.Bank
	turns int
	// kills are those of the primary, switches those where it lived on.
	kills, switches, replicaKills int
}

// replica is one of the replicas, another one each time.
func (f *failover) replica() *cluster.Server {
	f.turns++
	replicas := f.c.Replicas()
	return replicas[f.turns%len(replicas)]
}

// work waits until the bank has done some more: with what is left of the cluster, clients are served.
func (f *failover) work() error { return f.await(100, 100) }

// await waits until there are so many more transfers and reads.
func (f *failover) await(transfers, reads int) error {
	const patience = 40 * time.Second
	before := f.b.Report()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now := f.b.Report()
		if len(now.Violations) > 0 {
			return errors.New("the books are wrong")
		}
		if now.Transfers >= before.Transfers+transfers && now.Reads >= before.Reads+reads {
			return nil
		}
	}
	return fmt.Errorf("the bank does not work: %v", before)
}

func (f *failover) killReplica() error {
	s := f.replica()
	f.replicaKills++
	s.Kill()
	if err := f.work(); err != nil {
		return err
	}
	return s.Restart()
}

func (f *failover) stopReplica() error {
	s := f.replica()
	if err := s.Stop(); err != nil {
		return err
	}
	// Reads that the replica has begun wait for it.
	if err := f.await(200, 200); err != nil {
		return err
	}
	return s.Continue()
}

func (f *failover) holdReplica() error {
	s := f.replica()
	if err := s.StopApplying(); err != nil {
		return err
	}
	if err := f.work(); err != nil {
		return err
	}
	return s.CatchUp()
}

func (f *failover) switchOver() error {
	f.switches++
	if err := f.c.Primary().SetReadOnly(true); err != nil {
		return err
	}
	if err := f.c.Promote(f.replica()); err != nil {
		return err
	}
	return f.work()
}

func (f *failover) killPrimary() error {
	old := f.c.Primary()
	f.kills++
	old.Kill()
	if err := f.c.Promote(f.replica()); err != nil {
		return err
	}
	if err := f.work(); err != nil {
		return err
	}
	return old.Restart()
}

// startSplit starts a Weir whose readwritesplit has further settings, and waits until it knows the cluster.
func startSplit(t *testing.T, c *cluster.Cluster, settings string) *proxy.Proxy {
	t.Helper()
	addr, err := process.FreeAddress()
	must(t, err)
	weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(), splitConfig(c, addr, settings), addr)
	must(t, err)
	t.Cleanup(func() {
		if err := weir.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("weir's log:\n%s", weir.Log())
		}
	})
	return weir
}

func splitConfig(c *cluster.Cluster, addr, settings string) string {
	var b strings.Builder
	var names []string
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "server %q {\n  address = %q\n}\n\n", s.Name, s.Addr)
		names = append(names, "server."+s.Name)
	}
	fmt.Fprintf(&b, `monitor "replication" "main" {
  servers  = [%s]
  user     = %q
  password = %q
  interval = "200ms"
}

accounts "main" {
  user %q {
    password = %q
  }
}

listener "main" {
  address  = %q
  accounts = accounts.main
  pipeline = pipeline.main
}

pipeline "main" {
  router "readwritesplit" {
    servers = monitor.main.servers
%s
  }
}
`, strings.Join(names, ", "), cluster.MonitorUser, cluster.MonitorPassword, server.User, server.Password, addr, settings)
	return b.String()
}

// open opens a pool for one test.
func open(t *testing.T, addr string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(addr, ""))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() }) // an error says that a server was killed that it was connected to
	return db
}
