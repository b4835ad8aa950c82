package pipeline

import (
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Transactions are counted by what replies say of the session, so that it does not matter what a router does with them.

// openTransaction is what is known of the transaction that a session has open.
type openTransaction struct {
	open, readOnly bool
	wrote          bool // or may have: it did more than read
}

// accessMode is what a transaction did, by the names that START TRANSACTION has for it.
type accessMode uint8

const (
	readOnly accessMode = iota
	readWrite
	numAccessModes = iota
)

var accessModeNames = [numAccessModes]string{readOnly: "read_only", readWrite: "read_write"}

// countTransaction keeps up with the session's transaction once a command is served, and counts it where it has ended. What
// ends it counts as done in it. An error does not tell whether it has; the next reply does.
func (s *Session) countTransaction(c *Command, statement *Statement) {
	inTransaction := s.status&protocol.StatusInTrans != 0
	t := &s.trx
	if !t.open && !inTransaction {
		return
	}
	t.wrote = t.wrote || !t.readOnly && doesMore(c, statement)
	if t.open && (!inTransaction || s.watch.Err == nil && endsTransaction(c, statement)) {
		s.countEnded()
	}
	t.open, t.readOnly = inTransaction, s.status&protocol.StatusInTransReadonly != 0
}

// countEnded counts the session's transaction, where one is open, as ended.
func (s *Session) countEnded() {
	if s.trx.open && s.tally != nil {
		mode := readOnly
		if s.trx.wrote {
			mode = readWrite
		}
		s.tally.transactions[mode]++
	}
	s.trx = openTransaction{}
}

// endsTransaction reports whether a command that has succeeded has ended the transaction before it, though one is open
// behind it: AND CHAIN, or a BEGIN.
func endsTransaction(c *Command, statement *Statement) bool {
	if statement == nil || !c.Executes() {
		return false
	}
	return statement.Class == sqlscan.Begin || statement.Class == sqlscan.Commit || statement.Class == sqlscan.Rollback
}

// reading are the effects that a statement may have that does no more than read. All others do more, those yet to be
// invented too.
const reading = sqlscan.IntoVariable | sqlscan.UserVariable | sqlscan.SetsVariable | sqlscan.SystemVariable |
	sqlscan.LastInsertID | sqlscan.FoundRows | sqlscan.ReadOnly | sqlscan.Chain | sqlscan.Release | sqlscan.Snapshot |
	sqlscan.ImplicitCommit | sqlscan.Volatile | sqlscan.ReplicationInfo

// doesMore reports whether a command may do more than read, in a transaction.
func doesMore(c *Command, statement *Statement) bool {
	if !c.Executes() {
		return false
	}
	if statement == nil {
		return true
	}
	switch statement.Class {
	case sqlscan.Read, sqlscan.Show, sqlscan.Begin, sqlscan.Commit, sqlscan.Rollback, sqlscan.Savepoint, sqlscan.Set,
		sqlscan.Use, sqlscan.Prepare, sqlscan.Deallocate, sqlscan.Kill:
		return statement.Effects&^reading != 0
	}
	return true
}
