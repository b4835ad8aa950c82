package sqlfacts

import (
	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// agree reports whether the parser and the scanner take a text for statements of the same kind. Where they do not, one
// of them has misread it: nothing the parser says of it is worth anything.
func agree(statements []ast.StmtNode, d sqlscan.Description) bool {
	if len(statements) != d.Statements {
		return false
	}
	if len(statements) == 1 {
		return classOf(statements[0]) == d.Class && d.Class != sqlscan.Unknown
	}
	only := true // those that Read or Show
	for _, s := range statements {
		switch classOf(s) {
		case sqlscan.Unknown:
			return false
		case sqlscan.Read, sqlscan.Show:
		default:
			only = false
		}
	}
	return only == (d.Class == sqlscan.Read || d.Class == sqlscan.Show)
}

// classOf returns the class of a parsed statement, Unknown for what no server but TiDB knows.
func classOf(s ast.StmtNode) sqlscan.Class {
	switch s := s.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.DoStmt:
		return sqlscan.Read
	case *ast.ShowStmt, *ast.ExplainForStmt, *ast.HelpStmt:
		return sqlscan.Show
	case *ast.ExplainStmt:
		if s.Analyze {
			return classOf(s.Stmt)
		}
		return sqlscan.Show
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.LoadDataStmt:
		return sqlscan.Write
	case *ast.BeginStmt:
		return sqlscan.Begin
	case *ast.CommitStmt:
		return sqlscan.Commit
	case *ast.RollbackStmt:
		if s.SavepointName != "" {
			return sqlscan.Savepoint
		}
		return sqlscan.Rollback
	case *ast.SavepointStmt, *ast.ReleaseSavepointStmt:
		return sqlscan.Savepoint
	case *ast.SetStmt, *ast.SetPwdStmt, *ast.SetRoleStmt, *ast.SetDefaultRoleStmt:
		return sqlscan.Set
	case *ast.UseStmt:
		return sqlscan.Use
	case *ast.PrepareStmt:
		return sqlscan.Prepare
	case *ast.ExecuteStmt:
		return sqlscan.Execute
	case *ast.DeallocateStmt:
		return sqlscan.Deallocate
	case *ast.CallStmt:
		return sqlscan.Call
	case *ast.LockTablesStmt:
		return sqlscan.Lock
	case *ast.UnlockTablesStmt:
		return sqlscan.Unlock
	case *ast.KillStmt:
		return sqlscan.Kill
	case *ast.FlushStmt:
		if s.ReadLock {
			return sqlscan.Lock
		}
		return sqlscan.Admin
	case *ast.AnalyzeTableStmt, *ast.OptimizeTableStmt, *ast.RepairTableStmt, *ast.BinlogStmt, *ast.ShutdownStmt,
		*ast.RestartStmt:
		return sqlscan.Admin
	}
	return classOfDefinition(s)
}

// classOfDefinition is classOf for statements that define something.
func classOfDefinition(s ast.StmtNode) sqlscan.Class {
	switch s.(type) {
	case *ast.CreateDatabaseStmt, *ast.AlterDatabaseStmt, *ast.DropDatabaseStmt, *ast.CreateTableStmt,
		*ast.AlterTableStmt, *ast.DropTableStmt, *ast.RenameTableStmt, *ast.TruncateTableStmt, *ast.CreateViewStmt,
		*ast.CreateIndexStmt, *ast.DropIndexStmt, *ast.CreateSequenceStmt, *ast.AlterSequenceStmt, *ast.DropSequenceStmt,
		*ast.CreateUserStmt, *ast.AlterUserStmt, *ast.DropUserStmt, *ast.RenameUserStmt, *ast.GrantStmt,
		*ast.GrantRoleStmt, *ast.GrantProxyStmt, *ast.RevokeStmt, *ast.RevokeRoleStmt, *ast.ProcedureInfo,
		*ast.DropProcedureStmt:
		return sqlscan.Schema
	}
	return sqlscan.Unknown
}
