package pipeline

import (
	"errors"

	"github.com/weirproxy/weir/protocol"
)

// outcome is how a statement ended, in so few words that metrics can be counted by it.
type outcome uint8

const (
	outcomeOK         outcome = iota
	outcomeSyntax             // the server does not understand it
	outcomeSchema             // something it names is not there, or is there already
	outcomeAccess             // the user may not
	outcomeData               // a value does not fit
	outcomeConstraint         // a key or constraint is against it
	outcomeDeadlock
	outcomeLockTimeout // a lock could not be had in time, or at once
	outcomeTimeout     // a limit of the statement's time
	outcomeInterrupted // by KILL QUERY
	outcomeReadOnly    // the server, or transaction, is read-only
	outcomeResources   // too many connections, out of memory, disk full
	outcomeConnection  // the server is going, or has lost the session
	outcomeSignal      // SIGNAL of a stored program
	outcomeOther       // any other error of the server's, or of a step's
	outcomeClientGone  // the client hung up
	outcomeServerLost  // the server did
	outcomeAborted     // the session ended otherwise: at shutdown, by a fault
	numOutcomes        = iota
)

var outcomeNames = [numOutcomes]string{
	outcomeOK: "ok", outcomeSyntax: "syntax", outcomeSchema: "schema", outcomeAccess: "access", outcomeData: "data",
	outcomeConstraint: "constraint", outcomeDeadlock: "deadlock", outcomeLockTimeout: "lock_timeout",
	outcomeTimeout: "timeout", outcomeInterrupted: "interrupted", outcomeReadOnly: "read_only",
	outcomeResources: "resources", outcomeConnection: "connection", outcomeSignal: "signal", outcomeOther: "other",
	outcomeClientGone: "client_gone", outcomeServerLost: "server_lost", outcomeAborted: "aborted",
}

// outcomeCodes are the errors whose SQLSTATE says too little, or the wrong thing.
// https://mariadb.com/kb/en/mariadb-error-code-reference/
// https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
var outcomeCodes = map[uint16]outcome{
	1020: outcomeDeadlock,    // ER_CHECKREAD: record has changed since last read
	1021: outcomeResources,   // ER_DISK_FULL
	1037: outcomeResources,   // ER_OUTOFMEMORY
	1038: outcomeResources,   // ER_OUT_OF_SORTMEMORY
	1040: outcomeResources,   // ER_CON_COUNT_ERROR
	1041: outcomeResources,   // ER_OUT_OF_RESOURCES
	1044: outcomeAccess,      // ER_DBACCESS_DENIED_ERROR
	1045: outcomeAccess,      // ER_ACCESS_DENIED_ERROR
	1049: outcomeSchema,      // ER_BAD_DB_ERROR
	1053: outcomeConnection,  // ER_SERVER_SHUTDOWN
	1114: outcomeResources,   // ER_RECORD_FILE_FULL
	1142: outcomeAccess,      // ER_TABLEACCESS_DENIED_ERROR
	1143: outcomeAccess,      // ER_COLUMNACCESS_DENIED_ERROR
	1203: outcomeResources,   // ER_TOO_MANY_USER_CONNECTIONS
	1205: outcomeLockTimeout, // ER_LOCK_WAIT_TIMEOUT
	1213: outcomeDeadlock,    // ER_LOCK_DEADLOCK
	1226: outcomeResources,   // ER_USER_LIMIT_REACHED
	1227: outcomeAccess,      // ER_SPECIFIC_ACCESS_DENIED_ERROR
	1290: outcomeReadOnly,    // ER_OPTION_PREVENTS_STATEMENT: --read-only, mostly
	1304: outcomeSchema,      // ER_SP_ALREADY_EXISTS
	1305: outcomeSchema,      // ER_SP_DOES_NOT_EXIST
	1317: outcomeInterrupted, // ER_QUERY_INTERRUPTED
	1370: outcomeAccess,      // ER_PROCACCESS_DENIED_ERROR
	1698: outcomeAccess,      // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	1792: outcomeReadOnly,    // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	1836: outcomeReadOnly,    // ER_READ_ONLY_MODE
	1927: outcomeConnection,  // ER_CONNECTION_KILLED
	1969: outcomeTimeout,     // ER_STATEMENT_TIMEOUT, MariaDB
	3024: outcomeTimeout,     // ER_QUERY_TIMEOUT, MySQL
	3572: outcomeLockTimeout, // ER_LOCK_NOWAIT
}

// outcomeStates are the outcomes of the other errors, by what their SQLSTATE begins with.
var outcomeStates = map[string]outcome{
	"08": outcomeConnection, "21": outcomeData, "22": outcomeData, "23": outcomeConstraint, "28": outcomeAccess,
	"40": outcomeDeadlock, "42": outcomeSyntax, "45": outcomeSignal, "3D": outcomeSchema, "53": outcomeResources,
	"70": outcomeInterrupted,
}

// outcomeOf sorts an error that a statement was answered with.
func outcomeOf(e *protocol.SQLError) outcome {
	if e.Code == protocol.ErConnectionKilled && e.State == "08S01" { // Weir's own; a server's has another state
		return outcomeServerLost
	}
	if out, ok := outcomeCodes[e.Code]; ok {
		return out
	}
	if len(e.State) != 5 {
		return outcomeOther
	}
	if e.State[:3] == "42S" { // tables and columns
		return outcomeSchema
	}
	if out, ok := outcomeStates[e.State[:2]]; ok {
		return out
	}
	return outcomeOther
}

// aborted sorts what ended the session of a statement.
func aborted(err error) outcome {
	switch {
	case errors.Is(err, errClientGone):
		return outcomeClientGone
	case errors.Is(err, ErrServerLost):
		return outcomeServerLost
	}
	return outcomeAborted
}
