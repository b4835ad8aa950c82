package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// lastGreets is an eager router whose clients are greeted as its last server greets.
type lastGreets struct{ eager }

func (r lastGreets) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, r.eager[len(r.eager)-1:])
}

// TestServerGoesDownWhileConnecting: a connection to a server that was stopped, whose kernel still takes it, is waited for
// until the server is found to be down, and no longer.
func TestServerGoesDownWhileConnecting(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []pt.Step // what the server still says
	}{
		{"before its greeting", nil},
		{"before it takes the login", []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := serving(t, pipelinetest.AnswerOK())
			reached := make(chan struct{})
			stopped := pt.NewServer(t, func(int) []pt.Step {
				return append(test.steps, func(*pt.Conn) error { close(reached); return nil }, pt.Silence())
			})
			r := pipelinetest.NewFront(t, pipelinetest.Options{
				Servers: []string{stopped.Addr, good.Addr},
				Target: func(servers []*pipeline.Server) pipeline.Target {
					servers[0].Config.ConnectTimeout = time.Hour
					return lastGreets{eager(servers)}
				},
				Listener: func(c *pipeline.ListenerConfig) { c.LoginTimeout = time.Hour },
			})
			go func() {
				<-reached
				r.Servers[0].SetState(pipeline.ServerState{Monitored: true})
			}()
			r.Session().Run(t, pt.Query("x"), pt.ExpectOK())
			stopped.Wait(1)
		})
	}
}
