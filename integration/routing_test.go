package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/server"
)

// where reads the name of the server that it reaches.
const where = "SELECT name FROM here"

// routes are sessions whose last statement tells where it went: primary, replica, or a server's name.
var routes = []struct {
	name, want string
	statements []string
}{
	{"read", "replica", []string{where}},
	{"read twice", "replica", []string{where, where}},
	{"locking read", "primary", []string{where + " FOR UPDATE"}},
	{"transaction", "primary", []string{"BEGIN", where}},
	{"after a transaction", "replica", []string{"BEGIN", where, "COMMIT", where}},
	{"read-only transaction", "replica", []string{"START TRANSACTION READ ONLY", where, where}},
	{"autocommit off", "primary", []string{"SET autocommit = 0", where}},
	{"autocommit on again", "replica", []string{"SET autocommit = 0", where, "SET autocommit = 1", where}},
	{"implicit commit", "replica", []string{"BEGIN", where, "CREATE TABLE IF NOT EXISTS made (n INT)", where}},
	{"write", "primary", []string{
		"DELETE FROM written", "INSERT INTO written SELECT name FROM here", "SELECT name FROM written FOR UPDATE",
	}},
	{"stored function", "primary", []string{"SELECT named() FROM here"}},
	{"last insert id", "primary", []string{"SELECT IF(LAST_INSERT_ID() >= 0, name, '') FROM here"}},
	{"lock", "primary", []string{"DO GET_LOCK('routes', 5)", where}},
	{"temporary table", "primary", []string{"CREATE TEMPORARY TABLE scratch (n INT)", where}},
	{"temporary table dropped", "replica", []string{
		"CREATE TEMPORARY TABLE scratch (n INT)", "DROP TEMPORARY TABLE scratch", where,
	}},
	{"user variable", "replica", []string{"SET @a = 'x'", "SELECT IF(@a = 'x', name, @a) FROM here"}},
	{"user variable set by a read", "primary", []string{"SELECT @a := 5", "SELECT IF(@a = 5, name, @a) FROM here"}},
	{"schema", "replica", []string{"USE other", "SELECT IF(DATABASE() = 'other', name, DATABASE()) FROM test.here"}},
	{"statement prepared by text", "replica", []string{"PREPARE s FROM '" + where + "'", "EXECUTE s"}},
	{"hint: primary", "primary", []string{where + " /* weir route to primary */"}},
	{"hint: server", "db3", []string{where + " /* weir route to server db3 */"}},
	{"hint of the peer's", "primary", []string{where + " /* maxscale route to master */"}},
}

// routingClients run statements in one session and return the first value of what the last one answers.
var routingClients = []struct {
	name string
	run  func(t *testing.T, addr string, statements []string) string
}{
	{"go", func(t *testing.T, addr string, statements []string) string {
		t.Helper()
		return goRoute(t, addr, statements, false)
	}},
	{"go, prepared", func(t *testing.T, addr string, statements []string) string {
		t.Helper()
		return goRoute(t, addr, statements, true)
	}},
	{"mariadb", mariadbRoute},
	{"pymysql", pymysqlRoute},
}

// TestRouting has real clients find out where their statements go.
func TestRouting(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *cluster.Cluster) {
		t.Helper()
		mark(t, c)
		weir := startSplit(t, c, "")
		for _, client := range routingClients {
			for _, route := range routes {
				t.Run(client.name+"/"+route.name, func(t *testing.T) {
					got := client.run(t, weir.Addr, route.statements)
					want := route.want
					if want == got || want == "primary" && got == "db1" || want == "replica" && (got == "db2" || got == "db3") {
						return
					}
					t.Errorf("%q: it went to %q, not to %s", route.statements, got, want)
				})
			}
		}
	})
}

// mark makes a table that says on each server which one it is.
func mark(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	must(t, c.Primary().Exec("CREATE DATABASE other", "CREATE TABLE test.here (name VARCHAR(10) PRIMARY KEY)",
		"CREATE TABLE test.written (name VARCHAR(10))",
		"CREATE FUNCTION test.named() RETURNS VARCHAR(10) READS SQL DATA RETURN (SELECT name FROM test.here)"))
	must(t, c.WaitCaughtUp())
	for _, s := range c.Servers {
		must(t, s.SetReadOnly(false))
		conn, err := s.Admin().Conn(t.Context())
		must(t, err)
		for _, statement := range []string{
			"SET sql_log_bin = 0", fmt.Sprintf("INSERT INTO test.here VALUES ('%s')", s.Name), "SET sql_log_bin = 1",
		} {
			_, err := conn.ExecContext(t.Context(), statement)
			must(t, err)
		}
		must(t, conn.Close())
		must(t, s.SetReadOnly(s != c.Primary()))
	}
}

func goRoute(t *testing.T, addr string, statements []string, prepared bool) string {
	t.Helper()
	conn, err := open(t, addr).Conn(t.Context())
	must(t, err)
	defer conn.Close()
	last := len(statements) - 1
	for _, statement := range statements[:last] {
		_, err := conn.ExecContext(t.Context(), statement)
		must(t, err)
	}
	var got string
	if !prepared || strings.HasPrefix(statements[last], "EXECUTE") {
		must(t, conn.QueryRowContext(t.Context(), statements[last]).Scan(&got))
		return got
	}
	st, err := conn.PrepareContext(t.Context(), statements[last])
	must(t, err)
	must(t, st.QueryRowContext(t.Context()).Scan(&got))
	must(t, st.Close())
	return got
}

func mariadbRoute(t *testing.T, addr string, statements []string) string {
	t.Helper()
	host, port := split(t, addr)
	return lastLine(t, "mariadb", "--no-defaults", "--comments", "--batch", "--skip-column-names", "--host="+host, "--port="+port,
		"--user="+server.User, "--password="+server.Password, "--database="+server.Schema,
		"--execute="+strings.Join(statements, ";"))
}

func pymysqlRoute(t *testing.T, addr string, statements []string) string {
	t.Helper()
	host, port := split(t, addr)
	script := fmt.Sprintf("import pymysql\nc = pymysql.connect(host=%q, port=%s, user=%q, password=%q, database=%q, "+
		"autocommit=True).cursor()\n", host, port, server.User, server.Password, server.Schema)
	for _, statement := range statements {
		script += fmt.Sprintf("c.execute(%q)\n", statement)
	}
	return lastLine(t, "/usr/bin/python3", "-c", script+"print(c.fetchone()[0])\n")
}

// lastLine is the last line that a program prints.
func lastLine(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
