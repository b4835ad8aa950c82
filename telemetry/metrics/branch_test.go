package metrics_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/telemetry/metrics"
)

// copying is a filter that copies each statement to a branch.
type copying struct{ target pipeline.Target }

func (d copying) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	f := &feed{}
	b := s.Fork(d.target, pipeline.BranchConfig{Name: "shadow", Grace: time.Second}, f)
	s.OnClose(b.Close)
	return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
		if c.Com() == protocol.ComQuery {
			f.waiting = append(f.waiting, c.Clone())
			b.Wake()
		}
		return next.Serve(ctx, w, c)
	}), nil
}

// feed is pipeline.Feed of what waits.
type feed struct{ waiting []*pipeline.Command }

func (f *feed) Next() (*pipeline.Command, pipeline.ReplyWriter) {
	if len(f.waiting) == 0 {
		return nil, nil
	}
	c := f.waiting[0]
	f.waiting = f.waiting[1:]
	return c, f
}

func (*feed) End(error) {}

func (*feed) WriteReply(*protocol.Chunk) error { return nil }

// TestBranches: what branches do is counted, and apart from what clients do.
func TestBranches(t *testing.T) {
	var shared *pipeline.Pipeline
	f := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{answering(t), answering(t)},
		Target: func(servers []*pipeline.Server) pipeline.Target {
			shared = pipeline.NewPipeline("shadow", nil, single{servers[1]})
			return pipeline.NewPipeline("app", []pipeline.Filter{copying{shared}}, single{servers[0]})
		},
	})
	f.Process.Telemetry.Metrics = &pipeline.MetricsConfig{Address: "127.0.0.1:0"}
	server, err := metrics.Start(f.Process, metrics.Build{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	s := &served{f, server, t}
	c := s.Session()
	for range 5 {
		c.Run(t, pt.Query("q"), pt.ExpectOK())
	}
	want := map[string]float64{
		`weir_commands_total{command="COM_QUERY",pipeline="app",session="client"}`:    5,
		`weir_commands_total{command="COM_QUERY",pipeline="shadow",session="branch"}`: 5,
		`weir_statements_unknown_total{pipeline="shadow",session="branch"}`:           5,
		`weir_server_connects_total{server="db1"}`:                                    1,
		`weir_server_connects_total{server="db2"}`:                                    1,
		`weir_sessions{listener="app"}`:                                               1,
	}
	var got map[string]float64
	pipelinetest.Eventually(t, func() bool {
		all := s.scrape()
		got = map[string]float64{}
		sessions := 0.0
		for name, v := range all {
			if strings.HasPrefix(name, "weir_worker_sessions{") {
				sessions += v
			}
		}
		if sessions != 2 { // on one worker, or on two while they move
			return false
		}
		for name := range want {
			if v, ok := all[name]; ok {
				got[name] = v
			}
		}
		if _, there := all[`weir_client_sent_bytes_total{pipeline="shadow",session="branch"}`]; there {
			t.Error("a branch is said to send bytes to clients")
		}
		return t.Failed() || cmp.Equal(want, got)
	}, func() string { return "-want +got:\n" + cmp.Diff(want, got) })
}
