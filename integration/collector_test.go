package integration

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A collector takes spans as an OpenTelemetry collector does, over HTTP or gRPC.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer

	url   string
	mu    sync.Mutex
	spans []*tracepb.Span
	// resource are the attributes of who sent the last ones.
	resource map[string]string
}

// startCollector starts one for a test. over is the setting protocol.
func startCollector(t *testing.T, over string) *collector {
	t.Helper()
	c := &collector{}
	if over != "grpc" {
		s := httptest.NewServer(http.HandlerFunc(c.serve))
		t.Cleanup(s.Close)
		c.url = s.URL
		return c
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, c)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	c.url = "http://" + l.Addr().String()
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	request := &collectorpb.ExportTraceServiceRequest{}
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(b, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	_, _ = c.Export(r.Context(), request)
}

// Export is what gRPC calls.
func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range r.ResourceSpans {
		c.resource = make(map[string]string)
		for _, kv := range rs.Resource.Attributes {
			c.resource[kv.Key] = kv.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// from is an attribute of who sent the last spans.
func (c *collector) from(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resource[key]
}

// A span is what tests look at: attributes by their keys, those of no interest here left out.
type span struct {
	name, kind, trace, id, parent, state, status string
	attributes                                   map[string]string
	took                                         int64
}

// statement finds the statement's span whose text has the mark, and its legs. There must be one.
func (c *collector) statement(t *testing.T, mark string) (statement span, legs []span) {
	t.Helper()
	found := c.statements(mark)
	if len(found) != 1 {
		t.Fatalf("%d spans of statements with %q, want 1: %+v", len(found), mark, found)
	}
	return found[0], c.legs(found[0])
}

// statements finds the spans of statements with the mark, in the order of their beginnings.
func (c *collector) statements(mark string) (found []span) {
	for _, s := range c.all() {
		if s.kind == "server" && strings.Contains(s.attributes["db.query.text"]+s.name, mark) {
			found = append(found, s)
		}
	}
	return found
}

// legs finds the children of a span.
func (c *collector) legs(of span) (legs []span) {
	for _, s := range c.all() {
		if s.kind == "client" && s.parent == of.id && s.trace == of.trace {
			legs = append(legs, s)
		}
	}
	return legs
}

func (c *collector) all() (all []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(c.spans, func(a, b *tracepb.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	for _, s := range c.spans {
		one := span{
			name: s.Name, kind: strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")),
			trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId), parent: hex.EncodeToString(s.ParentSpanId),
			state: s.TraceState, attributes: make(map[string]string), took: int64(s.EndTimeUnixNano - s.StartTimeUnixNano),
		}
		if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			one.status = "error " + s.Status.GetMessage()
		}
		for _, kv := range s.Attributes {
			text := kv.Value.GetStringValue()
			if text == "" { // a number
				_, text, _ = strings.Cut(kv.Value.String(), ":")
			}
			one.attributes[kv.Key] = strings.TrimSpace(text)
		}
		all = append(all, one)
	}
	return all
}
