package bank

import (
	"fmt"
	"time"
)

const (
	sum     = "SELECT COALESCE(SUM(balance), 0), COUNT(*) FROM accounts"
	sumFrom = "SELECT COALESCE(SUM(balance), 0), COUNT(*) FROM accounts WHERE id BETWEEN ? AND ?"
)

// transactions are the ways to have the same snapshot for several statements.
var transactions = []string{
	"START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "BEGIN",
	"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
}

// read adds up the money: mostly in one statement, else in two of a transaction.
func (c *client) read() error {
	c.count++
	began := time.Now()
	var err error
	if c.count%4 != 0 {
		err = c.add()
	} else {
		err = c.addTwice(transactions[c.count/4%int64(len(transactions))])
	}
	took := time.Since(began)
	if err == nil {
		c.note(func(r *Report) { r.Reads++; r.SlowestRead = max(r.SlowestRead, took) })
		return nil
	}
	return err
}

func (c *client) add() error {
	got, err := c.numbers(2, sum)
	if err != nil {
		return c.unread("", err)
	}
	c.compare(got[0], got[1], sum)
	return nil
}

func (c *client) addTwice(begin string) error {
	if err := c.plain(begin); err != nil {
		return c.unread(begin, err)
	}
	began, half := time.Now(), c.Accounts/2
	low, err := c.numbers(2, sumFrom, 1, half)
	if err != nil {
		return c.unread(begin, err)
	}
	between := time.Now()
	high, err := c.numbers(2, sumFrom, half+1, c.Accounts)
	if err != nil {
		return c.unread(begin, err)
	}
	c.compare(low[0]+high[0], low[1]+high[1], fmt.Sprintf("%s (prepared: %v), %d after %v and %d after another %v",
		begin, c.prepared, low[0], between.Sub(began), high[0], time.Since(between)))
	if err := c.plain(commit); err != nil {
		// There was nothing to be lost, but the session may have ended, as that of a transfer does.
		c.note(func(r *Report) {
			if refused(err) {
				r.TransferErrors[Reading+Commit+code(err)]++
			} else {
				r.Maybes[Reading+Commit+code(err)]++
			}
		})
		return err
	}
	return nil
}

func (c *client) compare(got, accounts int64, how string) {
	if got != c.total() || accounts != int64(c.Accounts) {
		c.violation("client %d: %s: %d in %d accounts, not %d in %d", c.number, how, got, accounts, c.total(), c.Accounts)
	}
}

// unread counts a read that failed; those in autocommit apart, since nothing but the proxy's patience limits how often
// they may be tried again.
func (c *client) unread(begin string, err error) error {
	c.note(func(r *Report) {
		if begin == "" {
			r.ReadErrors[code(err)]++
		} else {
			r.TransferErrors[Reading+code(err)]++
		}
	})
	return err
}
