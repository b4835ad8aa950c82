package pipeline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Each bucket of a distribution counts what it says it does, at its bounds too.
func TestDistribution(t *testing.T) {
	var all []time.Duration
	for _, b := range bounds {
		all = append(all, time.Duration(b-1), time.Duration(b), time.Duration(b+1))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		all = append(all, time.Duration(math.Exp(random.Float64()*33)))
	}
	all = append(all, -1, 0, 100*time.Hour)
	h, sum := newHistogram(), 0.0
	for _, d := range all {
		h.observe(d)
		sum += max(d, 0).Seconds()
	}
	for name, classic := range map[string][]time.Duration{"statements": statementBounds, "steps": stepBounds, "sessions": sessionBounds} {
		d := h.distribution(classic)
		if d.Count != uint64(len(all)) || math.Abs(d.Sum-sum) > sum*1e-9 {
			t.Errorf("%s: %d durations of %v s, want %d of %v s", name, d.Count, d.Sum, len(all), sum)
		}
		for i, upper := range classic {
			want := uint64(0)
			for _, v := range all {
				if v <= upper {
					want++
				}
			}
			if got := d.Buckets[i]; got.Count != want || got.Upper != upper.Seconds() {
				t.Errorf("%s: bucket %d is %v, want %v of %v or less", name, i, got, want, upper)
			}
		}
	}
	native(t, all, h.distribution(nil))
}

// native checks the native buckets by their definition: bucket k has what is above the base to the power of k-1, and not
// above it to the power of k.
func native(t *testing.T, all []time.Duration, d *Distribution) {
	t.Helper()
	want := map[int32]uint64{}
	zero := uint64(0)
	for _, v := range all {
		if v.Seconds() <= d.ZeroThreshold {
			zero++
			continue
		}
		k := int32(nativeLow << nativeSchema)
		for k < nativeHigh<<nativeSchema && v.Seconds() > math.Pow(2, float64(k)/4) {
			k++
		}
		want[k]++
	}
	if d.Zero != zero {
		t.Errorf("%d durations are next to nothing, want %d", d.Zero, zero)
	}
	for _, b := range d.Native {
		if want[b.Index] != b.Count {
			t.Errorf("native bucket %d has %d, want %d", b.Index, b.Count, want[b.Index])
		}
		delete(want, b.Index)
	}
	if len(want) > 0 {
		t.Errorf("native buckets are missing: %v", want)
	}
	if !slices.IsSortedFunc(d.Native, func(a, b NativeBucket) int { return int(a.Index - b.Index) }) {
		t.Error("native buckets are not in order")
	}
}

func TestHistogramsAdd(t *testing.T) {
	a, b := newHistogram(), newHistogram()
	a.observe(time.Millisecond)
	b.observe(time.Millisecond)
	b.observe(time.Second)
	sum := a.clone()
	sum.add(b)
	if d := sum.distribution(nil); d.Count != 3 || d.Sum != 1.002 || len(d.Native) != 2 {
		t.Errorf("the sum is %+v", d)
	}
	if d := a.distribution(nil); d.Count != 1 {
		t.Errorf("the copied histogram has changed: %+v", d)
	}
}
