package poll

import (
	"context"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/pipeline"
)

// A failure is what an error of a poll says of the server.
type failure struct {
	problem pipeline.Problem
	reason  string
	// answers says that the server is there and has said no.
	answers bool
}

// problems are those that servers name by their errors' numbers.
var problems = map[uint16]pipeline.Problem{
	1040: pipeline.TooManyConnections, // ER_CON_COUNT_ERROR
	1203: pipeline.TooManyConnections, // ER_TOO_MANY_USER_CONNECTIONS
	1226: pipeline.TooManyConnections, // ER_USER_LIMIT_REACHED
	1044: pipeline.AccessDenied,       // ER_DBACCESS_DENIED_ERROR
	1045: pipeline.AccessDenied,       // ER_ACCESS_DENIED_ERROR
	1129: pipeline.AccessDenied,       // ER_HOST_IS_BLOCKED
	1130: pipeline.AccessDenied,       // ER_HOST_NOT_PRIVILEGED
	1251: pipeline.AccessDenied,       // ER_NOT_SUPPORTED_AUTH_MODE
	1698: pipeline.AccessDenied,       // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	1820: pipeline.AccessDenied,       // ER_MUST_CHANGE_PASSWORD
	1862: pipeline.AccessDenied,       // ER_MUST_CHANGE_PASSWORD_LOGIN
	3118: pipeline.AccessDenied,       // ER_ACCOUNT_HAS_BEEN_LOCKED
	4151: pipeline.AccessDenied,       // ER_ACCOUNT_HAS_BEEN_LOCKED of MariaDB
	1142: pipeline.MissingPrivilege,   // ER_TABLEACCESS_DENIED_ERROR
	1143: pipeline.MissingPrivilege,   // ER_COLUMNACCESS_DENIED_ERROR
	1227: pipeline.MissingPrivilege,   // ER_SPECIFIC_ACCESS_DENIED_ERROR
}

// shutdown are the errors of a server that is about to end.
const (
	errServerShutdown   = 1053 // ER_SERVER_SHUTDOWN
	errConnectionKilled = 1927 // ER_CONNECTION_KILLED of MariaDB
)

// classify says what the error of a poll, not nil, says of the server.
func classify(err error) failure {
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok {
		f := failure{pipeline.Refused, refused.Error(), true}
		if p, known := problems[refused.Number]; known {
			f.problem = p
		}
		if refused.Number == errServerShutdown || refused.Number == errConnectionKilled {
			f.problem, f.answers = pipeline.Unreachable, false
		}
		return f
	}
	if late, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && late.Timeout() {
		return failure{pipeline.NotResponding, "no answer in time", false}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the log names the server
	}
	return failure{pipeline.Unreachable, err.Error(), false}
}
