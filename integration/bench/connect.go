package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/integration/server"
)

// connect is the workload of clients that log in, run one statement and quit. It counts connections, not
// statements. sysbench 1.0 cannot do this.
func connect(ctx context.Context, addr string, clients int, w window) (counts, error) {
	connector, err := newConnector(addr)
	if err != nil {
		return counts{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.warm+w.length, errWindowOver)
	defer cancel()
	begin := time.Now().Add(w.warm)
	var group sync.WaitGroup
	latencies, errs := make([][]time.Duration, clients), make([]error, clients)
	for i := range clients {
		group.Go(func() {
			latencies[i], errs[i] = reconnect(ctx, connector, begin)
			if errs[i] != nil {
				cancel()
			}
		})
	}
	began := false
	select {
	case <-time.After(w.warm):
		w.begin()
		began = true
	case <-ctx.Done():
	}
	<-ctx.Done()
	if began {
		w.end()
	}
	seconds := time.Since(begin).Seconds()
	group.Wait()
	seen := slices.Concat(latencies...)
	if err := errors.Join(errs...); err != nil {
		return counts{}, err
	}
	if err := context.Cause(ctx); !errors.Is(err, errWindowOver) {
		return counts{}, err
	}
	if len(seen) == 0 {
		return counts{}, errors.New("no connection was made")
	}
	slices.Sort(seen)
	p99 := seen[len(seen)*99/100]
	return counts{int64(len(seen)), seconds, float64(p99) / float64(time.Millisecond)}, nil
}

var errWindowOver = errors.New("the window is over")

// reconnect makes one connection after the other until ctx is done, and returns how long those took that
// ended after begin.
func reconnect(ctx context.Context, connector driver.Connector, begin time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for ctx.Err() == nil {
		start := time.Now()
		// What has begun is finished: a connection cut off would be work of the proxy's that nobody counts.
		conn, err := login(context.WithoutCancel(ctx), connector)
		if err != nil {
			return nil, err
		}
		if err := conn.Close(); err != nil {
			return nil, err
		}
		if now := time.Now(); now.After(begin) && ctx.Err() == nil {
			took = append(took, now.Sub(start))
		}
	}
	return took, nil
}

func newConnector(addr string) (driver.Connector, error) {
	c, err := mysql.ParseDSN(server.DSN(addr, "timeout=10s&readTimeout=60s"))
	if err != nil {
		return nil, err
	}
	return mysql.NewConnector(c)
}

// login makes a connection that has run one statement.
func login(ctx context.Context, connector driver.Connector) (driver.Conn, error) {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "SELECT 1", nil)
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("first statement: %w", err), conn.Close())
	}
	return conn, nil
}
