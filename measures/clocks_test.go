package measures

import (
	"slices"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// slotsOf are the numbers of the ten-second slots behind the epoch that a series shows.
func slotsOf(tb testing.TB, s *Store, ref metricdef.Ref) []int64 {
	tb.Helper()
	times, _ := all(tb, s, ref)
	slots := make([]int64, len(times))
	for i, at := range times {
		slots[i] = (at - testEpoch) / second / 10
	}
	return slots
}

// TestNewestClock keeps samples by the distance to the newest one of their series, however late it is on the wall.
func TestNewestClock(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	set, err := policy.FromClusterCockpit([]policy.ClusterCockpitMetric{{Name: "m10", Frequency: 10 * time.Second, Across: policy.Sum}},
		policy.Retention{Length: time.Hour, Clock: policy.NewestClock}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicies(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	put := func(slot int64) metricdef.Ref {
		return write(t, s, num, "m10", []int{0}, testEpoch+slot*10*second, 1)[0]
	}
	var ref metricdef.Ref
	for slot := range int64(500) {
		ref = put(slot)
	}
	c.ns = testEpoch + int64(1000*time.Hour)
	check := func(what string, first int64, count int) {
		t.Helper()
		slots := slotsOf(t, s, ref)
		if len(slots) != count || slots[0] != first {
			t.Errorf("%s: %d samples from slot %d on", what, len(slots), slots[0])
		}
		if b, ok := s.Bounds(ref, minTime, maxTime); !ok || b.First != testEpoch+first*10*second {
			t.Errorf("%s: %+v", what, b)
		}
	}
	check("long after", 139, 361)
	s.Expire(t.Context())
	check("after they were dropped", 139, 361)
	put(700)
	check("one more", 340, 161)
	put(600) // late, and not the newest
	check("a late one", 340, 162)
	s.crash()
	s = openTest(t, o)
	check("after a crash", 340, 162)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTenantRetention lets a tenant say by type how long its samples live, where nobody chose a policy.
func TestTenantRetention(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, 3*time.Hour)
	const slots = 120 // of a minute
	byRule := write(t, s, num, "m10", []int{0}, testEpoch, 1)[0]
	var refs []metricdef.Ref
	for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter} {
		d := draftOf(num, "free", 0).Def
		d.Type, d.Kind, d.Dialect = typ, metricdef.KindFloat, "native"
		refs = append(refs, s.CreateDefinitions(t.Context(), []metricdef.Draft{d})[0].Ref)
	}
	for slot := range int64(slots) {
		var b Batch
		for _, ref := range append(slices.Clone(refs), byRule) {
			b.Add(ref, testEpoch+slot*60*second, 1)
		}
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	c.ns = testEpoch + (slots-1)*60*second
	check := func(what string, gauge, counter int) {
		t.Helper()
		for i, want := range []int{gauge, counter, slots} {
			if got := len(slotsOf(t, s, append(slices.Clone(refs), byRule)[i])); got != want {
				t.Errorf("%s: series %d has %d samples, want %d", what, i, got, want)
			}
		}
	}
	check("before", slots, slots)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Retention: tenant.Retention{Gauge: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	check("hidden at once", 61, slots)
	s.crash()
	s = openTest(t, o)
	check("after a crash", 61, slots)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Retention: tenant.Retention{Counter: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	check("another type", slots, 2)
	s.Expire(t.Context())
	check("dropped", slots, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWriteClock keeps samples by the later of their time and the time when they were written.
func TestWriteClock(t *testing.T) {
	for _, stop := range []string{"", "crash", "snapshot and crash", "stop"} {
		t.Run(stop, func(t *testing.T) {
			const day = 24 * 3600 * second
			c := &clock{testEpoch}
			o := testOptions(t.TempDir(), c)
			s := openTest(t, o)
			set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{
				{Name: policy.DefaultName, Raw: policy.Retention{Length: 7 * 24 * time.Hour, Clock: policy.WriteClock}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetPolicies(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			num, err := s.EnsureTenant(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			var refs, texts []metricdef.Ref
			put := func(at int64) {
				t.Helper()
				var b Batch
				b.AddDraft(Draft{Def: defDraft(num, "n")}, at, 1)
				b.AddTextDraft(textDraft(num, "t", 0), at, "x")
				commit(t, s, &b)
				refs, texts = b.Refs[:1:1], b.Refs[1:2:2]
			}
			put(testEpoch)
			for i := range int64(300) { // from 30 days ago, written now
				put(testEpoch - 30*day + i*60*second)
			}
			c.ns = testEpoch + 3*day
			put(c.ns)
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
			for _, step := range []struct {
				at    int64
				count int
			}{{3 * day, 302}, {7 * day, 302}, {7*day + second, 1}, {10 * day, 1}, {10*day + second, 0}} {
				c.ns = testEpoch + step.at
				for range 2 {
					times, _ := all(t, s, refs[0])
					at, _ := allTexts(t, s, texts[0])
					if len(times) != step.count || len(at) != step.count {
						t.Errorf("after %v: %d samples and %d texts, want %d", time.Duration(step.at), len(times), len(at), step.count)
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
