package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// listing is a target that says which servers it has.
type listing []*Server

func (l listing) Open(*Session) (Handler, error) { return nil, nil }
func (l listing) Servers() []*Server             { return l }

func TestReadiness(t *testing.T) {
	up := pt.NewServer(t, func(int) []pt.Step { return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()} })
	server := func(address string, failed time.Duration) *Server {
		c := ServerDefaults
		c.Name, c.Address = "db", address
		srv, err := NewServer(c)
		if err != nil {
			t.Fatal(err)
		}
		if failed > 0 {
			srv.failed.Store(time.Now().Add(-failed).UnixNano())
		}
		return srv
	}
	watched := func(srv *Server, st ServerState) *Server {
		st.Monitored = true
		srv.SetState(st)
		return srv
	}
	retired := func(srv *Server, v Service) *Server {
		srv.SetService(v)
		return srv
	}
	const nowhere, lately, before = "127.0.0.1:1", suspectFor / 2, 2 * suspectFor
	none := []string{"pipeline app: none of its servers could be reached"}
	for name, tt := range map[string]struct {
		servers listing
		want    []string
		tried   int // connections to the server that is up
	}{
		"never tried, up":           {listing{server(up.Addr, 0)}, nil, 1},
		"never tried, down":         {listing{server(nowhere, 0)}, none, 0},
		"down a while ago, up":      {listing{server(up.Addr, before)}, nil, 1},
		"down a while ago, down":    {listing{server(nowhere, before)}, none, 0},
		"down lately":               {listing{server(up.Addr, lately)}, none, 0},
		"one down lately, other up": {listing{server(nowhere, lately), server(up.Addr, 0)}, nil, 1},
		"watched, down":             {listing{watched(server(up.Addr, 0), ServerState{})}, none, 0},
		"watched, up":               {listing{watched(server(nowhere, lately), ServerState{Up: true})}, nil, 0},
		"in maintenance":            {listing{retired(server(up.Addr, 0), InMaintenance)}, none, 0},
		"one drains, other up":      {listing{retired(server(up.Addr, 0), Draining), server(up.Addr, 0)}, nil, 1},
		"does not say":              {nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			accepted := up.Accepted()
			p := &Process{Listeners: []*Listener{{Config: ListenerConfig{Pipeline: NewPipeline("app", nil, tt.servers)}}}}
			p.phase.Store(phaseServing)
			ctx, cancel := context.WithTimeout(t.Context(), pt.Timeout)
			defer cancel()
			for range 2 { // the second time, what is known is not tried again
				if diff := cmp.Diff(tt.want, p.Unready(ctx)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			if n := up.Accepted() - accepted; n != tt.tried {
				t.Errorf("%d connections, want %d", n, tt.tried)
			}
		})
	}
	for phase, want := range map[int32]string{phaseStarting: "starting", phaseStopping: "shutting down"} {
		p := &Process{}
		p.phase.Store(phase)
		if got := p.Unready(t.Context()); !cmp.Equal(got, []string{want}) {
			t.Errorf("%s: %v", want, got)
		}
	}
}
