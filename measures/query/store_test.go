package query

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

const epoch = int64(1_700_000_040) * sec

var _ Source = (*measures.Store)(nil)

func openStore(tb testing.TB, dir string) *measures.Store {
	tb.Helper()
	s, err := measures.Open(measures.Options{Dir: dir, Sync: journal.Never, Now: func() time.Time { return time.Unix(0, epoch) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// prepare makes a tenant, and a policy for metrics named "m" of that step; all others keep their own times.
func prepare(tb testing.TB, s *measures.Store, step time.Duration) tenant.Num {
	tb.Helper()
	keep := policy.Retention{Length: policy.Forever, Clock: policy.SampleClock}
	set, err := policy.NewSet(policy.Content{
		Policies: []policy.Policy{policy.FallBack(keep), {Name: "grid", Raw: keep, Grid: step, Across: policy.Sum}},
		Rules:    []policy.Rule{{Name: "m", Pattern: "m", Policy: "grid"}},
		Open:     true,
	})
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

func draft(num tenant.Num, metric string, host int) measures.Draft {
	return measures.Draft{Def: metricdef.Draft{Dialect: "d", Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: metric,
		Tags: []metricdef.Tag{{Name: "host", Value: fmt.Sprintf("h%05d", host)}}}}}
}

func commit(tb testing.TB, s *measures.Store, b *measures.Batch) {
	tb.Helper()
	if err := s.Commit(context.Background(), b); err != nil {
		tb.Fatal(err)
	}
}

// TestGridAcrossEras queries a real store over changes of frequency, and gets the same answers after a restart.
func TestGridAcrossEras(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	at := int64(0) // seconds
	value := 0.0
	put := func(step, n int64) {
		num := prepare(t, s, time.Duration(step)*time.Second)
		for range n {
			var b measures.Batch
			for h := range 3 {
				b.AddDraft(draft(num, "m", h), epoch+at*sec, value*float64(h+1))
			}
			b.AddDraft(draft(num, "own", 0), epoch+at*sec, value)
			commit(t, s, &b)
			at += step
			value++
		}
	}
	put(60, 10)  // 0 to 9 at 0 to 540
	put(10, 60)  // 10 to 69 at 600 to 1190
	put(60, 130) // 70 to 199 at 1200 to 8940
	refs := []metricdef.Ref{1, 2, 3}
	check := func(what string) {
		t.Helper()
		e := New(s, Options{OwnStep: 60 * sec})
		for _, c := range []struct {
			refs           []metricdef.Ref
			from, to       int64
			start, step, n int64
			first, last    float64
		}{
			{refs[:1], 0, 9000, 0, 60, 150, 0, 199},
			{refs[:1], 0, 600, 0, 60, 10, 0, 9},
			{refs[:1], 600, 1170, 600, 10, 57, 10, 66},
			{refs[:1], 569, 1170, 569, 60, 11, 9, 66}, // the last moment of a wide slot
			{refs[:1], 540, 720, 540, 60, 3, 9, 18},   // [510, 570), [570, 630), [630, 690)
			{refs[:1], 1200, 9000, 1200, 60, 130, 70, 199},
			{refs[:1], 1100, 1300, 1100, 60, 4, 60, 71},
			{refs, 600, 1170, 600, 10, 57, 60, 6 * 66},
			{refs, 0, 9000, 0, 60, 150, 0, 6 * 199},
			{[]metricdef.Ref{4}, 0, 9000, 0, 60, 150, 0, 199},
		} {
			var g Grid
			n, err := e.Grid(context.Background(), c.refs, epoch+c.from*sec, epoch+c.to*sec, policy.Sum, &g)
			if err != nil || n != len(c.refs) {
				t.Fatalf("%s: %d, %v", what, n, err)
			}
			if g.From != epoch+c.start*sec || g.Step != c.step*sec || int64(len(g.Values)) != c.n || g.Values[0] != c.first || g.Values[c.n-1] != c.last {
				t.Errorf("%s: %v from %d to %d: from %d, step %d, %d values: %v", what, c.refs, c.from, c.to, (g.From-epoch)/sec, g.Step/sec, len(g.Values), g.Values)
			}
			for i, v := range g.Values {
				if math.IsNaN(v) {
					t.Errorf("%s: %v from %d to %d: hole at %d", what, c.refs, c.from, c.to, i)
				}
			}
		}
	}
	check("live")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	check("after a stop")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
