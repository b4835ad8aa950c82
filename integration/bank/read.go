package bank

import (
	"fmt"
	"time"
)

const (
	sum     = "SELECT COALESCE(SUM(balance), 0), COUNT(*) FROM accounts"
	sumFrom = "SELECT COALESCE(SUM(balance), 0), COUNT(*) FROM accounts WHERE id BETWEEN ? AND ?"
)

// mostMoved is how much a transfer moves at most. mostLoose, and one for each readsPerLoose, are how many loose snapshots the
// servers are believed to have made themselves: many times what was seen of them where as many accounts are used.
const (
	mostMoved     = 100
	mostLoose     = 2
	readsPerLoose = 50_000
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

// addTwice adds up the money in two statements of a transaction, and looks at the end whether the first one still reads what
// it did: a wrong sum of a snapshot is a transfer that was not one transaction, another reading is a reader that had none.
func (c *client) addTwice(begin string) error {
	if err := c.plain(begin); err != nil {
		return c.unread(begin, err)
	}
	half := c.Accounts / 2
	var read [3][]int64
	var at [3]time.Time
	for i, of := range [3][2]int{{1, half}, {half + 1, c.Accounts}, {1, half}} {
		var err error
		if read[i], err = c.numbers(2, sumFrom, of[0], of[1]); err != nil {
			return c.unread(begin, err)
		}
		at[i] = time.Now()
	}
	low, high, again := read[0], read[1], read[2]
	c.compare(low[0]+high[0], low[1]+high[1], fmt.Sprintf("%s (prepared: %v), %d, after %v %d, and after %v %d again",
		begin, c.prepared, low[0], at[1].Sub(at[0]), high[0], at[2].Sub(at[1]), again[0]))
	if low[0] != again[0] {
		c.violation("client %d: %s (prepared: %v): read %d, and after %v %d",
			c.number, begin, c.prepared, low[0], at[2].Sub(at[0]), again[0])
	}
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
	off := got - c.total()
	switch {
	case off == 0 && accounts == int64(c.Accounts):
		return
	case c.loose && accounts == int64(c.Accounts) && max(off, -off) <= mostMoved && c.loosely():
		return
	}
	c.violation("client %d: %s: %d in %d accounts, not %d in %d", c.number, how, got, accounts, c.total(), c.Accounts)
}

// loosely counts a snapshot that the server itself may have had wrong, and reports whether there are so few.
func (b *Bank) loosely() (few bool) {
	b.note(func(r *Report) {
		r.Loose++
		few = r.Loose <= mostLoose+r.Reads/readsPerLoose
	})
	return few
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
