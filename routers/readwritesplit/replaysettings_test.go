package readwritesplit_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// failOver has db2 be the primary in place of db1.
func failOver(k *cluster) {
	k.db1.die()
	k.in(down, primary, replica)
}

// TestReplayChecksum: what must be as it was when a transaction is run again.
func TestReplayChecksum(t *testing.T) {
	ok := func(rows, id uint64) pt.Step {
		return pt.ReplyOK(protocol.OK{AffectedRows: rows, LastInsertID: id, Status: inTransaction})
	}
	same := func(fields ...string) pt.Step {
		return func(c *pt.Conn) error {
			all := pt.Rows(c.Caps, []string{"x"}, fields)
			binary.LittleEndian.PutUint16(all[len(all)-1][3:], inTransaction)
			return pt.Reply(all...)(c)
		}
	}
	for name, test := range map[string]struct {
		statement     string
		before, after pt.Step
		fits          string // which settings take them for the same
	}{
		"the same":          {"INSERT 1", ok(1, 5), ok(1, 5), "full no_insert_id results"},
		"insert ids":        {"INSERT 1", ok(1, 5), ok(1, 6), "no_insert_id results"},
		"affected rows":     {"INSERT 1", ok(1, 5), ok(2, 5), "results"},
		"rows":              {"SELECT a FROM t", same("1"), same("2"), ""},
		"fewer rows":        {"SELECT a FROM t", same("1"), pt.ReplyRows([]string{"x"}), ""},
		"rows of insert id": {"SELECT LAST_INSERT_ID()", same("1"), same("2"), "no_insert_id"},
		"an error":          {"INSERT 1", ok(1, 5), pt.ReplyError(1062, "23000", "Duplicate entry"), ""},
		"another error": {
			"INSERT 1", pt.ReplyError(1062, "23000", "Duplicate entry"), pt.ReplyError(1452, "23000", "No parent"), "",
		},
		"what people read": {
			"INSERT 1", pt.ReplyError(1062, "23000", "Duplicate entry"), pt.ReplyError(1062, "23000", "Doppelt"),
			"full no_insert_id results",
		},
	} {
		for _, setting := range []string{"full", "no_insert_id", "results"} {
			t.Run(name+", "+setting, func(t *testing.T) {
				k := newCluster(t, func(c *readwritesplit.Config) {
					c.TransactionReplay, c.TransactionReplayChecksum = true, setting
				})
				k.db1.on(test.statement, test.before)
				k.db2.on(test.statement, test.after)
				c := k.Session()
				c.Run(t, do("BEGIN"), pt.Query(test.statement), func(c *pt.Conn) error {
					if strings.HasPrefix(test.statement, "SELECT") {
						_, err := c.ReadRows()
						return err
					}
					_, err := c.ReadPayload()
					return err
				}, do("INSERT 7"))
				failOver(k)
				if strings.Contains(test.fits, setting) {
					c.Run(t, do("INSERT 8", "COMMIT"))
				} else {
					c.Run(t, pt.Query("INSERT 8"), deadlock(), do("BEGIN"))
				}
			})
		}
	}
}

// TestReplayMismatch: with transaction_replay_on_mismatch, a transaction that goes otherwise is tried again, while there is
// time and as often as it is allowed to.
func TestReplayMismatch(t *testing.T) {
	begin := func(t *testing.T, change func(c *readwritesplit.Config)) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, func(c *readwritesplit.Config) {
			c.TransactionReplay, c.TransactionReplayOnMismatch = true, true
			if change != nil {
				change(c)
			}
		})
		c := k.Session()
		c.Run(t, do("SET @a = 1", "BEGIN", "INSERT 1", "SET @a = 2"))
		failOver(k)
		k.forget()
		return k, c
	}
	late := pt.ReplyOK(protocol.OK{AffectedRows: 2, Status: inTransaction})
	t.Run("at last", func(t *testing.T) {
		k, c := begin(t, nil)
		tries := 0
		k.db2.on("INSERT 1", func(c *pt.Conn) error {
			if tries++; tries == 3 {
				k.db2.on("INSERT 1")
				return pt.ReplyOK(protocol.OK{AffectedRows: 1, Status: inTransaction})(c)
			}
			return late(c)
		})
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", ended("ROLLBACK"), "SET @a = 1", "BEGIN", "INSERT 1", ended("ROLLBACK"), "SET @a = 1",
			"BEGIN", "INSERT 1", "SET @a = 2", "INSERT 2", "COMMIT")
	})
	t.Run("too often", func(t *testing.T) {
		k, c := begin(t, func(c *readwritesplit.Config) { c.TransactionReplayAttempts = 2 })
		k.db2.on("INSERT 1", late)
		c.Run(t, pt.Query("INSERT 2"), deadlock(), do("INSERT 3"))
		k.db2.expect("BEGIN", "INSERT 1", ended("ROLLBACK"), "SET @a = 1", "BEGIN", "INSERT 1", ended("ROLLBACK"), "SET @a = 2",
			"INSERT 3")
	})
	t.Run("too long", func(t *testing.T) {
		k, c := begin(t, func(c *readwritesplit.Config) {
			c.TransactionReplayAttempts, c.TransactionReplayTimeout = 1<<30, 120*time.Millisecond
		})
		k.db2.on("INSERT 1", late)
		c.Run(t, pt.Query("INSERT 2"), deadlock(), do("INSERT 3"))
	})
}

// TestReplayTimeout: how long the next primary is waited for.
func TestReplayTimeout(t *testing.T) {
	for setting, end := range map[string]pt.Step{
		"read_only": deadlock(), "close_on_write": lost(),
	} {
		t.Run(setting, func(t *testing.T) {
			k := newCluster(t, func(c *readwritesplit.Config) {
				c.TransactionReplay, c.TransactionReplayTimeout, c.OnPrimaryLoss = true, time.Millisecond, setting
			})
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"))
			k.db1.die()
			k.in(down, replica, replica)
			c.Run(t, pt.Query("INSERT 2"), end)
		})
	}
	t.Run("without delayed_retry", func(t *testing.T) {
		k := newCluster(t, func(c *readwritesplit.Config) { c.TransactionReplay, c.TransactionReplayTimeout = true, patience })
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"))
		k.db1.die()
		k.in(down, replica, replica)
		c.Run(t, pt.Query("INSERT 2"))
		k.delayed(t)
		k.in(down, primary, replica)
		c.Run(t, pt.ExpectOK(), do("COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	})
}

// TestReplaySession: a transaction that is run again finds the session as it was at each statement, not as it is now.
func TestReplaySession(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.TransactionReplay = true })
	c := k.Session()
	c.Run(t, do("SET @a = 1", "BEGIN", "INSERT @a", "SET @a = 2", "INSERT @a", "SET @a = 3", "INSERT @a"))
	failOver(k)
	c.Run(t, do("INSERT 4", "COMMIT", "SET @a = 4", "INSERT 5"), ask("SELECT @a", "db3"))
	k.db2.expect("SET @a = 1", "BEGIN", "INSERT @a", "SET @a = 2", "INSERT @a", "SET @a = 3", "INSERT @a", "INSERT 4", "COMMIT",
		"SET @a = 4", "INSERT 5")
	k.db3.expect("SET @a = 4", "SELECT @a")
}

// TestUntold: a client whose transaction is over at a command that has no answer is told at the next one that has.
func TestUntold(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.TransactionReplay = true })
	c := k.Session()
	c.Run(t, prepare("INSERT ?", 1), do("BEGIN", "CALL p()"))
	k.db1.die()
	pipelinetest.Eventually(t, func() bool { return k.Servers[0].Links() == 0 }, k.Log.String)
	k.in(down, primary, replica)
	c.Run(t, pt.Send(protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc"), pt.Query("INSERT 2"), deadlock(), do("INSERT 3"))
	if k.db2.times("INSERT 2") != 0 {
		t.Error("a statement was run outside of its transaction")
	}
}
