// Package traces sends the spans of statements to an OpenTelemetry collector. pipeline decides which statements have
// any and hands their figures over; this package writes them, by the conventions for database calls, into buffers of the
// workers, and has the kept library's client send these as they are: no span is ever an object.
//
// https://opentelemetry.io/docs/specs/semconv/db/database-spans/
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/weirproxy/weir/pipeline"
)

const (
	// batchSize is how many bytes of spans a worker gathers before it hands them on.
	batchSize = 64 << 10
	// requestSize is how many bytes go out at once, where so many come within a second. Collectors take 4 MiB.
	requestSize = 1 << 20
	// stopFor is how long the end of the process waits for what is still to be sent, and stopFailingFor where nothing
	// could be sent lately.
	stopFor, stopFailingFor = 5 * time.Second, time.Second
)

// A batch is encoded spans, each as a field of a ScopeSpans.
type batch struct {
	spans []byte
	count int
}

// An Exporter sends spans. Between Start and Stop, a goroutine of its own does so.
type Exporter struct {
	config   pipeline.TracesConfig
	log      *slog.Logger
	client   otlptrace.Client
	envelope envelope
	sending  *payload // what the client is to send

	ctx      context.Context
	cancel   context.CancelFunc
	full     chan *batch
	free     chan *batch
	wake     chan struct{} // that there is enough to send
	hurry    atomic.Bool   // whatever there is, is enough
	done     chan struct{}
	queued   atomic.Int64 // bytes in full, and being sent
	waiting  atomic.Int64 // spans there
	exported atomic.Uint64
	dropped  atomic.Uint64
	failing  atomic.Bool
}

// Start makes an Exporter of the process's telemetry block, which must have traces, has it take the process's spans, and
// starts it. version is the program's. It does not wait for the collector.
func Start(p *pipeline.Process, version string) (*Exporter, error) {
	e := &Exporter{
		config: *p.Telemetry.Traces, log: p.Log.With("endpoint", p.Telemetry.Traces.Endpoint),
		full: make(chan *batch, p.Telemetry.Traces.Queue/batchSize*8),
		// Few, so that what workers write to is still in a cache.
		free: make(chan *batch, 2*requestSize/batchSize),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	useLog(p.Log)
	resource, err := resourceOf(e.ctx, e.config.ServiceName, version)
	if err != nil {
		p.Log.Warn("what the environment says of Weir as a source of traces is not all usable", "error", err)
	}
	scope := &commonpb.InstrumentationScope{Name: "github.com/weirproxy/weir", Version: version}
	e.envelope, err = newEnvelope(&tracepb.ResourceSpans{Resource: resource, SchemaUrl: semconv.SchemaURL},
		&tracepb.ScopeSpans{Scope: scope, SchemaUrl: semconv.SchemaURL})
	if err != nil {
		return nil, fmt.Errorf("telemetry traces: %w", err)
	}
	e.client = e.newClient()
	if err := e.client.Start(e.ctx); err != nil {
		return nil, fmt.Errorf("telemetry traces: %w", err)
	}
	p.Spans = func() pipeline.SpanWriter { return e.writer() }
	for _, m := range e.metrics() {
		p.Expose(m)
	}
	go e.run()
	return e, nil
}

func (e *Exporter) metrics() []pipeline.Metric {
	return []pipeline.Metric{
		{
			Name: "weir_trace_spans_exported_total", Help: "Spans that the collector has taken.", Counter: true,
			Read: func() float64 { return float64(e.exported.Load()) },
		},
		{
			Name:    "weir_trace_spans_dropped_total",
			Help:    "Spans that were thrown away: the collector did not take them, or took too long over others.",
			Counter: true, Read: func() float64 { return float64(e.dropped.Load()) },
		},
		{
			Name: "weir_trace_spans_waiting", Help: "Spans that wait for the collector.",
			Read: func() float64 { return float64(e.waiting.Load()) },
		},
	}
}

// Stop sends what is left, for some seconds at most, and ends the Exporter. It is called after the process has run.
func (e *Exporter) Stop() {
	close(e.wake)
	patience := stopFor
	if e.failing.Load() {
		patience = stopFailingFor
	}
	hurry := time.AfterFunc(patience, e.cancel)
	<-e.done
	hurry.Stop()
	_ = e.client.Stop(e.ctx)
	e.cancel()
	if n := e.dropped.Load(); n > 0 {
		e.log.Warn("not all spans could be sent to the collector", "dropped", n, "exported", e.exported.Load())
	}
}

// take returns an empty batch.
func (e *Exporter) take() *batch {
	select {
	case b := <-e.free:
		return b
	default:
		return &batch{spans: make([]byte, 0, batchSize+batchSize/4)}
	}
}

// give takes a batch back.
func (e *Exporter) give(b *batch) {
	if cap(b.spans) > 4*batchSize { // of a statement with very long texts
		return
	}
	b.spans, b.count = b.spans[:0], 0
	select {
	case e.free <- b:
	default:
	}
}

// put hands a batch to the goroutine, or drops it. It does not wait, and wakes nobody for less than a request.
func (e *Exporter) put(b *batch) {
	size := int64(len(b.spans))
	if queued := e.queued.Add(size); queued <= int64(e.config.Queue) {
		e.waiting.Add(int64(b.count))
		select {
		case e.full <- b:
			if queued >= requestSize {
				e.rouse()
			}
			return
		default:
		}
		e.waiting.Add(-int64(b.count))
	}
	e.queued.Add(-size)
	e.dropped.Add(uint64(b.count))
	e.give(b)
}

// flush has all that was put sent.
func (e *Exporter) flush() {
	if e.queued.Load() > 0 {
		e.hurry.Store(true)
		e.rouse()
	}
}

func (e *Exporter) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
