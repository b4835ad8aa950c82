package readwritesplit_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// changeUser logs in anew, with the schema shop.
func changeUser(c *pt.Conn) error {
	request := protocol.ChangeUser{
		User: pipelinetest.User, AuthResponse: make([]byte, 20), Schema: "shop", Collation: 45, AuthPlugin: protocol.NativePassword,
	}
	if err := c.WritePacket(0, request.Append(nil, c.Caps)); err != nil {
		return err
	}
	payload, err := c.ReadPayload()
	if err != nil {
		return err
	}
	again, err := protocol.DecodeAuthSwitch(payload)
	if err != nil {
		return err
	}
	response, _ := protocol.AuthResponse(again.Plugin, pipelinetest.Password, again.Data)
	return pt.Script(pt.Reply(response), pt.ExpectOK())(c)
}

// TestChangeUser: the session goes on as the new user's, on new connections, and without what was.
func TestChangeUser(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 1", "SET @x = 5", "LOCK TABLES t READ"), prepare("SELECT ?", 1))
	k.forget()
	c.Run(t, changeUser, ask("SELECT 2", "db2"), execute(1, bindInt, 5), pt.ExpectError(protocol.ErUnknownStmtHandler), do("INSERT 3"))
	k.db2.expect("SELECT 2")
	k.db1.expect("INSERT 3")
	if n := k.db1.loggedIn(); n != 2 {
		t.Errorf("db1 was logged in to %d times", n)
	}
	if got := k.db1.schema(); got != "shop" {
		t.Errorf("db1 was logged in to with the schema %q", got)
	}
}

// TestPing: one server answers, and the client gets one answer.
func TestPing(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	ping := pt.Script(pt.Send(protocol.ComPing, ""), pt.ExpectOK())
	c.Run(t, ping, ask("SELECT 1", "db3"), do("INSERT 2"))
	k.forget()
	c.Run(t, ping, ping)
	k.db1.expect("COM_PING", "COM_PING")
	k.db2.expect()
	k.db3.expect()
}

// TestSetWithinReadOnlyTransaction: it is run where the transaction is, and elsewhere afterwards.
func TestSetWithinReadOnlyTransaction(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	c.Run(t, do("INSERT 1", "START TRANSACTION READ ONLY"), do("SET @x = 5"), ask("SELECT @x", "db2"))
	k.db2.expect("START TRANSACTION READ ONLY", "SET @x = 5", "SELECT @x")
	k.db1.expect("INSERT 1")
	c.Run(t, do("COMMIT", "INSERT 2"), ask("SELECT 3", "db3"))
	k.db1.expect("SET @x = 5", "INSERT 2")
	k.db3.expect("SET @x = 5", "SELECT 3")
}

// TestLongStatement: one that does not fit into a buffer arrives whole, once.
func TestLongStatement(t *testing.T) {
	k := newCluster(t, nil)
	c := k.Session()
	long := "INSERT '" + strings.Repeat("x", 300_000) + "'"
	c.Run(t, do(long), ask("SELECT 1", "db2"))
	if n := k.db1.times(long); n != 1 {
		t.Errorf("it has arrived %d times", n)
	}
	k.db1.on(long, pt.Close())
	c.Run(t, pt.Query(long), lost())
	if n := k.db1.times(long); n != 1 {
		t.Errorf("it has been sent %d times", n)
	}
}

// TestLocalInfile: a file goes from the client to the primary, and where that was lost nowhere else.
func TestLocalInfile(t *testing.T) {
	k := newCluster(t, nil)
	const load = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"
	request := []byte("\xfbf")
	k.db1.on(load, pt.Reply(request), pt.Expect([]byte("a,b\n"), nil), pt.ReplyOK(protocol.OK{AffectedRows: 1, Status: 2}))
	c := k.Session()
	file := pt.Script(pt.Query(load), pt.Expect(request), pt.Reply([]byte("a,b\n"), nil))
	c.Run(t, file, pt.ExpectOK(), ask("SELECT 1", "db2"))
	k.db1.on(load, pt.Reply(request), pt.Expect([]byte("a,b\n"), nil), pt.Close())
	c.Run(t, file, lost())
	k.db1.expect(load, load)
	t.Run("lost in it", func(t *testing.T) {
		closed := make(chan struct{})
		part := bytes.Repeat([]byte("z"), 40_000)
		k.db1.on(load, pt.Reply(request), pt.Expect(part), pt.Reset(), func(*pt.Conn) error { close(closed); return nil })
		c := k.Session()
		c.Run(t, pt.Query(load), pt.Expect(request), pt.Reply(part))
		<-closed
		for range 50 {
			c.Run(t, pt.Reply(part))
		}
		c.Run(t, pt.Reply(nil), lost())
		k.db1.expect(load)
	})
}

// TestEagerConnect: a server that is not there at the start is done without, unless there is no other.
func TestEagerConnect(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.LazyConnect = false })
	k.db2.die()
	k.Session().Run(t, ask("SELECT 1", "db3"), do("INSERT 2"))
	k.AwaitLog("session begins without a server")
	k.db1.die()
	k.db3.die()
	err := pt.Login(pipelinetest.User, pipelinetest.Password)(k.Dial())
	if err == nil || !strings.Contains(err.Error(), "Can't connect to any server") || !strings.Contains(err.Error(), "db3") {
		t.Errorf("without a server, a client is told %v", err)
	}
}

// TestMaxLag: where all replicas are too far behind, the primary is read from.
func TestMaxLag(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxLag = time.Second })
	behind := func(lag time.Duration) pipeline.ServerState {
		st := replica
		st.Lag = lag
		return st
	}
	c := k.Session()
	k.in(primary, behind(time.Minute), behind(time.Second))
	c.Run(t, ask("SELECT 1", "db3"), ask("SELECT 2", "db3"))
	k.in(primary, behind(time.Minute), behind(pipeline.UnknownLag))
	c.Run(t, ask("SELECT 3", "db1"), ask("SELECT 4", "db1"))
	k.in(primary, behind(0), behind(pipeline.UnknownLag))
	c.Run(t, ask("SELECT 5", "db2"))
}

// TestReadTargets: the settings by which the primary reads.
func TestReadTargets(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) { c.MaxReplicas = 0 })
	k.Session().Run(t, do("SET @x = 1"), ask("SELECT 1", "db1"), ask("SELECT 2", "db1"))
	k = newCluster(t, func(c *readwritesplit.Config) { c.PrimaryReads = true })
	k.Session().Run(t, ask("SELECT 1", "db1"), ask("SELECT 2", "db2"), ask("SELECT 3", "db3"), ask("SELECT 4", "db1"))
	k.db1.on("SELECT 5", pt.Close())
	k.in(primary, replica, down)
	c := k.Session()
	for range 2 { // one of them at the primary first
		c.Run(t, ask("SELECT 5", "db2"))
	}
}

// TestUnmonitored: of servers that nobody watches, none is the primary.
func TestUnmonitored(t *testing.T) {
	k := newCluster(t, nil)
	for _, srv := range k.Servers {
		srv.SetState(pipeline.ServerState{Up: true})
	}
	k.Session().Run(t, pt.Query("SELECT 1"), lost())
	k.Session().Run(t, pt.Query("INSERT 1"), lost())
}

// TestReadOnlyPrimary: a primary that was made read-only has not carried out what it refuses: the next one does.
func TestReadOnlyPrimary(t *testing.T) {
	refuse := pt.ReplyError(protocol.ErOptionPreventsStatement, "HY000",
		"The MariaDB server is running with the --read-only option so it cannot execute this statement")
	k := newCluster(t, func(c *readwritesplit.Config) { c.DelayedRetry = patience })
	k.db1.on("INSERT 1", refuse)
	c := k.Session()
	c.Run(t, pt.Query("INSERT 1"))
	pipelinetest.Eventually(t, func() bool { return k.db1.times("INSERT 1") > 0 }, k.Log.String)
	k.in(replica, primary, replica)
	c.Run(t, pt.ExpectOK(), do("INSERT 2"))
	k.db2.expect("INSERT 1", "INSERT 2")
	t.Run("without delayed_retry", func(t *testing.T) {
		k := newCluster(t, nil)
		k.db1.on("INSERT 1", refuse)
		k.Session().Run(t, pt.Query("INSERT 1"), pt.ExpectError(protocol.ErOptionPreventsStatement), do("INSERT 2"))
		k.db1.expect("INSERT 1", "INSERT 2")
	})
}

// TestReplicaDiesUnderLoad: while a replica comes and goes, no read fails and none is answered twice.
func TestReplicaDiesUnderLoad(t *testing.T) {
	k := newCluster(t, nil)
	const clients, reads = 16, 200
	var all sync.WaitGroup
	half := make(chan struct{}, clients)
	for i := range clients {
		c := k.Session()
		all.Go(func() {
			for n := range reads {
				if n == reads/2 {
					half <- struct{}{}
				}
				if err := pt.Query(fmt.Sprintf("SELECT %d, %d", i, n))(c); err != nil {
					t.Error(err)
					return
				}
				rows, err := c.ReadRows()
				if err != nil || len(rows) != 1 || !strings.HasPrefix(rows[0][0], "db") {
					t.Errorf("read %d of client %d: %q, %v", n, i, rows, err)
					return
				}
			}
		})
	}
	for range 3 {
		<-half
		k.db2.die()
		k.db2.rise()
	}
	all.Wait()
}
