package integration

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// prometheusServer is a Prometheus that scrapes a Weir once a second.
type prometheusServer struct {
	t    *testing.T
	addr string
}

func startPrometheus(t *testing.T, target string) prometheusServer {
	t.Helper()
	addr := freeAddress(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n- job_name: weir\n  scrape_interval: 1s\n  static_configs:\n  - targets: [%q]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := process.Start("prometheus", exec.Command("prometheus", "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr), filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("prometheus's log ends:\n%s", p.LogEnd())
		}
		p.Kill()
	})
	err = p.Await(patience, func() error {
		response, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			err = errors.New(response.Status)
		}
		return errors.Join(err, response.Body.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return prometheusServer{t, addr}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// value returns what an expression with one result is now; ok is false where it has none.
func (p prometheusServer) value(expression string) (value float64, ok bool) {
	p.t.Helper()
	var answer struct {
		Status string
		Data   struct {
			Result []struct{ Value [2]any }
		}
	}
	_, body := get(p.t, "http://"+p.addr+"/api/v1/query?query="+url.QueryEscape(expression))
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "success" || len(answer.Data.Result) > 1 {
		p.t.Fatalf("%s: %v: %s", expression, err, body)
	}
	if len(answer.Data.Result) == 0 {
		return 0, false
	}
	value, err := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return value, true
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// A Prometheus that scrapes Weir while clients work has in the end the counts of what they did.
func TestPrometheus(t *testing.T) {
	s := require(t, sharedMariaDB)
	metrics := freeAddress(t)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Metrics: metrics})
	prometheus := startPrometheus(t, metrics)
	// Counters begin where Prometheus first sees them.
	eventually(t, "Prometheus has scraped", func() bool {
		up, ok := prometheus.value(`up{job="weir"}`)
		return ok && up == 1
	})

	const clients, rounds = 4, 50
	db, err := sql.Open("mysql", server.DSN(weir.Addr, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	works := make(chan error)
	for i := range clients {
		go func() { works <- work(t, db, i, rounds) }()
	}
	for range clients {
		if err := <-works; err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		return
	}

	const statements = `sum(db_client_operation_duration_seconds_count{db_system_name="mariadb",pipeline="main",session="client",server="db1",`
	for expression, want := range map[string]float64{
		statements + `db_operation_name="read",outcome="ok"})`:          2 * clients * rounds, // one of them prepared
		statements + `db_operation_name="write",outcome="ok"})`:         clients * rounds,
		statements + `db_operation_name="write",outcome="constraint"})`: clients,
		statements + `db_operation_name="schema",outcome="ok"})`:        clients,
		statements + `db_operation_name="unknown"}) or vector(0)`:       0,
		`sum(weir_commands_total{command="COM_STMT_EXECUTE"})`:          clients * rounds,
		`sum(weir_commands_total{command="COM_STMT_PREPARE"})`:          clients,
		`sum(weir_rows_total)`:                             clients * (rounds + rounds*(rounds+1)/2),
		`sum(weir_sessions_opened_total{listener="main"})`: clients,
		`sum(weir_sessions_ended_total{reason="quit"})`:    clients,
		`sum(weir_sessions)`:                               0,
		`sum(weir_server_connects_total{server="db1"})`:    clients,
		`sum(weir_server_connections)`:                     0,
		`count(weir_build_info)`:                           1,
		`count(go_goroutines)`:                             1,
		`count(process_cpu_seconds_total)`:                 1,
		`min(weir_worker_responding)`:                      1,
	} {
		var got float64
		eventually(t, fmt.Sprintf("%s is %v", expression, want), func() bool {
			var ok bool
			got, ok = prometheus.value(expression)
			return ok && got == want
		})
	}
	// The buckets make sense: the median of what took place is between nothing and the slowest there can have been.
	if median, ok := prometheus.value(
		`histogram_quantile(0.5, sum by (le) (db_client_operation_duration_seconds_bucket{db_operation_name="read"}))`,
	); !ok || !(median > 0 && median < patience.Seconds()) {
		t.Errorf("the median of reads is %v (%t)", median, ok)
	}
	if n, ok := prometheus.value(`sum(weir_step_duration_seconds_count{step="router connection"})`); !ok || n < 1 {
		t.Errorf("the router was timed %v times (%t)", n, ok)
	}
	for _, name := range []string{"weir_client_received", "weir_client_sent", "weir_server_received", "weir_server_sent"} {
		if n, ok := prometheus.value(`sum(` + name + `_bytes_total)`); !ok || n < clients*rounds*20 {
			t.Errorf("%s_bytes_total is %v (%t)", name, n, ok)
		}
	}
}

// work does what TestPrometheus counts: a table, rounds of a write, a read and an execution of a prepared read, and one
// write that a key is against.
func work(t *testing.T, db *sql.DB, client, rounds int) error {
	t.Helper()
	ctx := t.Context()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "CREATE TEMPORARY TABLE counted (n INT PRIMARY KEY)"); err != nil {
		return err
	}
	prepared, err := conn.PrepareContext(ctx, "SELECT ? + 1")
	if err != nil {
		return err
	}
	for i := range rounds {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO counted VALUES (%d)", i)); err != nil {
			return err
		}
		rows, err := conn.QueryContext(ctx, "SELECT n FROM counted")
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Close(); err != nil || n != i+1 {
			return fmt.Errorf("client %d: %d rows: %w", client, n, err)
		}
		if err := prepared.QueryRowContext(ctx, i).Scan(&n); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, "INSERT INTO counted VALUES (0)"); err == nil {
		return fmt.Errorf("client %d: the key let a second row in", client)
	}
	return prepared.Close()
}

// promtool has nothing to say against what Weir exposes.
func TestMetricsAreClean(t *testing.T) {
	s := require(t, sharedMariaDB)
	metrics := freeAddress(t)
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr}, Metrics: metrics,
		Filters: fmt.Sprintf("  filter \"querylog\" {\n    path = %q\n  }", filepath.Join(t.TempDir(), "query.jsonl")),
	})
	conn := session(t, weir.Addr, "")
	for range 200 { // some of them are timed
		execute(t, conn, "DO 1")
	}
	status, text := get(t, "http://"+metrics+"/metrics")
	if status != http.StatusOK || !strings.Contains(text, `weir_step_duration_seconds_count{pipeline="main",session="client",step="filter querylog"}`) {
		t.Errorf("status %d:\n%s", status, text)
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Weir says that it is not ready when no server can be reached, and that it is when one comes back.
func TestReadiness(t *testing.T) {
	s := startMariaDB(t)
	metrics := freeAddress(t)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}, Metrics: metrics})
	ready := func() bool {
		status, body := get(t, "http://"+metrics+"/readyz")
		if (status == http.StatusOK) != (strings.TrimSpace(body) == `{"ok":true}`) {
			t.Fatalf("%d %s", status, body)
		}
		return status == http.StatusOK
	}
	if !ready() {
		t.Error("not ready, and the server is there")
	}
	s.Kill()
	_, err := connect(t, weir.Addr, "")
	wantError(t, err, 1429, "Can't connect to any server")
	if ready() {
		t.Error("ready, and the server is gone")
	}
	if status, body := get(t, "http://"+metrics+"/healthz"); status != http.StatusOK {
		t.Errorf("a server's end is no sickness of Weir's: %d %s", status, body)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	session(t, weir.Addr, "") // Weir would find out by itself, ten seconds after it last tried
	if !ready() {
		t.Error("not ready, and the server is there again")
	}
}
