package measures

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
)

// tierHistory is a store with one series of a policy, and the model of it.
type tierHistory struct {
	s   *Store
	o   Options
	ref metricdef.Ref
	m   *tierModel
	rnd *rand.Rand
	now int64
}

func newTierHistory(tb testing.TB, p policy.Policy) *tierHistory {
	tb.Helper()
	h := &tierHistory{o: testOptions(tb.TempDir(), &clock{testEpoch}), rnd: rand.New(rand.NewPCG(3, 4))}
	h.s = openTest(tb, h.o)
	h.ref = write(tb, h.s, tierSetup(tb, h.s, p), "m", []int{0}, testEpoch, 0)[0]
	h.m = &tierModel{p: p, samples: map[int64]float64{testEpoch: 0}, top: testEpoch, gone: map[[2]int64]bool{}}
	return h
}

// put writes n samples, a second apart.
func (h *tierHistory) put(tb testing.TB, n int) {
	tb.Helper()
	var b Batch
	for range n {
		h.now++
		at, v := testEpoch+h.now*second, math.Round(h.rnd.Float64()*1e4)/100
		b.Add(h.ref, at, v)
		h.m.samples[at] = v
	}
	if err := h.s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
	h.m.settle()
}

func (h *tierHistory) check(t *testing.T, what string) {
	t.Helper()
	checkTiers(t, h.s, h.ref, h.m, h.rnd, what)
}

func (h *tierHistory) snapshot(tb testing.TB) {
	tb.Helper()
	if err := h.s.Snapshot(); err != nil {
		tb.Fatal(err)
	}
}

func (h *tierHistory) reopen(tb testing.TB) {
	tb.Helper()
	h.s.crash()
	h.s = openTest(tb, h.o)
}

// chunks counts the chunks of finished buckets.
func (h *tierHistory) chunks() (n int) {
	h.s.shardOf(h.ref).tiers[h.ref].eachChunk(func(*tierColumn, *entry) { n++ })
	return n
}

func secondsAndMinutes(tb testing.TB, raw time.Duration, points ...int64) policy.Policy {
	p := policy.Policy{Raw: policy.Retention{Length: raw}, Methods: methodsOf(tb, "mean", "max", "std"),
		Tiers: []policy.Tier{{Granularity: 10 * time.Second}, {Granularity: time.Minute}}}
	for i, n := range points {
		p.Tiers[i].Points = n
	}
	return p
}

// TestTierPolicyChanges changes the policy of a series with finished buckets: more points show again what is stored, a new method
// and a new tier begin with what raw samples cover, and what is not named any more goes.
func TestTierPolicyChanges(t *testing.T) {
	h := newTierHistory(t, secondsAndMinutes(t, policy.Forever, 50, 0))
	h.put(t, 4000)
	h.s.tendAll()
	h.check(t, "at first")
	change := func(p policy.Policy, what string) {
		t.Helper()
		tierSetup(t, h.s, p)
		h.m.p = p
		h.check(t, what)
		h.s.tendAll()
		h.check(t, what+", tended")
		h.s.Expire(context.Background())
		h.snapshot(t)
		h.reopen(t)
		h.check(t, what+", after a restart")
		h.put(t, 300)
		h.s.tendAll()
		h.check(t, what+", with more samples")
	}
	change(secondsAndMinutes(t, policy.Forever, 300, 0), "more points")
	more := secondsAndMinutes(t, policy.Forever)
	more.Methods = methodsOf(t, "mean", "min", "95pct", "rate:last")
	change(more, "other methods")
	more.Tiers = []policy.Tier{{Granularity: 30 * time.Second}, {Granularity: time.Minute}, {Granularity: 5 * time.Minute, Points: 4}}
	change(more, "other tiers")
	if h.chunks() == 0 {
		t.Error("nothing is finished")
	}
	none := policy.Policy{Raw: policy.Retention{Length: policy.Forever}}
	tierSetup(t, h.s, none)
	if err := h.s.ReadTier(context.Background(), new(Reader), h.ref, 0, policy.Mean, minTime, maxTime); code(err) != "tier-unknown" {
		t.Errorf("without tiers: %v", err)
	}
	h.s.Expire(context.Background())
	if h.chunks() != 0 {
		t.Errorf("%d chunks of tiers that no policy names", h.chunks())
	}
	change(more, "tiers again")
	if err := h.s.ReadTier(context.Background(), new(Reader), h.ref, 0, policy.Std, minTime, maxTime); code(err) != "method-not-kept" {
		t.Errorf("another method: %v", err)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

func code(err error) string {
	if c, ok := err.(interface{ Code() string }); ok {
		return c.Code()
	}
	return ""
}

// TestTiersDamaged loses the state file, then segment files one after the other: buckets whose raw samples are there are
// computed anew, and all else stays.
func TestTiersDamaged(t *testing.T) {
	t.Parallel()
	h := newTierHistory(t, secondsAndMinutes(t, policy.Forever))
	for range 4 {
		h.put(t, 900)
		h.s.tendAll()
		h.snapshot(t)
	}
	files, err := filepath.Glob(filepath.Join(h.o.Dir, "segments", "state-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	h.s.crash()
	flip(t, files[0], 0.3)
	h.s = openTest(t, h.o)
	// The head is lost with the state, as far as the journal no longer has it.
	times, values := all(t, h.s, h.ref)
	h.m.samples = map[int64]float64{}
	for i, at := range times {
		h.m.samples[at] = values[i]
	}
	if h.chunks() == 0 {
		t.Fatal("the chunks of the tiers were not found")
	}
	h.put(t, 900)
	h.s.tendAll()
	h.snapshot(t)
	h.reopen(t)
	h.put(t, 10)

	// A damaged chunk is found when it is read.
	h.s.maintenance.Lock()
	h.s.evictChunks(math.MaxInt64)
	h.s.maintenance.Unlock()
	sh := h.s.shardOf(h.ref)
	st := sh.tiers[h.ref]
	before := h.chunks()
	var r Reader
	lost := st.columns[0].chunks[0]
	path := h.s.segmentPath(h.s.segments.files[lost.seg.file()].info.Name)
	size := h.s.segments.files[lost.seg.file()].info.Size
	flip(t, path, float64(lost.seg.off()+12)/float64(size-1))
	method := st.columns[0].method
	if err := h.s.ReadTier(context.Background(), &r, h.ref, 0, method, minTime, maxTime); err != nil {
		t.Fatal(err)
	}
	if h.chunks() != before-1 {
		t.Errorf("%d chunks, before %d", h.chunks(), before)
	}
	early := func(what string) {
		t.Helper()
		want, values := h.m.buckets(slices.Sorted(maps.Keys(h.m.samples)), h.m.p.Tiers[0], method)
		n, _ := slices.BinarySearch(want, testEpoch+900*second)
		if err := h.s.ReadTier(context.Background(), &r, h.ref, 0, method, minTime, testEpoch+900*second); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Times, want[:n]) || !sameBits(r.Values, values[:n]) {
			t.Errorf("%s: %s", what, tierDiff(r.Times, r.Values, want[:n], values[:n]))
		}
	}
	early("computed anew")
	h.s.Expire(context.Background())
	early("finished anew")
	h.snapshot(t)
	h.reopen(t)
	early("after a restart")
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTiersInParallel writes, reads and finishes buckets at once: readers see whole buckets that never lose a sample, and in the
// end every bucket is what the samples make of it.
func TestTiersInParallel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := policy.Policy{Raw: policy.Retention{Length: policy.WindowOnly}, Methods: methodsOf(t, "sum", "count", "rate:sum"), BackWindow: 1,
		Tiers: []policy.Tier{{Granularity: 10 * time.Second}, {Granularity: time.Minute}}}
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	refs := write(t, s, tierSetup(t, s, p), "m", []int{0, 1, 2}, testEpoch, 0)
	const samples = 6000
	var writers, others sync.WaitGroup
	models := make([]*tierModel, len(refs))
	for i, ref := range refs {
		models[i] = &tierModel{p: p, samples: map[int64]float64{testEpoch: float64(i)}, top: testEpoch}
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 9))
			var b Batch
			for from := 1; from < samples; from += 60 {
				b.Reset()
				for _, k := range rnd.Perm(60) {
					at := testEpoch + int64(from+k)*second
					b.Add(ref, at, float64(k))
					models[i].samples[at] = float64(k)
				}
				if err := s.Commit(ctx, &b); err != nil || b.Refused != [NumReasons]int{} {
					t.Error(err, b.Refused)
				}
			}
		})
	}
	done := make(chan struct{})
	running := func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	others.Go(func() {
		for n := 0; running(); n++ {
			s.tendAll()
			switch n % 8 {
			case 3:
				if err := s.Snapshot(); err != nil {
					t.Error(err)
				}
			case 5:
				s.Expire(ctx)
			case 7:
				s.maintenance.Lock()
				s.evictChunks(math.MaxInt64)
				s.maintenance.Unlock()
			}
		}
	})
	others.Go(func() {
		var r Reader
		count := methodsOf(t, "count")[0]
		last := make([]float64, len(refs))
		for i := 0; running(); i = (i + 1) % len(refs) {
			if err := s.ReadTier(ctx, &r, refs[i], 0, count, minTime, maxTime); err != nil {
				t.Error(err)
				return
			}
			n := 0.0
			for _, v := range r.Values {
				n += v
			}
			if n < last[i] {
				t.Errorf("series %d: %v samples, before %v", i, n, last[i])
				return
			}
			last[i] = n
		}
	})
	writers.Wait()
	close(done)
	others.Wait()
	for range 2 {
		for i, ref := range refs {
			models[i].settle()
			checkTiers(t, s, ref, models[i], rand.New(rand.NewPCG(1, 1)), "in the end")
		}
		s.crash()
		s = openTest(t, o)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTierFar writes a point far in the future: the window follows it, normal points are outside then, and times that
// cannot be are refused as too new.
func TestTierFar(t *testing.T) {
	p := secondsAndMinutes(t, policy.WindowOnly)
	h := newTierHistory(t, p)
	h.put(t, 500)
	far := int64(1) << 61
	var b Batch
	b.Add(h.ref, far, 5)
	b.Add(h.ref, testEpoch+501*second, 6) // the window is where it was before the batch
	b.Add(h.ref, maxTime, 7)
	b.Add(h.ref, math.MaxInt64, 8)
	if err := h.s.Commit(context.Background(), &b); err != nil || b.Refused[TooNew] != 2 || b.Refused[OutsideWindow] != 0 {
		t.Fatal(err, b.Refused)
	}
	h.m.samples[far], h.m.samples[testEpoch+501*second] = 5, 6
	h.m.settle()
	h.check(t, "far")
	b.Reset()
	b.Add(h.ref, testEpoch+502*second, 7)
	b.Add(h.ref, far+second, 9)
	if err := h.s.Commit(context.Background(), &b); err != nil || b.Refused[OutsideWindow] != 1 {
		t.Fatal(err, b.Refused)
	}
	h.m.samples[far+second] = 9
	h.m.settle()
	for range 2 {
		h.s.tendAll()
		h.check(t, "later")
		h.snapshot(t)
		h.reopen(t)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTierWholeNumbers takes differences of whole numbers beyond what floats tell apart.
func TestTierWholeNumbers(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	p := policy.Policy{Raw: policy.Retention{Length: policy.Forever}, Tiers: []policy.Tier{{Granularity: 10 * time.Second}}, Methods: methodsOf(t, "rate:sum", "last")}
	num := tierSetup(t, s, p)
	d := draftOf(num, "c", 0)
	d.Def.Type = metricdef.Counter
	var b Batch
	const big = int64(1) << 60
	for i := range int64(300) {
		b.AddIntDraft(d, testEpoch+i*second, big+i)
	}
	if err := s.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	ref := b.Refs[0]
	rate := p.Methods[slices.IndexFunc(p.Methods, policy.Method.IsRate)]
	for _, what := range []string{"computed", "finished"} {
		var r Reader
		if err := s.ReadTier(context.Background(), &r, ref, 0, rate, minTime, maxTime); err != nil {
			t.Fatal(err)
		}
		for i, v := range r.Values {
			if want := 10.0; v != want && i > 0 && i < len(r.Values)-1 {
				t.Fatalf("%s: bucket %d is %v", what, i, v)
			}
		}
		if err := s.ReadTier(context.Background(), &r, ref, 0, policy.Last, minTime, maxTime); err != nil || r.Values[0] != float64(big) {
			t.Fatalf("%s: last %v, %v", what, r.Values[0], err)
		}
		s.tendAll()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTierFor chooses the coarsest tier that gives the answer.
func TestTierFor(t *testing.T) {
	p := policy.Policy{Raw: policy.Retention{Length: policy.Forever}, Methods: methodsOf(t, "mean", "std", "rate:max", "first"),
		Tiers: []policy.Tier{{Granularity: 7 * time.Second}, {Granularity: 10 * time.Second}, {Granularity: time.Minute}}}
	h := newTierHistory(t, p)
	for _, c := range []struct {
		step time.Duration
		m    string
		tier int
		ok   bool
	}{
		{time.Hour, "mean", 2, true},
		{time.Hour, "sum", 2, true}, // kept for the mean
		{time.Hour, "count", 2, true},
		{time.Hour, "rate:max", 2, true},
		{time.Hour, "std", 0, false},
		{time.Minute, "std", 2, true},
		{30 * time.Second, "first", 1, true},
		{14 * time.Second, "mean", 0, true},
		{15 * time.Second, "mean", 0, false},
		{time.Hour, "max", 0, false},
		{0, "mean", 0, false},
	} {
		tier, ok := h.s.TierFor(h.ref, int64(c.step), methodsOf(t, c.m)[0])
		if tier != c.tier || ok != c.ok {
			t.Errorf("%v of %v: tier %d, %v", c.m, c.step, tier, ok)
		}
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}
