package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
)

func TestClassify(t *testing.T) {
	sqlError := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "m"} }
	for name, tt := range map[string]struct {
		err     error
		problem pipeline.Problem
		answers bool
	}{
		"access denied":     {sqlError(1045), pipeline.AccessDenied, true},
		"wrapped":           {fmt.Errorf("poll: %w", sqlError(1698)), pipeline.AccessDenied, true},
		"host not allowed":  {sqlError(1130), pipeline.AccessDenied, true},
		"too many":          {sqlError(1040), pipeline.TooManyConnections, true},
		"too many of user":  {sqlError(1226), pipeline.TooManyConnections, true},
		"missing privilege": {sqlError(1227), pipeline.MissingPrivilege, true},
		"another error":     {sqlError(1105), pipeline.Refused, true},
		"shutting down":     {sqlError(1053), pipeline.Unreachable, false},
		"killed":            {sqlError(1927), pipeline.Unreachable, false},
		"deadline":          {context.DeadlineExceeded, pipeline.NotResponding, false},
		"network deadline":  {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, pipeline.NotResponding, false},
		"refused":           {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, pipeline.Unreachable, false},
		"broken":            {mysql.ErrInvalidConn, pipeline.Unreachable, false},
		"no server":         {mysql.ErrMalformPkt, pipeline.Unreachable, false},
	} {
		f := classify(tt.err)
		if f.problem != tt.problem || f.answers != tt.answers || f.reason == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestHealth lets polls succeed (+), fail (-) and be refused (r), and checks what is known after each: u up, d down, r
// refusing.
func TestHealth(t *testing.T) {
	for name, tt := range map[string]struct{ polls, want string }{
		"up at once":            {"+++", "uuu"},
		"down at once":          {"---", "ddd"},
		"one bad answer":        {"+-+-+--+", "uuuuuuuu"},
		"three bad answers":     {"+---", "uuud"},
		"slowly up again":       {"+---+++", "uuudduu"},
		"one good answer":       {"+---+-+-++", "uuuddddddu"},
		"refused":               {"+rrr+", "uuuru"},
		"refused at first":      {"rr+", "rru"},
		"both ways of bad":      {"+-r-", "uuud"},
		"refused after failing": {"+-----r", "uuudddr"},
	} {
		h := health{failures: 3, successes: 2}
		var got strings.Builder
		for _, p := range tt.polls {
			switch p {
			case '+':
				h.succeeded()
			case '-':
				h.failed(failure{problem: pipeline.Unreachable})
			default:
				h.failed(failure{problem: pipeline.AccessDenied, answers: true})
			}
			got.WriteByte("?dru"[h.condition])
		}
		if got.String() != tt.want {
			t.Errorf("%s: %s makes %s, want %s", name, tt.polls, &got, tt.want)
		}
	}
}

func TestSettings(t *testing.T) {
	good := Defaults
	good.User = "weir"
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	bad := Config{}
	var wrong []string
	for _, err := range bad.Check().(interface{ Unwrap() []error }).Unwrap() {
		invalid, ok := errors.AsType[*pipeline.InvalidError](err)
		if !ok {
			t.Fatal(err)
		}
		wrong = append(wrong, invalid.Setting)
	}
	if diff := cmp.Diff([]string{"user", "interval", "timeout", "failures", "successes"}, wrong); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	srv := &pipeline.Server{}
	for name, servers := range map[string][]*pipeline.Server{"none": nil, "twice": {srv, srv}} {
		if err := CheckServers("servers", servers); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A script answers the polls of one server, one after another; when it is at its end, the last answer stays.
type script struct {
	mu      sync.Mutex
	answers []error // nil: it is well
	asked   int
}

func (s *script) next() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	return err
}

type nobody struct{}

func (nobody) Query(context.Context, string) ([]Row, error) { return nil, nil }
func (nobody) Close() error                                 { return nil }

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

// start starts a watch of one server for each script. Of what it hears, the last is kept in the channel.
func start(t *testing.T, c Config, scripts ...*script) (*Watch[string], <-chan []Seen[string]) {
	t.Helper()
	heard := make(chan []Seen[string], 1)
	w := &Watch[string]{
		Config: &c,
		Open:   func(*Config, *pipeline.Server) (Conn, error) { return nobody{}, nil },
		Ask:    func(_ context.Context, i int, _ Conn) (string, error) { return "well", scripts[i].next() },
		Heard: func(all []Seen[string]) {
			select {
			case <-heard:
			default:
			}
			heard <- all
		},
	}
	for i := range scripts {
		w.Servers = append(w.Servers, newServer(t, fmt.Sprintf("db%d", i+1)))
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w, heard
}

// await reads what is heard until something is so.
func await(t *testing.T, heard <-chan []Seen[string], what string, is func([]Seen[string]) bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case all := <-heard:
			if is(all) {
				return
			}
		case <-late:
			t.Fatalf("%s: it was not heard", what)
		}
	}
}

var errGone = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}

// TestWatch checks that the first that is heard is of all servers, and that what changes is heard.
func TestWatch(t *testing.T) {
	c := Config{Interval: 10 * time.Millisecond, Timeout: time.Minute, Failures: 2, Successes: 1}
	well, dying := &script{answers: []error{nil}}, &script{answers: []error{nil, errGone, nil, errGone, errGone}}
	denied := &script{answers: []error{&mysql.MySQLError{Number: 1045, Message: "denied"}}}
	w, heard := start(t, c, well, dying, denied)
	await(t, heard, "the end of the second", func(all []Seen[string]) bool {
		if !all[0].Up || all[0].Answer != "well" || !all[2].Refusing || all[2].Problem != pipeline.AccessDenied || all[2].Answered {
			t.Fatalf("%+v", all)
		}
		return !all[1].Up && all[1].Answered && all[1].Problem == pipeline.Unreachable && all[1].Reason != ""
	})
	if dying.asked < 5 {
		t.Errorf("it was down after %d polls", dying.asked)
	}
	w.Stop()
	if w.polls.Load() < 7 || w.failed.Load() < 4 {
		t.Errorf("%d polls, %d failed", w.polls.Load(), w.failed.Load())
	}
}

// TestDoubt checks that a server that a session has lost is asked at once, and again until it is known to be down.
func TestDoubt(t *testing.T) {
	c := Config{Interval: time.Hour, Timeout: time.Minute, Failures: 3, Successes: 1}
	s := &script{answers: []error{nil, errGone}}
	w, heard := start(t, c, s)
	await(t, heard, "up", func(all []Seen[string]) bool { return all[0].Up })
	w.Servers[0].Doubt()
	await(t, heard, "down", func(all []Seen[string]) bool { return !all[0].Up })
}

// TestTeller checks that a state is told when it differs, and that the log has what matters of it, once.
func TestTeller(t *testing.T) {
	var log strings.Builder
	db1, db2 := newServer(t, "db1"), newServer(t, "db2")
	teller := NewTeller(slog.New(slog.NewTextHandler(&log, nil)), []*pipeline.Server{db1, db2})
	st := pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica, Of: db1, Lag: time.Second}
	say := func(lines int, what string) {
		t.Helper()
		teller.Tell(1, st)
		got := *db2.State()
		got.Since = time.Time{}
		if got != st {
			t.Errorf("the server was told %+v", got)
		}
		if n := strings.Count(log.String(), "\n"); n != lines || !strings.Contains(log.String(), what) {
			t.Errorf("%d lines, want %d, with %q:\n%s", n, lines, what, &log)
		}
		log.Reset()
	}
	say(1, "level=INFO msg=\"server has changed\" server=db2 up=true role=replica replicates_from=db1 lag=1s")
	say(0, "")
	st.Lag, st.GTID = 2*time.Second, "0-1-5"
	say(0, "")
	st.Problem, st.Reason = pipeline.ReplicationBroken, "attempt 1 of 10"
	say(1, "level=WARN")
	st.Reason = "attempt 2 of 10"
	say(0, "")
	st.Up, st.Role, st.Of = false, pipeline.NoRole, nil
	say(1, "was_up=true was=replica")
	if db1.State().Monitored {
		t.Error("the other was told something")
	}
}
