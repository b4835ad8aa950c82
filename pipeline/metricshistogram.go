package pipeline

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// A histogram counts durations in buckets that are fine enough to add up to those of two kinds of Prometheus's
// histograms: classic ones, whose bounds are round numbers, and native ones, whose bounds are powers of a root of two.
type histogram struct {
	counts []uint64 // by bucket: of durations up to bounds[i] and above bounds[i-1]
	sum    uint64   // nanoseconds
}

// Native buckets are four to a doubling: no duration is further than 9 % from its bucket's middle. The lowest and the
// highest bound are powers of two, in seconds: 119 ns and 36 hours.
// https://prometheus.io/docs/specs/native_histograms/
const (
	nativeSchema = 2
	nativeLow    = -23
	nativeHigh   = 17
)

// Bounds of the classic buckets. Those of statements begin where a proxy next to its server does, and have the ones
// that OpenTelemetry's conventions advise; steps of a pipeline may take no more than a microsecond, and sessions last
// for as long as a script runs, or a pool keeps them.
// https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#metric-dbclientoperationduration
var (
	statementBounds = []time.Duration{
		50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
		1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
		25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
		500 * time.Millisecond, 1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
		30 * time.Second, 60 * time.Second,
	}
	stepBounds = []time.Duration{
		250 * time.Nanosecond, 500 * time.Nanosecond, 1 * time.Microsecond, 2500 * time.Nanosecond,
		5 * time.Microsecond, 10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
		100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, 1 * time.Millisecond,
		10 * time.Millisecond, 100 * time.Millisecond, 1 * time.Second, 10 * time.Second,
	}
	sessionBounds = []time.Duration{
		10 * time.Millisecond, 100 * time.Millisecond, 1 * time.Second, 10 * time.Second, 1 * time.Minute, 5 * time.Minute,
		15 * time.Minute, 1 * time.Hour, 3 * time.Hour, 8 * time.Hour, 24 * time.Hour,
	}
)

// bounds are the upper bounds of all buckets but the last, in nanoseconds: the classic and the native ones together.
var bounds = func() []uint64 {
	var all []uint64
	for k := nativeLow << nativeSchema; k <= nativeHigh<<nativeSchema; k++ {
		all = append(all, uint64(nativeBound(k)*1e9)) // durations are whole nanoseconds
	}
	for _, d := range slices.Concat(statementBounds, stepBounds, sessionBounds) {
		all = append(all, uint64(d))
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// nativeBound is the upper bound of native bucket k, in seconds.
func nativeBound(k int) float64 { return math.Exp2(float64(k) / (1 << nativeSchema)) }

// firstBound has, by the length of a number in bits, the first bucket that such a number may belong to.
var firstBound = func() (first [65]uint8) {
	for length := range first {
		least := uint64(0)
		if length > 0 {
			least = 1 << (length - 1)
		}
		i, _ := slices.BinarySearch(bounds, least)
		first[length] = uint8(i)
	}
	return first
}()

func newHistogram() *histogram { return &histogram{counts: make([]uint64, len(bounds)+1)} }

// observe counts a duration.
func (h *histogram) observe(d time.Duration) {
	v := uint64(max(d, 0))
	i := int(firstBound[bits.Len64(v)])
	for i < len(bounds) && bounds[i] < v {
		i++
	}
	h.counts[i]++
	h.sum += v
}

func (h *histogram) clone() *histogram { return &histogram{append([]uint64(nil), h.counts...), h.sum} }

// add adds what another histogram has counted.
func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.sum += other.sum
}

// A Distribution is how durations are distributed, in seconds.
type Distribution struct {
	Count uint64
	Sum   float64
	// Buckets are classic buckets but for the one without a bound.
	Buckets []Bucket
	// Native are the same durations in the buckets of a Prometheus native histogram of that schema: how many there
	// are in each bucket that is not empty, lowest first. Zero counts those of ZeroThreshold or less.
	Native        []NativeBucket
	Schema        int32
	Zero          uint64
	ZeroThreshold float64
}

// A Bucket counts what is Upper or less.
type Bucket struct {
	Upper float64
	Count uint64
}

// A NativeBucket counts what is in the bucket with that index.
type NativeBucket struct {
	Index int32
	Count uint64
}

// distribution sums h up in classic buckets with these bounds, and in native ones.
func (h *histogram) distribution(classic []time.Duration) *Distribution {
	d := &Distribution{
		Sum: float64(h.sum) / 1e9, Schema: nativeSchema, ZeroThreshold: nativeBound(nativeLow << nativeSchema),
		Buckets: make([]Bucket, len(classic)),
	}
	for i, upper := range classic {
		d.Buckets[i].Upper = upper.Seconds()
	}
	next := 0 // the first bound of classic that is not yet reached
	for i, n := range h.counts {
		d.Count += n
		if i < len(bounds) && next < len(classic) && bounds[i] == uint64(classic[next]) {
			d.Buckets[next].Count = d.Count
			next++
		}
		d.addNative(nativeIndex[i], n)
	}
	return d
}

func (d *Distribution) addNative(index int32, n uint64) {
	switch last := len(d.Native) - 1; {
	case n == 0:
	case index == nativeLow<<nativeSchema:
		d.Zero += n
	case last >= 0 && d.Native[last].Index == index:
		d.Native[last].Count += n
	default:
		d.Native = append(d.Native, NativeBucket{index, n})
	}
}

// nativeIndex has the native bucket that each bucket is a part of. What is longer than the highest bound is counted as
// if it were just so long.
var nativeIndex = func() []int32 {
	index := make([]int32, len(bounds)+1)
	k := nativeLow << nativeSchema
	for i := range index {
		for i < len(bounds) && k < nativeHigh<<nativeSchema && bounds[i] > uint64(nativeBound(k)*1e9) {
			k++
		}
		index[i] = int32(k)
	}
	return index
}()
