package integration

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/integration/proxy"
)

// What the manual's questions say of a router's targets, transactions and sessions is what clients have done.
func TestSplitFigures(t *testing.T) {
	c := startCluster(t, mariadb)
	must(t, c.Primary().Exec("CREATE TABLE test.counted (n INT PRIMARY KEY)"))
	must(t, c.WaitCaughtUp())
	addr, metrics := freeAddress(t), freeAddress(t)
	text := splitConfig(c, addr, "") + fmt.Sprintf("\ntelemetry {\n  metrics { address = %q }\n}\n", metrics)
	weir, err := proxy.StartWeirWith(require(t, program), t.TempDir(), text, addr)
	must(t, err)
	t.Cleanup(func() { must(t, weir.Stop()) })
	prometheus := startPrometheus(t, metrics)

	db := open(t, addr)
	conn, err := db.Conn(t.Context())
	must(t, err)
	for _, statement := range []string{
		"SET @a = 1", "SELECT 1", "SELECT 2", "SELECT 3", "INSERT INTO test.counted VALUES (1)",
		"BEGIN", "SELECT n FROM test.counted", "COMMIT",
		"BEGIN", "SELECT n FROM test.counted", "UPDATE test.counted SET n = 2", "ROLLBACK",
		"START TRANSACTION READ ONLY", "SELECT n FROM test.counted", "SELECT LAST_INSERT_ID()", "SELECT n FROM test.counted", "COMMIT",
	} {
		execute(t, conn, statement)
	}
	must(t, conn.Close())
	must(t, db.Close())
	const byRole = `sum(db_client_operation_duration_seconds_count{session="client",db_operation_name%s}` +
		` * on (instance, server) group_left (role) (weir_server_role{role=%q} == 1))`
	for expression, want := range map[string]float64{
		fmt.Sprintf(byRole, `="read"`, "replica"):                                                                                  5,
		fmt.Sprintf(byRole, `="read"`, "primary"):                                                                                  3,
		fmt.Sprintf(byRole, `!~"read|set"`, "primary"):                                                                             6,
		fmt.Sprintf(byRole, `!~"read|set"`, "replica"):                                                                             2,
		`sum(weir_transactions_total{access_mode="read_only"})`:                                                                    2,
		`sum(weir_transactions_total{access_mode="read_write"})`:                                                                   1,
		`sum(weir_session_duration_seconds_count)`:                                                                                 1,
		`sum(db_client_operation_duration_seconds_count{session="client"}) / sum(weir_sessions_ended_total)`:                       17,
		`count(sum(rate(db_client_operation_duration_seconds_sum{session="client"}[5m])) / sum(avg_over_time(weir_sessions[5m])))`: 1,
	} {
		var got float64
		eventually(t, fmt.Sprintf("%s is %v", expression, want), func() bool {
			var ok bool
			got, ok = prometheus.value(expression)
			return ok && got == want
		})
	}
}
