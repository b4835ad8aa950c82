package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/sirupsen/logrus"
)

// version is what the servers say they are. The engine puts its own number before it.
const version = "weir-demo"

// servers are one engine that is reached through a port per role. The engine keeps its tables in memory and
// isolates transactions badly (the last one to commit a table wins), which is enough to look at.
type servers struct {
	server   *server.Server
	accepted chan struct{} // closed when no more clients are accepted
}

// startServers serves the shop database on the ports of roles, to the user of the demo.
func startServers(roles []role) (*servers, error) {
	// Both loggers of the engine say once per connection that it came and went.
	logrus.SetOutput(io.Discard)
	log.SetOutput(io.Discard)

	db := memory.NewDatabase("shop")
	db.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	engine := sqle.New(analyzer.NewDefault(provider), &sqle.Config{VersionPostfix: version})
	if err := seed(engine, provider, user, password); err != nil {
		return nil, err
	}
	declareServerVariables()
	engine.Analyzer.ExecBuilder = refuseWrites{engine.Analyzer.ExecBuilder}

	l, err := listen(roles)
	if err != nil {
		return nil, err
	}
	config := server.Config{Listener: l, Version: "8.0.31-" + version}
	s, err := server.NewServerWithHandler(config, engine, sql.NewContext, sessionBuilder(provider, roles), nil, leaveMessageOut)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("start the in-memory servers: %w", err)
	}
	started := &servers{s, make(chan struct{})}
	go func() {
		defer close(started.accepted)
		s.Listener.Accept()
	}()
	return started, nil
}

// close stops accepting clients and ends the engine. Connections still open end with the process.
func (s *servers) close() error {
	s.server.Listener.Close()
	<-s.accepted
	err := s.server.Engine.Close()
	if errors.Is(err, context.Canceled) {
		return nil // the engine's own word for having stopped
	}
	return err
}

// seed fills the database and makes the account. It works as a user who cannot log in.
func seed(engine *sqle.Engine, provider *memory.DbProvider, user, password string) error {
	accounts := engine.Analyzer.Catalog.MySQLDb
	accounts.SetEnabled(true)
	accounts.SetPersister(&mysql_db.NoopPersister{})
	editor := accounts.Editor()
	accounts.AddLockedSuperUser(editor, "seed", "localhost", "")
	editor.Close()

	session := memory.NewSession(sql.NewBaseSession(), provider)
	session.SetClient(sql.Client{User: "seed", Address: "localhost"})
	session.SetCurrentDatabase("shop")
	ctx := sql.NewContext(context.Background(), sql.WithSession(session))
	statements := append(shop(),
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED WITH mysql_native_password BY '%s'", user, password),
		fmt.Sprintf("GRANT ALL ON shop.* TO '%s'@'%%'", user))
	for _, statement := range statements {
		_, rows, _, err := engine.Query(ctx, statement)
		if err == nil {
			_, err = sql.RowIterToRows(ctx, rows)
		}
		if err != nil {
			return fmt.Errorf("fill the shop database: %.60s: %w", statement, err)
		}
	}
	return nil
}
