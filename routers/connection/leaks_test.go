package connection

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// watched is how many sessions the router watches.
func (r *Router) watched() (n int) {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for _, sessions := range r.watch.sessions {
		n += len(sessions)
	}
	return n
}

// TestWatchedNoMore: a session that has ended, however it did, is not watched any more. One that is reset is watched once.
func TestWatchedNoMore(t *testing.T) {
	var r *Router
	server := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
	f := pipelinetest.NewFront(t, pipelinetest.Options{Servers: []string{server.Addr}, Target: func(servers []*pipeline.Server) pipeline.Target {
		c := Defaults
		c.Servers = servers
		made, err := New(c, pipeline.Env{OnStart: func(func() error) {}, OnStop: func(func()) {}})
		if err != nil {
			t.Fatal(err)
		}
		r = made.(*Router)
		return made
	}})
	reset := pt.Script(pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
	quits, drops, stays := f.Session(), f.Session(), f.Session()
	for _, c := range []*pt.Conn{quits, drops, stays} {
		c.Run(t, reset, pt.Query("SELECT 1"), pt.ExpectOK())
	}
	if n := r.watched(); n != 3 {
		t.Errorf("of 3 sessions, %d are watched", n)
	}
	quits.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	_ = drops.Close()
	pipelinetest.Eventually(t, func() bool { return r.watched() == 1 }, f.Log.String)
	stays.Run(t, pt.Query("SELECT 1"), pt.ExpectOK())
}
