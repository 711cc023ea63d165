package measures

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

func TestTenantSettings(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	o.Limits.Series = 2
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	set := tenant.Settings{Name: "Acme", Description: "the one", Retention: tenant.Retention{Gauge: time.Hour}, Limits: tenant.Limits{Series: 1}}
	num, existed, err := s.CreateTenant(t.Context(), tenant.Draft{ID: "acme", Implicit: true, Settings: set})
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	if again, existed, err := s.CreateTenant(t.Context(), tenant.Draft{ID: "acme"}); again != num || !existed || err != nil {
		t.Error(again, existed, err)
	}
	byWrite, err := s.EnsureTenant(t.Context(), "by-write")
	if err != nil {
		t.Fatal(err)
	}
	if n, existed, err := s.CreateTenant(t.Context(), tenant.Draft{ID: "by-write", Settings: set}); n != byWrite || !existed || err != nil {
		t.Error(n, existed, err)
	}
	for code, d := range map[string]tenant.Draft{
		"tenant-id":       {ID: "a/b"},
		"tenant-settings": {ID: "a", Settings: tenant.Settings{Limits: tenant.Limits{Series: -2}}},
	} {
		if _, _, err := s.CreateTenant(t.Context(), d); codeOf(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	if err := s.UpdateTenant(t.Context(), 99, set); codeOf(err) != "tenant-not-found" {
		t.Error(err)
	}
	check := func(what string, want tenant.Settings, limit int64) {
		t.Helper()
		if got, ok := s.Tenants.Lookup("acme"); !ok || got.Num != num || got.Implicit || got.Settings != want {
			t.Errorf("%s: %+v", what, got)
		}
		if got, _ := s.Tenants.ByNum(byWrite); got.Implicit || got.Settings != (tenant.Settings{}) {
			t.Errorf("%s: %+v", what, got)
		}
		if got := s.Tenants.Limits(num).Series; got != limit {
			t.Errorf("%s: limit %d", what, got)
		}
	}
	check("at once", set, 1)
	s.crash()
	s = openTest(t, o)
	check("after a crash", set, 1)
	set = tenant.Settings{Description: "another"}
	if err := s.UpdateTenant(t.Context(), num, set); err != nil {
		t.Fatal(err)
	}
	last := s.log.Last().Seq
	if err := s.UpdateTenant(t.Context(), num, set); err != nil || s.log.Last().Seq != last {
		t.Errorf("an update that changes nothing left a record, %v", err)
	}
	check("updated", set, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	check("after a stop", set, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeleteTenant deletes a tenant that has data everywhere, writes to its name again, and crashes at every stage.
func TestDeleteTenant(t *testing.T) {
	for _, crash := range []string{"", "behind the call", "amid the removal", "at the end", "behind a snapshot"} {
		t.Run(crash, func(t *testing.T) {
			o := testOptions(t.TempDir(), &clock{testEpoch})
			s := openTest(t, o)
			other := setup(t, s, policy.Forever)
			num, err := s.EnsureTenant(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			own := policy.Policy{Name: "own", Raw: policy.Retention{Length: time.Hour}}
			if _, err := s.CreatePolicy(t.Context(), policy.OfTenant(num), own); err != nil {
				t.Fatal(err)
			}
			hosts := make([]int, 30)
			for i := range hosts {
				hosts[i] = i
			}
			var refs, kept []metricdef.Ref
			for i := range 150 {
				at := testEpoch + int64(i)*10*second
				refs = write(t, s, num, "m10", hosts, at, 1)
				kept = write(t, s, other, "m10", hosts[:2], at, 2)
				if i == 130 {
					if err := s.Snapshot(); err != nil {
						t.Fatal(err)
					}
				}
			}
			reopen := func(when string) {
				if crash == when {
					s.crash()
					s = openTest(t, o)
				}
			}
			if err := s.DeleteTenant(t.Context(), 77); codeOf(err) != "tenant-not-found" {
				t.Error(err)
			}
			if err := s.DeleteTenant(t.Context(), num); err != nil {
				t.Fatal(err)
			}
			reopen("behind the call")
			if _, ok := s.Tenants.Lookup("acme"); ok || s.Tenants.Len() != 1 || s.Tenants.State(num) != tenant.Deleting {
				t.Errorf("it is still there: %v", s.Tenants.All())
			}
			var b Batch
			b.Add(refs[0], testEpoch, 1)
			b.AddDraft(draftOf(num, "m10", 5), testEpoch, 1)
			b.AddDraft(draftOf(num, "m10", 500), testEpoch, 1)
			if err := s.Commit(t.Context(), &b); err != nil || !slices.Equal(slices.Sorted(slices.Values(b.Stale)), []int{0, 1, 2}) {
				t.Errorf("stale %v, %v", b.Stale, err)
			}
			if r := s.CreateDefinitions(t.Context(), []metricdef.Draft{defDraft(num, "x")}); codeOf(r[0].Err) != "tenant-not-found" {
				t.Errorf("%+v", r)
			}
			next, err := s.EnsureTenant(t.Context(), "acme")
			if err != nil || next <= num {
				t.Fatalf("number %d, before %d: %v", next, num, err)
			}
			again := write(t, s, next, "m10", []int{3}, testEpoch+5*10*second, 7)[0]
			d, _ := s.Definitions.Get(again)
			if ref, ok := s.Definitions.ByID(d.ID); !ok || ref != again {
				t.Errorf("id leads to %d, not to %d", ref, again)
			}
			if err := s.DeleteTenant(t.Context(), num); err != nil {
				t.Errorf("deleted again: %v", err)
			}
			if crash == "amid the removal" {
				if err := s.sweepSome(slices.Clone(s.Definitions.OfTenant(num)[:7])); err != nil {
					t.Fatal(err)
				}
				reopen(crash)
			}
			if err := s.SweepTenants(t.Context()); err != nil {
				t.Fatal(err)
			}
			reopen("at the end")
			if crash == "behind a snapshot" {
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
				reopen(crash)
			}
			for range 2 {
				if s.Tenants.State(num) != tenant.Deleted || s.Definitions.Count(num) != 0 || s.Definitions.Len() != 3 {
					t.Errorf("state %v, %d definitions", s.Tenants.State(num), s.Definitions.Len())
				}
				if _, ok := s.Policies.For(num).ByName("own"); ok {
					t.Error("its policies are there")
				}
				for _, ref := range refs {
					if times, _ := all(t, s, ref); len(times) > 0 {
						t.Errorf("series %d has %d samples", ref, len(times))
					}
				}
				if times, values := all(t, s, again); len(times) != 1 || values[0] != 10 {
					t.Errorf("%v %v", times, values)
				}
				for _, ref := range kept {
					if times, _ := all(t, s, ref); len(times) != 150 {
						t.Errorf("another tenant has %d samples", len(times))
					}
				}
				if err := s.DeleteTenant(t.Context(), num); err != nil {
					t.Errorf("deleted once more: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestFailedTenants(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, time.Hour)
			ref := write(t, s, num, "m10", []int{0}, testEpoch, 1)[0]
			fs.mode.Store(f.mode)
			_, _, err := s.CreateTenant(t.Context(), tenant.Draft{ID: "acme"})
			wantUnavailable(t, err)
			wantUnavailable(t, s.UpdateTenant(t.Context(), num, tenant.Settings{Name: "x"}))
			wantUnavailable(t, s.DeleteTenant(t.Context(), num))
			fs.mode.Store(failNot)
			for i := range 2 {
				if got := s.Tenants.All(); len(got) != 1 || got[0].Name != "" || !got[0].Implicit {
					t.Errorf("%+v", got)
				}
				if n, err := s.EnsureTenant(t.Context(), "_ops"); n != num || err != nil {
					t.Error(n, err)
				}
				var b Batch
				b.Add(ref, testEpoch+int64(i+1)*10*second, 1)
				if err := s.Commit(t.Context(), &b); err != nil || len(b.Stale) > 0 {
					t.Error(err, b.Stale)
				}
				s.crash()
				s = openTest(t, o)
			}
			if times, _ := all(t, s, ref); len(times) != 3 {
				t.Error(times)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTenantRaces writes to the name of a tenant while it is deleted again and again: nothing that was acknowledged behind a
// deletion is lost, and the state after a crash is the one before it.
func TestTenantRaces(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	rounds := 200
	if testing.Short() || raceEnabled {
		rounds = 60
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	last := make([]int64, 3)
	for w := range last {
		wg.Go(func() {
			for i := int64(0); !stop.Load(); i++ {
				for {
					num, err := s.EnsureTenant(context.Background(), "acme")
					if err != nil {
						t.Error(err)
					}
					var b Batch
					b.AddDraft(draftOf(num, "m10", w), testEpoch+i*10*second, float64(i))
					if err := s.Commit(context.Background(), &b); err != nil {
						t.Error(err)
					}
					if len(b.Stale) == 0 {
						break
					}
				}
				atomic.StoreInt64(&last[w], i)
			}
		})
	}
	for range rounds {
		if now, ok := s.Tenants.Lookup("acme"); ok {
			if err := s.DeleteTenant(t.Context(), now.Num); err != nil {
				t.Error(err)
			}
		}
		if err := s.SweepTenants(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for w := range last { // let the writers make it once more
		for was := atomic.LoadInt64(&last[w]); atomic.LoadInt64(&last[w]) <= was+1; {
			runtime.Gosched()
		}
	}
	stop.Store(true)
	wg.Wait()
	look := func() string {
		now, ok := s.Tenants.Lookup("acme")
		if !ok {
			return "none"
		}
		var text string
		for _, ref := range s.Definitions.OfTenant(now.Num) {
			times, values := all(t, s, ref)
			text += fmt.Sprintln(ref, times, values)
		}
		return text
	}
	now, _ := s.Tenants.Lookup("acme")
	for w := range last {
		d := draftOf(now.Num, "m10", w)
		ref, ok := s.Definitions.Resolve(now.Num, metricdef.Gauge, metricdef.AppendKey(nil, d.Def.Name, d.Def.Tags))
		if !ok {
			continue // its last write was before the last deletion
		}
		if times, values := all(t, s, ref); len(times) == 0 || values[len(values)-1] != float64(last[w]) {
			t.Errorf("writer %d: the last sample is lost", w)
		}
	}
	before := look()
	s.crash()
	s = openTest(t, o)
	if after := look(); before != after {
		t.Errorf("before the crash %v, after it %v", before, after)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
