package cluster

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/integration/server"
)

// A dialect is how a family of servers is told about replication.
type dialect interface {
	args() []string
	// privileges are those of a monitor, on *.*.
	privileges() string
	// forget empties the binary log: servers that are created are to have the same position.
	forget() string
	readOnly(on bool) []string
	// follow is for a server that was a primary, or for one that was a replica.
	follow(source *Server, wasPrimary bool) []string
	followNobody() []string
	waitForReplicas(on bool) string
	stopReceiving() string
	stopApplying() string
	startApplying() string
	delay(seconds int) []string
	// position is a query for what a server has executed, received is what a replica has received of its source.
	position() string
	received(s *Server) (string, error)
	// has reports whether a replica has executed position; wait is a query with a position and seconds as its values,
	// which returns 0 once it has.
	has(s *Server, position string) (bool, error)
	wait() string
	// diverged reports whether s has transactions that primary, which took over at a position, has not.
	diverged(s, primary *Server, takeover string) (bool, error)
	// explain tells why a replica does not replicate.
	explain(s *Server) string
}

var dialects = map[string]dialect{"mariadb": mariadb{}, "mysql": mysql9{}}

// replicationUser is whom replicas log in as, with an empty password.
const replicationUser = "replica"

// ackTimeout, in milliseconds, is when a primary gives up waiting for its replicas: not before a test does.
const ackTimeout = "600000"

// accountStatements makes the accounts and the schema, without a trace in the binary log.
func accountStatements(monitor string) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	// One statement per line: that is the format of an init file.
	return strings.Join([]string{
		"SET sql_log_bin = 0;",
		"CREATE DATABASE IF NOT EXISTS " + server.Schema + ";",
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY %s;", server.User, quote(server.Password)),
		// Everything but what overrides read_only.
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, " +
			"LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER, RELOAD, " +
			"PROCESS, SHOW DATABASES, REPLICATION CLIENT ON *.* TO '" + server.User + "'@'%';",
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY %s;", MonitorUser, quote(MonitorPassword)),
		fmt.Sprintf("GRANT %s ON *.* TO '%s'@'%%';", monitor, MonitorUser),
		fmt.Sprintf("GRANT SELECT ON performance_schema.* TO '%s'@'%%';", MonitorUser),
		fmt.Sprintf("GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON %[1]s.* TO '%[1]s'@'%%';", MonitorUser),
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '';", replicationUser),
		"GRANT REPLICATION SLAVE ON *.* TO '" + replicationUser + "'@'%';",
		"",
	}, "\n")
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}
