package measures

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// oddInts are whole numbers whose words a float would not survive: signalling NaN, subnormals, -0, and what lies beyond 2^53.
var oddInts = []int64{
	0, 1, -1, 63, 64, -64, 1_000_000_000, 1<<53 + 1, -1<<53 - 1, 1<<54 - 1, 1 << 54, -1 << 54, math.MaxInt64, math.MinInt64,
	0x7ff0000000000001, 0x7ff4000000000000, 0x7ff7ffffffffffff, 0x7ff8000000000000, 0x7ff8000000000001, -0x000fffffffffffff, -1 << 62, 5, 5, 5,
}

func intDraft(num tenant.Num, metric string, host int) Draft {
	d := draftOf(num, metric, host)
	d.Def.Kind = metricdef.KindInt
	return d
}

func commit(tb testing.TB, s *Store, b *Batch) {
	tb.Helper()
	if err := s.Commit(context.Background(), b); err != nil {
		tb.Fatal(err)
	}
}

// TestWords sends whole numbers through every path that values take, and wants all bits back: open heads with and without a
// grid, sealed chunks, late samples, the journal, snapshots, files.
func TestWords(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	want := map[metricdef.Ref]map[int64]int64{}
	put := func(dialect, metric string, i int64) {
		var b Batch
		d := intDraft(num, metric, 0)
		d.Def.Dialect = dialect
		at := testEpoch + i*10*second
		v := oddInts[int(max(i, -i))%len(oddInts)] + i/int64(len(oddInts))
		b.AddIntDraft(d, at, v)
		commit(t, s, &b)
		if b.Refused != [NumReasons]int{} {
			t.Fatalf("refused %v", b.Refused)
		}
		ref := b.Drafts[0].Ref
		if want[ref] == nil {
			want[ref] = map[int64]int64{}
		}
		want[ref][at] = v
	}
	check := func(when string) {
		t.Helper()
		for ref, samples := range want {
			var r Reader
			if err := s.Read(context.Background(), &r, ref, minTime, maxTime); err != nil {
				t.Fatal(err)
			}
			if len(r.Times) != len(samples) || r.Kind != metricdef.KindInt || s.KindOf(ref) != metricdef.KindInt {
				t.Fatalf("%s: series %d: %d samples of kind %s, want %d", when, ref, len(r.Times), r.Kind, len(samples))
			}
			for i, at := range r.Times {
				if got := WordInt(r.Values[i]); got != samples[at] {
					t.Fatalf("%s: series %d at %d: %#x, want %#x", when, ref, at, got, samples[at])
				}
			}
			first, n := r.Times[0], len(r.Times)
			for i, v := range r.Floats() {
				if v != float64(samples[r.Times[i]]) {
					t.Fatalf("%s: as a float %g, want %d", when, v, samples[r.Times[i]])
				}
			}
			grid := make([]float64, n)
			if err := s.ReadGrid(ref, first, 10*second, grid); err != nil {
				t.Fatal(err)
			}
			for i, v := range grid {
				if w, ok := samples[first+int64(i)*10*second]; ok && v != float64(w) {
					t.Fatalf("%s: series %d, slot %d is %g, want %d", when, ref, i, v, w)
				}
			}
		}
	}
	for i := range int64(300) {
		put("clustercockpit", "m10", i) // a grid
		put("native", "free", i)        // times of its own
		put("native", "late", -i)       // each before the last
		if i == 150 {
			check("half-way")
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("at the end")
	s.crash()
	s = openTest(t, testOptions(dir, c))
	check("after a crash")
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	s.maintenance.Lock()
	s.evictChunks(math.MaxInt64)
	s.maintenance.Unlock()
	check("evicted")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, testOptions(dir, c))
	check("after a stop")
	if got := s.Stats(); got.Chunks == 0 && got.SegmentFiles == 0 {
		t.Errorf("nothing was sealed: %+v", got)
	}
}

// TestFit writes each kind of value to a series of each kind.
func TestFit(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	defer s.Close()
	num := setup(t, s, policy.Forever)
	draft := func(typ metricdef.Type, k metricdef.Kind) Draft {
		return Draft{Def: metricdef.Draft{Dialect: "native", Kind: k, Identity: metricdef.Identity{Tenant: num, Type: typ, Name: "m-" + k.String() + "-" + typ.String()}}}
	}
	float := func(v float64) func(*Batch, Draft) { return func(b *Batch, d Draft) { b.AddDraft(d, testEpoch, v) } }
	whole := func(v int64) func(*Batch, Draft) { return func(b *Batch, d Draft) { b.AddIntDraft(d, testEpoch, v) } }
	tests := []struct {
		typ  metricdef.Type
		kind metricdef.Kind
		add  func(*Batch, Draft)
		want float64
		ok   bool
	}{
		{metricdef.Gauge, metricdef.KindFloat, float(1.5), 1.5, true},
		{metricdef.Gauge, metricdef.KindFloat, whole(7), 7, true},
		{metricdef.Gauge, metricdef.KindFloat, whole(1<<53 + 1), 1 << 53, true},
		{metricdef.Gauge, metricdef.KindInt, whole(-7), IntWord(-7), true},
		{metricdef.Counter, metricdef.KindInt, float(12), IntWord(12), true},
		{metricdef.Counter, metricdef.KindInt, float(-1 << 63), IntWord(math.MinInt64), true},
		{metricdef.Counter, metricdef.KindInt, float(1 << 63), 0, false},
		{metricdef.Counter, metricdef.KindInt, float(1.5), 0, false},
		{metricdef.Counter, metricdef.KindInt, float(math.NaN()), 0, false},
		{metricdef.Counter, metricdef.KindInt, float(math.Inf(1)), 0, false},
		{metricdef.Availability, metricdef.KindState, float(1), 1, true},
		{metricdef.Availability, metricdef.KindState, float(3), 3, true},
		{metricdef.Availability, metricdef.KindState, float(4), 0, false},
		{metricdef.Availability, metricdef.KindState, float(0.5), 0, false},
		{metricdef.Availability, metricdef.KindState, float(math.NaN()), 0, false},
		{metricdef.Availability, metricdef.KindState, whole(1), 0, false},
		{metricdef.String, metricdef.KindText, float(1), 0, false},
	}
	for i, tt := range tests {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprint(i, known), func(t *testing.T) {
				var b Batch
				d := draft(tt.typ, tt.kind)
				d.Def.Name += fmt.Sprint(i)
				had := s.Definitions.Len()
				tt.add(&b, d)
				commit(t, s, &b)
				if !tt.ok {
					if b.Refused[WrongKind] != 1 || b.Drafts[0].Ref != 0 || s.Definitions.Len() != had {
						t.Errorf("refused %v, ref %d", b.Refused, b.Drafts[0].Ref)
					}
					return
				}
				times, values := all(t, s, b.Drafts[0].Ref)
				if !slices.Equal(times, []int64{testEpoch}) || math.Float64bits(values[0]) != math.Float64bits(tt.want) {
					t.Errorf("%v %x, want %x", times, math.Float64bits(values[0]), math.Float64bits(tt.want))
				}
			})
		}
	}
}
