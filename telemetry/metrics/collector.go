package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/weirproxy/weir/pipeline"
)

// workersTimeout is how long a scrape waits for a worker that does not respond.
const workersTimeout = time.Second

// collector is prometheus.Collector of a process's figures.
type collector struct{ p *pipeline.Process }

// Describe says nothing: which figures there are depends on what has happened.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the figures as they are now.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), workersTimeout)
	defer cancel()
	for _, f := range c.p.Families(ctx) {
		desc := prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)
		for _, one := range f.Figures {
			switch f.Kind {
			case pipeline.Durations:
				ch <- &durations{desc, prometheus.MakeLabelPairs(desc, one.Labels), one.Distribution}
			case pipeline.Counter:
				ch <- figure(desc, prometheus.CounterValue, one)
			default:
				ch <- figure(desc, prometheus.GaugeValue, one)
			}
		}
	}
}

// figure makes a metric of a number. One that cannot be, such as one whose label is no UTF-8, makes the scrape say so.
func figure(desc *prometheus.Desc, kind prometheus.ValueType, f pipeline.Figure) prometheus.Metric {
	m, err := prometheus.NewConstMetric(desc, kind, f.Value, f.Labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// durations is a histogram, classic and native at once: who scrapes takes the one it knows.
type durations struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	d      *pipeline.Distribution
}

// Desc is prometheus.Metric's.
func (m *durations) Desc() *prometheus.Desc { return m.desc }

// Write is prometheus.Metric's.
func (m *durations) Write(out *dto.Metric) error {
	d := m.d
	h := &dto.Histogram{
		SampleCount: &d.Count, SampleSum: &d.Sum, Schema: &d.Schema, ZeroThreshold: &d.ZeroThreshold, ZeroCount: &d.Zero,
	}
	for i := range d.Buckets {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &d.Buckets[i].Upper, CumulativeCount: &d.Buckets[i].Count})
	}
	h.PositiveSpan, h.PositiveDelta = spans(d.Native)
	out.Label, out.Histogram = m.labels, h
	return nil
}

// spans puts native buckets as the protocol wants them: runs of neighbours, and each count as its difference from the one
// before. https://prometheus.io/docs/specs/native_histograms/#spans-and-deltas
func spans(buckets []pipeline.NativeBucket) (spans []*dto.BucketSpan, deltas []int64) {
	next, before := int32(0), int64(0)
	for i, b := range buckets {
		if i == 0 || b.Index != next {
			offset, length := b.Index-next, uint32(0)
			spans = append(spans, &dto.BucketSpan{Offset: &offset, Length: &length})
		}
		*spans[len(spans)-1].Length++
		deltas = append(deltas, int64(b.Count)-before)
		next, before = b.Index+1, int64(b.Count)
	}
	if spans == nil { // without one, all that is next to nothing would not pass for a native histogram
		offset, length := int32(0), uint32(0)
		spans = append(spans, &dto.BucketSpan{Offset: &offset, Length: &length})
	}
	return spans, deltas
}
