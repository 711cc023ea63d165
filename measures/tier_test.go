package measures

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/measures/aggregate"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

func methodsOf(tb testing.TB, names ...string) []policy.Method {
	tb.Helper()
	var list []policy.Method
	for _, n := range names {
		m, err := policy.ParseMethod(n)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

// tierSetup gives every metric one policy.
func tierSetup(tb testing.TB, s *Store, p policy.Policy) tenant.Num {
	tb.Helper()
	p.Name = policy.DefaultName
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{p}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetPolicies(context.Background(), set); err != nil {
		tb.Fatal(err)
	}
	num, err := s.EnsureTenant(context.Background(), "_ops")
	if err != nil {
		tb.Fatal(err)
	}
	return num
}

// tendAll finishes whatever may be finished.
func (s *Store) tendAll() {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	var list []tending
	s.com.mu.Lock()
	for i := range s.shards {
		s.eachOf(i, func(ref metricdef.Ref, _ *series) { list = s.tendingOf(list, ref, true) })
	}
	s.com.mu.Unlock()
	for _, t := range list {
		s.tend(t)
	}
}

// tierModel is a plain, slow account of one series: every sample that was taken, whether it still exists or not.
type tierModel struct {
	p       policy.Policy
	samples map[int64]float64
	top     int64
	gone    map[[2]int64]bool // buckets that a deletion took, by granularity and start
}

// take says whether a sample of a batch is taken; the batch ends with settle.
func (m *tierModel) take(t, now int64) bool {
	if m.p.Raw.Length == policy.Forever || m.top == 0 || m.p.Raw.Length > 0 && t >= now-int64(m.p.Raw.Length) {
		return true
	}
	return t >= m.limit()
}

// limit is where the window begins.
func (m *tierModel) limit() int64 {
	b := int64(m.p.Tiers[len(m.p.Tiers)-1].Granularity)
	back := int64(m.p.BackWindow)
	if slices.ContainsFunc(m.p.Methods, policy.Method.IsRate) {
		back++
	}
	return floorDiv(m.top, b)*b - back*b
}

// remove takes a range of samples away.
func (m *tierModel) remove(from, to, now int64) {
	for t := range m.samples {
		if t >= from && t < to {
			delete(m.samples, t)
		}
	}
	raw := int64(math.MaxInt64) // buckets that begin before have no raw samples
	switch {
	case m.p.Raw.Length == policy.Forever:
		return
	case m.p.Raw.Length > 0:
		b := int64(m.p.Tiers[len(m.p.Tiers)-1].Granularity)
		raw = floorDiv(now-int64(m.p.Raw.Length), b)*b - b
	}
	for _, tier := range m.p.Tiers {
		step := int64(tier.Granularity)
		for b := floorDiv(from, step) * step; b < to && b+step <= m.limit(); b += step {
			if b < raw {
				m.gone[[2]int64{step, b}] = true
			}
		}
	}
}

func (m *tierModel) settle() {
	for t := range m.samples {
		m.top = max(m.top, t)
	}
}

// buckets are what a method makes of a tier.
func (m *tierModel) buckets(order []int64, tier policy.Tier, method policy.Method) (times []int64, values []float64) {
	step := int64(tier.Granularity)
	byBucket := map[int64][]float64{}
	var starts []int64
	for i, t := range order {
		v := m.samples[t]
		if method.IsRate() {
			if i == 0 {
				continue
			}
			v -= m.samples[order[i-1]]
		}
		b := floorDiv(t, step) * step
		if byBucket[b] == nil {
			starts = append(starts, b)
		}
		byBucket[b] = append(byBucket[b], v)
	}
	newest := floorDiv(m.top, step) * step
	for _, b := range starts {
		if m.gone[[2]int64{step, b}] {
			continue
		}
		if tier.Points > 0 && b <= newest-tier.Points*step {
			continue
		}
		if v, ok := aggregate.Of(method, byBucket[b], new(aggregate.Scratch)); ok {
			times, values = append(times, b), append(values, v)
		}
	}
	return times, values
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// checkTiers compares what a store shows of the tiers of a series with a model.
func checkTiers(t *testing.T, s *Store, ref metricdef.Ref, m *tierModel, rnd *rand.Rand, what string) {
	t.Helper()
	var r Reader
	order := slices.Sorted(maps.Keys(m.samples))
	for i, tier := range m.p.Tiers {
		step := int64(tier.Granularity)
		for _, method := range m.p.Methods {
			times, values := m.buckets(order, tier, method)
			if err := s.ReadTier(context.Background(), &r, ref, i, method, minTime, maxTime); err != nil {
				t.Fatalf("%s: tier %v, %v: %v", what, tier.Granularity, method, err)
			}
			if !slices.Equal(r.Times, times) || !sameBits(r.Values, values) {
				t.Fatalf("%s: series %d, tier %v, %v:\n%s", what, ref, tier.Granularity, method, tierDiff(r.Times, r.Values, times, values))
			}
			if len(times) == 0 {
				continue
			}
			if first, last, ok := s.TierBounds(ref, i); !ok || first > times[0] || last < times[len(times)-1] {
				t.Fatalf("%s: tier %v: bounds %d %d %v, buckets from %d to %d", what, tier.Granularity, first, last, ok, times[0], times[len(times)-1])
			}
			for range 3 {
				from := times[0] + rnd.Int64N(times[len(times)-1]-times[0]+step)
				to := from + rnd.Int64N(times[len(times)-1]-from+2*step)
				if err := s.ReadTier(context.Background(), &r, ref, i, method, from, to); err != nil {
					t.Fatal(err)
				}
				lo, _ := slices.BinarySearch(times, floorDiv(from, step)*step)
				hi, _ := slices.BinarySearch(times, to)
				hi = max(hi, lo)
				if !slices.Equal(r.Times, times[lo:hi]) || !sameBits(r.Values, values[lo:hi]) {
					t.Fatalf("%s: tier %v, %v from %d to %d:\n%s", what, tier.Granularity, method, from, to, tierDiff(r.Times, r.Values, times[lo:hi], values[lo:hi]))
				}
				if n := s.TierWeight(ref, i, method, from, to); n < int64(hi-lo) {
					t.Fatalf("%s: tier %v, %v from %d to %d: weight %d of %d buckets", what, tier.Granularity, method, from, to, n, hi-lo)
				}
				// In slices, whatever their size, it is the same.
				n, k := 1+rnd.Int64N(400), lo
				for from = floorDiv(from, step) * step; from < to; {
					end := s.TierBorder(ref, i, method, from, to, n)
					if end <= from || end > to || end < to && end%step != 0 {
						t.Fatalf("%s: tier %v, %v: the border between %d and %d is %d", what, tier.Granularity, method, from, to, end)
					}
					if err := s.ReadTier(context.Background(), &r, ref, i, method, from, end); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(r.Times, times[k:min(k+len(r.Times), hi)]) {
						t.Fatalf("%s: tier %v, %v: the slice from %d to %d has other buckets", what, tier.Granularity, method, from, end)
					}
					k += len(r.Times)
					from = end
				}
				if k != hi {
					t.Fatalf("%s: tier %v, %v to %d: the slices have %d buckets of %d", what, tier.Granularity, method, to, k-lo, hi-lo)
				}
			}
		}
	}
}

func tierDiff(times []int64, values []float64, wantTimes []int64, wantValues []float64) string {
	out := fmt.Sprintf("%d buckets, want %d", len(times), len(wantTimes))
	for i, t := range wantTimes {
		if i >= len(times) || times[i] != t || math.Float64bits(values[i]) != math.Float64bits(wantValues[i]) {
			out += fmt.Sprintf("\nbucket %d: want %d %v", i, t, wantValues[i])
			if i < len(times) {
				out += fmt.Sprintf(", got %d %v", times[i], values[i])
			}
			break
		}
	}
	return out
}

// tierPolicies are policies of every sort.
func tierPolicies(tb testing.TB) map[string]policy.Policy {
	all := methodsOf(tb, "mean", "min", "max", "sum", "std", "count", "first", "last", "median", "95pct", "nunique", "stdpop")
	rates := methodsOf(tb, "rate:mean", "rate:last", "rate:sum", "last", "rate:std", "mean", "50pct", "rate:90pct")
	tiers := func(list ...any) (out []policy.Tier) {
		for i := 0; i < len(list); i += 2 {
			out = append(out, policy.Tier{Granularity: list[i].(time.Duration), Points: int64(list[i+1].(int))})
		}
		return out
	}
	window, forever := policy.Retention{Length: policy.WindowOnly, Clock: policy.NewestClock}, policy.Retention{Length: policy.Forever}
	return map[string]policy.Policy{
		"kept":            {Raw: forever, Tiers: tiers(10*time.Second, 0, time.Minute, 0, time.Hour, 0), Methods: all},
		"kept with rates": {Raw: forever, Tiers: tiers(10*time.Second, 0, time.Minute, 0), Methods: rates},
		"kept, bounded":   {Raw: forever, Tiers: tiers(7*time.Second, 150, 10*time.Second, 200), Methods: all},
		"window":          {Raw: window, Tiers: tiers(10*time.Second, 0, time.Minute, 0), Methods: all},
		"window, back 3":  {Raw: window, Tiers: tiers(7*time.Second, 300, 10*time.Second, 0), Methods: all, BackWindow: 3},
		"window, rates":   {Raw: window, Tiers: tiers(10*time.Second, 0, 25*time.Second, 100), Methods: rates, BackWindow: 1},
		"below a second":  {Raw: window, Tiers: tiers(250*time.Millisecond, 4000, time.Second, 0), Methods: methodsOf(tb, "mean", "last", "count"), BackWindow: 2},
		"grid":            {Raw: forever, Grid: 5 * time.Second, Tiers: tiers(30*time.Second, 0), Methods: methodsOf(tb, "mean", "max", "rate:max")},
		"expiring":        {Raw: policy.Retention{Length: 30 * time.Minute}, Tiers: tiers(10*time.Second, 0, time.Minute, 0), Methods: methodsOf(tb, "mean", "count", "max")},
		"expiring, rates": {Raw: policy.Retention{Length: 30 * time.Minute}, Tiers: tiers(10*time.Second, 0, 45*time.Second, 0), Methods: methodsOf(tb, "mean", "rate:last"), BackWindow: 1},
	}
}

// TestTiersAgainstModel drives stores whose policies have tiers and a plain model with the same random writes, in and out of
// order, through snapshots, crashes, stops, evictions and all stages of finishing, and compares every bucket of every method.
func TestTiersAgainstModel(t *testing.T) {
	t.Parallel()
	seeds, steps := uint64(2), 180
	if testing.Short() || raceEnabled {
		seeds, steps = 1, 100
	}
	for name, p := range tierPolicies(t) {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s, %d", name, seed), func(t *testing.T) {
				t.Parallel()
				tiersAgainstModel(t, p, seed, steps)
			})
		}
	}
}

func tiersAgainstModel(t *testing.T, p policy.Policy, seed uint64, steps int) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(seed, 7))
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := tierSetup(t, s, p)
	const hosts = 4
	refs := write(t, s, num, "m", []int{0, 1, 2, 3}, testEpoch, 0)
	models := make([]*tierModel, hosts)
	for h := range models {
		models[h] = &tierModel{p: p, samples: map[int64]float64{testEpoch: float64(h)}, top: testEpoch, gone: map[[2]int64]bool{}}
	}
	unit := int64(time.Second)
	if p.Tiers[0].Granularity < time.Second {
		unit = int64(20 * time.Millisecond)
	}
	align := unit
	if p.Grid > 0 {
		align = int64(p.Grid)
	}
	now := int64(0) // in units behind the start
	for step := range steps {
		what := fmt.Sprintf("step %d", step)
		switch k := rnd.IntN(100); {
		case k < 5:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			what += ", snapshot"
		case k < 8:
			s.crash()
			s = openTest(t, testOptions(dir, c))
			what += ", crash"
		case k < 10:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, testOptions(dir, c))
			what += ", restart"
		case k < 12:
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
		case k < 18:
			s.TendTiers()
			what += ", tend"
		case k < 24:
			s.tendAll()
			what += ", all tended"
		case k < 28:
			s.Expire(ctx)
			what += ", expire"
		case k < 32:
			if slices.ContainsFunc(p.Methods, policy.Method.IsRate) && p.Raw.Length != policy.Forever {
				break // what a difference is to is not remembered for ever
			}
			h := rnd.IntN(hosts)
			from := testEpoch + (now-rnd.Int64N(1200))*unit
			to := from + rnd.Int64N(300)*unit
			if rnd.IntN(8) == 0 {
				to = testEpoch + (now+100)*unit
			}
			if err := s.DeleteRange(ctx, refs[h:h+1], from, to); err != nil {
				t.Fatal(err)
			}
			models[h].remove(from, to, c.ns)
			what += ", delete"
		default:
			var b Batch
			refused := 0
			for range 1 + rnd.IntN(200) {
				now += rnd.Int64N(3)
				h := rnd.IntN(hosts)
				at := now
				switch rnd.IntN(30) {
				case 0:
					at -= rnd.Int64N(600) * rnd.Int64N(8)
				case 1, 2:
					at -= rnd.Int64N(30)
				case 3:
					now += rnd.Int64N(60)
				}
				at = floorDiv(testEpoch+at*unit, align) * align
				v := math.Round(rnd.NormFloat64()*1e4) / 100
				switch rnd.IntN(300) {
				case 0:
					v = math.NaN()
				case 1:
					v = math.Inf(1)
				}
				b.Add(refs[h], at, v)
			}
			wrote := max(c.ns, testEpoch+now*unit)
			for i, ref := range b.Refs {
				m := models[slices.Index(refs, ref)]
				if !m.take(b.Times[i], wrote) {
					refused++
				}
			}
			type row struct {
				h int
				t int64
				v float64
			}
			var rows []row
			for i, ref := range b.Refs {
				h := slices.Index(refs, ref)
				if models[h].take(b.Times[i], wrote) {
					rows = append(rows, row{h, b.Times[i], b.Values[i]})
				}
			}
			c.ns = wrote
			if err := s.Commit(ctx, &b); err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				models[r.h].samples[r.t] = r.v
			}
			for _, m := range models {
				m.settle()
			}
			if b.Refused[OutsideWindow] != refused {
				t.Fatalf("%d rows refused, want %d", b.Refused[OutsideWindow], refused)
			}
		}
		if step%10 == 9 || step == steps-1 {
			for h, ref := range refs {
				checkTiers(t, s, ref, models[h], rnd, what)
			}
		}
	}
	s.tendAll()
	chunks := 0
	for _, ref := range refs {
		s.shardOf(ref).tiers[ref].eachChunk(func(*tierColumn, *entry) { chunks++ })
		checkTiers(t, s, ref, models[slices.Index(refs, ref)], rnd, "end")
	}
	if chunks < hosts*len(p.Tiers) {
		t.Errorf("%d chunks of finished buckets", chunks)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
