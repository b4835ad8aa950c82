package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// together is a target that answers each command by telling of the replies to three others, which are sent at once.
type together struct{ single }

func (r together) Open(s *pipeline.Session) (pipeline.Handler, error) {
	link, err := s.Dial(r.server, pipeline.LinkConfig{Lost: func(*pipeline.Link, error) {}})
	if err != nil {
		return nil, err
	}
	var all []*pipeline.Command
	for _, text := range []string{"SET a", "SET b", "SELECT c"} {
		all = append(all, pipeline.NewQuery(text, s.Capabilities()))
	}
	return pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, _ *pipeline.Command) error {
		told := &replies{}
		if err := link.TryAll(told, all); err != nil {
			if _, lost := errors.AsType[*pipeline.LostError](err); !lost {
				return err
			}
			if told.all += "lost"; errors.Is(err, protocol.ErrMalformed) {
				told.all += ", malformed"
			}
		}
		return pipeline.Error(w, &protocol.SQLError{Code: 1, State: "HY000", Message: told.all})
	}), nil
}

func sendingTogether() pipelinetest.Options {
	return pipelinetest.Options{Target: func(servers []*pipeline.Server) pipeline.Target { return together{single{servers[0]}} }}
}

func sampleAll(c *pipeline.TracesConfig) { c.SampleRatio = 1 }

// replies notes what kinds of chunks come, and where replies end.
type replies struct{ all string }

func (r *replies) WriteReply(p *protocol.Chunk) error {
	r.all += p.Kind.String() + " "
	if p.Final {
		r.all += "| "
	}
	return nil
}

// ahead has a server read the rest of three commands before it answers.
func ahead(answer pt.Step) pt.Step {
	return pt.Script(pt.ExpectQuery("SET a"), pt.ExpectQuery("SET b"), pt.ExpectQuery("SELECT c"), func(c *pt.Conn) error {
		c.Seq = 1
		return answer(c)
	})
}

// TestTryAll: commands that are sent together are answered in order, each by its own reply and with a leg of its own,
// however the bytes come.
func TestTryAll(t *testing.T) {
	first := pt.ReplyOK(protocol.OK{})
	rest := func(c *pt.Conn) error {
		c.Seq = 1
		if err := pt.ReplyError(1193, "HY000", "Unknown")(c); err != nil {
			return err
		}
		c.Seq = 1
		return pt.ReplyRows([]string{"c"}, []string{"1"}, []string{"2"})(c)
	}
	srv := serving(t, ahead(pt.Script(first, rest)))
	f, r := tracing(t, srv.Addr, sendingTogether(), sampleAll)
	f.Session().Run(t, pt.Query("any"), pt.ExpectError(1, "OK | ERR | columns column row EOF | "))
	got := r.await(t, 1)[0]
	if len(got.legs) != 3 {
		t.Fatalf("%+v", got.legs)
	}
	for i, leg := range got.legs {
		if leg.Lost || leg.First < leg.Start || leg.End < leg.First || leg.End > got.end {
			t.Errorf("leg %d: %+v", i, leg)
		}
	}
	if a, b, c := got.legs[0], got.legs[1], got.legs[2]; a.Code != 0 || b.Code != 1193 || c.Rows != 2 || a.Bytes == 0 || c.Code != 0 {
		t.Errorf("%+v", got.legs)
	}
}

// TestTryAllLost: a server that is lost among several commands is lost for those that it has not answered.
func TestTryAllLost(t *testing.T) {
	srv := serving(t, ahead(pt.ReplyOK(protocol.OK{})), pt.Close())
	f, r := tracing(t, srv.Addr, sendingTogether(), sampleAll)
	f.Session().Run(t, pt.Query("any"), pt.ExpectError(1, "OK | lost"))
	legs := r.await(t, 1)[0].legs
	if len(legs) != 3 || legs[0].Lost || !legs[1].Lost || !legs[2].Lost {
		t.Errorf("%+v", legs)
	}
}

// TestTryAllSurplus: what comes behind the last reply is no reply.
func TestTryAllSurplus(t *testing.T) {
	ok := []byte{7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0}
	srv := serving(t, ahead(pt.Raw(append(append(append(ok, ok...), ok...), ok...))))
	f := run(t, srv.Addr, sendingTogether())
	f.Session().Run(t, pt.Query("any"), pt.ExpectError(1, "OK | OK | OK | lost, malformed"))
}
