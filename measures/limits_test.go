package measures

import (
	"math"
	"slices"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// TestRetentionLimit: a tenant's limit on retention holds beside every clock. What is older is hidden at once and goes with the next
// look at retention; raising the limit brings nothing back, and a tenant without one keeps what its policy says.
func TestRetentionLimit(t *testing.T) {
	tiered := policy.Policy{Name: "tiered", Tiers: []policy.Tier{{Granularity: time.Minute, Points: 100_000}}, Methods: methodsOf(t, "sum"), BackWindow: 1}
	for name, raw := range map[string]policy.Retention{
		"for ever": {Length: policy.Forever}, "own clock": {Length: 1000 * time.Hour}, "newest": {Length: 1000 * time.Hour, Clock: policy.NewestClock},
		"write": {Length: 1000 * time.Hour, Clock: policy.WriteClock}, "newest, shorter": {Length: 30 * time.Minute, Clock: policy.NewestClock},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{testEpoch}
			s := openTest(t, testOptions(t.TempDir(), c))
			p := tiered
			p.Raw = raw
			num := tierSetup(t, s, p)
			other, err := s.EnsureTenant(t.Context(), "other")
			if err != nil {
				t.Fatal(err)
			}
			var refs [2]metricdef.Ref
			const slots = 360 // an hour of ten-second steps
			for i := range int64(slots) {
				c.ns = testEpoch + i*10*second
				for k, n := range []tenant.Num{num, other} {
					var b Batch
					b.AddDraft(draftOf(n, "m", 1), c.ns, 1)
					if err := s.Commit(t.Context(), &b); err != nil {
						t.Fatal(err)
					}
					refs[k] = b.Refs[0]
				}
			}
			s.tendAll()
			shown := func(ref metricdef.Ref) (raw, buckets int) {
				times, _ := all(t, s, ref)
				var r Reader
				if err := s.ReadTier(t.Context(), &r, ref, 0, tiered.Methods[0], minTime, maxTime); err != nil {
					t.Fatal(err)
				}
				return len(times), len(r.Times)
			}
			before, buckets := shown(refs[0])
			if limit := 3600 / 10; before != limit && name != "newest, shorter" || buckets < 59 {
				t.Fatalf("%d samples and %d buckets before", before, buckets)
			}
			set := tenant.Settings{Limits: tenant.Limits{Retention: 10 * time.Minute}}
			if err := s.UpdateTenant(t.Context(), num, set); err != nil {
				t.Fatal(err)
			}
			check := func(what string) {
				t.Helper()
				if raw, buckets := shown(refs[0]); raw != 61 || buckets != 10 && buckets != 11 {
					t.Errorf("%s: %d samples and %d buckets", what, raw, buckets)
				}
				if raw, buckets := shown(refs[1]); raw != before || buckets < 59 {
					t.Errorf("%s: the other has %d samples and %d buckets", what, raw, buckets)
				}
			}
			check("at once")
			s.Expire(t.Context())
			check("after a look at retention")
			c.ns += int64(20 * time.Minute)
			if raw, buckets := shown(refs[0]); raw != 0 || buckets != 0 {
				t.Errorf("an idle series shows %d samples and %d buckets", raw, buckets)
			}
			s.Expire(t.Context())
			if err := s.UpdateTenant(t.Context(), num, tenant.Settings{}); err != nil {
				t.Fatal(err)
			}
			if raw, _ := shown(refs[0]); raw == before && name != "newest, shorter" {
				t.Errorf("%d samples came back", raw)
			}
		})
	}
}

// TestLimitsOfABatch: rows that are outside of the limits are refused by reason, and the others stored.
func TestLimitsOfABatch(t *testing.T) {
	c := &clock{testEpoch}
	s := openTest(t, testOptions(t.TempDir(), c))
	num := setup(t, s, policy.Forever)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: tenant.Limits{Past: time.Hour, Future: time.Minute, Tags: 3, TagValue: 8}}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	for _, at := range []int64{-int64(time.Hour) - 1, -int64(time.Hour), 0, int64(time.Minute), int64(time.Minute) + 1, math.MinInt64 / 4 * 3, math.MaxInt64 / 4 * 3} {
		b.AddDraft(draftOf(num, "own", 1), testEpoch+at, 1)
	}
	many, long := draftOf(num, "own", 2), draftOf(num, "own", 3)
	for _, name := range []string{"x", "y"} {
		many.Def.Tags = append(slices.Clip(many.Def.Tags), metricdef.Tag{Name: name, Value: "1"})
	}
	long.Def.Tags = append(slices.Clip(long.Def.Tags), metricdef.Tag{Name: "x", Value: "123456789"})
	b.AddDraft(many, testEpoch, 1)
	b.AddDraft(long, testEpoch, 1)
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	want := [NumReasons]int{PastLimit: 1, FutureLimit: 1, TooOld: 1, TooNew: 1, TagsLimit: 1, TagValueLimit: 1}
	if b.Refused != want {
		t.Errorf("%v", b.Refused)
	}
	st := s.Tenants.Standing(num)
	if st.Refused(tenant.LimitPast) != 1 || st.Refused(tenant.LimitTags) != 1 || st.Refused(tenant.LimitTagValue) != 1 || st.Refused(tenant.LimitSeries) != 0 {
		t.Error("refusals are not counted by limit")
	}
	// What is there may go on, whatever the limits are now.
	ref := b.Refs[2]
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: tenant.Limits{Tags: 1, Series: 1}}); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	b.AddDraft(draftOf(num, "own", 1), testEpoch+2, 1)
	b.Add(ref, testEpoch+3, 1)
	if err := s.Commit(t.Context(), &b); err != nil || b.Refused != [NumReasons]int{} {
		t.Errorf("%v, %v", err, b.Refused)
	}
	for why := range NumReasons {
		if number := why.Limit(); number != 0 && limitReasons[number] != why {
			t.Errorf("%v comes from limit %d, which gives %v", why, number, limitReasons[number])
		}
	}
}

// TestFailedCommitOwesNothing: what the journal did not take does not count against the rate.
func TestFailedCommitOwesNothing(t *testing.T) {
	c := &clock{testEpoch}
	s := openTest(t, testOptions(t.TempDir(), c))
	num := setup(t, s, policy.Forever)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: tenant.Limits{SamplesPerSecond: 10, SamplesBurst: 10}}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	for i := range int64(30) {
		b.AddDraft(draftOf(num, "own", 1), testEpoch+i, 1)
	}
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	ref := b.Refs[0]
	again := func(admitted bool) error {
		b.Reset()
		b.Add(ref, testEpoch+50, 1)
		b.Admitted = admitted
		return s.Commit(t.Context(), &b)
	}
	if err := again(false); codeOf(err) != "rate-limit" {
		t.Error(err)
	}
	if err := again(true); err != nil { // a later part of a body that was let in
		t.Error(err)
	}
	if used := s.Tenants.Standing(num).BurstUsed(c.ns); used != 31 {
		t.Errorf("%d used", used)
	}
	c.ns += int64(2100 * time.Millisecond)
	if err := again(false); err != nil {
		t.Error(err)
	}
}
