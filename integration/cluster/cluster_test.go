package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/cluster"
	"github.com/weirproxy/weir/integration/server"
)

func TestMariaDB(t *testing.T) { testCluster(t, server.MariaDB) }
func TestMySQL(t *testing.T)   { testCluster(t, server.MySQL) }

// testCluster promotes the replicas in turn, and looks for every row that was acknowledged on every server.
func testCluster(t *testing.T, template func() (*server.Template, error)) {
	t.Helper()
	tmpl, err := template()
	if errors.Is(err, server.ErrNoMySQL) {
		t.Skip(err)
	}
	ok(t, err)
	t.Cleanup(func() { ok(t, tmpl.Remove()) })
	began := time.Now()
	c, err := cluster.Start(tmpl, 2)
	ok(t, err)
	t.Cleanup(func() { ok(t, c.Close()) })
	t.Logf("started in %v", time.Since(began))
	db1, db2, db3 := c.Servers[0], c.Servers[1], c.Servers[2]
	ok(t, db1.Exec("CREATE TABLE test.t (n INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1)"))

	// A replica that lags has received what it has not applied.
	ok(t, c.WaitCaughtUp())
	ok(t, db2.StopApplying())
	ok(t, db1.Exec("INSERT INTO test.t VALUES (2)"))
	count(t, db2, 1)
	ok(t, db2.CatchUp())
	ok(t, c.WaitCaughtUp())
	count(t, db2, 2)

	// One that was stopped, and one that was killed, go on.
	ok(t, db3.Stop())
	if err := c.WaitCaughtUp(); err == nil {
		t.Error("a stopped replica has caught up")
	}
	ok(t, db3.Continue())
	db3.Kill()
	ok(t, db1.Exec("INSERT INTO test.t VALUES (3)"))
	ok(t, db3.Restart())
	ok(t, c.WaitCaughtUp())

	ok(t, db2.Delay(time.Hour))
	ok(t, db1.Exec("INSERT INTO test.t VALUES (4)"))
	count(t, db2, 3)

	// With the primary alive; the one that lags is promoted. Then with the primary dead.
	ok(t, c.Promote(db2))
	count(t, db2, 4)
	ok(t, db2.Exec("INSERT INTO test.t VALUES (5)"))
	ok(t, c.WaitCaughtUp())
	count(t, db1, 5)
	db2.Kill()
	ok(t, c.Promote(db3))
	ok(t, db3.Exec("INSERT INTO test.t VALUES (6)"))
	ok(t, db2.Restart())
	ok(t, c.WaitCaughtUp())
	for _, s := range c.Servers {
		count(t, s, 6)
	}

	// A primary that comes back with what it never acknowledged loses that, and a stopped one is killed.
	ok(t, db1.Stop())
	ok(t, db2.Stop())
	ok(t, db3.Stop())
	ok(t, db1.Continue())
	ok(t, db2.Continue())
	ok(t, c.Promote(db1))
	ok(t, db1.Exec("INSERT INTO test.t VALUES (7)"))
	ok(t, db3.Restart())
	ok(t, c.WaitCaughtUp())
	for _, s := range c.Servers {
		count(t, s, 7)
	}
}

func count(t *testing.T, s *cluster.Server, want int) {
	t.Helper()
	var n int
	if err := s.Admin().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM test.t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("%s has %d rows, not %d", s.Name, n, want)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
