package readwritesplit_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// answered answers commands of which the first has been read: by these steps, once it has read all of them.
func answered(steps ...pt.Step) pt.Step {
	return func(c *pt.Conn) error {
		for range steps[1:] {
			if _, err := c.ReadCommand(); err != nil {
				return err
			}
		}
		for _, step := range steps {
			c.Seq = 1
			if err := step(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestTogether: a server that is behind by several session commands runs them in one round trip.
func TestTogether(t *testing.T) {
	behind := func(t *testing.T, steps ...pt.Step) (*cluster, *pt.Conn) {
		t.Helper()
		k := newCluster(t, nil)
		k.db3.on("SET @a = 1", answered(steps...))
		c := k.Session()
		c.Run(t, ask("SELECT 0", "db2"), do("SET @a = 1", "SET @b = 2", "SET @c = 3"))
		k.forget()
		return k, c
	}
	ok := pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit})
	t.Run("done", func(t *testing.T) {
		k, c := behind(t, ok, ok, ok)
		c.Run(t, ask("SELECT 1", "db3"))
		k.db3.expect("SET @a = 1", "SELECT 1") // the script has read what is between
		c.Run(t, do("SET @d = 4"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
		k.db3.expect("SET @d = 4", "SELECT 3")
	})
	t.Run("answered at once", func(t *testing.T) {
		k := newCluster(t, nil)
		one := packed([]byte{0, 0, 0, 2, 0, 0, 0})
		k.db3.on("SET @a = 1", answered(pt.Raw(nil), pt.Raw(nil), pt.Raw([]byte(strings.Repeat(string(one), 3)))))
		c := k.Session()
		c.Run(t, ask("SELECT 0", "db2"), do("SET @a = 1", "SET @b = 2", "SET @c = 3"), ask("SELECT 1", "db3"))
	})
	t.Run("refused", func(t *testing.T) {
		k, c := behind(t, ok, pt.ReplyError(1193, "HY000", "Unknown system variable"), ok)
		c.Run(t, ask("SELECT 1", "db2"), ask("SELECT 2", "db2"))
		k.db3.expect("SET @a = 1")
	})
	t.Run("lost", func(t *testing.T) {
		_, c := behind(t, ok, pt.Close())
		c.Run(t, ask("SELECT 1", "db2"))
	})
	t.Run("killed", func(t *testing.T) {
		k, c := behind(t, ok, pt.ReplyError(protocol.ErQueryInterrupted, "70100", "Query execution was interrupted"), ok)
		c.Run(t, pt.Query("SELECT 1"), killed())
		k.db3.on("SET @a = 1")
		k.forget()
		c.Run(t, ask("SELECT 2", "db2"), ask("SELECT 3", "db3"))
		k.db3.expect("SET @a = 1", "SET @b = 2", "SET @c = 3", "SELECT 3") // on a new connection
	})
}

// TestManyTogether: a server that does not read before its answers have been read is not sent more than it takes.
func TestManyTogether(t *testing.T) {
	const commands, size = 400, 15 << 10
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxHistory = commands })
	c := k.Session()
	c.Run(t, ask("SELECT 0", "db2"))
	long, info := strings.Repeat("x", size), bytes.Repeat([]byte("i"), 60<<10)
	for i := range commands {
		set := fmt.Sprintf("SET @v%d = '%s'", i, long)
		k.db3.on(set, pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit, Info: info}))
		c.Run(t, do(set))
	}
	c.Run(t, ask("SELECT 1", "db3"))
	if got := len(k.db3.takes()); got != commands+1 {
		t.Errorf("%d commands came", got)
	}
}

// TestGoodbye: a server that says goodbye to a command of the router's own is lost, and is no worse than others when it is back.
func TestGoodbye(t *testing.T) {
	bye := goAway(protocol.ErServerShutdown)
	t.Run("in the history", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db2.on("SET @x = 5", bye)
		c := k.Session()
		c.Run(t, do("INSERT 0", "SET @x = 5"), ask("SELECT 1", "db3"))
		k.db2.on("SET @x = 5")
		c.Run(t, ask("SELECT 1", "db2"))
	})
	t.Run("in several commands of it", func(t *testing.T) {
		k := newCluster(t, nil)
		ok := pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit})
		k.db2.on("SET @x = 5", answered(ok, ok, bye))
		c := k.Session()
		c.Run(t, do("INSERT 0", "SET @x = 5", "SET @y = 6", "SET @z = 7"), ask("SELECT 1", "db3"))
		k.db2.on("SET @x = 5")
		c.Run(t, ask("SELECT 1", "db2"))
	})
	t.Run("in a transaction", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, prepare("SELECT ?", 1), do("BEGIN", "INSERT 1"))
		k.db1.on("prepare SELECT ?", func(c *pt.Conn) error {
			k.in(down, primary, replica)
			return bye(c)
		})
		c.Run(t, execute(1, bindInt, 5), pt.ExpectRows([]string{"db2"}), do("COMMIT"))
	})
	t.Run("in a transaction that is run again", func(t *testing.T) {
		k := newCluster(t, replaying)
		c := k.Session()
		c.Run(t, do("INSERT 0", "SET @x = 5", "BEGIN", "INSERT 1"))
		k.db2.on("SET @x = 5", func(c *pt.Conn) error {
			k.in(down, down, primary)
			return bye(c)
		})
		failOver(k)
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db3.expect("SET @x = 5", "BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	})
	t.Run("to a read that waits for what it must see", func(t *testing.T) {
		d := dialects["mariadb"]
		k := clusterOf(t, d.greeting, causal("session", "wait"))
		k.db1.wrote(d.gtid)
		k.db2.on(d.wait, bye)
		k.db3.on(d.wait, waited("0"))
		c := k.Session()
		c.Run(t, do("INSERT 1"), ask("SELECT 1", "db3"))
	})
}
