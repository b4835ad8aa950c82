package replication

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// TestHeirsOfBefore: who replicated from the primary before is no heir of the present one, of whose writes it may lack any.
func TestHeirsOfBefore(t *testing.T) {
	play(t, []scene{
		`
			db1 rw      : primary
			db2 ro <db1 : replica of db1
			db3 rw <db1 : replica of db1`, `
			db1 down : none unreachable
			db2 rw   : primary
			db3 down : none unreachable`, `
			db1 down : none unreachable
			db2 down : none unreachable
			db3 rw   : none second_primary`,
	}, 1)
}

// TestActiveChannel: of several channels that lead to the primary, one that replicates says what a server is, wherever it
// stands among those that are stopped.
func TestActiveChannel(t *testing.T) {
	play(t, []scene{`
			db1 rw                   : primary
			db2 ro <db1              : relay of db1
			db3 ro <db1/stopped <db2 : replica of db2
			db4 ro <db2 <db1/stopped : replica of db2
			db5 ro <db1/stopped      : none of db1 replication_stopped`}, 1)
}

// TestGaveUpOnRelay: a replica that has given up a source which is known to be down serves reads. Where that is up, something
// else is wrong, and it does not.
func TestGaveUpOnRelay(t *testing.T) {
	play(t, []scene{
		`
			db1 rw      : primary
			db2 ro <db1 : relay of db1
			db3 ro <db2 : replica of db2`, `
			db1 rw             : primary
			db2 down           : none unreachable
			db3 ro <db2/gaveup : replica of db2 replication_broken`, `
			db1 rw             : primary
			db2 ro <db1        : relay of db1
			db3 ro <db2/gaveup : none of db2 replication_broken`,
	}, 1)
}

// clusterOf makes servers db1, db2 and so on.
func clusterOf(t *testing.T, n int) (all []*pipeline.Server) {
	t.Helper()
	for i := range n {
		c := pipeline.ServerDefaults
		c.Name = "db" + string(rune('1'+i))
		c.Address = c.Name + ":3306"
		srv, err := pipeline.NewServer(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, srv)
	}
	return all
}

// A witness looks at the servers whenever one is told of a change, which is logged then.
type witness struct {
	slog.Handler
	look func()
}

func (witness) Enabled(context.Context, slog.Level) bool { return true }

func (w witness) Handle(context.Context, slog.Record) error {
	w.look()
	return nil
}

// TestOnePrimary: while the primary changes, nobody sees two, whichever comes first in the file.
func TestOnePrimary(t *testing.T) {
	servers, looked := clusterOf(t, 3), 0
	log := slog.New(witness{slog.DiscardHandler, func() {
		looked++
		primaries := 0
		for _, srv := range servers {
			if srv.State().Role == pipeline.Primary {
				primaries++
			}
		}
		if primaries > 1 {
			t.Errorf("there are %d primaries", primaries)
		}
	}})
	m := &Monitor{servers: servers, reign: newReign(3, 1), tell: poll.NewTeller(log, servers), notes: notes{log: log}}
	var before []server
	for at, s := range []scene{
		"db1 ro <db2 : \n db2 rw : \n db3 ro <db2 :",
		"db1 rw : \n db2 ro <db1 : \n db3 ro <db1 :",
		"db1 ro <db3 : \n db2 ro <db3 : \n db3 rw :",
		"db1 ro <db2 : \n db2 rw : \n db3 ro <db2 :",
	} {
		all, _ := topologyOf(t, s, before)
		var seen []poll.Seen[answer]
		for i := range all {
			seen = append(seen, all[i].Seen)
		}
		m.hear(seen)
		if want := []int{1, 0, 2, 1}[at]; servers[want].State().Role != pipeline.Primary || int(m.primary.Load()) != want {
			t.Errorf("scene %d: %s is not the primary", at+1, servers[want].Name())
		}
		before = all
	}
	if looked < 8 {
		t.Errorf("%d changes were logged", looked)
	}
}

// TestLagByHeartbeat: where the heartbeat says how far a replica is behind, that is its lag, not what the server says.
func TestLagByHeartbeat(t *testing.T) {
	m := &Monitor{}
	for name, tt := range map[string]struct {
		role         pipeline.Role
		behind, want time.Duration
	}{
		"a replica":  {pipeline.Replica, 3 * time.Second, 3 * time.Second},
		"a relay":    {pipeline.Relay, 0, 0},
		"none known": {pipeline.Replica, pipeline.UnknownLag, 7 * time.Second},
		"no replica": {pipeline.NoRole, 3 * time.Second, 7 * time.Second},
	} {
		srv := server{Seen: poll.Seen[answer]{Up: true, Answer: answer{behind: tt.behind}}}
		if got := m.state(&srv, &verdict{role: tt.role, of: none, lag: 7 * time.Second}).Lag; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
