package measures

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// hawkularSet has the policies "default" for a time by the sample clock, "window" with tiers, and Hawkular's.
func hawkularSet(tb testing.TB, s *Store, keep time.Duration) tenant.Num {
	tb.Helper()
	set, err := policy.NewSet(policy.Content{Open: true,
		Policies: []policy.Policy{policy.FallBack(policy.Retention{Length: keep}), policy.HawkularDefault(policy.HawkularRetention),
			{Name: "window", Raw: policy.Retention{Length: policy.WindowOnly, Clock: policy.NewestClock}, Tiers: []policy.Tier{{Granularity: time.Minute, Points: 100}},
				Methods: methodsOf(tb, "mean"), BackWindow: 2}},
		Rules: []policy.Rule{policy.HawkularRule()}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetPolicies(tb.Context(), set); err != nil {
		tb.Fatal(err)
	}
	num, err := s.EnsureTenant(tb.Context(), "_ops")
	if err != nil {
		tb.Fatal(err)
	}
	return num
}

func hawkularDraft(num tenant.Num, name string) metricdef.Draft {
	return metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: name}, Dialect: policy.Hawkular}
}

// TestRetentionOf says who decides how long raw samples are kept: the definition, else the tenant for its type where nobody chose a
// policy, else the policy; and in the end the limit of the tenant.
func TestRetentionOf(t *testing.T) {
	const day = 24 * time.Hour
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := hawkularSet(t, s, policy.Forever)
	draft := func(name string, change func(d *metricdef.Draft)) metricdef.Draft {
		d := hawkularDraft(num, name)
		if d.Explicit = true; change != nil {
			change(&d)
		}
		return d
	}
	drafts := []metricdef.Draft{
		draft("plain", nil),
		draft("own", func(d *metricdef.Draft) { d.Retention = 2 * day }),
		draft("native", func(d *metricdef.Draft) { d.Dialect = "native" }),
		draft("native own", func(d *metricdef.Draft) { d.Dialect, d.Retention = "native", 40*day }),
		draft("chosen", func(d *metricdef.Draft) { d.Policy = "window" }),
		draft("chosen own", func(d *metricdef.Draft) { d.Policy, d.Retention = "window", day }),
		draft("text", func(d *metricdef.Draft) { d.Type = metricdef.String }),
	}
	var refs []metricdef.Ref
	for _, r := range s.CreateDefinitions(t.Context(), drafts) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		refs = append(refs, r.Ref)
	}
	check := func(what string, days ...int) {
		t.Helper()
		for i, ref := range refs {
			want := time.Duration(days[i]) * day
			if days[i] < 0 {
				want = time.Duration(-days[i]) * time.Minute
			}
			if got := s.RetentionOf(ref); got != want {
				t.Errorf("%s, %s: %v, want %v", what, drafts[i].Name, got, want)
			}
		}
	}
	reopened := func(what string, days ...int) {
		t.Helper()
		check(what, days...)
		s.crash()
		s = openTest(t, o)
		check(what+", after a crash", days...)
	}
	reopened("policies", 7, 2, 0, 40, -3, 1, 7)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Retention: tenant.Retention{Gauge: 3 * day}}); err != nil {
		t.Fatal(err)
	}
	reopened("a tenant's gauges", 3, 2, 3, 40, -3, 1, 7)
	for i, keep := range []time.Duration{5 * day, 0} {
		if err := s.UpdateDefinition(t.Context(), refs[i], metricdef.Update{Retention: &keep}); err != nil {
			t.Fatal(err)
		}
	}
	reopened("changed", 5, 3, 3, 40, -3, 1, 7)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: tenant.Limits{Retention: 4 * day}}); err != nil {
		t.Fatal(err)
	}
	check("a limit", 4, 4, 4, 4, 4, 1, 4)
	if err := s.UpdateDefinition(t.Context(), refs[0], metricdef.Update{Retention: new(-day)}); codeOf(err) != "definition-invalid" {
		t.Error(err)
	}
	if got := s.RetentionOf(4711); got != 0 {
		t.Errorf("of no series: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnRetention lets samples expire by the write clock and the retention of their definition, at once when that changes.
func TestOwnRetention(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := hawkularSet(t, s, time.Minute)
	own, other := hawkularDraft(num, "own"), hawkularDraft(num, "other")
	own.Explicit, own.Retention = true, time.Hour
	const hour = 3600 * second
	var b Batch
	// Ten hours of history, written now: it lives from now on.
	for _, at := range []int64{testEpoch - 10*hour, testEpoch - 5*hour, testEpoch} {
		b.AddDraft(Draft{Def: own}, at, 1)
		b.AddDraft(Draft{Def: other}, at, 1)
	}
	commit(t, s, &b)
	refs := slices.Clone(b.Refs[:2])
	check := func(what string, counts ...int) {
		t.Helper()
		for i, ref := range refs {
			if times, _ := all(t, s, ref); len(times) != counts[i] {
				t.Errorf("%s: series %d shows %d samples, want %d", what, i, len(times), counts[i])
			}
		}
	}
	set := func(keep time.Duration) {
		t.Helper()
		if err := s.UpdateDefinition(t.Context(), refs[0], metricdef.Update{Retention: &keep}); err != nil {
			t.Fatal(err)
		}
	}
	check("written now", 3, 3)
	c.ns += hour - second
	check("before it has passed", 3, 3)
	c.ns += 2 * second
	check("behind it", 0, 3)
	set(2 * time.Hour)
	check("longer again", 3, 3)
	s.crash()
	s = openTest(t, o)
	check("after a crash", 3, 3)
	set(time.Hour)
	s.Expire(t.Context())
	set(0)
	check("dropped", 0, 3)
	c.ns = testEpoch + int64(policy.HawkularRetention) + second
	check("behind the policy", 0, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnRetentionKilled kills a store behind each step of the lives of definitions, and finds it as it was, by the journal alone and
// behind a snapshot.
func TestOwnRetentionKilled(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 7))
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := hawkularSet(t, s, policy.Forever)
	want := map[metricdef.Ref]metricdef.Draft{}
	tags := func() (list []metricdef.Tag) {
		for _, name := range []string{"a", "b", "c"} {
			if rnd.IntN(2) == 0 {
				list = append(list, metricdef.Tag{Name: name, Value: fmt.Sprint(rnd.IntN(3))})
			}
		}
		return list
	}
	keep := func() time.Duration { return time.Duration(rnd.IntN(3)) * 24 * time.Hour }
	merged := func(old, set []metricdef.Tag) (list []metricdef.Tag) {
		for _, name := range []string{"a", "b", "c"} {
			for _, part := range [][]metricdef.Tag{set, old} {
				if i := slices.IndexFunc(part, func(t metricdef.Tag) bool { return t.Name == name }); i >= 0 {
					list = append(list, part[i])
					break
				}
			}
		}
		return list
	}
	check := func(s *Store, what string) {
		t.Helper()
		if s.Definitions.Len() != len(want) {
			t.Fatalf("%s: %d definitions, want %d", what, s.Definitions.Len(), len(want))
		}
		for ref, d := range want {
			got, ok := s.Definitions.Get(ref)
			length := d.Retention
			if length == 0 {
				length = policy.HawkularRetention
			}
			if !ok || got.Retention != d.Retention || got.Explicit != d.Explicit || !slices.Equal(got.Plain, d.Plain) || s.RetentionOf(ref) != length {
				t.Fatalf("%s: %+v, want %+v", what, got, d)
			}
		}
	}
	steps := 60
	if testing.Short() || raceEnabled {
		steps = 15
	}
	for step := range steps {
		what := fmt.Sprint("step ", step)
		d := hawkularDraft(num, fmt.Sprint("m", rnd.IntN(12)))
		d.Plain, d.Retention = tags(), keep()
		ref, known := s.Definitions.Resolve(num, d.Type, metricdef.AppendKey(nil, d.Name, nil))
		old := want[ref]
		switch k := rnd.IntN(5); {
		case k == 0 && !known:
			var b Batch
			b.AddDraft(Draft{Def: hawkularDraft(num, d.Name)}, testEpoch, 1)
			commit(t, s, &b)
			want[b.Refs[0]] = hawkularDraft(num, d.Name)
		case k == 1 && known:
			u := metricdef.Update{Set: d.Plain, Replace: rnd.IntN(2) == 0, Retention: &d.Retention}
			if err := s.UpdateDefinition(t.Context(), ref, u); err != nil {
				t.Fatal(err)
			}
			if old.Retention = d.Retention; u.Replace {
				old.Plain = d.Plain
			} else {
				old.Plain = merged(old.Plain, d.Plain)
			}
			want[ref] = old
		case k == 2:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		default:
			d.Explicit = true
			r := s.CreateDefinitions(t.Context(), []metricdef.Draft{d})[0]
			if r.Err != nil || r.Existed != known || r.Explicit != old.Explicit || known && r.Ref != ref {
				t.Fatalf("%s: %+v of %+v", what, r, old)
			}
			switch {
			case !known:
				want[r.Ref] = d
			case !old.Explicit:
				old.Explicit, old.Plain = true, merged(old.Plain, d.Plain)
				if d.Retention > 0 {
					old.Retention = d.Retention
				}
				want[ref] = old
			}
		}
		check(s, what)
		dead := o
		dead.Dir = t.TempDir()
		if err := os.CopyFS(dead.Dir, os.DirFS(o.Dir)); err != nil {
			t.Fatal(err)
		}
		for k := range 3 {
			again := openTest(t, dead)
			check(again, fmt.Sprintf("killed behind %s, start %d", what, k))
			if k == 1 {
				if err := again.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			again.crash()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCreateAtOnce has many callers create the same definition at once, while data makes it too: exactly one is told that it was not
// explicit before.
func TestCreateAtOnce(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := hawkularSet(t, s, policy.Forever)
	rounds, callers := 40, 8
	if testing.Short() || raceEnabled {
		rounds = 10
	}
	for round := range rounds {
		d := hawkularDraft(num, fmt.Sprint("m", round))
		d.Explicit = true
		results := make([]CreateResult, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				d := d
				d.Plain = []metricdef.Tag{{Name: "caller", Value: fmt.Sprint(i)}}
				two := s.CreateDefinitions(t.Context(), []metricdef.Draft{d, d})
				if results[i] = two[0]; !two[1].Existed || !two[1].Explicit || two[1].Ref != two[0].Ref {
					t.Errorf("the second of one call: %+v", two[1])
				}
			})
		}
		byData := round%2 == 0
		if byData {
			wg.Go(func() {
				d := d
				d.Explicit = false
				var b Batch
				b.AddDraft(Draft{Def: d}, testEpoch, 1)
				commit(t, s, &b)
			})
		}
		wg.Wait()
		first, made := -1, 0
		for i, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if !r.Existed {
				made++
			}
			if !r.Explicit {
				if first >= 0 {
					t.Errorf("round %d: %d and %d were both the first", round, first, i)
				}
				first = i
			}
		}
		if first < 0 || made > 1 || made == 0 && !byData || made == 1 && results[first].Existed {
			t.Fatalf("round %d: %+v", round, results)
		}
		if got, _ := s.Definitions.Get(results[first].Ref); len(got.Plain) != 1 || got.Plain[0].Value != fmt.Sprint(first) {
			t.Errorf("round %d: %+v, made by %d", round, got, first)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestManyRetentions gives every series a retention of its own: finding the policy of one does not walk over those of all.
func TestManyRetentions(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := hawkularSet(t, s, policy.Forever)
	drafts := make([]metricdef.Draft, 500)
	for i := range drafts {
		drafts[i] = hawkularDraft(num, fmt.Sprint("m", i))
		drafts[i].Explicit, drafts[i].Retention = true, time.Duration(i+1)*time.Hour
	}
	for i, r := range s.CreateDefinitions(t.Context(), drafts) {
		if got := s.RetentionOf(r.Ref); r.Err != nil || got != drafts[i].Retention {
			t.Fatalf("%d: %v, %v", i, got, r.Err)
		}
	}
	if states := s.policies.tenants[num]; states.at == nil || states.list != nil {
		t.Error("the policies are a list")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPromotionRefused says so where a definition cannot take the tags of the draft.
func TestPromotionRefused(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := hawkularSet(t, s, policy.Forever)
	many := func(prefix string) (list []metricdef.Tag) {
		for i := range 200 {
			list = append(list, metricdef.Tag{Name: fmt.Sprintf("%s%03d", prefix, i), Value: "x"})
		}
		return list
	}
	d := hawkularDraft(num, "m")
	d.Plain = many("a")
	var b Batch
	b.AddDraft(Draft{Def: d}, testEpoch, 1)
	commit(t, s, &b)
	d.Plain, d.Explicit = many("b"), true
	fine := hawkularDraft(num, "fine")
	results := s.CreateDefinitions(t.Context(), []metricdef.Draft{d, fine})
	if codeOf(results[0].Err) != "definition-invalid" || results[0].Ref != 0 || results[1].Err != nil {
		t.Errorf("%+v", results)
	}
	if s.Definitions.Explicit(b.Refs[0]) {
		t.Error("it became explicit all the same")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnRetentionOfTiers keeps raw samples of a metric longer than the window of its tiers, and with them takes late ones.
func TestOwnRetentionOfTiers(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := hawkularSet(t, s, policy.Forever)
	window := hawkularDraft(num, "window")
	window.Dialect, window.Policy = "native", "window"
	own := window
	own.Name, own.Retention = "own", 24*time.Hour
	const minutes = 300
	var refs []metricdef.Ref
	for i := range int64(minutes) {
		c.ns = testEpoch + i*60*second
		var b Batch
		b.AddDraft(Draft{Def: window}, c.ns, 1)
		b.AddDraft(Draft{Def: own}, c.ns, 1)
		commit(t, s, &b)
		refs = slices.Clone(b.Refs)
	}
	check := func(what string, window, own int) {
		t.Helper()
		for i, want := range []int{window, own} {
			if times, _ := all(t, s, refs[i]); len(times) != want {
				t.Errorf("%s: series %d shows %d samples, want %d", what, i, len(times), want)
			}
		}
	}
	const open = 3 // the bucket of the newest, and the back window
	check("at once", open, minutes)
	s.tendAll()
	s.Expire(t.Context())
	check("finished", open, minutes)
	var late Batch
	for _, ref := range refs {
		late.Add(ref, testEpoch+30*second, 5)
	}
	commit(t, s, &late)
	if late.Refused[OutsideWindow] != 1 {
		t.Errorf("refused %v", late.Refused)
	}
	check("a late one", open, minutes+1)
	s.crash()
	s = openTest(t, o)
	check("after a crash", open, minutes+1)
	if err := s.UpdateDefinition(t.Context(), refs[1], metricdef.Update{Retention: new(time.Duration(0))}); err != nil {
		t.Fatal(err)
	}
	check("without one of its own", open, open)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFormerRetentions: what a definition had before costs nothing for ever.
func TestFormerRetentions(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := hawkularSet(t, s, policy.Forever)
	d := hawkularDraft(num, "m")
	d.Explicit = true
	made := s.CreateDefinitions(t.Context(), []metricdef.Draft{d})[0]
	if made.Err != nil {
		t.Fatal(made.Err)
	}
	for i := range 2*mostPolicies + 1 {
		want := time.Duration(i+1) * time.Hour
		if err := s.UpdateDefinition(t.Context(), made.Ref, metricdef.Update{Retention: &want}); err != nil {
			t.Fatal(err)
		}
		if got := s.RetentionOf(made.Ref); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if n := len(s.policies.tenants[num].at); n > mostPolicies {
		t.Errorf("%d states", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
