package pipeline

import (
	"runtime"
	"testing"
	"time"
)

// TestSince: since when a server is as it is says when it last became it, whatever else is told of it.
func TestSince(t *testing.T) {
	srv := &Server{Config: ServerConfig{Name: "db1"}}
	st := ServerState{Monitored: true, Up: true, Role: Replica, Lag: time.Second}
	srv.SetState(st)
	since := srv.State().Since
	if since.IsZero() {
		t.Fatal("it is not known since when")
	}
	later := func() {
		for !time.Now().After(since) { // a clock may be coarse
			runtime.Gosched()
		}
	}
	for _, same := range []func(st *ServerState){
		func(*ServerState) {},
		func(st *ServerState) { st.Lag = 2 * time.Second },
		func(st *ServerState) { st.GTID, st.ReadOnly = "0-1-5", true },
		func(st *ServerState) { st.Reason, st.Problem = "it is broken", ReplicationBroken },
		func(st *ServerState) { st.Since = time.Unix(1, 0) }, // is not for monitors to say
	} {
		later()
		same(&st)
		if srv.SetState(st); !srv.State().Since.Equal(since) {
			t.Errorf("told %+v, it is so since %v, and not since %v", st, srv.State().Since, since)
		}
	}
	for name, change := range map[string]func(){
		"role":    func() { st.Role = Primary; srv.SetState(st) },
		"up":      func() { st.Up = !st.Up; srv.SetState(st) },
		"service": func() { srv.SetService(Draining) },
	} {
		later()
		if change(); !srv.State().Since.After(since) {
			t.Errorf("with another %s, it is so since %v, as before", name, since)
		}
		since = srv.State().Since
	}
}

// TestServiceStays: what an operator says of a server is not for its monitor to change.
func TestServiceStays(t *testing.T) {
	srv := &Server{Config: ServerConfig{Name: "db1"}}
	srv.SetState(ServerState{Monitored: true, Up: true, Role: Replica})
	srv.SetService(InMaintenance)
	for _, st := range []ServerState{
		{Monitored: true, Up: true, Role: Primary}, {Monitored: true}, {Monitored: true, Up: true, Service: Draining},
	} {
		srv.SetState(st)
		if got := srv.State(); got.Service != InMaintenance || got.Role != st.Role || got.Up != st.Up {
			t.Errorf("told %+v, it is %+v", st, got)
		}
	}
	srv.SetService(InService)
	if got := srv.State(); got.Service != InService || !got.Up {
		t.Errorf("in service again, it is %+v", got)
	}
}
