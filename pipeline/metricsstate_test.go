package pipeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStatesAreTold checks what is said of a server that somebody watches, and that less is said of others.
func TestStatesAreTold(t *testing.T) {
	watched, plain := &Server{Config: ServerConfig{Name: "db1"}}, &Server{Config: ServerConfig{Name: "db2"}}
	watched.SetState(ServerState{
		Monitored: true, Up: true, Role: Relay, Lag: 1500 * time.Millisecond, ReadOnly: true, Problem: ReplicationBroken,
	})
	plain.SetService(Draining)
	p := &Process{Servers: []*Server{watched, plain}}
	var f families
	p.putStates(&f)
	got := make(map[string]float64)
	ones := make(map[string][]string) // by family and server
	for _, one := range f {
		for _, fig := range one.Figures {
			key := one.Name + " " + fig.Labels[0]
			if len(one.Labels) == 1 {
				got[key] = fig.Value
			} else if fig.Value == 1 {
				ones[key] = append(ones[key], fig.Labels[1])
			}
		}
	}
	if got["weir_server_changed_timestamp_seconds db1"] == 0 {
		t.Error("it is not said when the state has changed")
	}
	delete(got, "weir_server_changed_timestamp_seconds db1")
	want := map[string]float64{"weir_server_up db1": 1, "weir_server_lag_seconds db1": 1.5, "weir_server_read_only db1": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantOnes := map[string][]string{
		"weir_server_role db1":    {"relay"},
		"weir_server_problem db1": {"replication_broken"},
		"weir_server_service db1": {"in service"},
		"weir_server_service db2": {"draining"},
	}
	if diff := cmp.Diff(wantOnes, ones); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDoubts(t *testing.T) {
	srv, err := NewServer(ServerConfig{Name: "db", Address: "127.0.0.1:1", Weight: 1, Rank: 1, ConnectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		srv.Doubt() // does not wait
	}
	<-srv.Doubts()
	select {
	case <-srv.Doubts():
		t.Error("several doubts came, though nobody had looked meanwhile")
	default:
	}
}
