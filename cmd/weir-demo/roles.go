package main

import (
	"context"
	"fmt"
	"net"

	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// A role is the server that one of the ports plays. All of them show the same data.
type role struct {
	name     string // as in examples/demo.hcl
	variable string // of the environment, that sets port
	port     int
	readOnly bool
}

// declareServerVariables lets sessions differ in what servers differ in: to the engine, these variables are the
// same for all its sessions.
func declareServerVariables() {
	both := sql.GetMysqlScope(sql.SystemVariableScope_Both)
	sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{
		&sql.MysqlSystemVariable{Name: "hostname", Scope: both, Type: types.NewSystemStringType("hostname"), Default: ""},
		&sql.MysqlSystemVariable{Name: "port", Scope: both, Type: types.NewSystemIntType("port", 0, 65535, false), Default: int64(0)},
		&sql.MysqlSystemVariable{Name: "read_only", Scope: both, Type: types.NewSystemBoolType("read_only"), Default: int8(0)},
	})
}

// sessionBuilder makes sessions that know which server they are on, by the port they came in through.
func sessionBuilder(provider *memory.DbProvider, roles []role) server.SessionBuilder {
	build := memory.NewSessionBuilder(provider)
	return func(ctx context.Context, conn *mysql.Conn, address string) (sql.Session, error) {
		session, err := build(ctx, conn, address)
		if err != nil {
			return nil, err
		}
		port := conn.Conn.LocalAddr().(*net.TCPAddr).Port
		for _, r := range roles {
			if r.port == port {
				return session, setServerVariables(ctx, session, r)
			}
		}
		return nil, fmt.Errorf("port %d belongs to none of the servers", port)
	}
}

func setServerVariables(ctx context.Context, session sql.Session, r role) error {
	sqlCtx := sql.NewContext(ctx, sql.WithSession(session))
	for name, value := range map[string]any{"hostname": r.name, "port": r.port, "read_only": r.readOnly} {
		if err := session.InitSessionVariable(sqlCtx, name, value); err != nil {
			return err
		}
	}
	return nil
}

// refuseWrites executes statements, save those that change something in a session on a replica: these get the
// error of a server that runs with --read-only.
type refuseWrites struct{ sql.NodeExecBuilder }

func (b refuseWrites) Build(ctx *sql.Context, n sql.Node, row sql.Row) (sql.RowIter, error) {
	if !n.IsReadOnly() {
		readOnly, err := ctx.GetSessionVariable(ctx, "read_only")
		if err != nil {
			return nil, err
		}
		if readOnly == int8(1) {
			return nil, mysql.NewSQLError(mysql.EROptionPreventsStatement, "HY000",
				"The MySQL server is running with the --read-only option so it cannot execute this statement")
		}
	}
	return b.NodeExecBuilder.Build(ctx, n, row)
}
