package server

import (
	"log/slog"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
)

// TestEnds: what the first and the last sample are is told by the raw samples, and by the tiers where these reach further.
func TestEnds(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	s, err := measures.Open(measures.Options{Dir: t.TempDir(), Sync: journal.Never, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{
		{Name: policy.DefaultName, Raw: policy.Retention{Length: 2 * time.Hour}, Methods: []policy.Method{policy.Mean},
			Tiers: []policy.Tier{{Granularity: time.Minute}, {Granularity: time.Hour}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicies(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	num, err := s.EnsureTenant(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	made := s.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "m"}, Dialect: "native"}})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	ref := made[0].Ref
	e := ends{s}
	if _, ok := e.Newest(ref); ok {
		t.Error("there is a newest sample of none")
	}
	if _, _, ok := e.Ends(ref); ok {
		t.Error("there are ends of no samples")
	}
	start := now.Add(-90*time.Minute + 7*time.Second)
	var last time.Time
	for at := start; at.Before(now); at = at.Add(10 * time.Second) {
		var b measures.Batch
		b.Add(ref, at.UnixNano(), 1)
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		last = at
	}
	check := func(when string, first, newest, end time.Time) {
		t.Helper()
		f, l, ok := e.Ends(ref)
		n, has := e.Newest(ref)
		if !ok || !has || f != first.UnixNano() || l != end.UnixNano() || n != newest.UnixNano() {
			t.Errorf("%s: from %v to %v (%v), newest %v (%v); want %v to %v, newest %v", when,
				time.Unix(0, f).UTC(), time.Unix(0, l).UTC(), ok, time.Unix(0, n).UTC(), has, first, end, newest)
		}
	}
	check("all there", start, last, last)
	s.TendTiers()
	now = now.Add(48 * time.Hour)
	check("raw samples expired", start.Truncate(time.Minute), last.Truncate(time.Minute), last.Truncate(time.Minute))
}
