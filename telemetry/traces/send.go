package traces

import (
	"context"
	"errors"
	"net/url"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/weirproxy/weir/pipeline/loop"
)

// run sends batches until there will be no more.
func (e *Exporter) run() {
	defer close(e.done)
	var batches []*batch
	for b := range e.full {
		batches = append(batches[:0], b)
		size := len(b.spans)
	more:
		for size < requestSize {
			select {
			case b, ok := <-e.full:
				if !ok {
					break more
				}
				batches = append(batches, b)
				size += len(b.spans)
			default:
				break more
			}
		}
		e.send(batches)
	}
}

// send sends batches in one request.
func (e *Exporter) send(batches []*batch) {
	spans := &tracepb.ResourceSpans{Resource: e.resource, SchemaUrl: semconv.SchemaURL}
	size, count := 0, 0
	for _, b := range batches {
		// Fields that a message does not know are sent as they are: to the collector they are its spans.
		scope := &tracepb.ScopeSpans{Scope: e.scope, SchemaUrl: semconv.SchemaURL}
		scope.ProtoReflect().SetUnknown(b.spans)
		spans.ScopeSpans = append(spans.ScopeSpans, scope)
		size += len(b.spans)
		count += b.count
	}
	var err error
	loop.Elsewhere(func() { err = e.upload(spans) })
	if err == nil {
		e.exported.Add(uint64(count))
	} else {
		e.dropped.Add(uint64(count))
	}
	e.tell(err)
	e.queued.Add(-int64(size))
	e.waiting.Add(-int64(count))
	for _, b := range batches {
		e.give(b)
	}
}

// firstPause is how long is waited before a collector that could not be reached is tried again.
const firstPause, maxPause = 250 * time.Millisecond, 2 * time.Second

// upload sends spans, and tries so again for as long as Config.Timeout. The client tries again itself where the collector
// asks for it, but over HTTP not where there is none.
func (e *Exporter) upload(spans *tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(e.ctx, e.config.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		err := e.client.UploadTraces(ctx, []*tracepb.ResourceSpans{spans})
		if _, ok := errors.AsType[*url.Error](err); !ok || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// tell logs that spans cannot be sent, or can be again: once for each change.
func (e *Exporter) tell(err error) {
	switch failed := err != nil; {
	case failed && e.failing.CompareAndSwap(false, true):
		e.log.Warn("cannot send spans to the collector: they are dropped, and counted in weir_trace_spans_dropped_total",
			"error", err)
	case !failed && e.failing.CompareAndSwap(true, false):
		e.log.Info("spans can be sent to the collector again", "dropped", e.dropped.Load())
	}
}
