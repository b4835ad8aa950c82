package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// An answer is what a server says of itself.
type answer struct {
	version  string
	id       string // server_id
	uuid     string // server_uuid, of MySQL
	host     string // as it calls itself
	port     string
	readOnly bool
	gtid     string
	channels []channel
	// behind is the lag by the heartbeat, UnknownLag where there is none to measure by.
	behind time.Duration
}

// A channel is a connection of a replica to what it replicates from.
type channel struct {
	name       string
	host, port string
	id, uuid   string // of the source, where it has been connected to
	io, sql    thread
	ioErr      replicationError
	sqlErr     replicationError
	lag        time.Duration // pipeline.UnknownLag where the server does not know
}

// A thread is how one of the two halves of replication is.
type thread uint8

const (
	stopped thread = iota
	trying         // to connect
	running
)

type replicationError struct {
	code int
	text string
}

const serverQuery = "SELECT @@global.version AS version, @@global.server_id AS server_id, @@global.read_only AS read_only, " +
	"@@global.hostname AS hostname, @@global.port AS port"

// ask asks a server what it is and from whom it replicates. before is its last answer, nil where there is none: a server
// that is at stopping replication says nothing of it until that is done, and is well nevertheless.
func ask(ctx context.Context, conn poll.Conn, before *answer) (answer, error) {
	row, err := one(ctx, conn, serverQuery)
	if err != nil {
		return answer{}, err
	}
	a := answer{
		version: row.First("version"), id: row.First("server_id"), readOnly: poll.IsOn(row.First("read_only")),
		host: row.First("hostname"), port: row.First("port"), behind: pipeline.UnknownLag,
	}
	var status []poll.Row
	if strings.Contains(a.version, "MariaDB") {
		status, err = a.askMariaDB(ctx, conn)
	} else {
		status, err = a.askMySQL(ctx, conn)
	}
	if err != nil && before != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		for _, c := range before.channels {
			c.lag = pipeline.UnknownLag
			a.channels = append(a.channels, c)
		}
		return a, nil
	}
	if err != nil {
		return answer{}, err
	}
	for _, row := range status {
		a.channels = append(a.channels, newChannel(row))
	}
	return a, nil
}

// cautious takes each channel's lag for what it was a poll before where that was more: a replica that has just started
// replication says 0 before it knows what it lacks.
func (a *answer) cautious(before *answer) answer {
	careful := *a
	if before == nil {
		return careful
	}
	careful.channels = slices.Clone(a.channels)
	for n := range careful.channels {
		c := &careful.channels[n]
		for _, old := range before.channels {
			if old.name == c.name && c.lag != pipeline.UnknownLag && (old.lag == pipeline.UnknownLag || old.lag > c.lag) {
				c.lag = old.lag
			}
		}
	}
	return careful
}

func (a *answer) askMariaDB(ctx context.Context, conn poll.Conn) ([]poll.Row, error) {
	row, err := one(ctx, conn, "SELECT @@global.gtid_current_pos AS gtid")
	if err != nil {
		return nil, err
	}
	a.gtid = row.First("gtid")
	return conn.Query(ctx, "SHOW ALL SLAVES STATUS")
}

func (a *answer) askMySQL(ctx context.Context, conn poll.Conn) ([]poll.Row, error) {
	row, err := one(ctx, conn, "SELECT @@global.super_read_only AS super_read_only, @@global.server_uuid AS uuid, "+
		"@@global.gtid_executed AS gtid")
	if err != nil {
		return nil, err
	}
	a.readOnly = a.readOnly || poll.IsOn(row.First("super_read_only"))
	a.uuid, a.gtid = row.First("uuid"), strings.ReplaceAll(row.First("gtid"), "\n", "")
	rows, err := conn.Query(ctx, "SHOW REPLICA STATUS")
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && refused.Number == errSyntax {
		return conn.Query(ctx, "SHOW SLAVE STATUS") // before 8.0.22
	}
	return rows, err
}

const errSyntax = 1064 // ER_PARSE_ERROR

// one asks for a single row.
func one(ctx context.Context, conn poll.Conn, query string) (poll.Row, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d rows in answer to %s", len(rows), query)
	}
	return rows[0], nil
}

// newChannel reads a row of SHOW ALL SLAVES STATUS or SHOW REPLICA STATUS.
func newChannel(row poll.Row) channel {
	c := channel{
		name: row.First("Connection_name", "Channel_Name"),
		host: row.First("Source_Host", "Master_Host"), port: row.First("Source_Port", "Master_Port"),
		id: row.First("Source_Server_Id", "Master_Server_Id"), uuid: row.First("Source_UUID", "Master_UUID"),
		io:     threadOf(row.First("Replica_IO_Running", "Slave_IO_Running")),
		sql:    threadOf(row.First("Replica_SQL_Running", "Slave_SQL_Running")),
		ioErr:  errorOf(row.First("Last_IO_Errno"), row.First("Last_IO_Error")),
		sqlErr: errorOf(row.First("Last_SQL_Errno"), row.First("Last_SQL_Error")),
		lag:    pipeline.UnknownLag,
	}
	if c.id == "0" {
		c.id = "" // it has not been connected to
	}
	behind := row.First("Seconds_Behind_Source", "Seconds_Behind_Master")
	if n, err := strconv.ParseUint(behind, 10, 31); err == nil {
		c.lag = time.Duration(n) * time.Second
	}
	return c
}

func threadOf(status string) thread {
	switch strings.ToLower(status) {
	case "yes":
		return running
	case "no", "":
		return stopped
	}
	return trying // Connecting, Preparing
}

func errorOf(number, text string) replicationError {
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 0
	}
	return replicationError{n, text}
}
