package cluster

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// mariadb is MariaDB 10.11 and later.
type mariadb struct{}

func (mariadb) args() []string {
	return []string{
		"--log-slave-updates=ON", "--gtid-strict-mode=ON", "--slave-net-timeout=10",
		"--rpl-semi-sync-slave-enabled=ON", "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
		"--rpl-semi-sync-master-timeout=" + ackTimeout,
	}
}

func (mariadb) privileges() string { return "SLAVE MONITOR, BINLOG MONITOR" }

func (mariadb) forget() string { return "RESET MASTER" }

func (mariadb) readOnly(on bool) []string { return []string{"SET GLOBAL read_only = " + onOff(on)} }

func (mariadb) follow(source *Server, wasPrimary bool) []string {
	host, port, _ := net.SplitHostPort(source.Addr) // it was made by us
	statements := []string{"STOP SLAVE"}
	if wasPrimary {
		// What it wrote itself counts as replicated.
		statements = append(statements, "SET GLOBAL gtid_slave_pos = @@gtid_current_pos")
	}
	return append(statements,
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = '%s', MASTER_PASSWORD = '', "+
			"MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1", host, port, replicationUser),
		"START SLAVE")
}

func (mariadb) followNobody() []string { return []string{"STOP SLAVE", "RESET SLAVE ALL"} }

func (mariadb) waitForReplicas(on bool) string {
	return "SET GLOBAL rpl_semi_sync_master_enabled = " + onOff(on)
}

func (mariadb) stopReceiving() string { return "STOP SLAVE IO_THREAD" }

func (mariadb) stopApplying() string { return "STOP SLAVE SQL_THREAD" }

func (mariadb) startApplying() string { return "START SLAVE SQL_THREAD" }

// delay loses what the replica has received and not applied, and would have to get again: the primary must not count
// on a replica whose delay will end.
func (mariadb) delay(seconds int) []string {
	return []string{
		"STOP SLAVE", "SET GLOBAL rpl_semi_sync_slave_enabled = " + onOff(seconds == 0),
		fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY = %d", seconds), "START SLAVE",
	}
}

func (mariadb) position() string { return "SELECT @@gtid_current_pos" }

func (m mariadb) received(s *Server) (string, error) {
	status, err := m.status(s)
	return status["Gtid_IO_Pos"], err
}

func (mariadb) has(s *Server, position string) (bool, error) {
	at, err := s.position()
	return sequence(at) >= sequence(position), err
}

func (mariadb) wait() string { return "SELECT MASTER_GTID_WAIT(?, ?)" }

func (mariadb) diverged(s, _ *Server, takeover string) (bool, error) {
	at, err := s.position()
	return sequence(at) > sequence(takeover), err
}

func (m mariadb) explain(s *Server) string {
	status, err := m.status(s)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(status)
}

// status is what SHOW SLAVE STATUS says.
func (mariadb) status(s *Server) (map[string]string, error) { return s.row("SHOW SLAVE STATUS") }

// sequence is the number of a position's last transaction. There is one domain, in which the numbers never go back.
func sequence(position string) uint64 {
	n, err := strconv.ParseUint(position[strings.LastIndexByte(position, '-')+1:], 10, 64)
	if err != nil {
		return 0 // nothing has been executed
	}
	return n
}
