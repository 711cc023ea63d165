package measures

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// writeClock gives every metric raw samples that live so long from their writing.
func writeClock(tb testing.TB, s *Store, p policy.Policy, length time.Duration) tenant.Num {
	tb.Helper()
	p.Name, p.Raw = policy.DefaultName, policy.Retention{Length: length, Clock: policy.WriteClock}
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

// TestBackfill writes a year of history at once beside live samples: it lives for the retention from its writing, and lets what was
// written at its time expire.
func TestBackfill(t *testing.T) {
	const (
		hour = 3600 * second
		day  = 24 * hour
		keep = 30 * 24 * time.Hour
	)
	for _, stop := range []string{"", "crash", "snapshot and crash", "stop"} {
		t.Run(stop, func(t *testing.T) {
			t.Parallel()
			c := &clock{testEpoch}
			o := testOptions(t.TempDir(), c)
			s := openTest(t, o)
			num := writeClock(t, s, policy.Policy{}, keep)
			var ref, text metricdef.Ref
			put := func(from, to, step int64) (n int) {
				t.Helper()
				var b Batch
				for at := from; at < to; at += step {
					b.AddDraft(Draft{Def: defDraft(num, "n")}, at, float64(at))
					b.AddTextDraft(textDraft(num, "t", 0), at, "x")
					n++
				}
				commit(t, s, &b)
				ref, text = b.Refs[0], b.Refs[1]
				return n
			}
			// Forty days of live samples, an hour late at most.
			live := map[int64]bool{}
			for at := testEpoch; at < testEpoch+40*day; at += hour {
				c.ns = at
				put(at, at+1, 1)
				live[at] = true
			}
			s.Expire(t.Context())
			filled := c.ns
			history := put(testEpoch-365*day, testEpoch-day, 6*hour)
			switch stop {
			case "snapshot and crash":
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
				fallthrough
			case "crash":
				s.crash()
				s = openTest(t, o)
			case "stop":
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, o)
			}
			for _, after := range []int64{0, 10 * day, int64(keep), int64(keep) + second, 31 * day} {
				c.ns = filled + after
				want := 0
				for at := range live {
					if at >= c.ns-int64(keep) {
						want++
					}
				}
				first := testEpoch - 365*day
				if after <= int64(keep) {
					want += history
				} else {
					first = 0
				}
				for _, what := range []string{"before", "behind"} {
					times, _ := all(t, s, ref)
					texts, _ := allTexts(t, s, text)
					if len(times) != want || len(texts) != want {
						t.Errorf("%s expiry after %v: %d samples and %d texts, want %d", what, time.Duration(after), len(times), len(texts), want)
					}
					b, ok := s.Bounds(ref, minTime, maxTime)
					if ok != (want > 0) || ok && (first != 0 && b.First != first || b.First != times[0] || b.Last != times[len(times)-1]) {
						t.Errorf("%s expiry after %v: %+v, %v", what, time.Duration(after), b, ok)
					}
					s.Expire(t.Context())
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSteadyDelay has a series whose samples all come late: they expire one after the other, not when the last of them does.
func TestSteadyDelay(t *testing.T) {
	const keep = 64 * 60 * second // parts of a minute
	for _, delay := range []int64{5 * second, 50 * second, 300 * second, 3 * keep} {
		c := &clock{testEpoch}
		s := openTest(t, testOptions(t.TempDir(), c))
		num := writeClock(t, s, policy.Policy{}, time.Duration(keep))
		var ref metricdef.Ref
		for range 1000 {
			c.ns += 20 * second
			var b Batch
			d := defDraft(num, "n")
			d.Explicit = false
			b.AddDraft(Draft{Def: d}, c.ns-delay, 1)
			commit(t, s, &b)
			ref = b.Refs[0]
		}
		times, _ := all(t, s, ref)
		if n, want := len(times), int(keep/20/second); n < want || n > want+9 {
			t.Errorf("delay %v: %d samples, want %d", time.Duration(delay), n, want)
		}
		s.Expire(t.Context())
		sh := s.shardOf(ref)
		if wt := sh.writes[ref]; wt != nil && len(wt.spans) > writeParts+2 {
			t.Errorf("delay %v: %d spans", time.Duration(delay), len(wt.spans))
		}
		if again, _ := all(t, s, ref); !slices.Equal(times, again) {
			t.Errorf("delay %v: %d samples behind expiry", time.Duration(delay), len(again))
		}
		c.ns += 2 * keep
		s.Expire(t.Context())
		if len(sh.writes) != 0 || s.Definitions.Len() != 0 {
			t.Errorf("delay %v: %d write times, %d definitions are left", time.Duration(delay), len(sh.writes), s.Definitions.Len())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTenantWriteClock counts from the writing where a tenant says how long the samples of a type live.
func TestTenantWriteClock(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := writeClock(t, s, policy.Policy{}, policy.Forever)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Retention: tenant.Retention{Gauge: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.AddDraft(Draft{Def: defDraft(num, "n")}, testEpoch-int64(5*time.Hour), 1)
	commit(t, s, &b)
	for _, want := range []int{1, 0} {
		if times, _ := all(t, s, b.Refs[0]); len(times) != want {
			t.Errorf("%d samples, want %d", len(times), want)
		}
		c.ns += int64(time.Hour) + 1
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// written is a sample as the model has it.
type written struct {
	v     float64
	wrote int64
}

// writeModel is a plain account of the samples of one series.
type writeModel struct {
	length, part int64
	samples      map[int64]written
	late         map[int64]int64 // when samples were written that came late, deleted ones too
}

func (m *writeModel) put(t int64, v float64, wrote int64) {
	m.samples[t] = written{v, max(wrote, m.samples[t].wrote)}
	if wrote-t > m.part {
		m.late[t] = wrote
	}
}

// check says what is wrong with the times that a store shows at a moment: it must show all that live, and besides those only what has
// expired lately, or lies between two samples that were written late, near to each other, and live.
func (m *writeModel) check(now int64, times []int64) error {
	cut := now - m.length
	var late []int64 // those that may hold a span
	for t, wrote := range m.late {
		if wrote >= cut-m.part {
			late = append(late, t)
		}
	}
	slices.Sort(late)
	shown := make(map[int64]bool, len(times))
	for _, t := range times {
		shown[t] = true
		w, ok := m.samples[t]
		if !ok {
			return fmt.Errorf("%d was not written", t)
		}
		if t >= cut-m.part || w.wrote >= cut-m.part {
			continue
		}
		i, _ := slices.BinarySearch(late, t)
		if i == 0 || i == len(late) || late[i]-late[i-1] > m.part+1 {
			return fmt.Errorf("%d is shown, %v behind its time, %v behind its writing", t, time.Duration(now-t), time.Duration(now-w.wrote))
		}
	}
	for t, w := range m.samples {
		lives := t >= cut || w.wrote >= cut && w.wrote-t > writeGrace(m.length)
		if lives && !shown[t] {
			return fmt.Errorf("%d is not shown, %v behind its time, %v behind its writing", t, time.Duration(now-t), time.Duration(now-w.wrote))
		}
	}
	return nil
}

// TestWriteClockAgainstModel drives a store and a plain account of each sample with the same random writes at, a little behind and long
// behind their time, through expiry, deletions, snapshots, crashes, stops and evictions.
func TestWriteClockAgainstModel(t *testing.T) {
	t.Parallel()
	seeds, steps := uint64(4), 400
	if testing.Short() || raceEnabled {
		seeds, steps = 1, 200
	}
	for _, grid := range []time.Duration{0, 10 * time.Second} {
		for seed := range seeds {
			for _, own := range []bool{false, true} {
				if own && seed > seeds/2 {
					continue // the others say enough
				}
				t.Run(fmt.Sprintf("grid %v, own %v, %d", grid, own, seed), func(t *testing.T) {
					t.Parallel()
					writeClockAgainstModel(t, grid, own, seed, steps)
				})
			}
		}
	}
}

// Own has the series say themselves how long they are kept, above a policy that says otherwise and counts by another clock.
func writeClockAgainstModel(t *testing.T, grid time.Duration, own bool, seed uint64, steps int) {
	const length = 64 * 600 * second
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(seed, 11))
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := writeClock(t, s, policy.Policy{Grid: grid}, time.Duration(length))
	number, text := defDraft(num, "n"), textDraft(num, "t", 0)
	if own {
		for _, d := range []*metricdef.Draft{&number, &text.Def} {
			d.Dialect, d.Retention = policy.Hawkular, time.Duration(length)
		}
		other := policy.Policy{Name: policy.DefaultName, Raw: policy.Retention{Length: time.Hour}, Grid: grid}
		set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{other}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetPolicies(ctx, set); err != nil {
			t.Fatal(err)
		}
	}
	model := func() *writeModel {
		return &writeModel{length: length, part: length / writeParts, samples: map[int64]written{}, late: map[int64]int64{}}
	}
	numbers, texts := model(), model()
	put := func(list []int64) (ref, textRef metricdef.Ref) {
		var b Batch
		for _, at := range list {
			v := float64(rnd.IntN(1000))
			b.AddDraft(Draft{Def: number}, at, v)
			b.AddTextDraft(text, at, fmt.Sprint(v))
			numbers.put(at, v, c.ns)
			texts.put(at, v, c.ns)
		}
		commit(t, s, &b)
		return b.Refs[0], b.Refs[1]
	}
	ref, textRef := put([]int64{c.ns})
	for step := range steps {
		what := fmt.Sprintf("step %d", step)
		at := func(back int64) int64 { return floorDiv(c.ns-back-testEpoch, 10*second)*10*second + testEpoch }
		switch k := rnd.IntN(100); {
		case k < 4:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		case k < 7:
			what += ", crash"
			s.crash()
			s = openTest(t, o)
		case k < 9:
			what += ", restart"
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, o)
		case k < 11:
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
		case k < 18:
			what += ", expire"
			s.Expire(ctx)
		case k < 21:
			from := at(rnd.Int64N(4 * length))
			to := from + rnd.Int64N(length/8)
			what += ", delete"
			if err := s.DeleteRange(ctx, []metricdef.Ref{ref, textRef}, from, to); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*writeModel{numbers, texts} {
				maps.DeleteFunc(m.samples, func(t int64, _ written) bool { return t >= from && t < to })
			}
		case k < 24:
			what += ", backfill"
			from, step, n := at(rnd.Int64N(8*length)), (1+rnd.Int64N(100))*10*second, 1+rnd.IntN(300)
			if step > numbers.part {
				n = min(n, 5) // each is a span of its own, and when there are too many the model does not hold
			}
			var list []int64
			for i := range int64(n) {
				if t := from + i*step; t < c.ns {
					list = append(list, t)
				}
			}
			if len(list) > 0 {
				put(list)
			}
		case k < 28:
			what += ", one late"
			put([]int64{at(rnd.Int64N(8 * length))})
		case k < 34:
			what += ", a little late"
			put([]int64{at(rnd.Int64N(length / 32))})
		case k < 36:
			c.ns += rnd.Int64N(length / 3)
		default:
			for range rnd.IntN(20) {
				c.ns += rnd.Int64N(120 * second)
				ref, textRef = put([]int64{at(0)})
			}
		}
		if s.Definitions.Len() < 2 {
			ref, textRef = put([]int64{at(0)})
		}
		times, values := all(t, s, ref)
		if err := numbers.check(c.ns, times); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i, at := range times {
			if values[i] != numbers.samples[at].v {
				t.Fatalf("%s: %v at %d, want %v", what, values[i], at, numbers.samples[at].v)
			}
		}
		checkEnds(t, s, ref, times, values, int64(grid), what)
		when, said := allTexts(t, s, textRef)
		if err := texts.check(c.ns, when); err != nil {
			t.Fatalf("%s: texts: %v", what, err)
		}
		for i, at := range when {
			if said[i] != fmt.Sprint(texts.samples[at].v) {
				t.Fatalf("%s: %q at %d", what, said[i], at)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkEnds compares what else a store says of a series with what it shows.
func checkEnds(t *testing.T, s *Store, ref metricdef.Ref, times []int64, values []float64, step int64, what string) {
	t.Helper()
	b, ok := s.Bounds(ref, minTime, maxTime)
	newest, _, has := s.Newest(ref)
	if ok != (len(times) > 0) || has != ok || ok && (b.First != times[0] || b.Last != times[len(times)-1] || newest != b.Last) {
		t.Fatalf("%s: %d samples, bounds %+v %v, newest %d %v", what, len(times), b, ok, newest, has)
	}
	if n := s.Weight(ref, minTime, maxTime); n < int64(len(times)) {
		t.Fatalf("%s: weight %d, %d samples", what, n, len(times))
	}
	if step == 0 || !ok {
		return
	}
	dst := make([]float64, (b.Last-b.First)/step+1)
	if err := s.ReadGrid(ref, b.First, step, dst); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, v := range dst {
		if math.IsNaN(v) {
			continue
		}
		if n == len(times) || times[n] != b.First+int64(i)*step || values[n] != v {
			t.Fatalf("%s: slot %d of the grid has %v", what, i, v)
		}
		n++
	}
	if n != len(times) {
		t.Fatalf("%s: %d slots of the grid, want %d", what, n, len(times))
	}
}

// TestWriteSpans puts random times into spans and looks that they stay in order, apart, few, and never say that less is late.
func TestWriteSpans(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var wt writeTimes
		const part = 50
		latest := map[int64]int64{}
		wrote := int64(0)
		for range 3000 {
			wrote += rnd.Int64N(4) - rnd.Int64N(2)
			t0, n, step := rnd.Int64N(10_000), 1+rnd.Int64N(5), 1+rnd.Int64N(2*part)
			for i := range n {
				at := t0 + i*step
				wt.note(at, wrote, part)
				latest[at] = max(latest[at], wrote)
			}
			for i, e := range wt.spans {
				if e.from >= e.to || e.since > e.wrote || i > 0 && e.from < wt.spans[i-1].to || len(wt.spans) > maxWriteSpans {
					t.Fatalf("spans %v", wt.spans)
				}
			}
		}
		for at, w := range latest {
			i, _ := slices.BinarySearchFunc(wt.spans, at, func(e writeSpan, t int64) int { return cmp.Compare(e.to, t+1) })
			if i == len(wt.spans) || wt.spans[i].from > at || wt.spans[i].wrote < w {
				t.Fatalf("%d, written at %d, is not in %v", at, w, wt.spans)
			}
		}
	}
}

// TestWriteState holds the form of write times in the state file fast.
func TestWriteState(t *testing.T) {
	const form = "01d20f020ae8070512010e00"
	b, err := hex.DecodeString(form)
	if err != nil {
		t.Fatal(err)
	}
	s := bareStore()
	defer s.free()
	sr, sh := s.table.grow(1), s.shardOf(1)
	if err := restoreWrites(b, s, sh, 1, sr); err != nil {
		t.Fatal(err)
	}
	want := writeTimes{lag: 2002, spans: []writeSpan{{span{1, 11}, 495, 500}, {span{20, 21}, 507, 507}}}
	if got := sh.writes[1]; got.lag != want.lag || !slices.Equal(got.spans, want.spans) {
		t.Errorf("%+v", got)
	}
	if again := appendWrites(nil, s, sh, 1, sr); hex.EncodeToString(again) != form {
		t.Errorf("%+v, again %x", sh.writes[1], again)
	}
	for n := range len(b) {
		if err := restoreWrites(b[:n], s, sh, 1, sr); err == nil && n != 3 && n != 8 {
			t.Errorf("%d bytes are taken", n)
		}
	}
	for _, bad := range []string{"02", "010002000a00", "010002050a0001050000", "010002050a80808080808080808001", "010002808080808080808080010a00"} {
		b, _ := hex.DecodeString(bad)
		if err := restoreWrites(b, s, sh, 1, sr); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
