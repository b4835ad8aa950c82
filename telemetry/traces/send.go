package traces

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
)

// run sends batches until there will be no more: whole requests, and what is left when somebody is in a hurry.
func (e *Exporter) run() {
	defer close(e.done)
	for range e.wake {
		least := int64(requestSize)
		if e.hurry.Swap(false) {
			least = 1
		}
		e.drain(least)
	}
	e.drain(1)
}

// drain sends for as long as there are so many bytes.
func (e *Exporter) drain(least int64) {
	for e.queued.Load() >= least {
		batches := e.gather()
		if len(batches) == 0 { // they have been counted, and are about to be here
			return
		}
		e.send(batches)
	}
}

// gather takes as many batches as go into a request.
func (e *Exporter) gather() (batches []*batch) {
	for size := 0; size < requestSize; {
		select {
		case b := <-e.full:
			batches = append(batches, b)
			size += len(b.spans)
		default:
			return batches
		}
	}
	return batches
}

// send sends batches in one request.
func (e *Exporter) send(batches []*batch) {
	e.sending = e.envelope.seal(batches)
	var err error
	loop.Elsewhere(func() { err = e.upload() })
	size, count := 0, 0
	for _, b := range batches {
		size += len(b.spans)
		count += b.count
	}
	if err == nil {
		e.exported.Add(uint64(count))
	} else {
		e.dropped.Add(uint64(count))
	}
	e.tell(err)
	e.queued.Add(-int64(size))
	e.waiting.Add(-int64(count))
	if e.sending.lent.Load() > 0 { // a request that came to nothing may still be on its way out
		return
	}
	for _, b := range batches {
		e.give(b)
	}
}

// firstPause is how long is waited before a collector that could not be reached is tried again.
const firstPause, maxPause = 250 * time.Millisecond, 2 * time.Second

// upload sends what is to be sent, and tries so again for as long as Config.Timeout. The client tries again itself where the collector
// asks for it, but over HTTP not where there is none.
func (e *Exporter) upload() error {
	ctx, cancel := context.WithTimeout(e.ctx, e.config.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		err := e.client.UploadTraces(ctx, nil)
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
