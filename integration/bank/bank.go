// Package bank is a workload that knows whether anything was lost: clients move money between accounts and write down
// each transfer, others add up all the money there is, and at the end the books are compared with what the clients
// were told.
package bank

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/integration/server"
)

// initial is what each account begins with.
const initial = 1000

// A Bank is the accounts, and what clients have been told about them.
type Bank struct {
	Accounts int
	// Pause is how long a client rests after each transaction.
	Pause time.Duration
	// loose says that the servers' own snapshots are not always of one moment: see Report.Loose.
	loose bool

	mu     sync.Mutex
	report Report
	acked  map[int64]bool // transfers of which a COMMIT was answered with OK
	maybe  map[int64]bool // those whose COMMIT had no answer that says how it went
	failed map[int64]bool // those that were given up before COMMIT, or whose COMMIT was refused
	next   int64          // the next client's number
}

// Open makes the tables on a primary. An application's database handle will do.
func Open(ctx context.Context, db *sql.DB, accounts int) (*Bank, error) {
	b := &Bank{
		Accounts: accounts, acked: make(map[int64]bool), maybe: make(map[int64]bool), failed: make(map[int64]bool),
		report: Report{
			TransferErrors: make(map[string]int), ReadErrors: make(map[string]int), Maybes: make(map[string]int),
		},
	}
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return nil, err
	}
	b.loose = strings.Contains(version, "MariaDB")
	rows := make([]string, accounts)
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, %d)", i+1, initial)
	}
	for _, statement := range []string{
		"DROP TABLE IF EXISTS accounts, journal",
		"CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL)",
		// The number of a transfer is not unique here: one that was executed twice is to be found, not refused. Nor are
		// entries numbered: a transaction that is run again is answered as before. inside says that the server had a
		// transaction open, where it can be asked.
		"CREATE TABLE journal (transfer BIGINT NOT NULL, source INT NOT NULL, target INT NOT NULL, " +
			"amount BIGINT NOT NULL, inside INT NOT NULL, KEY (transfer))",
		"INSERT INTO accounts VALUES " + strings.Join(rows, ", "),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("%.40s: %w", statement, err)
		}
	}
	return b, nil
}

// Run has clients transfer money, and readers add it up, over connections to addr until ctx is done. What has begun then
// is ended. It may be called several times.
func (b *Bank) Run(ctx context.Context, addr string, clients, readers int) error {
	db, err := sql.Open("mysql", server.DSN(addr, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	// A client that lost its connection makes a new one, and gets none that another one has used.
	db.SetMaxIdleConns(-1)
	var all sync.WaitGroup
	for i := range clients + readers {
		c := &client{Bank: b, db: db, stop: ctx, number: b.number(), prepared: i%2 == 1}
		work := c.transfer
		if i >= clients {
			work = c.read
		}
		all.Go(func() { c.loop(work) })
	}
	all.Wait()
	return nil
}

func (b *Bank) number() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.next
}

// total is what the accounts add up to at any time.
func (b *Bank) total() int64 { return int64(b.Accounts) * initial }
