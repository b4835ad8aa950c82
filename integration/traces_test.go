package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
)

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
	traceparent = "00-" + clientTrace + "-" + clientSpan + "-01"
	unsampled   = "00-" + clientTrace + "-" + clientSpan + "-00"
)

// startTraced starts a Weir that sends its spans to url.
func startTraced(t *testing.T, s *server.Server, url, settings string) *proxy.Proxy {
	t.Helper()
	return startWeir(t, proxy.Config{
		Servers: []string{s.Addr},
		More:    fmt.Sprintf("\ntelemetry {\n  traces {\n    endpoint = %q\n    %s\n  }\n}\n", url, settings),
	})
}

// stop stops Weir, which sends the spans that are left.
func stop(t *testing.T, weir *proxy.Proxy) {
	t.Helper()
	if err := weir.Stop(); err != nil {
		t.Fatal(err)
	}
}

// Real statements of real clients have the spans they should have, over both protocols.
func TestTraces(t *testing.T) {
	over := map[string]string{"mariadb": "http/protobuf", "mysql": "grpc"}
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			c := startCollector(t, over[family.name])
			weir := startTraced(t, s, c.url, fmt.Sprintf("protocol = %q", over[family.name]))
			conn := session(t, weir.Addr, "")
			execute(t, conn, "CREATE TEMPORARY TABLE spanned (n INT PRIMARY KEY)")
			execute(t, conn, "INSERT INTO spanned VALUES (1), (2), (3) /*app='shop',traceparent='"+traceparent+"',tracestate='a%3Db'*/")
			if n := count(t, conn, "/*traceparent="+unsampled+"*/ SELECT n FROM spanned WHERE n = 2"); n != 2 {
				t.Errorf("got %d", n)
			}
			rows := query(t, conn, "SELECT n FROM spanned ORDER BY n")
			for rows.Next() {
			}
			_, err := conn.ExecContext(t.Context(), "INSERT INTO spanned VALUES (?) /*traceparent='"+traceparent+"'*/", 1)
			wantError(t, err, 1062, "Duplicate entry")
			stop(t, weir)

			if c.from("service.name") != "weir" || c.from("service.version") == "" {
				t.Errorf("the spans come from %q of version %q", c.from("service.name"), c.from("service.version"))
			}
			host, port := split(t, s.Addr)
			statement, legs := c.statement(t, "CREATE TEMPORARY TABLE")
			client := statement.attributes["client.port"]
			for key, want := range map[string]string{
				"db.system.name": family.name, "db.namespace": server.Schema, "db.operation.name": "CREATE TABLE",
				"db.query.summary": statement.name, "server.address": host, "server.port": port, "client.address": "127.0.0.1",
				"user.name": server.User, "weir.pipeline": "main", "weir.server": "db1", "weir.sampled": "ratio",
				"weir.command": "COM_QUERY",
			} {
				if got := statement.attributes[key]; got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if client == "" || statement.attributes["weir.session"] == "" || statement.attributes["weir.response.first_byte"] == "" {
				t.Errorf("%+v", statement)
			}
			if len(legs) != 1 {
				t.Fatalf("%d legs", len(legs))
			}
			for key, want := range map[string]string{
				"db.system.name": family.name, "db.namespace": server.Schema, "db.query.text": statement.attributes["db.query.text"],
				"server.address": host, "server.port": port, "network.peer.address": host, "network.peer.port": port,
			} {
				if got := legs[0].attributes[key]; got != want {
					t.Errorf("the leg's %s is %q, want %q", key, got, want)
				}
			}
			if legs[0].name != statement.name || legs[0].took <= 0 || legs[0].took > statement.took || statement.status != "" {
				t.Errorf("%+v\n%+v", statement, legs)
			}

			type brief struct{ Name, Trace, Parent, State, Rows, Status string }
			var got []brief
			for _, one := range c.statements("spanned") {
				if one.attributes["weir.command"] == "COM_STMT_CLOSE" {
					t.Errorf("closing has a span: %+v", one)
				}
				trace := ""
				if one.trace == clientTrace {
					trace = "client's"
				}
				got = append(got, brief{one.name, trace, one.parent, one.state, one.attributes["db.response.returned_rows"], one.status})
			}
			want := []brief{
				{Name: "CREATE TABLE spanned"},
				{Name: "INSERT spanned", Trace: "client's", Parent: clientSpan, State: "a=b"},
				// The client does not want the third one recorded.
				{Name: "SELECT spanned", Rows: "3"},
				{Name: "PREPARE INSERT spanned", Trace: "client's", Parent: clientSpan},
				{Name: "INSERT spanned", Trace: "client's", Parent: clientSpan, Status: "error 1062 (23000)"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// asked is a statement by which the server shows how it got it.
const asked = "SELECT info FROM information_schema.processlist WHERE id = CONNECTION_ID()"

// What the server gets of the client's trace context.
func TestTraceContextAtTheServer(t *testing.T) {
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			s := require(t, family.start)
			for mode, want := range map[string]string{
				"pass":    asked + " /*app='shop',traceparent='" + traceparent + "'*/",
				"strip":   asked + " /*app='shop'*/",
				"replace": asked + " /*app='shop',traceparent='{leg}'*/",
			} {
				t.Run(mode, func(t *testing.T) {
					c := startCollector(t, "http/protobuf")
					weir := startTraced(t, s, c.url, fmt.Sprintf("client_context = %q", mode))
					conn := session(t, weir.Addr, "")
					var got string
					err := conn.QueryRowContext(t.Context(), asked+" /*app='shop',traceparent='"+traceparent+"'*/").Scan(&got)
					if err != nil {
						t.Fatal(err)
					}
					stop(t, weir)
					_, legs := c.statement(t, "processlist")
					if len(legs) != 1 {
						t.Fatalf("%d legs", len(legs))
					}
					want := strings.ReplaceAll(want, "{leg}", "00-"+clientTrace+"-"+legs[0].id+"-01")
					if got != want {
						t.Errorf("the server got %s\nwant           %s", got, want)
					}
				})
			}
		})
	}
}

// MySQL's own client sends query attributes; the server's function shows what arrives of them.
func TestTraceInQueryAttributes(t *testing.T) {
	args := require(t, server.MySQLClient)
	s := require(t, mysql9)
	own, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	execute(t, session(t, own.Addr, ""), "INSTALL COMPONENT 'file://component_query_attributes'")
	for mode, want := range map[string]string{"pass": traceparent, "strip": "NULL", "replace": "{leg}"} {
		t.Run(mode, func(t *testing.T) {
			c := startCollector(t, "http/protobuf")
			weir := startTraced(t, own, c.url, fmt.Sprintf("client_context = %q", mode))
			host, port := split(t, weir.Addr)
			cmd := exec.CommandContext(t.Context(), args[0], append(args[1:], "--no-defaults", "--ssl-mode=DISABLED",
				"--get-server-public-key", "-h", host, "-P", port, "-u", server.User, "-p"+server.Password, "-N", "-B", "--commands", "--named-commands")...)
			cmd.Stdin = strings.NewReader("query_attributes traceparent " + traceparent + " other x;\n" +
				"SELECT mysql_query_attribute_string('traceparent'), mysql_query_attribute_string('other');\n")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			stop(t, weir)
			statement, legs := c.statement(t, "query_attribute")
			if statement.parent != clientSpan || statement.trace != clientTrace || len(legs) != 1 {
				t.Fatalf("%+v, %d legs", statement, len(legs))
			}
			want := strings.ReplaceAll(want, "{leg}", "00-"+clientTrace+"-"+legs[0].id+"-01") + "\tx"
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if got := lines[len(lines)-1]; got != want {
				t.Errorf("the server got %s, want %s", got, want)
			}
		})
	}
}

// Clients in other languages pass comments on.
func TestTracesOfOtherClients(t *testing.T) {
	s := require(t, sharedMariaDB)
	c := startCollector(t, "http/protobuf")
	weir := startTraced(t, s, c.url, "sample_ratio = 0")
	host, port := split(t, weir.Addr)
	statement := "SELECT '%s' /*traceparent='" + traceparent + "'*/"
	for name, args := range map[string][]string{
		"mariadb": {
			"mariadb", "--no-defaults", "--comments", "-h", host, "-P", port, "-u", server.User, "-p" + server.Password, "-e",
			statement,
		},
		"pymysql": {
			"/usr/bin/python3", "-c", fmt.Sprintf("import pymysql\nc = pymysql.connect(host=%q, port=%s, user=%q, password=%q).cursor()\n"+
				"c.execute(%q)", host, port, server.User, server.Password, statement),
		},
		"mysql2": {
			"node", "-e", fmt.Sprintf("const c = require('mysql2').createConnection({host: %q, port: %s, user: %q, password: %q});\n"+
				"c.query(%q, (err) => { if (err) throw err; c.end(); })", host, port, server.User, server.Password, statement),
		},
		"mysql2 prepared": {
			"node", "-e", fmt.Sprintf("const c = require('mysql2').createConnection({host: %q, port: %s, user: %q, password: %q});\n"+
				"c.execute(%q, (err) => { if (err) throw err; c.end(); })", host, port, server.User, server.Password, statement),
		},
	} {
		before := len(c.all())
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(cmd.Environ(), "NODE_PATH="+filepath.Join(server.Cache(), "npm/node_modules"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		// A prepared statement has two spans with a leg each: preparing and executing it.
		want := 2
		if strings.HasSuffix(name, "prepared") {
			want = 4
		}
		eventually(t, name+" is traced", func() bool { return len(c.all()) == before+want })
		for _, one := range c.all()[before:] {
			if one.kind == "server" && (one.trace != clientTrace || one.parent != clientSpan) {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
}

// Slow and failed statements are traced where others are not.
func TestTracesOfTheSlowAndTheFailed(t *testing.T) {
	s := require(t, sharedMariaDB)
	c := startCollector(t, "http/protobuf")
	weir := startTraced(t, s, c.url, "sample_ratio = 0\n    slow = \"300ms\"\n    errors = true\n    query_text = \"raw\"")
	conn := session(t, weir.Addr, "")
	for range 10 {
		execute(t, conn, "DO 1")
	}
	execute(t, conn, "DO SLEEP(0.4)")
	_, err := conn.ExecContext(t.Context(), "SELECT * FROM no_such_table")
	wantError(t, err, 1146, "no_such_table")
	stop(t, weir)
	type brief struct{ Text, Sampled, Status, Code, Type string }
	var got []brief
	for _, one := range c.statements("") {
		a := one.attributes
		got = append(got, brief{
			a["db.query.text"], a["weir.sampled"], one.status, a["db.response.status_code"], a["error.type"],
		})
		if legs := c.legs(one); len(legs) != 1 || legs[0].attributes["error.type"] != a["error.type"] {
			t.Errorf("%+v", legs)
		}
	}
	want := []brief{
		{Text: "DO SLEEP(0.4)", Sampled: "slow"},
		{
			"SELECT * FROM no_such_table", "error", "error 1146 (42S02): Table '" + server.Schema + ".no_such_table' doesn't exist",
			"1146", "1146",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A collector that is not there, or does not answer, is nothing to clients.
func TestTracesWithoutACollector(t *testing.T) {
	s := require(t, sharedMariaDB)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hangs.Close()
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	for name, url := range map[string]string{"away": "http://127.0.0.1:1", "hangs": hangs.URL, "refuses": refuses.URL} {
		t.Run(name, func(t *testing.T) {
			weir := startTraced(t, s, url, "timeout = \"500ms\"")
			conn := session(t, weir.Addr, "")
			for range 200 {
				execute(t, conn, "DO 1")
			}
			const said = "cannot send spans to the collector"
			eventually(t, "it is logged", func() bool { return strings.Contains(weir.Log(), said) })
			for range 200 {
				execute(t, conn, "DO 1")
			}
			before := time.Now()
			stop(t, weir)
			if took := time.Since(before); took > 10*time.Second {
				t.Errorf("stopping took %v", took)
			}
			if n := strings.Count(weir.Log(), said); n != 1 {
				t.Errorf("it is logged %d times:\n%s", n, weir.LogEnd())
			}
		})
	}
}

// What a tee's branch does for a statement is told of with the statement.
func TestTracesOfABranch(t *testing.T) {
	s, shadow := require(t, sharedMariaDB), startMariaDB(t)
	c := startCollector(t, "http/protobuf")
	weir := startWeir(t, proxy.Config{
		Servers: []string{s.Addr},
		Filters: "  filter \"tee\" { target = pipeline.shadow }",
		More: fmt.Sprintf("\nserver \"shadow\" { address = %q }\n"+
			"pipeline \"shadow\" {\n  router \"connection\" { servers = [server.shadow] }\n}\n"+
			"telemetry {\n  traces {\n    endpoint       = %q\n    client_context = \"replace\"\n  }\n}\n", shadow.Addr, c.url),
	})
	conn := session(t, weir.Addr, "")
	execute(t, conn, "SELECT 'copied' /*traceparent='"+traceparent+"'*/")
	stop(t, weir)
	statement, legs := c.statement(t, "SELECT ?")
	if len(legs) != 2 || statement.parent != clientSpan {
		t.Fatalf("%+v has %d legs: %+v", statement, len(legs), legs)
	}
	branches := 0
	for _, leg := range legs {
		if leg.attributes["weir.branch"] == "true" {
			branches++
			if leg.attributes["weir.pipeline"] != "shadow" || leg.attributes["user.name"] != server.User {
				t.Errorf("%+v", leg)
			}
		}
	}
	if branches != 1 {
		t.Errorf("%+v", legs)
	}
}
