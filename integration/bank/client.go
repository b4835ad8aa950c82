package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// patience is how long a client waits for a statement: much longer than any server is away.
	patience = 45 * time.Second
	// retryAfter is how long a client waits before it connects again.
	retryAfter = 20 * time.Millisecond
)

// A client has one connection and does one thing after the other.
type client struct {
	*Bank
	db       *sql.DB
	stop     context.Context // done: begin nothing more
	number   int64
	count    int64
	prepared bool // half of the clients have their statements prepared
	conn     *sql.Conn
	open     map[string]*sql.Stmt
}

// loop works until the client is to stop. work returns an error where its connection is of no more use.
func (c *client) loop(work func() error) {
	defer c.disconnect()
	for c.stop.Err() == nil {
		err := c.connect()
		if err == nil {
			err = work()
		}
		pause := c.Pause
		if err != nil {
			c.disconnect()
			pause = max(pause, retryAfter)
		}
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-c.stop.Done():
			}
		}
	}
}

func (c *client) connect() error {
	if c.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := c.db.Conn(ctx)
	if err != nil {
		c.note(func(r *Report) { r.ConnectErrors++ })
		return err
	}
	c.conn, c.open = conn, make(map[string]*sql.Stmt)
	return nil
}

func (c *client) disconnect() {
	if c.conn == nil {
		return
	}
	// The pool keeps no connections: this closes it. What that returns says nothing of the bank.
	_ = c.conn.Close()
	c.conn = nil
}

// exec executes a statement with values, one way or the other.
func (c *client) exec(query string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if !c.prepared {
		_, err := c.conn.ExecContext(ctx, fmt.Sprintf(textual(query), args...))
		return err
	}
	st, err := c.statement(ctx, query)
	if err == nil {
		_, err = st.ExecContext(ctx, args...)
	}
	return err
}

// plain executes a statement that clients do not prepare.
func (c *client) plain(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.conn.ExecContext(ctx, query)
	return err
}

// number returns the numbers in the one row of a query.
func (c *client) numbers(n int, query string, args ...any) ([]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	values, into := make([]int64, n), make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	if !c.prepared {
		return values, c.conn.QueryRowContext(ctx, fmt.Sprintf(textual(query), args...)).Scan(into...)
	}
	st, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return values, st.QueryRowContext(ctx, args...).Scan(into...)
}

// statement prepares a statement once per connection.
func (c *client) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := c.open[query]; st != nil {
		return st, nil
	}
	st, err := c.conn.PrepareContext(ctx, query)
	if err == nil {
		c.open[query] = st
	}
	return st, err
}

// note changes the report.
func (b *Bank) note(change func(*Report)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.report)
}

// violation writes down that something is wrong.
func (b *Bank) violation(format string, args ...any) {
	at := time.Now().Format("15:04:05.000 ")
	b.note(func(r *Report) { r.Violations = append(r.Violations, at+fmt.Sprintf(format, args...)) })
}

// pick picks two accounts, the lower one first: that way clients wait for each other, and do not deadlock.
func (b *Bank) pick() (low, high int) {
	low, high = rand.IntN(b.Accounts)+1, rand.IntN(b.Accounts-1)+1
	if high >= low {
		return low, high + 1
	}
	return high, low
}

// code names an error: by the server's number, or as the client's own.
func code(err error) string {
	var failed *mysql.MySQLError
	switch {
	case errors.As(err, &failed):
		return fmt.Sprintf("%d %s", failed.Number, failed.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", patience)
	}
	return err.Error()
}

// answered reports whether an error came as an answer, after which the connection goes on.
func answered(err error) bool {
	var failed *mysql.MySQLError
	return errors.As(err, &failed)
}
