package readwritesplit

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// While a read-only transaction is open on a replica, some things are still the primary's to say: what LAST_INSERT_ID() is,
// who holds a lock by name, what a sequence gave last. A statement that asks for nothing else is sent there beside the
// transaction, which stays as it is: without a table, it begins none at the primary, autocommit or not. One that needs the
// transaction's tables too, or keeps the answer in a variable, can be answered nowhere and is refused: to commit the
// transaction for it would have later reads see another snapshot, and later writes be carried out.
const (
	whyBeside = "the primary alone knows what it asks for, which has no part in the read-only transaction"
	whyTorn   = "what it asks for, the primary alone knows, but a read-only transaction is open on a replica"
)

// asksPrimary reports whether a statement depends on what the primary alone knows of the session. Lock functions that wait
// for replication do not.
func asksPrimary(canonical string, effects sqlscan.Effects) bool {
	return effects&sqlscan.LastInsertID != 0 || effects&sqlscan.LockFunction != 0 && containsFold(canonical, "lock") ||
		effects&sqlscan.Sequence != 0 && !advances(canonical)
}

// advances reports whether a statement that uses sequences may do more than to ask for their last values. In a read-only
// transaction, servers refuse that.
func advances(canonical string) bool {
	return containsFold(canonical, "nextval") || containsFold(canonical, "next value") || containsFold(canonical, "setval")
}

// mayGoBeside are the effects of statements that may go to the primary beside a transaction.
const mayGoBeside = sqlscan.LastInsertID | sqlscan.LockFunction | sqlscan.Sequence | sqlscan.UserVariable |
	sqlscan.SystemVariable | sqlscan.Volatile

// beside is where a statement that asks the primary goes while a read-only transaction is open on a replica.
func beside(st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	if st.Class != sqlscan.Read || st.Statements != 1 || effects&^mayGoBeside != 0 || usesTables(st) ||
		effects&sqlscan.Sequence != 0 && advances(st.Canonical) ||
		effects&sqlscan.UserVariable != 0 && sit.variables == variablesLast {
		return decision{target: toNone, why: whyTorn}
	}
	return decision{why: whyBeside, beside: true}
}

// usesTables reports whether a read may use tables.
func usesTables(st *pipeline.Statement) bool { return st.Summary != st.Operation }

// torn answers a command that no server can.
func (j *job) torn() error {
	message := "LAST_INSERT_ID(), locks by name and last values of sequences are known to the primary, but a read-only " +
		"transaction is open on a replica: ask for them alone, without tables and variables, or before the transaction"
	switch j.d.why {
	case whyTorn:
	case whyMixed:
		message = "A read-only transaction is open on a replica: some of these statements are not for it, so send them one by one"
	default:
		message = "A read-only transaction is open on a replica, and the primary alone could run this, as " + j.d.why +
			": do so before the transaction"
	}
	return j.answer(&protocol.SQLError{Code: protocol.ErNotSupportedYet, State: "42000", Message: message})
}
