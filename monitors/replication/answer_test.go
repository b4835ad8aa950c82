package replication

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// A fake answers queries by how they begin: with rows, or an error. It remembers what it was asked.
type fake struct {
	answers map[string]any
	asked   []string
}

func (f *fake) Query(_ context.Context, query string) ([]poll.Row, error) {
	f.asked = append(f.asked, query)
	best := ""
	for begins := range f.answers {
		if strings.HasPrefix(query, begins) && len(begins) > len(best) {
			best = begins
		}
	}
	switch a := f.answers[best].(type) {
	case []poll.Row:
		return a, nil
	case error:
		return nil, a
	}
	return nil, errors.New("not in the script: " + query)
}

func (*fake) Close() error { return nil }

func refusal(number uint16) error { return &mysql.MySQLError{Number: number, Message: "no"} }

var allFields = cmp.AllowUnexported(answer{}, channel{}, replicationError{})

func TestAsk(t *testing.T) {
	maria := []poll.Row{{"version": "11.8.3-MariaDB-log", "server_id": "2", "read_only": "NO_LOCK", "hostname": "two", "port": "3306"}}
	my := []poll.Row{{"version": "9.7.0", "server_id": "3", "read_only": "0", "hostname": "three", "port": "3307"}}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for name, tt := range map[string]struct {
		ctx     context.Context
		answers map[string]any
		before  *answer
		want    answer
		err     bool
	}{
		"MariaDB": {
			answers: map[string]any{
				"SELECT @@global.version": maria, "SELECT @@global.gtid_current_pos": []poll.Row{{"gtid": "0-1-42"}},
				"SHOW ALL SLAVES STATUS": []poll.Row{
					{
						"connection_name": "", "master_host": "one", "master_port": "3306", "master_server_id": "1",
						"slave_io_running": "Yes", "slave_sql_running": "Yes", "seconds_behind_master": "7", "last_io_errno": "0",
					},
					{
						"connection_name": "b", "master_host": "far", "master_port": "3307", "master_server_id": "0",
						"slave_io_running": "Connecting", "slave_sql_running": "No",
						"last_io_errno": "1045", "last_io_error": "denied", "last_sql_errno": "1062", "last_sql_error": "duplicate",
					},
				},
			},
			want: answer{
				version: "11.8.3-MariaDB-log", id: "2", host: "two", port: "3306", readOnly: true, gtid: "0-1-42",
				behind: pipeline.UnknownLag, channels: []channel{
					{host: "one", port: "3306", id: "1", io: running, sql: running, lag: 7 * time.Second},
					{
						name: "b", host: "far", port: "3307", io: trying, lag: pipeline.UnknownLag,
						ioErr: replicationError{1045, "denied"}, sqlErr: replicationError{1062, "duplicate"},
					},
				},
			},
		},
		"MySQL": {
			answers: map[string]any{
				"SELECT @@global.version":         my,
				"SELECT @@global.super_read_only": []poll.Row{{"super_read_only": "1", "uuid": "u3", "gtid": "u1:1-5,\nu2:1"}},
				"SHOW REPLICA STATUS": []poll.Row{{
					"source_host": "one", "source_port": "3306", "source_server_id": "1", "source_uuid": "u1", "channel_name": "c",
					"replica_io_running": "Yes", "replica_sql_running": "Yes", "seconds_behind_source": "0",
				}},
			},
			want: answer{
				version: "9.7.0", id: "3", uuid: "u3", host: "three", port: "3307", readOnly: true, gtid: "u1:1-5,u2:1",
				behind:   pipeline.UnknownLag,
				channels: []channel{{name: "c", host: "one", port: "3306", id: "1", uuid: "u1", io: running, sql: running}},
			},
		},
		"old MySQL": {
			answers: map[string]any{
				"SELECT @@global.version":         my,
				"SELECT @@global.super_read_only": []poll.Row{{"super_read_only": "0"}},
				"SHOW REPLICA STATUS":             refusal(1064), "SHOW SLAVE STATUS": []poll.Row(nil),
			},
			want: answer{version: "9.7.0", id: "3", host: "three", port: "3307", behind: pipeline.UnknownLag},
		},
		"no privilege": {
			answers: map[string]any{
				"SELECT @@global.version": maria, "SELECT @@global.gtid_current_pos": []poll.Row{{}}, "SHOW ALL SLAVES STATUS": refusal(1227),
			},
			err: true,
		},
		"busy with STOP REPLICA": {
			ctx: late,
			answers: map[string]any{
				"SELECT @@global.version": maria, "SELECT @@global.gtid_current_pos": []poll.Row{{"gtid": "0-1-43"}},
				"SHOW ALL SLAVES STATUS": context.DeadlineExceeded,
			},
			before: &answer{channels: []channel{{host: "one", io: running, sql: running, lag: time.Second}}},
			want: answer{
				version: "11.8.3-MariaDB-log", id: "2", host: "two", port: "3306", readOnly: true, gtid: "0-1-43",
				behind: pipeline.UnknownLag, channels: []channel{{host: "one", io: running, sql: running, lag: pipeline.UnknownLag}},
			},
		},
		"busy from the start": {
			ctx: late,
			answers: map[string]any{
				"SELECT @@global.version": maria, "SELECT @@global.gtid_current_pos": []poll.Row{{}}, "SHOW ALL SLAVES STATUS": context.DeadlineExceeded,
			},
			err: true,
		},
		"no rows": {answers: map[string]any{"SELECT @@global.version": []poll.Row(nil)}, err: true},
		"nothing": {answers: map[string]any{"SELECT @@global.version": errors.New("gone")}, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			got, err := ask(ctx, &fake{answers: tt.answers}, tt.before)
			if (err != nil) != tt.err {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got, allFields); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzChannel feeds whatever a server may say of its replication, and lets it be decided upon.
func FuzzChannel(f *testing.F) {
	f.Add("one", "3306", "1", "Yes", "No", "7", "2003", "can't connect")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("::1", "-1", "0", "Preparing", "yes", "18446744073709551615", "x", "\x00")
	f.Fuzz(func(t *testing.T, host, port, id, io, sql, behind, errno, text string) {
		c := newChannel(poll.Row{
			"master_host": host, "master_port": port, "master_server_id": id, "slave_io_running": io, "slave_sql_running": sql,
			"seconds_behind_master": behind, "last_io_errno": errno, "last_io_error": text,
		})
		if c.lag < 0 && c.lag != pipeline.UnknownLag {
			t.Errorf("%q is a lag of %v", behind, c.lag)
		}
		servers := []server{{name: "db1", address: "one:3306"}, {name: "db2", address: "two:3306"}}
		for i := range servers {
			servers[i].Up, servers[i].Answered = true, true
			servers[i].Answer = answer{id: id, host: host, port: port, channels: []channel{c}}
		}
		topology := newTopology(servers)
		d := newReign(2, 1).decide(topology)
		describe(topology, d, none)
		for _, v := range d.verdicts {
			if v.role.Reads() && c.sql == stopped {
				t.Errorf("a replica that applies nothing is %v", v.role)
			}
		}
	})
}

func TestHeartbeat(t *testing.T) {
	now := time.Unix(1000, 0)
	var log strings.Builder
	const insert, sel = "INSERT INTO `weir`.`odd``name` (writer, at) VALUES ('weir-1', ", "SELECT at FROM `weir`.`odd``name` WHERE writer = 'weir-1'"
	primary := &fake{answers: map[string]any{insert: []poll.Row(nil), "CREATE": []poll.Row(nil)}}
	h, err := newHeartbeat(HeartbeatConfig{Table: "odd`name", Writer: "weir-1"}, time.Minute, slog.New(slog.NewTextHandler(&log, nil)), opened(primary), opened(nil))
	if err != nil {
		t.Fatal(err)
	}
	h.now = func() time.Time { return now }
	seen := func(at string) *fake { return &fake{answers: map[string]any{sel: []poll.Row{{"at": at}}}} }
	if lag := h.ask(1, seen("1000000000"), false); lag != pipeline.UnknownLag {
		t.Errorf("without one having been written, lag is %v", lag)
	}
	for range 3 { // at 1000, 1001 and 1002 s
		h.ask(0, nil, true)
		now = now.Add(time.Second)
	}
	for at, want := range map[string]time.Duration{
		"1002000000": 0, "1001000000": time.Second, "1000000000": 2 * time.Second, // since the first that it lacks
		"900000000": 103 * time.Second, "": pipeline.UnknownLag, "x": pipeline.UnknownLag,
	} {
		if lag := h.ask(1, seen(at), false); lag != want {
			t.Errorf("with %q, lag is %v, want %v", at, lag, want)
		}
	}
	if lag := h.ask(1, &fake{answers: map[string]any{sel: refusal(1146)}}, false); lag != pipeline.UnknownLag {
		t.Errorf("without a table, lag is %v", lag)
	}
	primary.answers[insert] = refusal(1290)
	h.ask(0, nil, true)
	h.ask(0, nil, true)
	if strings.Count(log.String(), "heartbeat cannot be written") != 1 {
		t.Errorf("logged %q", &log)
	}
	if lag := h.ask(1, seen("1000000000"), false); lag != pipeline.UnknownLag {
		t.Errorf("while none can be written, lag is %v", lag)
	}
	primary.answers[insert], primary.asked = refusal(1049), nil
	h.ask(0, nil, true)
	if len(primary.asked) != 4 || !strings.HasPrefix(primary.asked[1], "CREATE DATABASE") || !strings.HasPrefix(primary.asked[2], "CREATE TABLE") {
		t.Errorf("without a schema it asks %q", primary.asked)
	}
	primary.answers[insert] = []poll.Row(nil)
	for range 3 * remembered {
		h.ask(0, nil, true)
	}
	if len(h.written) > remembered {
		t.Errorf("%d are remembered", len(h.written))
	}
	for _, writer := range []string{"a'b", `a\b`, "ä", strings.Repeat("x", 200)} {
		if _, err := newHeartbeat(HeartbeatConfig{Writer: writer}, 0, nil); err == nil {
			t.Errorf("%q may be a writer", writer)
		}
	}
}

// opened opens a connection that is there.
func opened(conn poll.Conn) func() (poll.Conn, error) {
	return func() (poll.Conn, error) { return conn, nil }
}

// A stuck server answers when it is let go, or when it is not waited for any more.
type stuck struct {
	asked, closed atomic.Int32
	free          chan struct{}
}

func (s *stuck) Query(ctx context.Context, _ string) ([]poll.Row, error) {
	s.asked.Add(1)
	select {
	case <-s.free:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *stuck) Close() error {
	s.closed.Add(1)
	return nil
}

// TestHeartbeatWaits: a write that waits at the server is waited for, so that no second one takes up a connection there.
func TestHeartbeatWaits(t *testing.T) {
	var log strings.Builder
	server := &stuck{free: make(chan struct{})}
	h, err := newHeartbeat(HeartbeatConfig{}, 10*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)), opened(server))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h.ask(0, nil, true)
	}
	for server.asked.Load() == 0 { // it runs on a goroutine
		runtime.Gosched()
	}
	if n := server.asked.Load(); n != 1 {
		t.Errorf("%d heartbeats wait", n)
	}
	if !strings.Contains(log.String(), "the server has not answered the last one") || h.lag(1) != pipeline.UnknownLag {
		t.Errorf("logged %q; lag is %v", &log, h.lag(1))
	}
	close(server.free)
	h.running.Wait()
	h.ask(0, nil, true)
	h.running.Wait()
	if server.asked.Load() != 2 || h.lag(h.written[1]) != 0 {
		t.Errorf("asked %d times; lag is %v", server.asked.Load(), h.lag(h.written[1]))
	}
	reader := &fake{}
	if h.ask(0, reader, false); server.closed.Load() != 1 { // it is the primary no more
		t.Error("the connection is open")
	}
	server.free = make(chan struct{})
	h.ask(0, nil, true)
	h.stop()
	if server.closed.Load() != 2 {
		t.Error("the connection is open at the end")
	}
}

// TestNew checks that mistakes are found in their settings, and that a monitor is not started before it is to be.
func TestNew(t *testing.T) {
	p := &pipeline.Process{Log: slog.New(slog.DiscardHandler)}
	c := Kind.Defaults.(Config)
	c.Failures = 0
	c.Heartbeat = &HeartbeatConfig{Writer: "a b"}
	_, err := New(c, p.MonitorEnv("main"))
	for _, want := range []string{"user: ", "failures: ", "servers: ", "heartbeat: writer: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not have %q", err, want)
		}
	}
}

// TestCautious: MariaDB says that it is 0 s behind for a moment when replication starts, whatever it lacks.
func TestCautious(t *testing.T) {
	at := func(lag time.Duration) *answer { return &answer{channels: []channel{{name: "one", lag: lag}}} }
	for name, tt := range map[string]struct {
		before    *answer
		now, want time.Duration
	}{
		"first":          {nil, 0, 0},
		"was behind":     {at(7 * time.Second), 0, 7 * time.Second},
		"was not known":  {at(pipeline.UnknownLag), 0, pipeline.UnknownLag},
		"falls behind":   {at(0), time.Second, time.Second},
		"is not known":   {at(0), pipeline.UnknownLag, pipeline.UnknownLag},
		"another source": {&answer{}, 0, 0},
	} {
		a := at(tt.now)
		if got := a.cautious(tt.before).channels[0].lag; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if a.channels[0].lag != tt.now {
			t.Errorf("%s: it has changed what was said", name)
		}
	}
}
