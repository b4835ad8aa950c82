package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// A copied is a Weir that copies the sessions of one server to another.
type copied struct {
	t            *testing.T
	weir         *proxy.Proxy
	metrics      string
	main, branch *server.Server
}

func startCopied(t *testing.T, main, branch *server.Server) *copied {
	t.Helper()
	metrics, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	c := &copied{t: t, metrics: metrics, main: main, branch: branch}
	c.weir = startWeir(t, proxy.Config{
		Servers: []string{main.Addr},
		Filters: `  filter "tee" {
    target           = pipeline.shadow
    compare          = true
    queue_bytes      = 67108864
    queue_statements = 100000
    total_bytes      = 1073741824
    grace            = "60s"
  }`,
		More: fmt.Sprintf("\nserver \"other\" { address = %q }\n\n"+
			"pipeline \"shadow\" {\n  router \"connection\" { servers = [server.other] }\n}\n", branch.Addr),
		Metrics: metrics,
	})
	return c
}

// fetch returns what weir's metrics address has.
func (c *copied) fetch(path string) string {
	c.t.Helper()
	r, err := http.Get("http://" + c.metrics + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s: %v", path, r.Status, err)
	}
	return string(body)
}

// figure is the sum of a metric of tee's.
func (c *copied) figure(name string) (sum int) {
	c.t.Helper()
	for line := range strings.Lines(c.fetch("/metrics")) {
		if strings.HasPrefix(line, "weir_tee_"+name+"{") {
			fields := strings.Fields(line)
			n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				c.t.Fatal(err)
			}
			sum += int(n)
		}
	}
	return sum
}

const sysbenchTables, sysbenchRows = 2, 2000

// sysbench runs a command of its read-write mix through weir. It must not see an error, deadlocks apart.
func (c *copied) sysbench(command string, args ...string) {
	c.t.Helper()
	host, port, err := net.SplitHostPort(c.weir.Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), "sysbench", append([]string{
		"oltp_read_write", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=" + server.User,
		"--mysql-password=" + server.Password, "--mysql-db=" + server.Schema, "--mysql-ssl=off",
		"--tables=" + strconv.Itoa(sysbenchTables), "--table-size=" + strconv.Itoa(sysbenchRows), command,
	}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("FATAL")) || command == "run" && !bytes.Contains(out, []byte("reconnects:                          0 ")) {
		c.t.Fatalf("sysbench %s: %v\n%s", command, err, out)
	}
}

// drop removes the tables.
func (c *copied) drop() {
	c.t.Helper()
	for _, s := range []*server.Server{c.main, c.branch} {
		conn := session(c.t, s.Addr, "")
		for i := range sysbenchTables {
			execute(c.t, conn, fmt.Sprintf("DROP TABLE IF EXISTS sbtest%d", i+1))
		}
	}
}

// prepare makes the tables on both servers.
func (c *copied) prepare() {
	c.t.Helper()
	c.drop()
	c.sysbench("prepare")
	c.settled()
}

// noDifference checks that no statement's results differed. MySQL fails to prepare BEGIN.
func (c *copied) noDifference() {
	c.t.Helper()
	var page struct {
		Differences int
		Digests     []struct {
			Command, Statement string
			Count, Differing   int
		}
	}
	text := c.fetch("/pipelines/main/filter-tee/compare")
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	for _, d := range page.Digests {
		if d.Differing > 0 && (d.Command != "COM_STMT_PREPARE" || d.Statement != "BEGIN") {
			c.t.Errorf("%d of %d replies differ: %s %s", d.Differing, d.Count, d.Command, d.Statement)
		}
	}
}

// settled waits until the branches have served all.
func (c *copied) settled() {
	c.t.Helper()
	eventually(c.t, "all branches have ended", func() bool { return c.figure("branch_sessions") == 0 })
}

// tables compares what a statement says of each of sysbench's tables on both servers.
func (c *copied) tables(statement string) {
	c.t.Helper()
	main, branch := session(c.t, c.main.Addr, ""), session(c.t, c.branch.Addr, "")
	for i := range sysbenchTables {
		table := fmt.Sprintf(statement, i+1)
		if a, b := count(c.t, main, table), count(c.t, branch, table); a != b || a == 0 {
			c.t.Errorf("%s is %d, and %d on the other server", table, a, b)
		}
	}
}

// A single client's statements give the same results and the same data on both servers; those of several at a time, as
// many rows.
func TestTeeCompares(t *testing.T) {
	other := map[string]func() *server.Server{
		"mariadb": func() *server.Server { return startMariaDB(t) },
		"mysql":   func() *server.Server { return require(t, sharedMySQL) },
	}
	for _, name := range []string{"mariadb", "mysql"} {
		t.Run(name, func(t *testing.T) {
			c := startCopied(t, require(t, sharedMariaDB), other[name]())
			c.prepare()
			c.sysbench("run", "--threads=1", "--time=2")
			c.settled()
			c.tables("SELECT CAST(SUM(CRC32(CONCAT_WS(',', id, k, c, pad))) AS SIGNED) FROM sbtest%d")
			c.noDifference()
			c.sysbench("run", "--threads=8", "--time=3")
			c.settled()
			c.tables("SELECT COUNT(*) FROM sbtest%d")
			sent, compared := c.figure("sent_statements_total"), c.figure("compared_statements_total")
			dropped := c.figure("dropped_statements_total")
			if dropped != 0 || compared < 1000 || compared > sent {
				t.Errorf("%d statements were dropped, %d sent, %d compared", dropped, sent, compared)
			}
			t.Logf("%d statements sent, %d compared, %d skipped, %d differ (of 8 clients at a time)", sent, compared,
				c.figure("skipped_statements_total"), c.figure("differences_total"))
			c.drop()
		})
	}
}

// What a client of MySQL sends along, MariaDB does not know: it is taken out on the way.
func TestTeeQueryAttributes(t *testing.T) {
	client := require(t, server.MySQLClient)
	c := startCopied(t, require(t, sharedMySQL), require(t, sharedMariaDB))
	host, port, err := net.SplitHostPort(c.weir.Addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), client[0], append(client[1:], "--no-defaults", "--commands", "--host="+host,
		"--port="+port,
		"--user="+server.User, "--password="+server.Password, "--ssl-mode=DISABLED", server.Schema)...)
	cmd.Stdin = strings.NewReader(`CREATE TABLE attributed (n INT PRIMARY KEY, s VARCHAR(20));
INSERT INTO attributed VALUES (1, 'one');
query_attributes a 1 b two
INSERT INTO attributed VALUES (2, 'two');
query_attributes c 3
SELECT * FROM attributed;
PREPARE p FROM 'INSERT INTO attributed VALUES (?, ?)';
SET @n = 3, @s = 'three';
EXECUTE p USING @n, @s;
KILL 999999999;
`)
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("Unknown thread id: 999999999")) || !bytes.Contains(out, []byte("two")) {
		t.Fatalf("%v: %s", err, out)
	}
	c.settled()
	for _, s := range []*server.Server{c.main, c.branch} {
		conn := session(t, s.Addr, "")
		if n := count(t, conn, "SELECT SUM(n) FROM attributed"); n != 6 {
			t.Errorf("%s has %d", s.Addr, n)
		}
		execute(t, conn, "DROP TABLE attributed")
	}
	// One reply differs: the client tries at its start whether the server knows $$, and the two fail with errors of their own.
	if d, s := c.figure("differences_total"), c.figure("skipped_statements_total"); d != 1 || s != 1 {
		t.Errorf("%d replies differ, %d statements were skipped\n%s", d, s, c.weir.Log())
	}
}

// The branch's server is killed in mid-run, and nobody notices but the operator.
func TestTeeBranchKilled(t *testing.T) {
	c := startCopied(t, require(t, sharedMariaDB), startMariaDB(t))
	c.prepare()
	killed := time.AfterFunc(1500*time.Millisecond, c.branch.Kill)
	defer killed.Stop()
	c.sysbench("run", "--threads=4", "--time=4")
	if n := c.figure("branch_losses_total"); n != 4 {
		t.Errorf("%d branches were lost, want 4", n)
	}
	if n := c.figure("dropped_statements_total"); n == 0 {
		t.Error("no statement was dropped")
	}
	c.settled()
	if log := c.weir.Log(); !strings.Contains(log, "branch lost") || !strings.Contains(log, "faithful=false") {
		t.Errorf("weir does not say so:\n%s", log)
	}
	// When it is back, new sessions have branches again.
	if err := c.branch.Restart(); err != nil {
		t.Fatal(err)
	}
	sent := c.figure("sent_statements_total")
	execute(t, session(t, c.weir.Addr, ""), "DO 1")
	eventually(t, "a branch serves again", func() bool { return c.figure("sent_statements_total") > sent })
	c.drop()
}
