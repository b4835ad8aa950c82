package integration

import (
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// TestSysbenchFailover has sysbench read and write, with prepared statements and without, while the primary is killed and a
// replica promoted. It goes on, and sees no error but deadlocks, which servers give too. Each transaction takes out as many
// rows as it puts in, so that what is lost or done twice shows in the number of rows, or as a duplicate key.
//
// A COMMIT that is under way when the primary dies must not be repeated: its session ends. Sysbench crashes in its client
// library then, so it runs at a rate at which that is rare, and once more where it was so.
func TestSysbenchFailover(t *testing.T) {
	const attempts = 12
	rates := []int{300, 120} // transactions a second: many are under way on a fast machine, and few on a slow one
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		b := &benchmark{t: t, c: c}
		b.weir = startSplit(t, b.c, `
    delayed_retry      = "30s"
    transaction_replay = true
`)
		b.must(b.command("auto", "prepare").CombinedOutput())
		must(t, b.c.WaitCaughtUp())
		for _, mode := range []string{"auto", "disable"} {
			goes, again := 0, 0
			for n := 0; n < attempts && (goes == 0 || again == 0); n++ {
				whole, replayed := b.failOver(mode, rates[n%len(rates)])
				if again += replayed; whole {
					goes++
				}
			}
			if goes == 0 || again == 0 {
				t.Errorf("prepared statements %s: in %d runs, %d went on, and %d transactions were run again", mode, attempts, goes, again)
			}
		}
	})
}

const (
	benchmarkTables = 2
	benchmarkRows   = 2000
)

// A benchmark is sysbench at work on a cluster.
type benchmark struct {
	t    *testing.T
	c    *cluster.Cluster
	weir *proxy.Proxy
	read int             // of Weir's log
	last *cluster.Server // that was killed
}

func (b *benchmark) command(mode string, args ...string) *exec.Cmd {
	b.t.Helper()
	host, port, err := net.SplitHostPort(b.weir.Addr)
	must(b.t, err)
	return exec.CommandContext(b.t.Context(), "sysbench", append([]string{
		"oltp_read_write", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=" + server.User,
		"--mysql-password=" + server.Password, "--mysql-db=" + server.Schema, "--mysql-ssl=off", "--db-ps-mode=" + mode,
		"--tables=" + strconv.Itoa(benchmarkTables), "--table-size=" + strconv.Itoa(benchmarkRows), "--threads=16",
		"--rand-type=uniform", // what few have changed since it was read can be run again
	}, args...)...)
}

func (b *benchmark) must(out []byte, err error) {
	b.t.Helper()
	if err != nil || bytes.Contains(out, []byte("FATAL")) {
		b.t.Fatalf("sysbench: %v\n%s", err, out)
	}
}

// failOver kills the primary in the middle of a run, after which so many transactions were run again. whole is false where a
// COMMIT was under way.
func (b *benchmark) failOver(mode string, rate int) (whole bool, replayed int) {
	t := b.t
	t.Helper()
	var out bytes.Buffer
	run := b.command(mode, fmt.Sprintf("--rate=%d", rate), "--time=4", "run")
	run.Stdout, run.Stderr = &out, &out
	must(t, run.Start())
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()

	b.await(80)
	old := b.c.Primary()
	old.Kill()
	must(t, b.c.Promote(b.heir()))
	err := <-ended
	b.last = old
	must(t, old.Restart())
	must(t, b.c.WaitCaughtUp())
	b.count()
	log := b.weir.Log()[b.read:]
	b.read += len(log)
	replayed = strings.Count(log, "transaction run again")
	if strings.Contains(log, "it may have ended the transaction, which is not run again") {
		t.Logf("prepared statements %s: %d transactions run again, and a COMMIT was lost; sysbench: %v", mode, replayed, err)
		return false, replayed
	}
	b.must(out.Bytes(), err)
	for line := range strings.Lines(log) {
		if strings.Contains(line, `msg="session ended"`) {
			t.Error(line)
		}
	}
	if !bytes.Contains(out.Bytes(), []byte("reconnects:                          0 ")) {
		t.Error("connections were lost")
	}
	t.Logf("prepared statements %s: %d transactions run again\n%s", mode, replayed, out.Bytes())
	return true, replayed
}

// heir is a replica that Weir knows as one. One that has just come back, and is promoted before Weir has looked at it, is
// what a primary is that comes back and does not know that there is another.
func (b *benchmark) heir() *cluster.Server {
	replicas := b.c.Replicas()
	if replicas[0] == b.last {
		return replicas[1]
	}
	return replicas[0]
}

// await waits until the primary has committed so many more transactions.
func (b *benchmark) await(n int) {
	b.t.Helper()
	db, err := sql.Open("mysql", server.DSN(b.c.Primary().Addr, ""))
	must(b.t, err)
	defer db.Close()
	commits := func() (n int) {
		var name string
		must(b.t, db.QueryRowContext(b.t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_commit'").Scan(&name, &n))
		return n
	}
	before := commits()
	eventually(b.t, "sysbench works", func() bool { return commits() >= before+n })
}

// count looks whether all rows are there, on all servers.
func (b *benchmark) count() {
	b.t.Helper()
	for _, s := range b.c.Servers {
		db := open(b.t, s.Addr)
		for i := range benchmarkTables {
			var n int
			must(b.t, db.QueryRowContext(b.t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM sbtest%d", i+1)).Scan(&n))
			if n != benchmarkRows {
				b.t.Errorf("%s: sbtest%d has %d rows, not %d", s.Name, i+1, n, benchmarkRows)
			}
		}
	}
}
