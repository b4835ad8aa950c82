package readwritesplit

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/weirproxy/weir/pipeline"
)

// A node is a server of a test: its rank and weight are 1 where they are 0.
type node struct {
	pipeline.ServerState
	rank, weight int
	address      string
}

var (
	aPrimary = node{ServerState: pipeline.ServerState{Up: true, Role: pipeline.Primary, Lag: pipeline.UnknownLag}}
	aReplica = node{ServerState: pipeline.ServerState{Up: true, Role: pipeline.Replica}}
)

// with changes a copy of a node.
func (n node) with(change func(n *node)) node {
	change(&n)
	return n
}

func (n node) behind(lag time.Duration) node { return n.with(func(n *node) { n.Lag = lag }) }
func (n node) ranked(rank int) node          { return n.with(func(n *node) { n.rank = rank }) }
func (n node) weighing(weight int) node      { return n.with(func(n *node) { n.weight = weight }) }
func (n node) down() node                    { return n.with(func(n *node) { n.Up = false }) }
func (n node) is(v pipeline.Service) node    { return n.with(func(n *node) { n.Service = v }) }
func (n node) has(gtid string) node          { return n.with(func(n *node) { n.GTID = gtid }) }

// cluster makes servers of nodes.
func cluster(t testing.TB, nodes ...node) (all []candidate) {
	t.Helper()
	for i, n := range nodes {
		c := pipeline.ServerDefaults
		c.Name, c.Address = fmt.Sprintf("db%d", i), "127.0.0.1:1"
		c.Rank, c.Weight = max(n.rank, 1), max(n.weight, 1)
		if n.address != "" {
			c.Address = n.address
		}
		srv, err := pipeline.NewServer(c)
		if err != nil {
			t.Fatal(err)
		}
		n.Monitored = true
		srv.SetState(n.ServerState)
		srv.SetService(n.Service)
		all = append(all, candidate{srv, new(load)})
	}
	return all
}

// anyReplica is what a session wishes that wishes nothing.
var anyReplica = wish{maxReplicas: 255}

func TestChooseFit(t *testing.T) {
	relay := aReplica.with(func(n *node) { n.Role = pipeline.Relay })
	none := aReplica.with(func(n *node) { n.Role = pipeline.NoRole })
	for name, c := range map[string]struct {
		nodes []node
		wish  wish
		want  int
	}{
		"nobody":               {nil, anyReplica, -1},
		"the replica":          {[]node{aPrimary, aReplica}, anyReplica, 1},
		"the primary alone":    {[]node{aPrimary}, anyReplica, -1},
		"primary reads":        {[]node{aPrimary}, wish{primaryReads: true, maxReplicas: 255}, 0},
		"a relay":              {[]node{aPrimary, relay}, anyReplica, 1},
		"without a role":       {[]node{aPrimary, none}, anyReplica, -1},
		"down":                 {[]node{aPrimary, aReplica.down()}, anyReplica, -1},
		"draining":             {[]node{aPrimary, aReplica.is(pipeline.Draining)}, anyReplica, -1},
		"maintenance":          {[]node{aPrimary, aReplica.is(pipeline.InMaintenance)}, anyReplica, -1},
		"primary maintenance":  {[]node{aPrimary.is(pipeline.InMaintenance)}, wish{primaryReads: true, maxReplicas: 255}, -1},
		"excluded":             {[]node{aReplica, aReplica}, wish{tried: 1, maxReplicas: 255}, 1},
		"all excluded":         {[]node{aReplica, aReplica}, wish{tried: 3, maxReplicas: 255}, -1},
		"lag not asked":        {[]node{aReplica.behind(time.Hour)}, anyReplica, 0},
		"unknown not asked":    {[]node{aReplica.behind(pipeline.UnknownLag)}, anyReplica, 0},
		"lag":                  {[]node{aReplica.behind(3 * time.Second), aReplica.behind(2 * time.Second)}, wish{maxLag: 2 * time.Second, maxReplicas: 255}, 1},
		"lag of all":           {[]node{aPrimary, aReplica.behind(3 * time.Second)}, wish{maxLag: 2 * time.Second, maxReplicas: 255}, -1},
		"unknown lag":          {[]node{aReplica.behind(pipeline.UnknownLag)}, wish{maxLag: 2 * time.Second, maxReplicas: 255}, -1},
		"a primary's lag":      {[]node{aPrimary}, wish{maxLag: 2 * time.Second, primaryReads: true, maxReplicas: 255}, 0},
		"rank":                 {[]node{aReplica.ranked(2), aReplica.ranked(1)}, anyReplica, 1},
		"rank where fit":       {[]node{aReplica.ranked(2), aReplica.ranked(1).down()}, anyReplica, 0},
		"rank of the primary":  {[]node{aPrimary.ranked(2), aReplica.ranked(1)}, wish{primaryReads: true, maxReplicas: 255}, 1},
		"no replicas":          {[]node{aPrimary, aReplica}, wish{}, -1},
		"a primary before":     {[]node{aReplica, aPrimary}, wish{connected: 1}, -1},
		"no replicas, primary": {[]node{aReplica, aPrimary}, wish{primaryReads: true}, 1},
		"as many as may be":    {[]node{aPrimary, aReplica, aReplica}, wish{connected: 0b100, maxReplicas: 1}, 2},
		"primary not counted":  {[]node{aPrimary, aReplica.down(), aReplica}, wish{connected: 0b001, maxReplicas: 1}, 2},
		"counted when down":    {[]node{aPrimary, aReplica.down(), aReplica}, wish{connected: 0b011, maxReplicas: 1}, -1},
		"full, but of a lower rank": {
			[]node{aPrimary, aReplica, aReplica.ranked(2)}, wish{connected: 0b100, maxReplicas: 1}, 1,
		},
		"full, and of a higher rank": {
			[]node{aPrimary, aReplica.ranked(2), aReplica.down()}, wish{connected: 0b100, maxReplicas: 1}, -1,
		},
		"full, of a lower rank than the primary": {
			[]node{aPrimary.ranked(2), aReplica.ranked(1), aReplica}, wish{connected: 0b101, maxReplicas: 1}, 2,
		},
		"none may be, of whatever rank": {[]node{aReplica, aReplica.ranked(2)}, wish{connected: 0b10}, -1},
		"has not executed":              {[]node{aReplica.has("0-1-4"), aReplica.has("0-1-5")}, wish{gtid: parsed(t, "0-1-5"), maxReplicas: 255}, 1},
		"position not known":            {[]node{aReplica}, wish{gtid: parsed(t, "0-1-5"), maxReplicas: 255}, -1},
		"position not parsed":           {[]node{aReplica.has("0-1-5,x")}, wish{gtid: parsed(t, "0-1-5"), maxReplicas: 255}, -1},
		"a primary has all":             {[]node{aPrimary}, wish{gtid: parsed(t, "0-1-5"), primaryReads: true, maxReplicas: 255}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, by := range []criterion{fewestRunning, responseTime, leastLag, fewestConnections} {
				if got := choose(cluster(t, c.nodes...), by, &c.wish); got != c.want {
					t.Errorf("by %s it is %d, want %d", by, got, c.want)
				}
			}
		})
	}
}

func TestChooseUnmonitored(t *testing.T) {
	srv, err := pipeline.NewServer(pipeline.ServerConfig{Name: "db", Address: "127.0.0.1:1", Weight: 1, Rank: 1, ConnectTimeout: 1})
	if err != nil {
		t.Fatal(err)
	}
	all := []candidate{{srv, new(load)}}
	if got := choose(all, fewestRunning, &anyReplica); got != -1 {
		t.Errorf("a server that nobody watches is chosen")
	}
	if got := primaryOf(all); got != -1 {
		t.Errorf("a server that nobody watches is the primary")
	}
}

// TestChooseSuspect has a server that could not be reached come last, but for a session that is connected to it.
func TestChooseSuspect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	all := cluster(t, aReplica.with(func(n *node) { n.address = closed }), aReplica.ranked(2))
	if _, err := pipeline.MergeGreetings(t.Context(), []*pipeline.Server{all[0].server}); err == nil {
		t.Fatal("somebody listens there")
	}
	if got := choose(all, fewestRunning, &anyReplica); got != 1 {
		t.Errorf("it is %d", got)
	}
	if got := choose(all, fewestRunning, &wish{tried: 2, maxReplicas: 255}); got != 0 {
		t.Errorf("where there is no other it is %d", got)
	}
	if got := choose(all, fewestRunning, &wish{connected: 1, maxReplicas: 255}); got != 0 {
		t.Errorf("where it is connected it is %d", got)
	}
}

func TestChooseFewestRunning(t *testing.T) {
	all := cluster(t, aReplica, aReplica, aReplica.weighing(3))
	var chosen [3]int
	for range 50 { // none of them ends
		i := choose(all, fewestRunning, &anyReplica)
		all[i].load.begin()
		chosen[i]++
	}
	if chosen != [3]int{10, 10, 30} {
		t.Errorf("they run %v", chosen)
	}
	for range 5 {
		all[1].load.end(time.Millisecond)
	}
	if i := choose(all, fewestRunning, &anyReplica); i != 1 {
		t.Errorf("it is %d, and not the one that runs fewest", i)
	}
}

// TestChooseInTurn has servers that are equal by the criterion be used in turn, as their weights say.
func TestChooseInTurn(t *testing.T) {
	for _, by := range []criterion{fewestRunning, leastLag, fewestConnections} {
		all := cluster(t, aReplica, aReplica, aReplica)
		var order []int
		for range 6 {
			order = append(order, choose(all, by, &anyReplica))
		}
		if !slices.Equal(order, []int{0, 1, 2, 0, 1, 2}) {
			t.Errorf("by %s, equal ones are used in the order %v", by, order)
		}
		all = cluster(t, aReplica.weighing(4), aReplica, aReplica.weighing(2).down())
		if got := count(all, by, 500); !slices.Equal(got, []int{400, 100, 0}) {
			t.Errorf("by %s, weights 4 and 1 get %v", by, got)
		}
		all[2].server.SetState(pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica})
		if got := count(all, by, 70); got[2] < 18 || got[2] > 22 {
			t.Errorf("by %s, one that is back gets %v", by, got)
		}
	}
}

// count chooses a number of times and says how often which.
func count(all []candidate, by criterion, times int) []int {
	chosen := make([]int, len(all))
	for range times {
		chosen[choose(all, by, &anyReplica)]++
	}
	return chosen
}

func TestChooseLeastLag(t *testing.T) {
	all := cluster(t, aReplica.behind(pipeline.UnknownLag), aReplica.behind(2*time.Second), aReplica.behind(time.Second))
	if got := count(all, leastLag, 10); got[2] != 10 {
		t.Errorf("they are chosen %v times", got)
	}
	all = cluster(t, aReplica.behind(time.Second), aPrimary)
	if got := choose(all, leastLag, &wish{primaryReads: true, maxReplicas: 1}); got != 1 {
		t.Errorf("it is %d, and not the primary", got)
	}
}

// TestChooseResponseTime has the quick one get nearly all, and the slow one so many that it is known when it is quick.
func TestChooseResponseTime(t *testing.T) {
	all := cluster(t, aReplica, aReplica)
	latency := []time.Duration{time.Millisecond, 20 * time.Millisecond}
	serve := func(times int) (chosen [2]int) {
		for range times {
			i := choose(all, responseTime, &anyReplica)
			all[i].load.begin()
			all[i].load.end(latency[i])
			chosen[i]++
		}
		return chosen
	}
	if got := serve(20_000); got[1] < 10 || got[1] > 40 {
		t.Errorf("the slow one gets %d", got[1])
	}
	latency[1] = time.Millisecond / 2
	serve(2000)
	if got := serve(2000); got[1] < 1900 {
		t.Errorf("one that has become quick gets %d of 2000", got[1])
	}
	// What runs counts too.
	for range 10 {
		all[1].load.begin()
	}
	if got := choose(all, responseTime, &anyReplica); got != 0 {
		t.Errorf("it is the one with ten statements running")
	}
}

func TestLoadLatency(t *testing.T) {
	var l load
	for _, c := range []struct{ took, want time.Duration }{{0, 0}, {800, 800}, {0, 800}, {1600, 900}, {100, 800}} {
		l.begin()
		if l.end(c.took); l.latency.Load() != int64(c.want) || l.running.Load() != 0 {
			t.Errorf("after %d: %d, %d running", c.took, l.latency.Load(), l.running.Load())
		}
	}
	if size := unsafe.Sizeof(l); size != 128 {
		t.Errorf("a load has %d bytes, and not two cache lines", size)
	}
}

func TestPrimaryOf(t *testing.T) {
	for _, c := range []struct {
		nodes []node
		want  int
	}{
		{nil, -1},
		{[]node{aReplica, aPrimary}, 1},
		{[]node{aReplica}, -1},
		{[]node{aPrimary.down()}, -1},
		{[]node{aPrimary.is(pipeline.InMaintenance)}, -1},
		{[]node{aPrimary.is(pipeline.Draining), aPrimary}, 1},
		{[]node{aPrimary, aPrimary}, 0},
		{[]node{aPrimary.ranked(2), aPrimary.ranked(1)}, 1},
	} {
		if got := primaryOf(cluster(t, c.nodes...)); got != c.want {
			t.Errorf("of %+v it is %d, want %d", c.nodes, got, c.want)
		}
	}
}

func TestCriterionOf(t *testing.T) {
	for by, name := range criterionNames {
		if got, err := criterionOf(name); got != criterion(by) || err != nil {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if _, err := criterionOf("random"); err == nil || !strings.Contains(err.Error(), `"random" is not one of fewest_running`) {
		t.Errorf("the error is %v", err)
	}
}

func TestChooseAllocations(t *testing.T) {
	all := cluster(t, aPrimary, aReplica.has("0-1-5"), aReplica.has("0-1-9"), aReplica.has("0-1-9").weighing(2))
	w := &wish{maxLag: time.Second, primaryReads: true, gtid: parsed(t, "0-1-7"), connected: 0b1100, maxReplicas: 2}
	for by := range criterion(len(criterionNames)) {
		n := testing.AllocsPerRun(100, func() {
			i := choose(all, by, w)
			all[i].load.begin()
			all[i].load.end(time.Millisecond)
			primaryOf(all)
		})
		if n != 0 {
			t.Errorf("by %s: %v allocations", by, n)
		}
	}
}

// TestLoadShared has several workers choose, and states change, at one time.
func TestLoadShared(t *testing.T) {
	all := cluster(t, aPrimary, aReplica.has("0-1-9"), aReplica.has("0-1-9"))
	var workers sync.WaitGroup
	for by := range criterion(len(criterionNames)) {
		workers.Go(func() {
			w := &wish{gtid: parsed(t, "0-1-7"), maxReplicas: 2}
			for range 2000 {
				if i := choose(all, by, w); i >= 0 {
					all[i].load.begin()
					all[i].load.end(time.Millisecond)
				}
			}
		})
	}
	for i := range 200 {
		all[2].server.SetState(pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica, GTID: fmt.Sprint("0-1-", i%10)})
	}
	workers.Wait()
	for i := range all {
		if n := all[i].load.running.Load(); n != 0 {
			t.Errorf("%d statements run at server %d", n, i)
		}
	}
	if all[1].load.turn.Load() == 0 {
		t.Errorf("a replica that was there all the time is never chosen")
	}
}

func BenchmarkChoose(b *testing.B) {
	all := cluster(b, aPrimary, aReplica, aReplica)
	for by := range criterion(len(criterionNames)) {
		b.Run(by.String(), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := choose(all, by, &anyReplica)
					all[i].load.begin()
					all[i].load.end(time.Millisecond)
				}
			})
		})
	}
}
