package static

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

func newServer(t *testing.T, name string) *pipeline.Server {
	t.Helper()
	c := pipeline.ServerDefaults
	c.Name, c.Address = name, "127.0.0.1:1"
	srv, err := pipeline.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestRoles(t *testing.T) {
	p := &pipeline.Process{Log: slog.New(slog.DiscardHandler)}
	db1, db2, db3 := newServer(t, "db1"), newServer(t, "db2"), newServer(t, "db3")
	c := Kind.Defaults.(Config)
	c.User, c.Primary, c.Replicas = "weir", db1, []*pipeline.Server{db2, db3}
	built, err := New(c, p.MonitorEnv("main"))
	if err != nil {
		t.Fatal(err)
	}
	m := built.(*Monitor)
	if all := m.Servers(); len(all) != 3 || all[0] != db1 {
		t.Errorf("its servers are %v", all)
	}
	well := poll.Seen[poll.Row]{Up: true, Answered: true, Answer: poll.Row{"version": "11.8.3-MariaDB", "read_only": "1"}}
	m.hear([]poll.Seen[poll.Row]{
		well, {Up: true, Refusing: true, Problem: pipeline.AccessDenied, Reason: "denied"}, {Problem: pipeline.Unreachable, Reason: "gone"},
	})
	first, second, third := db1.State(), db2.State(), db3.State()
	if !first.Up || first.Role != pipeline.Primary || !first.ReadOnly || first.Version != "11.8.3-MariaDB" || first.Of != nil {
		t.Errorf("the primary is %+v", first)
	}
	if !second.Up || second.Role != pipeline.Replica || second.Of != db1 || second.Lag != pipeline.UnknownLag || second.Problem != pipeline.AccessDenied {
		t.Errorf("the one that refuses is %+v", second)
	}
	if third.Up || third.Role != pipeline.NoRole || third.Reason != "gone" || !third.Monitored {
		t.Errorf("the one that is down is %+v", third)
	}
}

func TestNew(t *testing.T) {
	p := &pipeline.Process{Log: slog.New(slog.DiscardHandler)}
	srv := newServer(t, "db1")
	for name, change := range map[string]func(*Config){
		"no user": func(c *Config) { c.User = "" }, "nobody": func(c *Config) { c.Primary = nil },
		"twice": func(c *Config) { c.Replicas = []*pipeline.Server{srv} },
	} {
		c := Kind.Defaults.(Config)
		c.User, c.Primary = "weir", srv
		change(&c)
		if _, err := New(c, p.MonitorEnv("main")); err == nil || !strings.Contains(err.Error(), ": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
