package bank

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The transactions in Report.TransferErrors. What a locking transfer and a reading one have read, others may have
// changed before it is run again; a blind one reads nothing, and can be run again at any time.
const (
	Locking = "transfer that locks: "
	Blind   = "transfer: "
	Reading = "reading: "
)

// What a transaction in Report.TransferErrors or Report.Maybes was at, after its kind, where it was to end.
const (
	Commit   = "COMMIT: "
	Rollback = "ROLLBACK: "
)

const commit = "COMMIT"

// transfer moves money in a transaction.
func (c *client) transfer() error {
	c.count++
	id := c.number<<40 | c.count
	began := time.Now()
	kind := Blind
	if c.count%2 == 0 {
		kind = Locking
	}
	if err := c.book(id, kind == Locking); err != nil {
		c.record(c.failed, id)
		c.note(func(r *Report) { r.TransferErrors[kind+code(err)]++ })
		if !answered(err) {
			return err
		}
		return c.rollback(kind)
	}
	err := c.plain(commit)
	took := time.Since(began)
	switch {
	case err == nil:
		c.record(c.acked, id)
		c.note(func(r *Report) { r.Transfers++; r.SlowestTransfer = max(r.SlowestTransfer, took) })
		return nil
	case refused(err):
		c.record(c.failed, id)
		c.note(func(r *Report) { r.TransferErrors[kind+Commit+code(err)]++ })
		return c.rollback(kind)
	}
	c.record(c.maybe, id)
	c.note(func(r *Report) { r.Maybes[kind+Commit+code(err)]++ })
	return err
}

// rollback ends what is left of a transaction. Servers that have rolled it back already have nothing to say against that.
func (c *client) rollback(kind string) error {
	err := c.plain("ROLLBACK")
	if err != nil {
		c.note(func(r *Report) { r.TransferErrors[kind+Rollback+code(err)]++ })
	}
	return err
}

// book does all of a transfer but its COMMIT.
func (c *client) book(id int64, lock bool) error {
	low, high := c.pick()
	amount := rand.Int64N(mostMoved) + 1
	if rand.IntN(2) == 0 {
		amount = -amount
	}
	if err := c.plain("BEGIN"); err != nil {
		return err
	}
	if lock {
		if _, err := c.numbers(1, "SELECT balance FROM accounts WHERE id = ? FOR UPDATE", low); err != nil {
			return err
		}
	}
	if err := c.exec("UPDATE accounts SET balance = balance - ? WHERE id = ?", amount, low); err != nil {
		return err
	}
	if err := c.exec("UPDATE accounts SET balance = balance + ? WHERE id = ?", amount, high); err != nil {
		return err
	}
	inside := "1"
	if c.loose {
		inside = "@@in_transaction"
	}
	return c.exec("INSERT INTO journal (transfer, source, target, amount, inside) VALUES (?, ?, ?, ?, "+inside+")",
		id, low, high, amount)
}

func (b *Bank) record(in map[int64]bool, id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in[id] = true
}

// refused reports whether an error is a server's answer to COMMIT which says that the transaction was rolled back:
// deadlock, lock wait, read-only server.
func refused(err error) bool {
	var failed *mysql.MySQLError
	return errors.As(err, &failed) && slices.Contains([]uint16{1213, 1205, 1290, 1836}, failed.Number)
}

// textual is a query for fmt, which has its values in its text; they are all whole numbers.
func textual(query string) string { return strings.ReplaceAll(query, "?", "%d") }
