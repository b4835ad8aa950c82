package cluster

import (
	"fmt"
	"net"
)

// mysql9 is MySQL 8.4 and later.
type mysql9 struct{}

func (mysql9) args() []string {
	return []string{
		"--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so", "--replica-net-timeout=10",
		"--rpl-semi-sync-replica-enabled=ON", "--rpl-semi-sync-source-wait-point=AFTER_SYNC",
		"--rpl-semi-sync-source-timeout=" + ackTimeout,
	}
}

func (mysql9) privileges() string { return "REPLICATION CLIENT" }

func (mysql9) forget() string { return "RESET BINARY LOGS AND GTIDS" }

func (mysql9) readOnly(on bool) []string {
	if on {
		return []string{"SET GLOBAL super_read_only = ON"} // which sets read_only
	}
	return []string{"SET GLOBAL read_only = OFF"} // which resets super_read_only
}

func (mysql9) follow(source *Server, _ bool) []string {
	host, port, _ := net.SplitHostPort(source.Addr) // it was made by us
	return []string{
		"STOP REPLICA",
		fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %s, SOURCE_USER = '%s', "+
			"SOURCE_PASSWORD = '', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, "+
			"SOURCE_RETRY_COUNT = 100000", host, port, replicationUser),
		"START REPLICA",
	}
}

func (mysql9) followNobody() []string { return []string{"STOP REPLICA", "RESET REPLICA ALL"} }

func (mysql9) waitForReplicas(on bool) string {
	return "SET GLOBAL rpl_semi_sync_source_enabled = " + onOff(on)
}

func (mysql9) stopReceiving() string { return "STOP REPLICA IO_THREAD" }

func (mysql9) stopApplying() string { return "STOP REPLICA SQL_THREAD" }

func (mysql9) startApplying() string { return "START REPLICA SQL_THREAD" }

func (mysql9) delay(seconds int) []string {
	return []string{
		"STOP REPLICA SQL_THREAD", fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = %d", seconds),
		"START REPLICA SQL_THREAD",
	}
}

func (mysql9) position() string { return "SELECT @@GLOBAL.gtid_executed" }

func (mysql9) received(s *Server) (string, error) {
	return s.text("SELECT received_transaction_set FROM performance_schema.replication_connection_status")
}

func (mysql9) has(s *Server, position string) (bool, error) {
	subset, err := s.text("SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)", position)
	return subset == "1", err
}

func (mysql9) wait() string { return "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)" }

func (m mysql9) diverged(s, primary *Server, _ string) (bool, error) {
	at, err := s.position()
	if err != nil {
		return false, err
	}
	has, err := m.has(primary, at)
	return !has, err
}

func (mysql9) explain(s *Server) string {
	status, err := s.row("SHOW REPLICA STATUS")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(status)
}
