package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
)

func TestKept(t *testing.T) {
	p := archive(t, "p", vectorPolicy{Methods: []string{"mean", "95pct"}, Tiers: []vectorTier{{60, 10}, {3600, 5}}})
	k := KeptBy(&p)
	if k.Computed || !k.Has(policy.Mean) || k.Has(policy.Sum) || k.Has(policy.Count) || !k.Has(policy.Percentile(95)) || k.Has(policy.Mean.Rate()) {
		t.Errorf("methods of %v", k)
	}
	if !k.HasGranularity(60e9) || !k.HasGranularity(3600e9) || k.HasGranularity(1e9) {
		t.Errorf("granularities of %v", k)
	}
	for _, c := range []struct {
		p    policy.Policy
		want policy.Tier
	}{
		{policy.FallBack(policy.Retention{Length: policy.Forever}), policy.Tier{Granularity: time.Minute}},
		{policy.FallBack(policy.Retention{Length: time.Hour}), policy.Tier{Granularity: time.Minute, Points: 60}},
		{policy.Policy{Grid: 30 * time.Second, Raw: policy.Retention{Length: time.Hour}}, policy.Tier{Granularity: 30 * time.Second, Points: 120}},
		{policy.Policy{Grid: time.Hour, Raw: policy.Retention{Length: time.Second}}, policy.Tier{Granularity: time.Hour, Points: 1}},
	} {
		k := KeptBy(&c.p)
		if !k.Computed || len(k.Tiers) != 1 || k.Tiers[0] != c.want {
			t.Errorf("%v: %v, want %v", c.p, k, c.want)
		}
		if !k.Has(policy.Percentile(17).Rate()) || k.Has(policy.NoMethod) {
			t.Error("not every method can be computed")
		}
	}
}

// TestComputed reads buckets of a metric that has samples only.
func TestComputed(t *testing.T) {
	b := newBed(t)
	keep := policy.Retention{Length: policy.Forever}
	b.policies(policy.FallBack(keep), policy.Policy{Name: "grid", Raw: keep, Grid: 30 * time.Second})
	minute := int64(time.Minute)
	base := dayOf("2020-01-01")
	raw, grid := b.metric(metricdef.Gauge, "raw", "default"), b.metric(metricdef.Gauge, "grid", "grid")
	var whole measures.Batch
	counter := b.metric(metricdef.Counter, "counter", "default")
	for i := range int64(10) {
		b.post(raw, []int64{base + i*20e9}, []float64{float64(i)})
		b.post(grid, []int64{base + i*20e9}, []float64{float64(i)})
		whole.AddInt(counter, base+i*20e9, 1<<53+i)
	}
	if err := b.store.Commit(context.Background(), &whole); err != nil {
		t.Fatal(err)
	}
	if got := b.kept(grid).Tiers[0].Granularity; got != 30*time.Second {
		t.Errorf("a series of slots has the granularity %v", got)
	}
	all := func(ref metricdef.Ref, m policy.Method, step int64) Want { return Want{ref, m, step, Earliest, Latest} }
	got := b.read(
		all(raw, policy.Mean, minute), all(raw, policy.Percentile(50), minute), all(raw, policy.Sum.Rate(), minute),
		all(counter, policy.Last.Rate(), minute), all(grid, policy.Count, 30e9),
		Want{raw, policy.Sum, minute, base + minute + 59e9, base + 2*minute + 1})
	times := []int64{base, base + minute, base + 2*minute, base + 3*minute}
	for i, want := range []Column{
		{times, []float64{1, 4, 7, 9}},
		{times, []float64{1, 4, 7, 9}},
		{times, []float64{2, 3, 3, 1}},
		{times, []float64{1, 1, 1, 1}},
		{[]int64{base, base + 30e9, base + 60e9, base + 90e9, base + 120e9, base + 150e9, base + 180e9}, []float64{1, 1, 1, 1, 1, 1, 1}},
		{times[1:3], []float64{12, 21}},
	} {
		if !slices.Equal(got[i].Times, want.Times) || !slices.Equal(got[i].Values, want.Values) {
			t.Errorf("%d: %v, want %v", i, got[i], want)
		}
	}
}

// TestTierAlone reads a policy that keeps raw samples beside its tiers: a read has what the tier keeps, and no older buckets, and whole
// buckets at its borders.
func TestTierAlone(t *testing.T) {
	b := newBed(t)
	b.policies(policy.Policy{Name: "p", Raw: policy.Retention{Length: policy.Forever}, Tiers: []policy.Tier{{Granularity: time.Minute, Points: 3}, {Granularity: time.Hour}}, Methods: []policy.Method{policy.Sum, policy.Mean}})
	ref := b.metric(metricdef.Gauge, "m", "p")
	base := dayOf("2020-01-01")
	minute := int64(time.Minute)
	for i := range int64(10) {
		b.post(ref, []int64{base + i*minute, base + i*minute + 30e9}, []float64{1, 2})
	}
	got := b.read(Want{ref, policy.Sum, minute, Earliest, Latest}, Want{ref, policy.Sum, 60 * minute, base + 5*minute, base + 6*minute}, Want{ref, policy.Sum, minute, base + 8*minute + 31e9, base + 8*minute + 32e9},
		Want{ref, policy.Sum, minute, base, base + 5*minute}, Want{ref, policy.Sum, minute, base + 50*minute, Latest}, Want{Ref: 12345, Method: policy.Sum, Granularity: minute, Start: Earliest, Stop: Latest}, Want{ref, policy.Sum, minute, Latest, Earliest})
	for i, want := range []Column{
		{[]int64{base + 7*minute, base + 8*minute, base + 9*minute}, []float64{3, 3, 3}},
		{[]int64{base}, []float64{30}},
		{[]int64{base + 8*minute}, []float64{3}},
		{}, {}, {}, {},
	} {
		if !slices.Equal(got[i].Times, want.Times) || !slices.Equal(got[i].Values, want.Values) {
			t.Errorf("%d: %v, want %v", i, got[i], want)
		}
	}
}

// TestLimits: what costs too much is refused before it is read, several reads together.
func TestLimits(t *testing.T) {
	b := newBed(t)
	b.policies(archive(t, "p", vectorPolicy{Methods: []string{"sum", "mean"}, Tiers: []vectorTier{{1, 0}}}))
	ref := b.metric(metricdef.Gauge, "m", "p")
	base := dayOf("2020-01-01")
	b.post(ref, []int64{0, base, base + 99e9}, []float64{0, 1, 2}) // what lies between them costs nothing
	e := query.New(b.store, query.Options{Definitions: b.store.Definitions})
	var cost *query.CostError
	for points, fits := range map[int64]bool{6: true, 5: false} {
		_, err := Prepare(context.Background(), e, query.Cost{Points: points}, []Want{{ref, policy.Sum, 1e9, Earliest, Latest}, {ref, policy.Mean, 1e9, math.MinInt64, math.MaxInt64}})
		if fits != (err == nil) || err != nil && !errors.As(err, &cost) {
			t.Errorf("with %d points: %v", points, err)
		}
	}
}

// TestOneBatch: what is in one batch is judged by the window as it was before, and the smallest of equal times stays, however many points
// there are.
func TestOneBatch(t *testing.T) {
	b := newBed(t)
	b.policies(archive(t, "p", vectorPolicy{BackWindow: 1, Methods: []string{"count", "sum", "rate:count"}, Tiers: []vectorTier{{60, 0}, {3600, 0}}}))
	ref := b.metric(metricdef.Gauge, "m", "p")
	base := dayOf("2020-01-01")
	hour := int64(time.Hour)
	b.post(ref, []int64{base + 5*hour + 1}, []float64{1})
	// The window reaches back to 3:00: a back window of one, and one for the rate.
	const n = 150_000
	times, values := []int64{base + 5000*hour, base + 3*hour - 1}, []float64{7, 1}
	for i := range int64(n) {
		times, values = append(times, base+3*hour+i%(n/2)*40e6), append(values, float64(2-i/(n/2)))
	}
	if refused := b.post(ref, times, values); refused != 1 {
		t.Errorf("%d points are refused, want 1", refused)
	}
	for range 2 {
		got := b.read(Want{ref, policy.Count, hour, Earliest, Latest}, Want{ref, policy.Sum, hour, Earliest, Latest}, Want{ref, policy.Count.Rate(), hour, Earliest, Latest})
		for i, want := range []Column{
			{[]int64{base + 3*hour, base + 5*hour, base + 5000*hour}, []float64{n / 2, 1, 1}},
			{[]int64{base + 3*hour, base + 5*hour, base + 5000*hour}, []float64{n / 2, 1, 7}},
			{[]int64{base + 3*hour, base + 5*hour, base + 5000*hour}, []float64{n/2 - 1, 1, 1}},
		} {
			if !slices.Equal(got[i].Times, want.Times) || !slices.Equal(got[i].Values, want.Values) {
				t.Errorf("%d: %v, want %v", i, got[i], want)
			}
		}
		b.store.TendTiers()
	}
	// Now the window begins at 4998:00.
	if refused := b.post(ref, []int64{base + 4998*hour - 1, base + 4998*hour}, []float64{1, 1}); refused != 1 {
		t.Errorf("%d points are refused, want 1", refused)
	}
}

// TestNarrow: what a read takes depends on what there is, not on how many buckets might lie between: here there are two in sixty years of
// nanoseconds.
func TestNarrow(t *testing.T) {
	b := newBed(t)
	b.policies(archive(t, "p", vectorPolicy{Methods: []string{"mean", "sum"}, Tiers: []vectorTier{{1e-9, 0}, {60, 0}}}))
	ref := b.metric(metricdef.Gauge, "m", "p")
	for range 2 {
		far := dayOf("2030-01-01")
		b.post(ref, []int64{1, far}, []float64{1, 2})
		want := Column{[]int64{1, far}, []float64{1, 2}}
		for range 2 {
			for _, m := range []policy.Method{policy.Sum, policy.Mean} {
				if got := b.read(Want{ref, m, 1, Earliest, Latest})[0]; !slices.Equal(got.Times, want.Times) || !slices.Equal(got.Values, want.Values) {
					t.Errorf("%v: %v, want %v", m, got, want)
				}
			}
			b.store.TendTiers()
			b.store.Expire(t.Context())
		}
	}
}

// BenchmarkColumns reads the means of 100 metrics over a day of minutes.
func BenchmarkColumns(bench *testing.B) {
	b := newBed(bench)
	b.policies(archive(bench, "p", vectorPolicy{Methods: []string{"mean", "max"}, Tiers: []vectorTier{{60, 10_080}, {3600, 8760}}}))
	base := dayOf("2020-01-01")
	var wants []Want
	for i := range 100 {
		ref := b.metric(metricdef.Gauge, fmt.Sprint("m", i), "p")
		var times []int64
		var values []float64
		for k := range int64(3 * 1440) {
			times, values = append(times, base+k*20e9), append(values, math.Round(float64(k*int64(i)%977))/8)
		}
		b.post(ref, times, values)
		wants = append(wants, Want{ref, policy.Mean, 60e9, base, base + int64(24*time.Hour)})
	}
	b.store.TendTiers()
	e := query.New(b.store, query.Options{Definitions: b.store.Definitions})
	bench.ReportAllocs()
	for bench.Loop() {
		p, err := Prepare(bench.Context(), e, query.Cost{}, wants)
		if err != nil {
			bench.Fatal(err)
		}
		list, err := p.Columns(bench.Context())
		if err != nil || len(list[99].Times) != 1440 {
			bench.Fatal(err, len(list[99].Times))
		}
	}
}
