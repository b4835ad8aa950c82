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

// question is the statement that asks for the value of an expression, of ASCII, whatever the client has set: there would be
// no row where sql_select_limit is 0, and the row would be of the character set of results. Its answer is one row with one
// column.
func question(expression string) string { return "SELECT CAST(" + expression + " AS BINARY) LIMIT 1" }

// positionText is the statement that asks a server for its position.
func positionText(mariadb bool) string {
	if mariadb {
		return question("@@GLOBAL.gtid_current_pos")
	}
	return question("@@GLOBAL.gtid_executed")
}

// appendWait appends the statement that has a replica wait until it has executed p, which is not empty. It answers 0 when
// it has, and something else when the time is over. It is a question. Where the connection's character set is utf16, MySQL
// finds nothing to wait for in a text of that, and MariaDB an error.
func (p *position) appendWait(dst []byte, timeout time.Duration) []byte {
	function := "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET(_latin1'"
	if p.sources[0].mariadb {
		function = "SELECT CAST(MASTER_GTID_WAIT(_latin1'"
	}
	dst = append(p.appendText(append(dst, function...)), "',"...)
	// MySQL waits forever where the time is 0.
	ms := int64(max((timeout+time.Millisecond-1)/time.Millisecond, 1))
	dst = append(strconv.AppendInt(dst, ms/1000, 10), '.')
	dst = append(dst, byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
	return append(dst, ") AS BINARY) LIMIT 1"...)
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
