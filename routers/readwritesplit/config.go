package readwritesplit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// Config is a router "readwritesplit" block.
type Config struct {
	// Servers are the primary and its replicas, whichever they are: a monitor says. Mostly monitor.NAME.servers.
	Servers []*pipeline.Server `hcl:"servers"`
	// Choice is what a replica is chosen by: fewest_running, response_time, least_lag or fewest_connections.
	Choice string `hcl:"choice,optional"`
	// MaxReplicas is how many replicas a session may be connected to. 0: all reads go to the primary.
	MaxReplicas int `hcl:"max_replicas,optional"`
	// MaxLag is how far a replica may be behind that is read from. 0: any lag will do.
	MaxLag time.Duration `hcl:"max_lag,optional"`
	// PrimaryReads has the primary take its share of the reads.
	PrimaryReads bool `hcl:"primary_reads,optional"`
	// UserVariables says where reads of user variables go: all (anywhere) or primary.
	UserVariables string `hcl:"user_variables,optional"`
	// StrictMultiStatements, StrictCalls and StrictTemporaryTables bind a session to the primary after a text of several
	// statements, after a CALL, and while temporary tables exist: then it ends when the primary is lost.
	StrictMultiStatements bool `hcl:"strict_multi_statements,optional"`
	StrictCalls           bool `hcl:"strict_calls,optional"`
	StrictTemporaryTables bool `hcl:"strict_temporary_tables,optional"`
	// OnPrimaryLoss says what becomes of a session, outside a transaction, while there is no primary: close,
	// close_on_write or read_only.
	OnPrimaryLoss string `hcl:"on_primary_loss,optional"`
	// PrimaryReconnect has a session go on with another primary, or another connection to its own, when it has lost that.
	PrimaryReconnect bool `hcl:"primary_reconnect,optional"`
	// RetryReads has a read in autocommit of which nothing was delivered be tried at another server.
	RetryReads bool `hcl:"retry_reads,optional"`
	// DelayedRetry is how long a statement that has not been sent waits for a server to take it. 0: not at all.
	DelayedRetry time.Duration `hcl:"delayed_retry,optional"`
	// TransactionReplay has an open transaction be run again at a new primary when its server is lost.
	TransactionReplay bool `hcl:"transaction_replay,optional"`
	// TransactionReplayMaxSize is how many bytes of statements a transaction may have for that, TransactionReplayAttempts
	// how often one is tried.
	TransactionReplayMaxSize  int `hcl:"transaction_replay_max_size,optional"`
	TransactionReplayAttempts int `hcl:"transaction_replay_attempts,optional"`
	// TransactionReplayTimeout is how long all that may take for one transaction, the wait for a new primary included.
	TransactionReplayTimeout time.Duration `hcl:"transaction_replay_timeout,optional"`
	// TransactionReplayChecksum says what must be as it was: full (all that the client was told), no_insert_id (all but
	// insert ids) or results (rows and errors).
	TransactionReplayChecksum string `hcl:"transaction_replay_checksum,optional"`
	// TransactionReplayOnMismatch has a transaction be tried again that did not go as it went.
	TransactionReplayOnMismatch bool `hcl:"transaction_replay_on_mismatch,optional"`
	// TransactionReplayOnDeadlock has a transaction be run again that its server has rolled back: deadlock, or any error
	// whose SQLSTATE begins with 40.
	TransactionReplayOnDeadlock bool `hcl:"transaction_replay_on_deadlock,optional"`
	// OptimisticTransactions has transactions begin on a replica, and go on at the primary once they do more than to read.
	OptimisticTransactions bool `hcl:"optimistic_transactions,optional"`
	// CausalReads says which writes a read must see: none, session (those of its session), service (those of all sessions
	// of this router) or cluster (all).
	CausalReads string `hcl:"causal_reads,optional"`
	// CausalReadsBy says how: wait has the replica wait until it has them, choose takes a replica that has them by what
	// the monitor knows, or the primary.
	CausalReadsBy string `hcl:"causal_reads_by,optional"`
	// CausalReadsTimeout is how long a replica may wait before the primary is asked.
	CausalReadsTimeout time.Duration `hcl:"causal_reads_timeout,optional"`
	// LazyConnect has servers be connected when they are first used, and not at the session's start.
	LazyConnect bool `hcl:"lazy_connect,optional"`
	// ReplicasAtStart is how many replicas a session is connected to at its start, without LazyConnect. Nil is MaxReplicas.
	ReplicasAtStart *int `hcl:"replicas_at_start,optional"`
	// Keepalive is for how long at most nothing is sent on a connection of a session that is in use. 0: for ever.
	Keepalive time.Duration `hcl:"keepalive,optional"`
	// MaxHistory is how many session commands are kept to bring a further server up to date. A session that needs more
	// stays with the primary.
	MaxHistory int `hcl:"max_history,optional"`
	// ReusePreparedStatements is how many prepared statements a session keeps, for the next COM_STMT_PREPARE of the same
	// text to be answered without a server. 0: those that the client closes are closed.
	ReusePreparedStatements int `hcl:"reuse_prepared_statements,optional"`
}

// Defaults are the settings of a block that names only its servers.
var Defaults = Config{
	Choice: "fewest_running", MaxReplicas: 255, UserVariables: "all", StrictTemporaryTables: true,
	OnPrimaryLoss: "close_on_write", PrimaryReconnect: true, RetryReads: true,
	TransactionReplayMaxSize: 1 << 20, TransactionReplayAttempts: 5, TransactionReplayTimeout: 30 * time.Second,
	TransactionReplayChecksum: "full", CausalReads: "none", CausalReadsBy: "wait", CausalReadsTimeout: 10 * time.Second,
	LazyConnect: true, Keepalive: 5 * time.Minute, MaxHistory: 50,
}

// atStart is how many replicas a session is connected to at its start.
func (c *Config) atStart() int {
	if c.ReplicasAtStart != nil {
		return *c.ReplicasAtStart
	}
	return c.MaxReplicas
}

// check returns the mistakes in the settings, joined.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, setting, text string) {
		if bad {
			errs = append(errs, pipeline.Invalid(setting, errors.New(text)))
		}
	}
	oneOf := func(setting, value string, known ...string) {
		wrong(!slices.Contains(known, value), setting, fmt.Sprintf("%q is not one of %s", value, strings.Join(known, ", ")))
	}
	wrong(len(c.Servers) == 0, "servers", "a router needs at least one server")
	for i, srv := range c.Servers {
		wrong(slices.Contains(c.Servers[:i], srv), "servers", fmt.Sprintf("server %s is named twice", srv.Name()))
	}
	wrong(len(c.Servers) > maxServers, "servers", fmt.Sprintf("more than %d servers", maxServers))
	if _, err := criterionOf(c.Choice); err != nil {
		errs = append(errs, pipeline.Invalid("choice", err))
	}
	wrong(c.MaxReplicas < 0, "max_replicas", "a number of replicas is not negative")
	wrong(c.MaxLag < 0, "max_lag", "a lag is not negative")
	oneOf("user_variables", c.UserVariables, "all", "primary")
	oneOf("on_primary_loss", c.OnPrimaryLoss, "close", "close_on_write", "read_only")
	wrong(!c.PrimaryReconnect && c.TransactionReplay, "primary_reconnect", "it cannot be false with transaction_replay = true")
	wrong(!c.PrimaryReconnect && c.OptimisticTransactions, "primary_reconnect",
		"it cannot be false with optimistic_transactions = true")
	wrong(c.DelayedRetry < 0, "delayed_retry", "a time is not negative")
	wrong(c.TransactionReplayMaxSize < 1, "transaction_replay_max_size", "a size is at least 1")
	wrong(c.TransactionReplayAttempts < 1, "transaction_replay_attempts", "a number of attempts is at least 1")
	wrong(c.TransactionReplayTimeout < time.Millisecond, "transaction_replay_timeout", "a timeout is at least 1ms")
	oneOf("transaction_replay_checksum", c.TransactionReplayChecksum, "full", "no_insert_id", "results")
	replays := c.TransactionReplay || c.OptimisticTransactions
	wrong(c.TransactionReplayOnDeadlock && !replays, "transaction_replay_on_deadlock", "it needs transaction_replay = true")
	wrong(c.TransactionReplayOnMismatch && !replays, "transaction_replay_on_mismatch", "it needs transaction_replay = true")
	if _, err := causalScopeOf(c.CausalReads); err != nil {
		errs = append(errs, pipeline.Invalid("causal_reads", err))
	}
	oneOf("causal_reads_by", c.CausalReadsBy, "wait", "choose")
	wrong(c.CausalReadsTimeout < time.Millisecond, "causal_reads_timeout", "a timeout is at least 1ms")
	wrong(c.ReplicasAtStart != nil && c.atStart() < 0, "replicas_at_start", "a number of replicas is not negative")
	wrong(c.atStart() > c.MaxReplicas, "replicas_at_start", fmt.Sprintf("it is more than max_replicas = %d", c.MaxReplicas))
	wrong(c.ReplicasAtStart != nil && c.LazyConnect, "replicas_at_start", "it needs lazy_connect = false")
	wrong(c.Keepalive != 0 && c.Keepalive < time.Second, "keepalive", "it is at least 1s, or 0s for none")
	wrong(c.MaxHistory < 0, "max_history", "a number of commands is not negative")
	wrong(c.ReusePreparedStatements < 0, "reuse_prepared_statements", "a number of statements is not negative")
	return errors.Join(errs...)
}
