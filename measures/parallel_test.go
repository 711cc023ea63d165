package measures

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
)

// picture is all that a store shows of its series: bits, not numbers, so that NaN and -0 count.
type picture map[string]shown

type shown struct {
	Ref    metricdef.Ref
	Bounds Bounds
	Times  []int64
	Values []uint64
	Grid   []uint64
	Said   []int64 // times of Texts, then of Tags
	Texts  []string
	Tags   []string
}

func bitsOf(v []float64) []uint64 {
	b := make([]uint64, len(v))
	for i := range v {
		b[i] = math.Float64bits(v[i])
	}
	return b
}

func take(tb testing.TB, s *Store) picture {
	tb.Helper()
	if err := s.checkAccounts(); err != nil {
		tb.Error(err)
	}
	p := picture{}
	var r Reader
	for ref := range s.Definitions.All() {
		d, _ := s.Definitions.Get(ref)
		b, ok := s.Bounds(ref, minTime, maxTime)
		if !ok {
			continue
		}
		if err := s.Read(context.Background(), &r, ref, minTime, maxTime); err != nil {
			tb.Fatal(err)
		}
		v := shown{Ref: ref, Bounds: b, Times: slices.Clone(r.Times), Values: bitsOf(r.Values)}
		var texts, tags TextReader
		if err := errors.Join(s.ReadText(context.Background(), &texts, ref, minTime, maxTime), s.ReadTags(context.Background(), &tags, ref, minTime, maxTime)); err != nil {
			tb.Fatal(err)
		}
		v.Said, v.Texts, v.Tags = slices.Concat(texts.Times, tags.Times), texts.Texts, tags.Texts
		if step := b.Step; step > 0 && (b.Last-b.First)/step < 1<<20 {
			dst := make([]float64, (b.Last-b.First)/step+1)
			if err := s.ReadGrid(ref, b.First, step, dst); err != nil {
				tb.Fatal(err)
			}
			v.Grid = bitsOf(dst)
		}
		p[string(metricdef.AppendKey([]byte(d.Type.String()+" "), d.Name, d.Tags))] = v
	}
	return p
}

func same(tb testing.TB, what string, got, want picture) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Errorf("%s: %d series, want %d", what, len(got), len(want))
	}
	bad := 0
	for key, w := range want {
		g, ok := got[key]
		switch {
		case !ok:
			tb.Errorf("%s: series %s is gone", what, key)
		case g.Ref != w.Ref || g.Bounds != w.Bounds:
			tb.Errorf("%s: series %s: ref %d bounds %+v, want %d %+v", what, key, g.Ref, g.Bounds, w.Ref, w.Bounds)
		case !slices.Equal(g.Times, w.Times) || !slices.Equal(g.Values, w.Values):
			tb.Errorf("%s: series %s: %d samples, want %d, or their bits differ", what, key, len(g.Times), len(w.Times))
		case !slices.Equal(g.Said, w.Said) || !slices.Equal(g.Texts, w.Texts) || !slices.Equal(g.Tags, w.Tags):
			tb.Errorf("%s: series %s: %d texts and %d tags, want %d and %d, or they differ", what, key, len(g.Texts), len(g.Tags), len(w.Texts), len(w.Tags))
		case !slices.Equal(g.Grid, w.Grid):
			tb.Errorf("%s: series %s: the grid differs", what, key)
		default:
			continue
		}
		if bad++; bad > 5 {
			tb.Fatal("and more")
		}
	}
}

// TestParallelWriters has writers send new series, duplicates and samples out of order at once, while snapshots,
// evictions, freeing, changes of frequency and readers go on. After that the live state, the state after a crash and the
// state after a stop are equal in every bit.
func TestParallelWriters(t *testing.T) {
	ctx := context.Background()
	writers, rounds := 8, 150
	if testing.Short() || raceEnabled {
		writers, rounds = 4, 50
	}
	for seed := range uint64(2) {
		dir := t.TempDir()
		c := &clock{testEpoch}
		o := testOptions(dir, c)
		o.JournalSegment = 64 << 10
		s := openTest(t, o)
		num := setup(t, s, policy.Forever)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(w)))
				var b Batch
				for i := range rounds {
					b.Reset()
					for range 1 + rnd.IntN(60) {
						at := int64(i)*60*second + rnd.Int64N(60)*second
						if rnd.IntN(8) == 0 {
							at -= rnd.Int64N(40*60) * second
						}
						metric := []string{"m10", "m60"}[rnd.IntN(2)]
						switch host := rnd.IntN(10 + i); rnd.IntN(8) {
						case 0:
							b.AddTextDraft(textDraft(num, metric, host%7), testEpoch+at, fmt.Sprint("text ", rnd.IntN(9)))
						case 1:
							d := draftOf(num, "counter", host%7)
							d.Def.Kind = metricdef.KindInt
							b.AddIntDraft(d, testEpoch+at, int64(rnd.Uint64()))
						default:
							b.AddDraft(draftOf(num, metric, host), testEpoch+at, math.Float64frombits(rnd.Uint64()))
							if rnd.IntN(4) == 0 {
								b.AddTags(fmt.Sprintf(`{"i":"%d"}`, rnd.IntN(5)))
							}
						}
					}
					if err := s.Commit(ctx, &b); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		stop := make(chan struct{})
		var behind sync.WaitGroup
		again := func(fn func(rnd *rand.Rand)) {
			behind.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, 99))
				for {
					select {
					case <-stop:
						return
					default:
						fn(rnd)
					}
				}
			})
		}
		again(func(rnd *rand.Rand) {
			if err := s.Snapshot(); err != nil {
				t.Error(err)
			}
			if rnd.IntN(3) == 0 {
				s.maintenance.Lock()
				s.evictChunks(math.MaxInt64)
				s.maintenance.Unlock()
			}
		})
		again(func(rnd *rand.Rand) {
			set := testSet(t, policy.Forever, []time.Duration{time.Minute, 10 * time.Second, 0}[rnd.IntN(2)])
			if err := s.SetPolicies(ctx, set); err != nil {
				t.Error(err)
			}
			if n := s.Definitions.Next(); n > 1 {
				if _, err := s.Free(ctx, []metricdef.Ref{1 + metricdef.Ref(rnd.Uint32N(uint32(n)))}, testEpoch); err != nil {
					t.Error(err)
				}
			}
		})
		again(func(*rand.Rand) { take(t, s) })
		wg.Wait()
		close(stop)
		behind.Wait()
		want := take(t, s)
		if t.Failed() {
			t.FailNow()
		}
		s.crash()
		s = openTest(t, o)
		same(t, "after a crash", take(t, s), want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, o)
		same(t, "after a stop", take(t, s), want)
		if st := s.Stats(); st.Series != len(want) {
			t.Errorf("%d definitions, %d series", st.Series, len(want))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLastOfAll has parallel writers fight for the same slots: what is shown is one of the values that were sent, and the
// same one after a crash.
func TestLastOfAll(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := openTest(t, testOptions(dir, &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				var b Batch
				b.AddDraft(draftOf(num, "m10", 0), testEpoch+int64(i)*10*second, float64(i*8+w))
				if err := s.Commit(ctx, &b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := take(t, s)
	for key, v := range want {
		if len(v.Times) != 200 {
			t.Errorf("%s: %d samples", key, len(v.Times))
		}
		for i, b := range v.Values {
			if f := math.Float64frombits(b); f < float64(i*8) || f >= float64(i*8+8) {
				t.Errorf("slot %d: %g", i, f)
			}
		}
	}
	s.crash()
	s = openTest(t, testOptions(dir, &clock{testEpoch}))
	same(t, "after a crash", take(t, s), want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseMeanwhile closes the store while writers write and readers read. Everybody gets an answer, and what was
// acknowledged is there.
func TestCloseMeanwhile(t *testing.T) {
	ctx := context.Background()
	rounds, enough := 5, 200
	if testing.Short() || raceEnabled {
		rounds, enough = 2, 40
	}
	for round := range rounds {
		dir := t.TempDir()
		o := testOptions(dir, &clock{testEpoch})
		s := openTest(t, o)
		num := setup(t, s, policy.Forever)
		refs := write(t, s, num, "m10", []int{0, 1, 2, 3}, testEpoch, 0)
		var acked [4]int
		var begun, wg sync.WaitGroup
		for w := range 4 {
			begun.Add(1)
			wg.Go(func() {
				for i := 1; ; i++ {
					var b Batch
					b.Add(refs[w], testEpoch+int64(i)*10*second, float64(i))
					if s.Commit(ctx, &b) != nil {
						return
					}
					if acked[w] = i; i == enough {
						begun.Done()
					}
				}
			})
			wg.Go(func() {
				var r Reader
				for s.Readable() == nil {
					if err := s.Read(ctx, &r, refs[w], minTime, maxTime); err != nil {
						t.Error(err)
					}
					s.Bounds(refs[w], minTime, maxTime)
					s.Stats()
				}
			})
		}
		begun.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		s = openTest(t, o)
		for w, n := range acked {
			if times, _ := all(t, s, refs[w]); len(times) != n+1 {
				t.Errorf("round %d: %d samples, %d acknowledged", round, len(times), n+1)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
