package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/server"
)

// delayable are the families whose replicas are delayed on purpose: they acknowledge nothing in time, and are not asked to.
var delayable = []struct {
	name     string
	template func() (*server.Template, error)
	noAcks   string
}{
	{"mariadb", mariadb, "SET GLOBAL rpl_semi_sync_master_enabled = OFF"},
	{"mysql", mysql9, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"},
}

// TestLag has replicas apply transactions late, and looks at what is read.
func TestLag(t *testing.T) {
	for _, family := range delayable {
		t.Run(family.name, func(t *testing.T) {
			t.Parallel() // what takes the time is waiting
			c := startCluster(t, family.template)
			mark(t, c)
			must(t, c.Primary().Exec(family.noAcks,
				"CREATE TABLE test.notes (writer INT PRIMARY KEY, n INT NOT NULL)", "CREATE TABLE test.clock (n INT NOT NULL)",
				"INSERT INTO test.clock VALUES (0)"))
			must(t, c.WaitCaughtUp())
			const causal = `
    causal_reads         = %q
    causal_reads_timeout = "60s"
`
			own, all := startSplit(t, c, fmt.Sprintf(causal, "session")), startSplit(t, c, fmt.Sprintf(causal, "service"))
			fresh, hinted := startSplit(t, c, `max_lag = "1s"`), startSplit(t, c, "")
			for _, s := range c.Replicas() {
				must(t, s.Delay(2*time.Second))
			}
			t.Run("reads see writes", func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
				defer cancel()
				var both sync.WaitGroup
				defer both.Wait()
				both.Go(func() { readOwn(ctx, t, open(t, own.Addr), 0, false) })
				both.Go(func() { readOwn(ctx, t, open(t, all.Addr), 100, true) })
			})
			for _, s := range c.Replicas() {
				must(t, s.CatchUp())
			}
			must(t, c.WaitCaughtUp())
			t.Run("max_lag", func(t *testing.T) { readFresh(t, c, open(t, fresh.Addr), "") })
			must(t, c.WaitCaughtUp())
			t.Run("max_lag by a hint", func(t *testing.T) { readFresh(t, c, open(t, hinted.Addr), " /* weir max_lag=1 */") })
		})
	}
}

// readOwn has several clients write, and read at once what was written, by the same connection or by another one.
func readOwn(ctx context.Context, t *testing.T, db *sql.DB, first int, byOther bool) {
	t.Helper()
	var mu sync.Mutex
	served := make(map[string]int)
	var slowest time.Duration
	client := func(writer int) error {
		write, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer write.Close()
		read := write
		if byOther {
			if read, err = db.Conn(ctx); err != nil {
				return err
			}
			defer read.Close()
		}
		for n := range 2 {
			if _, err := write.ExecContext(ctx, fmt.Sprintf("REPLACE INTO notes VALUES (%d, %d)", writer, n)); err != nil {
				return err
			}
			began := time.Now()
			got, name := -1, ""
			err := read.QueryRowContext(ctx, fmt.Sprintf("SELECT n, (SELECT name FROM here) FROM notes WHERE writer = %d", writer)).Scan(&got, &name)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if got != n {
				return fmt.Errorf("%s: %d was written, and %d is read", name, n, got)
			}
			mu.Lock()
			served[name]++
			slowest = max(slowest, time.Since(began))
			mu.Unlock()
		}
		return nil
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if err := client(first + i); err != nil {
				t.Errorf("client %d: %v", first+i, err)
			}
		})
	}
	all.Wait()
	t.Logf("reads by server: %v, slowest %v", served, slowest)
	if names := slices.Sorted(maps.Keys(served)); !slices.Equal(names, []string{"db2", "db3"}) {
		t.Errorf("%v served reads, and not both replicas", names)
	}
	if slowest < time.Second {
		t.Errorf("no read took longer than %v: no replica was late", slowest)
	}
}

// A clock is a number in a table that grows all the time, with the times from which on it was at least so much.
type clock struct {
	mu    sync.Mutex
	acked []time.Time
}

// run has the number grow until ctx is done.
func (k *clock) run(ctx context.Context, db *sql.DB) error {
	for n := 1; ; n++ {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE clock SET n = %d", n)); err != nil {
			return err
		}
		k.mu.Lock()
		k.acked = append(k.acked, time.Now())
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// age is how old a number was at a time: how long before the next one was acknowledged.
func (k *clock) age(n int, at time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n >= len(k.acked) { // acked[n] is of number n+1
		return 0
	}
	return at.Sub(k.acked[n])
}

// readFresh has one of the replicas lag by much more than max_lag, until it really does, and clients read all the time, with
// hint behind their statements.
func readFresh(t *testing.T, c *cluster.Cluster, db *sql.DB, hint string) {
	t.Helper()
	const (
		delay = 8 * time.Second
		// A lag of 1 s is known in whole seconds, and some time later.
		oldest = 5 * time.Second
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var k clock
	var all sync.WaitGroup
	writing, stop := context.WithCancel(ctx)
	defer all.Wait()
	defer stop()
	all.Go(func() {
		if err := k.run(writing, db); err != nil && writing.Err() == nil {
			t.Error(err)
		}
	})
	late := c.Replicas()[0]
	var most time.Duration
	// read reads until enough says so of the server's name, and counts the servers' reads.
	read := func(what string, enough func(name string) (bool, error)) {
		served := make(map[string]int)
		for {
			began := time.Now()
			var n int
			var name string
			if err := db.QueryRowContext(ctx, "SELECT n, (SELECT name FROM here) FROM clock"+hint).Scan(&n, &name); err != nil {
				t.Fatalf("%s: %v, after reads by %v", what, err, served)
			}
			served[name]++
			if age := k.age(n, began); age > oldest {
				t.Fatalf("%s: %s served what was %v old", what, name, age)
			} else {
				most = max(most, age)
			}
			done, err := enough(name)
			must(t, err)
			if done {
				t.Logf("%s: reads by server: %v", what, served)
				return
			}
		}
	}
	byLate := func(name string) (bool, error) { return name == late.Name, nil }
	read("before", byLate)
	must(t, late.Delay(delay))
	read("while it falls behind", func(string) (bool, error) {
		var n int
		err := late.Admin().QueryRowContext(ctx, "SELECT n FROM test.clock").Scan(&n)
		return k.age(n, time.Now()) > oldest+time.Second, err
	})
	until := time.Now().Add(time.Second)
	read("while it lags", func(name string) (bool, error) {
		if name == late.Name {
			return false, errors.New("it is read from")
		}
		return time.Now().After(until), nil
	})
	must(t, late.CatchUp())
	read("once it has caught up", byLate)
	t.Logf("the oldest that was read was %v old", most.Round(time.Millisecond))
}
