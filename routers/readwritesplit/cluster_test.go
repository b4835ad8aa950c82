package readwritesplit_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// States as a monitor tells them.
var (
	primary = pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Primary, Lag: pipeline.UnknownLag}
	replica = pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica}
	down    = pipeline.ServerState{Monitored: true, Lag: pipeline.UnknownLag, Reason: "connection refused"}
)

// A cluster is a router before a primary, db1, and the replicas db2 and db3.
type cluster struct {
	*pipelinetest.Front
	fakes         []*fake
	db1, db2, db3 *fake
	metrics       map[string]pipeline.Metric
	states        sync.Mutex // of the servers, of which fakes may change those of all at the same time
}

// newCluster starts one of MariaDB servers, with settings that change makes.
func newCluster(t *testing.T, change func(c *readwritesplit.Config)) *cluster {
	t.Helper()
	return clusterOf(t, pt.MariaDB, change)
}

func clusterOf(t *testing.T, greeting func() protocol.Greeting, change func(c *readwritesplit.Config)) *cluster {
	t.Helper()
	k := &cluster{metrics: make(map[string]pipeline.Metric)}
	var addresses []string
	for i := range 3 {
		f := newFake(t, i, greeting())
		k.fakes, addresses = append(k.fakes, f), append(addresses, f.srv.Addr)
	}
	k.db1, k.db2, k.db3 = k.fakes[0], k.fakes[1], k.fakes[2]
	k.Front = pipelinetest.NewFront(t, pipelinetest.Options{
		Users: []pipeline.UserConfig{
			{Name: pipelinetest.User, Host: "%", Password: pipelinetest.Password},
			{Name: "other", Host: "%", Password: "2nd"},
		},
		Servers: addresses, Target: func(servers []*pipeline.Server) pipeline.Target {
			k.Front = &pipelinetest.Front{Servers: servers}
			k.in(primary, replica, replica)
			return router(t, servers, change, k.metrics)
		},
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Weir's log:\n%s", k.Log.String())
		}
	})
	return k
}

// router makes one of servers that runs until the test's end.
func router(t *testing.T, servers []*pipeline.Server, change func(c *readwritesplit.Config), metrics map[string]pipeline.Metric) pipeline.Target {
	t.Helper()
	c := readwritesplit.Defaults
	c.Servers = servers
	if change != nil {
		change(&c)
	}
	r, err := readwritesplit.New(c, pipeline.Env{
		Log: slog.New(slog.DiscardHandler),
		OnStart: func(f func() error) {
			if err := f(); err != nil {
				t.Error(err)
			}
		},
		OnStop: t.Cleanup,
		Expose: func(m pipeline.Metric) {
			if metrics != nil {
				metrics[m.Name] = m
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// in has the servers be in these states.
func (k *cluster) in(states ...pipeline.ServerState) {
	k.states.Lock()
	defer k.states.Unlock()
	for i, st := range states {
		k.Servers[i].SetState(st)
	}
}

// count is a figure of the router's.
func (k *cluster) count(name string) int {
	return int(k.metrics["weir_readwritesplit_"+name+"_total"].Read())
}

// forget has the servers forget what they have got.
func (k *cluster) forget() {
	for _, f := range k.fakes {
		f.takes()
	}
}

// delayed waits until a statement waits for a server.
func (k *cluster) delayed(t *testing.T) {
	t.Helper()
	pipelinetest.Eventually(t, func() bool { return k.count("delayed_statements") > 0 }, k.Log.String)
}

// links are how many connections each server has.
func (k *cluster) links() string {
	return fmt.Sprint(k.Servers[0].Links(), k.Servers[1].Links(), k.Servers[2].Links())
}

// unlinked waits until the servers have no connections.
func (k *cluster) unlinked(t *testing.T) {
	t.Helper()
	pipelinetest.Eventually(t, func() bool {
		return k.Servers[0].Links()+k.Servers[1].Links()+k.Servers[2].Links() == 0
	}, func() string { return "connections are left\n" + k.Log.String() })
}

// ask sends a statement that is answered by rows, by the server with this name.
func ask(statement, server string) pt.Step {
	return pt.Script(pt.Query(statement), pt.ExpectRows([]string{server}))
}

// do sends statements that are answered by OK.
func do(statements ...string) pt.Step {
	var steps []pt.Step
	for _, s := range statements {
		steps = append(steps, pt.Query(s), pt.ExpectOK())
	}
	return pt.Script(steps...)
}

// lost is the end of a session that could not go on.
func lost() pt.Step {
	return pt.Script(pt.ExpectError(protocol.ErConnectionKilled), pt.ExpectClosed())
}

const patience = time.Minute // that no test uses up
