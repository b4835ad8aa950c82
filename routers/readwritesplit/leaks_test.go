package readwritesplit

import (
	"log/slog"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// watched is how many sessions the router watches.
func (r *Router) watched() int {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return len(r.watch.sessions)
}

// TestWatchedNoMore: a session that has ended, however it did, is not watched any more, nor is one that did not begin. One
// that is reset is watched once.
func TestWatchedNoMore(t *testing.T) {
	var r *Router
	server := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	state := pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Primary}
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: []string{server.Addr}, Target: func(servers []*pipeline.Server) pipeline.Target {
		c := Defaults
		c.Servers, c.OnPrimaryLoss = servers, "close"
		servers[0].SetState(state)
		made, err := New(c, pipeline.Env{
			Log: slog.New(slog.DiscardHandler), OnStart: func(func() error) {}, OnStop: func(func()) {}, Expose: func(pipeline.Metric) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		r = made.(*Router)
		return made
	}})
	reset := pt.Script(pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	insert := pt.Script(pt.Query("INSERT 1"), pt.ExpectOK())
	quits, drops, stays := f.Session(), f.Session(), f.Session()
	for _, c := range []*pt.Conn{quits, drops, stays} {
		c.Run(t, insert, reset, insert)
	}
	if n := r.watched(); n != 3 {
		t.Errorf("of 3 sessions, %d are watched", n)
	}
	f.Servers[0].SetState(pipeline.ServerState{Monitored: true})
	if err := pt.Login(pipelinetest.User, pipelinetest.Password)(f.Dial()); err == nil {
		t.Error("a session begins without a primary")
	}
	f.Servers[0].SetState(state)
	quits.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	_ = drops.Close()
	pipelinetest.Eventually(t, func() bool { return r.watched() == 1 }, f.Log.String)
	stays.Run(t, insert)
}
