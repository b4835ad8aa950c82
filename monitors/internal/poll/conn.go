package poll

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/pipeline"
)

// A Conn asks a server. It connects when it is first asked, and again when the connection has been lost. One goroutine
// uses it.
type Conn interface {
	// Query returns the rows of an answer, none where it has none. An error is a *mysql.MySQLError where the server itself
	// refused.
	Query(ctx context.Context, query string) ([]Row, error)
	Close() error
}

// A Row is the columns that are not NULL, by their names in lower case.
type Row map[string]string

// First returns the first of the columns that the row has: servers call one thing by several names.
func (r Row) First(columns ...string) string {
	for _, c := range columns {
		if v, ok := r[strings.ToLower(c)]; ok {
			return v
		}
	}
	return ""
}

// IsOn reads a variable that is on or off, for which newer servers have further values.
func IsOn(value string) bool { return value != "" && value != "0" && !strings.EqualFold(value, "OFF") }

// Open returns a Conn of the account of c to a server.
func Open(c *Config, srv *pipeline.Server) (Conn, error) {
	dsn := mysql.NewConfig()
	dsn.User, dsn.Passwd = c.User, c.Password
	dsn.Net, dsn.Addr = "tcp", srv.Config.Address
	if strings.HasPrefix(dsn.Addr, "/") {
		dsn.Net = "unix"
	}
	dsn.ConnectionAttributes = "program_name:weir"
	dsn.Logger = silent{} // all it says is in the errors too
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return &conn{db}, nil
}

// silent is mysql.Logger.
type silent struct{}

func (silent) Print(...any) {}

// conn is a Conn of a pool of one.
type conn struct{ db *sql.DB }

func (c *conn) Close() error { return c.db.Close() }

func (c *conn) Query(ctx context.Context, query string) ([]Row, error) {
	rows, err := c.query(ctx, query)
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && problems[refused.Number] == pipeline.MissingPrivilege {
		c.db.SetMaxIdleConns(0) // privileges that are granted now are had by new connections only
		c.db.SetMaxIdleConns(1)
	}
	return rows, err
}

func (c *conn) query(ctx context.Context, query string) ([]Row, error) {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var all []Row
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(Row, len(columns))
		for i, name := range columns {
			if values[i].Valid {
				row[strings.ToLower(name)] = values[i].String
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
