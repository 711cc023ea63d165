package measures

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// ruled is a store whose policies of the tenant follow the duplicate rules by name: last, smallest, refuse.
func ruled(t *testing.T, o Options) (*Store, tenant.Num) {
	t.Helper()
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	for name, rule := range map[string]policy.DuplicateRule{"last": policy.LastWins, "smallest": policy.SmallestThenLater, "refuse": policy.RefuseDifferent} {
		_, err := s.CreatePolicy(t.Context(), policy.OfTenant(num), policy.Policy{Name: name, Raw: policy.Retention{Length: policy.Forever}, Duplicates: rule})
		mustEdit(t, err)
		mustEdit(t, s.CreateRule(t.Context(), policy.OfTenant(num), policy.Rule{Name: name, Pattern: name + "*", Glob: true, Policy: name}))
	}
	return s, num
}

type point struct {
	t int64
	v float64
}

// commitAll writes points of one metric in one batch and returns how many were refused as duplicates.
func commitAll(t testing.TB, s *Store, num tenant.Num, metric string, points ...point) (ref metricdef.Ref, refused int) {
	t.Helper()
	var b Batch
	for _, p := range points {
		b.AddDraft(nativeDraft(num, metric), testEpoch+p.t*second, p.v)
	}
	if err := s.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Drafts[0].Ref, b.Refused[Duplicate]
}

func wantPoints(t testing.TB, s *Store, ref metricdef.Ref, want ...point) {
	t.Helper()
	times, values := all(t, s, ref)
	var got []point
	for i := range times {
		got = append(got, point{(times[i] - testEpoch) / second, values[i]})
	}
	same := func(a, b point) bool { return a.t == b.t && math.Float64bits(a.v) == math.Float64bits(b.v) }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDuplicateRules(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s, num := ruled(t, o)
	nan := math.NaN()
	type result struct {
		ref  metricdef.Ref
		want []point
	}
	var results []result
	for _, c := range []struct {
		metric  string
		batches [][]point
		refused []int
		want    []point
	}{
		{"last", [][]point{{{1, 5}, {1, 7}, {1, 6}}, {{1, 9}}}, []int{0, 0}, []point{{1, 9}}},
		{"smallest", [][]point{{{1, 5}, {2, 1}, {1, 3}, {1, 4}, {2, nan}, {3, nan}, {3, 8}}}, []int{0}, []point{{1, 3}, {2, 1}, {3, 8}}},
		{"smallest.later", [][]point{{{1, 5}, {1, 3}}, {{1, 9}, {1, 10}, {0, 1}}}, []int{0, 0}, []point{{0, 1}, {1, 9}}},
		{"refuse", [][]point{{{1, 5}, {2, 6}}, {{1, 5}, {2, 7}, {3, 8}}, {{0, 1}, {3, 8}}}, []int{0, 1, 0}, []point{{0, 1}, {1, 5}, {2, 6}, {3, 8}}},
		{"refuse.batch", [][]point{{{1, 5}, {1, 5}, {1, 6}, {1, 5}, {2, nan}, {2, nan}, {2, 1}}}, []int{2}, []point{{1, 5}, {2, nan}}},
	} {
		var ref metricdef.Ref
		for i, points := range c.batches {
			var refused int
			if ref, refused = commitAll(t, s, num, c.metric, points...); refused != c.refused[i] {
				t.Errorf("%s, batch %d: %d refused", c.metric, i, refused)
			}
		}
		wantPoints(t, s, ref, c.want...)
		results = append(results, result{ref, c.want})
	}
	if n := s.Stats().Overwritten; n < 4 {
		t.Errorf("%d overwritten", n)
	}
	s.crash()
	s = openTest(t, o)
	for _, r := range results {
		wantPoints(t, s, r.ref, r.want...)
	}
	// What is known from before the start counts too.
	if _, refused := commitAll(t, s, num, "refuse", point{2, 7}, point{2, 6}, point{9, 9}); refused != 1 {
		t.Errorf("%d refused", refused)
	}
	mustEdit(t, s.Close())
}

// TestRefuseOldSamples repeats samples that lie in the head, in sealed chunks, among late samples, and in files only.
func TestRefuseOldSamples(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s, num := ruled(t, o)
	var ref metricdef.Ref
	const n = 1000
	for i := range int64(n) {
		if i%100 != 7 {
			ref, _ = commitAll(t, s, num, "refuse", point{i, float64(i)})
		}
	}
	for i := int64(7); i < n; i += 100 {
		commitAll(t, s, num, "refuse", point{i, float64(i)}) // late
	}
	check := func(what string) {
		t.Helper()
		var again, other []point
		for i := int64(0); i < n; i += 3 {
			again = append(again, point{i, float64(i)})
			other = append(other, point{i, float64(i) + 0.5})
		}
		if _, refused := commitAll(t, s, num, "refuse", again...); refused != 0 {
			t.Errorf("%s: %d equal samples refused", what, refused)
		}
		if _, refused := commitAll(t, s, num, "refuse", other...); refused != len(other) {
			t.Errorf("%s: %d of %d other samples refused", what, refused, len(other))
		}
		times, values := all(t, s, ref)
		if len(times) != n || values[3] != 3 {
			t.Errorf("%s: %d samples", what, len(times))
		}
	}
	check("in memory")
	mustEdit(t, s.Snapshot())
	check("behind a snapshot")
	mustEdit(t, s.Close())
	s = openTest(t, o)
	check("in files")
	mustEdit(t, s.Close())
}

// TestRefuseAtOnce has many writers give one time different values: one of them wins, the others are told, and replay says the same.
func TestRefuseAtOnce(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s, num := ruled(t, o)
	ref, _ := commitAll(t, s, num, "refuse", point{-1, 0})
	const writers, times = 8, 50
	var mu sync.Mutex
	won := map[int64]float64{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range int64(times) {
				var b Batch
				b.Add(ref, testEpoch+i*second, float64(w))
				if err := s.Commit(context.Background(), &b); err != nil {
					t.Error(err)
				}
				if b.Refused[Duplicate] == 0 {
					mu.Lock()
					if _, twice := won[i]; twice {
						t.Errorf("time %d was won twice", i)
					}
					won[i] = float64(w)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	want := []point{{-1, 0}}
	for i := range int64(times) {
		want = append(want, point{i, won[i]})
	}
	if len(won) != times {
		t.Errorf("%d times were won", len(won))
	}
	wantPoints(t, s, ref, want...)
	s.crash()
	s = openTest(t, o)
	wantPoints(t, s, ref, want...)
	mustEdit(t, s.Close())
}

// TestRefuseAfterFailure: a value that the journal did not take refuses no other.
func TestRefuseAfterFailure(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s, num := ruled(t, o)
			ref, _ := commitAll(t, s, num, "refuse", point{0, 0})
			fs.mode.Store(f.mode)
			var b Batch
			b.Add(ref, testEpoch+second, 1)
			wantUnavailable(t, s.Commit(context.Background(), &b))
			fs.mode.Store(failNot)
			if _, refused := commitAll(t, s, num, "refuse", point{1, 2}, point{0, 0}); refused != 0 {
				t.Errorf("%d refused", refused)
			}
			wantPoints(t, s, ref, point{0, 0}, point{1, 2})
			mustEdit(t, s.Close())
		})
	}
}

// TestDuplicateInts compares whole numbers as such: as bits of a float they have another order.
func TestDuplicateInts(t *testing.T) {
	s, num := ruled(t, testOptions(t.TempDir(), &clock{testEpoch}))
	for metric, want := range map[string]int64{"smallest": -5, "refuse": 7} {
		d := nativeDraft(num, metric)
		d.Def.Type, d.Def.Kind = metricdef.Counter, metricdef.KindInt
		var b Batch
		for _, v := range []int64{7, -5, 1 << 60} {
			b.AddIntDraft(d, testEpoch, v)
		}
		mustEdit(t, s.Commit(t.Context(), &b))
		if _, values := all(t, s, b.Drafts[0].Ref); len(values) != 1 || WordInt(values[0]) != want {
			t.Errorf("%s: %v", metric, values)
		}
	}
	mustEdit(t, s.Close())
}

func BenchmarkDuplicates(b *testing.B) {
	for _, rule := range []policy.DuplicateRule{policy.LastWins, policy.SmallestThenLater, policy.RefuseDifferent} {
		b.Run(fmt.Sprint(rule), func(b *testing.B) {
			s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
			num := setup(b, s, policy.Forever)
			_, err := s.CreatePolicy(b.Context(), policy.OfTenant(num), policy.Policy{Name: "p", Raw: policy.Retention{Length: policy.Forever}, Duplicates: rule})
			mustEdit(b, err)
			mustEdit(b, s.CreateRule(b.Context(), policy.OfTenant(num), policy.Rule{Name: "p", Pattern: "*", Glob: true, Policy: "p"}))
			var batch Batch
			var refs []metricdef.Ref
			for i := range 1000 {
				batch.AddDraft(nativeDraft(num, fmt.Sprint("m", i)), testEpoch, 1)
			}
			mustEdit(b, s.Commit(b.Context(), &batch))
			refs = append(refs, batch.Refs...)
			t := testEpoch
			for b.Loop() {
				batch.Reset()
				t += second
				for _, ref := range refs {
					batch.Add(ref, t, 1)
				}
				if err := s.Commit(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
			mustEdit(b, s.Close())
		})
	}
}

// TestMet: what is met twice in a batch is what a map of all rows says, in whatever order the rows come.
func TestMet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var m met
	for round := range 2000 {
		var b Batch
		rows := map[moment]int{}
		ref, at := metricdef.Ref(1), int64(0)
		jumps := []float64{0, 0.05, 0.5}[round%3]
		for row := range rnd.IntN(40) {
			switch {
			case rnd.Float64() < jumps:
				ref, at = 1+metricdef.Ref(rnd.IntN(4)), int64(rnd.IntN(10))
			case rnd.IntN(10) == 0:
				ref, at = ref+1, 0
			default:
				at++
			}
			b.Add(ref, at, 0)
			want, again := rows[moment{ref, at}]
			got, first := m.first(&b, row)
			if first == again || again && got != want {
				t.Fatalf("row %d of %v %v: %d, %v, want %d, %v", row, b.Refs, b.Times, got, first, want, !again)
			}
			if again && rnd.IntN(2) == 0 { // the later one stays
				b.Refs[want], m.rows[moment{ref, at}] = 0, row
				rows[moment{ref, at}] = row
			} else if again {
				b.Refs[row] = 0
			} else {
				rows[moment{ref, at}] = row
			}
		}
		m.end()
	}
}
