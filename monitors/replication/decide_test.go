package replication

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// A scene is the servers at one time, one to a line, and what is to be made of them. A line is
//
//	NAME STATE CHANNEL... : VERDICT
//
// STATE is rw, ro, down (it keeps what it last said) or denied. A CHANNEL is <SOURCE with what is wrong with it behind it:
// <db1, <db1/stopped, <db1/applying, <db1/receiving, <db1/connecting, <db1/password, <db1/gaveup; SOURCE may be a host that
// is no server. A VERDICT is the role, of whom, and the problem, as far as there are any: "replica of db1", "none
// not_following".
type scene string

// topologyOf reads a scene. before are the servers of the last one.
func topologyOf(t *testing.T, s scene, before []server) (servers []server, want []string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(string(s)), "\n") {
		says, verdict, ok := strings.Cut(line, ":")
		words := strings.Fields(says)
		if !ok || len(words) < 2 {
			t.Fatalf("no line of a scene: %q", line)
		}
		i := len(servers)
		srv := server{name: words[0], address: words[0] + ":3306"}
		srv.Up, srv.Answered, srv.Polls = true, true, 1
		if before != nil {
			srv.Polls += before[i].Polls
		}
		srv.Answer = answer{id: fmt.Sprint(i + 1), host: words[0], port: "3306", readOnly: words[1] == "ro", behind: pipeline.UnknownLag}
		for _, c := range words[2:] {
			srv.Answer.channels = append(srv.Answer.channels, channelOf(t, c))
		}
		switch words[1] {
		case "down", "denied":
			srv.Seen = poll.Seen[answer]{}
			if before != nil {
				srv.Answered, srv.Answer, srv.Polls = before[i].Answered, before[i].Answer, before[i].Polls
			}
			srv.Up = words[1] == "denied"
			srv.Refusing = srv.Up
			srv.Problem = map[string]pipeline.Problem{"down": pipeline.Unreachable, "denied": pipeline.AccessDenied}[words[1]]
		case "rw", "ro":
		default:
			t.Fatalf("no state: %q", words[1])
		}
		servers = append(servers, srv)
		want = append(want, strings.Join(append(words[:1:1], strings.Fields(verdict)...), " "))
	}
	return servers, want
}

func channelOf(t *testing.T, word string) channel {
	t.Helper()
	source, state, _ := strings.Cut(strings.TrimPrefix(word, "<"), "/")
	c := channel{host: source, port: "3306", io: running, sql: running, lag: 2 * time.Second}
	if number, ok := strings.CutPrefix(source, "db"); ok {
		c.id = number
	}
	unknownLag := func() { c.lag = pipeline.UnknownLag }
	switch state {
	case "":
	case "stopped":
		c.io, c.sql = stopped, stopped
		unknownLag()
	case "applying":
		c.sql, c.sqlErr = stopped, replicationError{1062, "Duplicate entry"}
		unknownLag()
	case "receiving":
		c.io, c.ioErr = stopped, replicationError{1236, "purged"}
		unknownLag()
	case "connecting":
		c.io, c.ioErr = trying, replicationError{2003, "can't connect"}
		unknownLag()
	case "gaveup":
		c.io, c.ioErr = stopped, replicationError{2003, "can't connect"}
		unknownLag()
	case "password":
		c.io, c.ioErr = trying, replicationError{1045, "denied"}
		unknownLag()
	default:
		t.Fatalf("no state of a channel: %q", state)
	}
	return c
}

func TestDecide(t *testing.T) {
	for name, scenes := range map[string][]scene{
		"one server":            {"db1 rw : primary"},
		"one server, read-only": {"db1 ro : none not_following"},
		"primary and replicas": {`
			db1 ro <db2 : replica of db2
			db2 rw      : primary
			db3 ro <db2 : replica of db2`},
		"writable replicas": {`
			db1 rw <db2 : replica of db2
			db2 rw      : primary
			db3 rw <db2 : replica of db2`},
		"relay": {`
			db1 rw      : primary
			db2 ro <db1 : relay of db1
			db3 ro <db2 : replica of db2`},
		"a relay that is down": {`
			db1 rw      : primary
			db2 ro <db1 : relay of db1
			db3 ro <db2 : replica of db2`, `
			db1 rw                 : primary
			db2 down               : none unreachable
			db3 ro <db2/connecting : replica of db2 replication_broken`},
		"primary elsewhere": {`
			db1 ro <far : replica
			db2 ro <far : replica`},
		"primary that follows another cluster": {`
			db1 rw <far : primary
			db2 ro <db1 : replica of db1`},
		"broken replicas": {`
			db1 rw               : primary
			db2 ro <db1/applying : none of db1 replication_broken
			db3 ro <db1/receiving : none of db1 replication_broken
			db4 ro <db1/stopped  : none of db1 replication_stopped
			db5 ro <db1/password : none of db1 replication_broken
			db6 ro <db1/connecting : replica of db1 replication_broken
			db7 ro <db1/gaveup   : none of db1 replication_broken`},
		"several writable, by topology": {`
			db1 rw      : none second_primary
			db2 rw      : primary
			db3 ro <db2 : replica of db2`},
		"several writable, nothing to tell by": {`
			db1 rw : primary
			db2 rw : none second_primary`},
		"a second writable one does not take over": {
			"db1 ro : none not_following \n db2 rw : primary",
			"db1 rw : none second_primary \n db2 rw : primary",
		},
		"nor when replicas follow it": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1
			db3 ro <db1 : replica of db1`, `
			db1 rw      : primary
			db2 rw      : none second_primary
			db3 ro <db2 : none not_following`},
		"nor when the primary dies": {
			"db1 rw : primary \n db2 rw : none second_primary",
			"db1 down : none unreachable \n db2 rw : none second_primary",
			"db1 rw : primary \n db2 rw : none second_primary",
		},
		"failover": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1
			db3 ro <db1 : replica of db1`, `
			db1 down               : none unreachable
			db2 ro <db1/connecting : replica of db1 replication_broken
			db3 ro <db1/gaveup     : replica of db1 replication_broken`, `
			db1 down               : none unreachable
			db2 ro <db1/stopped    : replica of db1 replication_stopped
			db3 ro <db1/connecting : replica of db1 replication_broken`, `
			db1 down               : none unreachable
			db2 ro                 : replica not_following
			db3 ro <db2            : replica not_following`, `
			db1 down               : none unreachable
			db2 rw                 : primary
			db3 ro <db1/connecting : none not_following`, `
			db1 down               : none unreachable
			db2 rw                 : primary
			db3 ro <db2            : replica of db2`, `
			db1 rw                 : none second_primary
			db2 rw                 : primary
			db3 ro <db2            : replica of db2`, `
			db1 ro <db2            : replica of db2
			db2 rw                 : primary
			db3 ro <db2            : replica of db2`},
		"failover without RESET REPLICA": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 down            : none unreachable
			db2 rw <db1/stopped : primary`},
		"the old primary does not come back": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1
			db3 ro <db1 : replica of db1`, `
			db1 down               : none unreachable
			db2 rw                 : primary
			db3 ro <db1/connecting : none not_following`, `
			db1 rw      : none second_primary
			db2 rw      : primary
			db3 ro <db1 : none not_following`, `
			db1 rw      : none second_primary
			db2 down    : none unreachable
			db3 ro <db1 : none not_following`},
		"the old primary comes back": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 down               : none unreachable
			db2 rw <db1/connecting : replica of db1 replication_broken`, `
			db1 rw                 : primary
			db2 rw <db1/connecting : replica of db1 replication_broken`},
		"what did not serve does not begin to when the primary dies": {`
			db1 rw               : primary
			db2 ro <db1/stopped  : none of db1 replication_stopped
			db3 ro <db1          : replica of db1`, `
			db1 down             : none unreachable
			db2 ro <db1/stopped  : none of db1 replication_stopped
			db3 ro <db1/applying : none of db1 replication_broken`},
		"switchover": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 ro      : replica read_only_primary
			db2 ro <db1 : replica of db1`, `
			db1 ro              : replica read_only_primary
			db2 ro <db1/stopped : replica of db1 replication_stopped`, `
			db1 ro : none not_following
			db2 rw : primary`, `
			db1 ro <db2 : replica of db2
			db2 rw      : primary`},
		"back again": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 ro <db2 : replica of db2
			db2 rw      : primary`, `
			db1 rw      : primary
			db2 ro <db1 : replica of db1`},
		"the primary refuses the monitor": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 denied  : primary access_denied
			db2 denied  : none access_denied`, `
			db1 denied          : none access_denied
			db2 rw <db1/stopped : primary`},
		"nobody lets the monitor in": {
			"db1 denied : none access_denied \n db2 denied : none access_denied",
		},
		"the primary is down from the start": {`
			db1 down               : none unreachable
			db2 rw <db1/connecting : replica of db1 replication_broken
			db3 ro <db1/connecting : replica of db1 replication_broken`, `
			db1 rw      : primary
			db2 rw <db1 : replica of db1
			db3 ro <db1 : replica of db1`},
		"circular, one writable": {`
			db1 ro <db2 : replica of db2
			db2 rw <db1 : primary`},
		"circular, both writable": {`
			db1 rw <db2 : primary
			db2 rw <db1 : relay of db1
			db3 ro <db2 : replica of db2`, `
			db1 down               : none unreachable
			db2 rw <db1/connecting : primary
			db3 ro <db2            : replica of db2`, `
			db1 rw <db2 : replica of db2
			db2 rw <db1 : primary
			db3 ro <db2 : replica of db2`},
		"circular of three": {`
			db1 ro <db3 : relay of db3
			db2 ro <db1 : replica of db1
			db3 rw <db2 : primary`},
		"a replica was stopped long before the primary dies": {`
			db1 rw      : primary
			db2 rw <db1 : replica of db1
			db3 rw <db1 : replica of db1`, `
			db1 rw              : primary
			db2 rw <db1/stopped : none of db1 replication_stopped
			db3 rw <db1         : replica of db1`, `
			db1 rw              : primary
			db2 rw              : none second_primary
			db3 rw <db1         : replica of db1`, `
			db1 rw              : primary
			db2 rw              : none second_primary
			db3 rw <db1         : replica of db1`, `
			db1 down               : none unreachable
			db2 rw                 : none second_primary
			db3 rw <db1/connecting : replica of db1 replication_broken`, `
			db1 rw      : primary
			db2 rw      : none second_primary
			db3 rw <db1 : replica of db1`},
		"a promotion that took long": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1
			db3 ro <db1 : replica of db1`, `
			db1 rw      : primary
			db2 rw      : none second_primary
			db3 ro <db1 : replica of db1`, `
			db1 rw      : primary
			db2 rw      : none second_primary
			db3 ro <db2 : none not_following`, `
			db1 rw      : primary
			db2 rw      : none second_primary
			db3 ro <db2 : none not_following`, `
			db1 down    : none unreachable
			db2 rw      : primary
			db3 ro <db2 : replica of db2`},
		"an operator says which one is to be it": {`
			db1 rw      : primary
			db2 ro <db1 : replica of db1`, `
			db1 rw : primary
			db2 rw : none second_primary`, `
			db1 rw : primary
			db2 rw : none second_primary`, `
			db1 rw : primary
			db2 rw : none second_primary`, `
			db1 down : none unreachable
			db2 rw   : none second_primary`, `
			db1 down : none unreachable
			db2 ro   : none not_following`, `
			db1 down : none unreachable
			db2 rw   : primary`},
		"an heir that has sources of its own": {`
			db1 rw           : primary
			db2 ro <far <db1 : replica of db1`, `
			db1 down         : none unreachable
			db2 rw <far      : primary`},
		"several sources": {`
			db1 rw                : primary
			db2 ro <far <db1      : replica of db1
			db3 ro <db1 <far/applying : replica of db1
			db4 ro <far <db1/stopped  : none of db1 replication_stopped`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, scenes, 1)
		})
	}
}

// play has a monitor see the scenes, one after another.
func play(t *testing.T, scenes []scene, failures int) {
	t.Helper()
	var before []server
	var r *reign
	for n, s := range scenes {
		servers, want := topologyOf(t, s, before)
		if r == nil {
			r = newReign(len(servers), failures)
		}
		topology := newTopology(servers)
		d := r.decide(topology)
		describe(topology, d, none) // is not to panic
		if diff := cmp.Diff(want, verdicts(servers, d)); diff != "" {
			t.Errorf("scene %d: -want +got:\n%s", n+1, diff)
		}
		before = servers
	}
}

// verdicts writes a decision as scenes do.
func verdicts(servers []server, d decision) (all []string) {
	for i, v := range d.verdicts {
		text := servers[i].name + " " + v.role.String()
		if v.of != none {
			text += " of " + servers[v.of].name
		}
		if v.problem != pipeline.NoProblem {
			text += " " + v.problem.String()
		}
		all = append(all, text)
	}
	return all
}

// TestReasons checks the words that operators read.
func TestReasons(t *testing.T) {
	servers, _ := topologyOf(t, `
		db1 rw :
		db2 ro <db1/applying :
		db3 rw :
		db4 ro <far :
		db5 ro <db1/connecting :`, nil)
	d := newReign(len(servers), 1).decide(newTopology(servers))
	want := []string{
		"", "replication from db1 is not applied: Duplicate entry",
		"takes writes and replicates from nobody, while db1 is the primary",
		"replicates from far:3306, not from db1", "does not reach db1 to replicate from it: can't connect",
	}
	for i, v := range d.verdicts {
		if v.reason != want[i] {
			t.Errorf("%s: %q, want %q", servers[i].name, v.reason, want[i])
		}
	}
	if lag := d.verdicts[4].lag; lag != pipeline.UnknownLag {
		t.Errorf("a replica without its source lags %v", lag)
	}
}

// TestSources checks how the source of a channel is found.
func TestSources(t *testing.T) {
	base := []server{
		{name: "db1", address: "10.0.0.1:3306", Seen: poll.Seen[answer]{Up: true, Answered: true, Answer: answer{id: "1", uuid: "a", host: "one", port: "3306"}}},
		{name: "db2", address: "127.0.0.1:3307", Seen: poll.Seen[answer]{Up: true, Answered: true, Answer: answer{id: "2", host: "two", port: "3306"}}},
		{name: "db3", address: "[::1]:3308"}, // has never answered
		{name: "db4", address: "/run/db4.sock", Seen: poll.Seen[answer]{Up: true, Answered: true, Answer: answer{id: "4", host: "four", port: "3306"}}},
		{name: "db5", address: "db5.example.com:3306", Seen: poll.Seen[answer]{Answered: true, Answer: answer{id: "4", host: "five", port: "3306"}}},
	}
	for name, tt := range map[string]struct {
		c    channel
		want int
	}{
		"by uuid, wherever":         {channel{uuid: "a", id: "7", host: "vip", port: "1"}, 0},
		"by id":                     {channel{id: "2", host: "vip", port: "1"}, 1},
		"by address":                {channel{host: "10.0.0.1", port: "3306"}, 0},
		"by the host's name":        {channel{host: "TWO", port: "3306"}, 1},
		"localhost":                 {channel{host: "localhost", port: "3307"}, 1},
		"loopback, of version 6":    {channel{host: "localhost", port: "3308"}, 2},
		"not answered, id is known": {channel{id: "9", host: "127.0.0.1", port: "3308"}, 2},
		"two of one id":             {channel{id: "4", host: "four", port: "3306"}, 3},
		"another at that address":   {channel{uuid: "z", host: "10.0.0.1", port: "3306"}, none},
		"another id there":          {channel{id: "9", host: "10.0.0.1", port: "3306"}, none},
		"elsewhere":                 {channel{id: "9", host: "10.0.0.9", port: "3306"}, none},
		"another port":              {channel{host: "10.0.0.1", port: "3307"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			servers := append(slices.Clip(base), server{name: "replica"})
			servers[5].Answer.channels = []channel{tt.c}
			topology := newTopology(servers)
			if got := topology.sources[5][0]; got != tt.want {
				t.Errorf("source %d, want %d", got, tt.want)
			}
		})
	}
}

// TestNotes checks that what is remarkable is logged, and once.
func TestNotes(t *testing.T) {
	var log strings.Builder
	n := notes{log: slog.New(slog.NewTextHandler(&log, nil))}
	r := newReign(4, 1)
	const ring = "db1 rw <db2 : \n db2 rw <db1 : \n db3 rw : \n db4 ro <db1 <far :"
	var before []server
	for _, step := range []struct {
		scene scene
		want  string // "": nothing new
	}{
		{ring, "db4 has several sources: db1"},
		{ring, ""},
		{ring, ""},
		{ring, ""},
		{ring, ""},
		{ring, ""},
		{ring, ""},
		{ring, ""},
		{ring, "circular replication: db1 and db2"},
		{ring, ""},
		{"db1 down : \n db2 ro <db1/connecting : \n db3 rw : \n db4 ro <db1 <far :", "there is no primary: db1 cannot be it"},
		{"db1 down : \n db2 rw <db1/stopped : \n db3 rw : \n db4 ro <db1 <far :", "the primary is db2, in place of db1"},
	} {
		log.Reset()
		servers, _ := topologyOf(t, step.scene, before)
		topology, last := newTopology(servers), r.last
		n.take(describe(topology, r.decide(topology), last))
		if step.want == "" && log.Len() > 0 || !strings.Contains(log.String(), step.want) {
			t.Errorf("logged %q, want %q", &log, step.want)
		}
		before = servers
	}
}
