package measures

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// clock is a clock that tests move.
type clock struct{ ns int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.ns) }

const testEpoch = int64(1_700_000_040) * second

// testOptions are options over a folder, with a clock that stands.
func testOptions(dir string, c *clock) Options {
	return Options{Dir: dir, Sync: journal.Never, Now: c.now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func openTest(tb testing.TB, o Options) *Store {
	tb.Helper()
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// testSet is a set of policies: metric m60 on 60 s, m10 on 10 s, kept for so long.
func testSet(tb testing.TB, keep time.Duration, step60 time.Duration) *policy.Set {
	tb.Helper()
	set, err := policy.FromClusterCockpit([]policy.ClusterCockpitMetric{
		{Name: "m60", Frequency: step60, Across: policy.Sum},
		{Name: "m10", Frequency: 10 * time.Second, Across: policy.Mean},
	}, policy.Retention{Length: keep, Clock: policy.SampleClock}, true)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func setup(tb testing.TB, s *Store, keep time.Duration) tenant.Num {
	tb.Helper()
	if err := s.SetPolicies(context.Background(), testSet(tb, keep, time.Minute)); err != nil {
		tb.Fatal(err)
	}
	num, err := s.EnsureTenant(context.Background(), "_ops")
	if err != nil {
		tb.Fatal(err)
	}
	return num
}

func draftOf(num tenant.Num, metric string, host int) Draft {
	return Draft{Def: metricdef.Draft{Dialect: "clustercockpit", Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: metric,
		Tags: []metricdef.Tag{{Name: "cluster", Value: "c"}, {Name: "hostname", Value: fmt.Sprintf("h%03d", host)}}}}}
}

// write commits one sample for each of the hosts and returns their refs.
func write(tb testing.TB, s *Store, num tenant.Num, metric string, hosts []int, t int64, v float64) []metricdef.Ref {
	tb.Helper()
	var b Batch
	for _, h := range hosts {
		b.AddDraft(draftOf(num, metric, h), t, v+float64(h))
	}
	if err := s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
	return slices.Clone(b.Refs)
}

// all reads everything that a series shows.
func all(tb testing.TB, s *Store, ref metricdef.Ref) ([]int64, []float64) {
	tb.Helper()
	var r Reader
	if err := s.Read(context.Background(), &r, ref, minTime, maxTime); err != nil {
		tb.Fatal(err)
	}
	return r.Times, r.Values
}

// crash closes the files without anything that a stop would do.
func (s *Store) crash() {
	s.closed.Store(true)
	s.seq.mu.Lock()
	s.seq.closed = true
	s.seq.mu.Unlock()
	s.com.mu.Lock()
	defer s.com.mu.Unlock()
	if err := s.checkAccounts(); err != nil {
		panic(err)
	}
	s.ready.Store(false)
	s.log.Close()
	s.catalog.Close(nil)
	s.segments.closeAll()
	s.lock.Close()
}

func TestWriteReadRestart(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, policy.Forever)
	hosts := []int{0, 1, 2}
	var refs []metricdef.Ref
	for i := range 200 {
		if i == 77 {
			continue // a hole
		}
		refs = write(t, s, num, "m60", hosts, testEpoch+int64(i)*60*second, float64(i))
	}
	check := func(s *Store) {
		t.Helper()
		for h, ref := range refs {
			times, values := all(t, s, ref)
			if len(times) != 199 {
				t.Fatalf("host %d: %d samples", h, len(times))
			}
			k := 0
			for i := range 200 {
				if i == 77 {
					continue
				}
				if times[k] != testEpoch+int64(i)*60*second || values[k] != float64(i+h) {
					t.Fatalf("host %d: sample %d is %d %g", h, k, times[k], values[k])
				}
				k++
			}
			dst := make([]float64, 200)
			if err := s.ReadGrid(ref, testEpoch, 60*second, dst); err != nil {
				t.Fatal(err)
			}
			for i, v := range dst {
				if i == 77 && !math.IsNaN(v) || i != 77 && v != float64(i+h) {
					t.Fatalf("host %d: slot %d is %g", h, i, v)
				}
			}
		}
	}
	check(s)
	s.crash()
	s = openTest(t, testOptions(dir, c))
	check(s)
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	check(s)
	s.crash()
	s = openTest(t, testOptions(dir, c))
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, testOptions(dir, c))
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstModel drives a store and a plain map with the same random writes, in and out of order, through snapshots,
// crashes, stops, freeing and changes of frequency, and compares what they show.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	seeds, steps := uint64(4), 800
	if testing.Short() || raceEnabled {
		seeds, steps = 2, 300
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { againstModel(t, seed, steps) })
	}
}

func againstModel(t *testing.T, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	const hosts = 40
	model := make([]map[int64]float64, hosts)
	var refs [hosts]metricdef.Ref
	for h := range hosts {
		model[h] = make(map[int64]float64)
		metric := "m10"
		if h%4 == 3 {
			metric = "own" // samples keep their own times
		}
		var b Batch
		d := draftOf(num, metric, h)
		if metric == "own" {
			d.Def.Dialect = "native"
		}
		b.AddDraft(d, testEpoch, float64(h))
		if err := s.Commit(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		refs[h] = b.Refs[0]
		model[h][testEpoch] = float64(h)
	}
	now := int64(0)
	for range steps {
		switch p := rnd.IntN(1000); {
		case p < 20:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		case p < 24:
			s.crash()
			s = openTest(t, testOptions(dir, c))
		case p < 28:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, testOptions(dir, c))
		case p < 30:
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
		case p < 40:
			from := now - rnd.Int64N(300)
			r := timeRange{testEpoch + from*10*second, testEpoch + (from+rnd.Int64N(200))*10*second}
			var list []metricdef.Ref
			for range rnd.IntN(8) {
				h := rnd.IntN(hosts)
				list = append(list, refs[h])
				maps.DeleteFunc(model[h], func(at int64, _ float64) bool { return r.has(at) })
			}
			if err := s.DeleteRange(context.Background(), list, r.from, r.to); err != nil {
				t.Fatal(err)
			}
		default:
			var b Batch
			now += rnd.Int64N(3)
			for range rnd.IntN(60) {
				h := rnd.IntN(hosts)
				at := now
				switch rnd.IntN(20) {
				case 0:
					at -= rnd.Int64N(200)
				case 1:
					at -= rnd.Int64N(3)
				case 2:
					at += rnd.Int64N(5)
				}
				v := math.Round(rnd.NormFloat64()*1e4) / 100
				at = testEpoch + at*10*second
				b.Add(refs[h], at, v)
				model[h][at] = v
			}
			if err := s.Commit(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for h := range hosts {
		times, values := all(t, s, refs[h])
		if len(times) != len(model[h]) {
			t.Errorf("host %d: %d samples, the model has %d", h, len(times), len(model[h]))
		}
		for i, at := range times {
			if want, ok := model[h][at]; !ok || want != values[i] {
				t.Fatalf("host %d: at %d is %g, the model has %g (%v)", h, (at-testEpoch)/second/10, values[i], want, ok)
			}
		}
		b, ok := s.Bounds(refs[h], minTime, maxTime)
		if len(times) == 0 {
			if ok {
				t.Errorf("host %d: bounds %+v of nothing", h, b)
			}
			continue
		}
		if at, _, ok := s.Newest(refs[h]); !ok || at != times[len(times)-1] {
			t.Errorf("host %d: newest %d, is %d", h, at, times[len(times)-1])
		}
		if !ok || b.First != times[0] || b.Last != times[len(times)-1] {
			t.Fatalf("host %d: bounds %+v, samples %d to %d", h, b, times[0], times[len(times)-1])
		}
		if b.Step == 0 {
			continue
		}
		dst := make([]float64, (b.Last-b.First)/b.Step+1)
		if err := s.ReadGrid(refs[h], b.First, b.Step, dst); err != nil {
			t.Fatal(err)
		}
		for i, v := range dst {
			want, ok := model[h][b.First+int64(i)*b.Step]
			if ok != !math.IsNaN(v) || ok && v != want {
				t.Fatalf("host %d: slot %d is %g, the model has %g (%v)", h, i, v, want, ok)
			}
		}
	}
}

// TestOvertaking writes each pair of neighbouring slots in the wrong order, also across the seam of two heads: nothing
// becomes late, and every head is sealed as one chunk.
func TestOvertaking(t *testing.T) {
	for _, first := range []int{0, 1} {
		c := &clock{testEpoch}
		s := openTest(t, testOptions(t.TempDir(), c))
		num := setup(t, s, policy.Forever)
		var ref metricdef.Ref
		if first == 1 {
			ref = write(t, s, num, "m10", []int{0}, testEpoch, 0)[0]
		}
		for i := first; i < 4*headSlots; i += 2 {
			for _, k := range []int{i + 1, i} {
				ref = write(t, s, num, "m10", []int{0}, testEpoch+int64(k)*10*second, float64(k))[0]
			}
		}
		st := s.Stats()
		if st.Late != 0 || st.Chunks != 4 {
			t.Errorf("first %d: %d late samples, %d chunks", first, st.Late, st.Chunks)
		}
		times, _ := all(t, s, ref)
		if len(times) != 4*headSlots+first {
			t.Errorf("first %d: %d samples", first, len(times))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
