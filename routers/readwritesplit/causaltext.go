package readwritesplit

import (
	"fmt"
	"strconv"
	"time"

	"github.com/weirproxy/weir/protocol"
)

// trackText is the statement that has a server tell, in its OK packets, the transactions of a session. It is run on each
// new connection, outside of transactions, before anything of the client's; and again after the client has set the
// variable, or has reset the session.
func trackText(mariadb bool) string {
	if mariadb {
		// '*' stands for all variables and does not go with others; an empty list leaves a comma to be trimmed.
		return "SET SESSION session_track_system_variables=IF(@@session_track_system_variables='*','*'," +
			"TRIM(LEADING ',' FROM CONCAT(@@session_track_system_variables,',last_gtid')))"
	}
	return "SET SESSION session_track_gtids=OWN_GTID"
}

// positionText is the statement that asks a server for its position. Its answer is one row with one column.
func positionText(mariadb bool) string {
	if mariadb {
		return "SELECT @@GLOBAL.gtid_current_pos"
	}
	return "SELECT @@GLOBAL.gtid_executed"
}

// appendWait appends the statement that has a replica wait until it has executed p, which is not empty. It answers 0 when
// it has, and something else when the time is over.
func (p *position) appendWait(dst []byte, timeout time.Duration) []byte {
	function := "SELECT WAIT_FOR_EXECUTED_GTID_SET('"
	if p.sources[0].mariadb {
		function = "SELECT MASTER_GTID_WAIT('"
	}
	dst = append(p.appendText(append(dst, function...)), "',"...)
	// MySQL waits forever where the time is 0.
	ms := int64(max((timeout+time.Millisecond-1)/time.Millisecond, 1))
	dst = append(strconv.AppendInt(dst, ms/1000, 10), '.')
	dst = append(dst, byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
	return append(dst, ')')
}

// read sets p to the answer to positionText: the payload of its row, in the text protocol.
func (p *position) read(row []byte) error {
	p.clear()
	text, n := protocol.LenencString(row)
	if n == 0 || n != len(row) {
		return fmt.Errorf("the primary's position: %w", protocol.ErrMalformed)
	}
	if _, err := p.merge(text); err != nil {
		return fmt.Errorf("the primary's position: %w", err)
	}
	return nil
}
