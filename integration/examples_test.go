package integration

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

// An example is a file of the folder examples that runs, with the addresses, hosts and paths in it replaced.
type example struct {
	*proxy.Proxy
	t   *testing.T
	dir string // in place of /var/log/weir and /run/weir
}

// runExample runs the file, each of whose texts must be there: old, new, old, new. Its first listener is at Addr.
func runExample(t *testing.T, name, listener string, texts ...string) *example {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	addr, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	e := &example{t: t, dir: t.TempDir()}
	content := string(source)
	for text := range slices.Chunk(append([]string{listener, addr}, texts...), 2) {
		if !strings.Contains(content, text[0]) {
			t.Fatalf("%s has no %q", name, text[0])
		}
		content = strings.ReplaceAll(content, text[0], text[1])
	}
	for _, folder := range []string{"/var/log/weir", "/run/weir"} {
		content = strings.ReplaceAll(content, folder, e.dir)
	}
	e.Proxy, err = proxy.StartWeirWith(require(t, program), t.TempDir(), content, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return e
}

// stop ends the example, once.
func (e *example) stop() {
	if e.Proxy == nil {
		return
	}
	if err := e.Stop(); err != nil {
		e.t.Error(err)
	}
	if e.t.Failed() {
		e.t.Logf("weir's log ends:\n%s", e.LogEnd())
	}
	e.Proxy = nil
}

// connect opens the connection of a user.
func (e *example) connect(user, network, addr string) *sql.Conn {
	e.t.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, server.Password, network, addr, "shop"
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		e.t.Fatal(err)
	}
	conn, err := db.Conn(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = db.Close() })
	return conn
}

// lines are the records of a log, once there are at least n.
func (e *example) lines(name string, n int) (records []map[string]any) {
	e.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		records = records[:0]
		f, err := os.Open(filepath.Join(e.dir, name))
		if err != nil {
			e.t.Fatal(err)
		}
		for scanner := bufio.NewScanner(f); scanner.Scan(); {
			var record map[string]any
			if err := json.Unmarshal(scanner.Bytes(), &record); err == nil {
				records = append(records, record)
			}
		}
		_ = f.Close()
		if len(records) >= n || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(records) < n {
		e.t.Fatalf("%s has %d records, want %d: %v", name, len(records), n, records)
	}
	return records
}

// recordedStatements are the statements in a log's records, of those that have one.
func recordedStatements(records []map[string]any) (all []string) {
	for _, record := range records {
		if text, ok := record["statement"].(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// executeAll executes statements, one after another.
func executeAll(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		execute(t, conn, statement)
	}
}

// startShop starts a MariaDB with the schema shop, and users beside the usual one.
func startShop(t *testing.T, users ...string) *server.Server {
	t.Helper()
	s := startMariaDB(t)
	db := session(t, s.Addr, "")
	executeAll(t, db, "CREATE DATABASE shop", "CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(20), k INT)",
		"INSERT INTO shop.items VALUES (1, 'cup', 7), (2, 'plate', 8)")
	for _, user := range users {
		executeAll(t, db, fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s'", user, strings.ReplaceAll(server.Password, "'", "''")),
			fmt.Sprintf("GRANT ALL ON *.* TO %s@'%%'", user))
	}
	return s
}

func TestExampleAudit(t *testing.T) {
	db1, db2 := startShop(t, "ann"), startShop(t, "ann")
	t.Setenv("ANN_PASSWORD", server.Password)
	t.Setenv("BOB_PASSWORD", server.Password)
	key := write(t, "audit.key", []byte("the key of the audit log\n"))
	e := runExample(t, "audit.hcl", "0.0.0.0:4006", "10.0.0.1:3306", db1.Addr, "10.0.0.2:3306", db2.Addr,
		"10.0.0.0/255.255.0.0", "127.0.0.1", "audit.key", key,
		"app.password", write(t, "app.password", []byte(server.Password+"\n")))
	ann := e.connect("ann", "unix", filepath.Join(e.dir, "people.sock"))
	executeAll(t, ann, "SELECT name FROM items WHERE id = 1", "UPDATE items SET k = 9 WHERE id = 2")
	app := e.connect("app", "tcp", e.Addr)
	executeAll(t, app, "SELECT name FROM items WHERE id = 1", "SELECT SLEEP(1.1), 'a secret'")
	slow := e.lines("slow.jsonl", 1)
	if len(slow) != 1 || slow[0]["statement"] != "SELECT SLEEP(?), ?" || slow[0]["user"] != "app" {
		t.Errorf("of the applications there is %v", slow)
	}
	people := e.lines("people.jsonl", 2)
	if got := strings.Join(recordedStatements(people), "; "); !strings.Contains(got, "SELECT name FROM items WHERE id = 1; UPDATE items SET k = 9 WHERE id = 2") {
		t.Errorf("of people there is %v", people)
	}
	e.stop()
	// What was written can be trusted, and what was changed cannot.
	path := filepath.Join(e.dir, "people.jsonl")
	verify := func() (string, error) {
		cmd := exec.Command(require(t, program), "verify-log", "-key-file", key, path)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := verify(); err != nil {
		t.Errorf("verify-log: %v: %s", err, out)
	}
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(log), "k = 9", "k = 8", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(); err == nil {
		t.Errorf("verify-log finds nothing in a changed log: %s", out)
	}
}

func TestExampleRewrite(t *testing.T) {
	s := startShop(t, "report")
	executeAll(t, session(t, s.Addr, ""), "CREATE DATABASE sales", "CREATE TABLE sales.orders (id INT PRIMARY KEY, total INT)",
		"INSERT INTO sales.orders VALUES (1, 100)")
	t.Setenv("APP_PASSWORD", server.Password)
	t.Setenv("REPORT_PASSWORD", server.Password)
	metrics, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	e := runExample(t, "rewrite.hcl", "0.0.0.0:4006", "10.0.0.1:3306", s.Addr, "127.0.0.1:9104", metrics)
	app, report := e.connect("app", "tcp", e.Addr), e.connect("report", "tcp", e.Addr)
	var total int
	if err := app.QueryRowContext(t.Context(), "SELECT total FROM orders FORCE INDEX (PRIMARY) WHERE id = ?", 1).Scan(&total); err != nil || total != 100 {
		t.Errorf("a prepared statement about the table that has moved: %d, %v", total, err)
	}
	executeAll(t, app, "INSERT INTO orders VALUES (2, 200)")
	var limit float64
	if err := report.QueryRowContext(t.Context(), "SELECT @@max_statement_time").Scan(&limit); err != nil || limit != 30 {
		t.Errorf("a report has %v seconds, %v", limit, err)
	}
	if err := app.QueryRowContext(t.Context(), "SELECT @@max_statement_time").Scan(&limit); err != nil || limit != 0 {
		t.Errorf("the application has %v seconds, %v", limit, err)
	}
	asked, sent := recordedStatements(e.lines("asked.jsonl", 5)), recordedStatements(e.lines("sent.jsonl", 5))
	for _, text := range []string{"SELECT total FROM orders FORCE INDEX (PRIMARY) WHERE id = ?", "INSERT INTO orders VALUES (2, 200)"} {
		if !slices.Contains(asked, text) {
			t.Errorf("%q is not in what was asked: %q", text, asked)
		}
	}
	for _, text := range []string{
		"SELECT total FROM sales.orders WHERE id = ?", "INSERT INTO sales.orders VALUES (2, 200)",
		"SET STATEMENT max_statement_time = 30 FOR SELECT @@max_statement_time",
	} {
		if !slices.Contains(sent, text) {
			t.Errorf("%q is not in what was sent: %q", text, sent)
		}
	}
	if page := fetch(t, "http://"+metrics+"/pipelines/app/filter-regex/rules"); !strings.Contains(page, "orders have moved") {
		t.Errorf("the page of rules is %s", page)
	}
}

func TestExampleShadow(t *testing.T) {
	production, candidate := startShop(t), startShop(t, "shadow")
	t.Setenv("APP_PASSWORD", server.Password)
	t.Setenv("SHADOW_PASSWORD", server.Password)
	metrics, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	e := runExample(t, "shadow.hcl", "0.0.0.0:4006", "10.0.0.1:3306", production.Addr, "10.0.0.9:3306", candidate.Addr,
		"127.0.0.1:9104", metrics, "sample          = 0.5 # every other session", "")
	executeAll(t, session(t, candidate.Addr, ""), "UPDATE shop.items SET name = 'mug' WHERE id = 1")
	app := e.connect("app", "tcp", e.Addr)
	var name string
	for id := range 2 {
		if err := app.QueryRowContext(t.Context(), "SELECT name FROM items WHERE id = ?", id+1).Scan(&name); err != nil {
			t.Fatal(err)
		}
	}
	executeAll(t, app, "UPDATE items SET k = k + 1")
	page := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if page = fetch(t, "http://"+metrics+"/pipelines/app/filter-tee/compare"); strings.Contains(page, "UPDATE items") {
			break
		}
	}
	if !strings.Contains(page, "UPDATE items") || !strings.Contains(page, `"differing": 1`) {
		t.Errorf("what was compared: %s", page)
	}
	if err := app.Close(); err != nil {
		t.Error(err)
	}
	e.stop()
	for _, file := range []string{"top-production.json", "top-candidate.json"} {
		if report, err := os.ReadFile(filepath.Join(e.dir, file)); err != nil || !strings.Contains(string(report), "UPDATE items") {
			t.Errorf("%s: %v: %s", file, err, report)
		}
	}
	var k int
	if err := session(t, candidate.Addr, "").QueryRowContext(t.Context(), "SELECT k FROM shop.items WHERE id = 1").Scan(&k); err != nil || k != 8 {
		t.Errorf("the candidate has %d, %v", k, err)
	}
}

// fetch returns what a URL answers.
func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
