package traces

import (
	"io"
	"net"
	"slices"
	"sync/atomic"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// A payload is the bytes of a request: batches, and before them what they are part of.
type payload struct {
	pieces [][]byte
	size   int
	// lent is how many bodies are not closed: their bytes may still be read.
	lent atomic.Int32
}

// An envelope is what all requests say: who sends spans. It is the encoded fields of a ResourceSpans and of a ScopeSpans,
// each but for what comes last.
type envelope struct{ resource, scope []byte }

func newEnvelope(resource *tracepb.ResourceSpans, scope *tracepb.ScopeSpans) (v envelope, err error) {
	if v.resource, err = proto.Marshal(resource); err != nil {
		return v, err
	}
	v.scope, err = proto.Marshal(scope)
	return v, err
}

// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/collector/trace/v1/trace_service.proto
const (
	resourcesOfRequest = 1<<3 | lengthPrefixed
	scopesOfResource   = 2<<3 | lengthPrefixed
)

// seal makes a payload of batches, which are lent to it.
func (v *envelope) seal(batches []*batch) *payload {
	p := &payload{pieces: make([][]byte, 1, 1+len(batches))}
	spans := 0
	for _, b := range batches {
		p.pieces = append(p.pieces, b.spans)
		spans += len(b.spans)
	}
	scope := uint64(len(v.scope) + spans)
	resource := uint64(len(v.resource)+1+sizeVarint(scope)) + scope
	head := appendVarint([]byte{resourcesOfRequest}, resource)
	head = append(append(head, v.resource...), scopesOfResource)
	head = append(appendVarint(head, scope), v.scope...)
	p.pieces[0], p.size = head, len(head)+spans
	return p
}

// body returns the bytes to be read. They are lent until it is closed.
func (p *payload) body() io.ReadCloser {
	p.lent.Add(1)
	return &body{p: p, rest: slices.Clone(p.pieces)}
}

// A body is a payload as it is read once.
type body struct {
	p      *payload
	rest   net.Buffers
	closed atomic.Bool
}

func (b *body) Read(dst []byte) (int, error) { return b.rest.Read(dst) }

// Close gives the bytes back.
func (b *body) Close() error {
	if b.closed.CompareAndSwap(false, true) {
		b.p.lent.Add(-1)
	}
	return nil
}

// A codec writes the payload that is being sent in the place of the request that gRPC is given.
type codec struct{ e *Exporter }

// Name is encoding.CodecV2's, and part of the content's type.
func (codec) Name() string { return "proto" }

// Marshal is encoding.CodecV2's. What it returns is a copy: nobody says when gRPC is done with it.
func (c codec) Marshal(any) (mem.BufferSlice, error) {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(c.e.sending.size)
	n := 0
	for _, piece := range c.e.sending.pieces {
		n += copy((*buf)[n:], piece)
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// Unmarshal is encoding.CodecV2's.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(*collectorpb.ExportTraceServiceResponse))
}

var _ encoding.CodecV2 = codec{}
