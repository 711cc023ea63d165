package measures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

func nativeDraft(num tenant.Num, metric string) Draft {
	return Draft{Def: metricdef.Draft{Dialect: "native", Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: metric}}}
}

func writeNative(tb testing.TB, s *Store, num tenant.Num, metric string, t int64, v float64) metricdef.Ref {
	tb.Helper()
	var b Batch
	b.AddDraft(nativeDraft(num, metric), t, v)
	if err := s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
	return b.Refs[0]
}

func gridded(name string, step time.Duration) policy.Policy {
	return policy.Policy{Name: name, Raw: policy.Retention{Length: policy.Forever}, Grid: step}
}

func mustEdit(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// seenBy is all that tenants see of policies and rules.
func seenBy(s *Store, tenants ...tenant.Num) any {
	var out [][2]any
	for _, n := range append(tenants, 0) {
		v := s.Policies.For(n)
		out = append(out, [2]any{v.Policies(), v.Rules()})
	}
	return out
}

// TestScopes makes policies in three scopes: series of a tenant follow its own, another tenant's do not, changes reach series
// that exist, and a crash or a stop leaves all as it was.
func TestScopes(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	one := setup(t, s, policy.Forever)
	two, err := s.EnsureTenant(ctx, "two")
	mustEdit(t, err)
	grid := func(ref metricdef.Ref) time.Duration { return time.Duration(s.table.at(ref).grid.step) }

	before := writeNative(t, s, one, "late", testEpoch, 1)
	_, err = s.CreatePolicy(ctx, policy.Service, gridded("ten", 10*time.Second))
	mustEdit(t, err)
	mustEdit(t, s.CreateRule(ctx, policy.Service, policy.Rule{Name: "all", Pattern: "*", Glob: true, Policy: "ten"}))
	_, err = s.CreatePolicy(ctx, policy.OfTenant(one), gridded("ten", 20*time.Second))
	mustEdit(t, err)
	_, err = s.CreatePolicy(ctx, policy.OfTenant(one), gridded("thirty", 30*time.Second))
	mustEdit(t, err)
	mustEdit(t, s.CreateRule(ctx, policy.OfTenant(one), policy.Rule{Name: "x", Pattern: "x*", Glob: true, Policy: "thirty"}))
	for _, c := range []struct {
		num    tenant.Num
		metric string
		want   time.Duration
	}{{one, "late", 20 * time.Second}, {one, "m", 20 * time.Second}, {one, "xy", 30 * time.Second}, {two, "m", 10 * time.Second}, {two, "xy", 10 * time.Second}} {
		ref := writeNative(t, s, c.num, c.metric, testEpoch+600*second, 2)
		if got := grid(ref); got != c.want {
			t.Errorf("tenant %d, %s: grid %v, want %v", c.num, c.metric, got, c.want)
		}
	}
	if times, _ := all(t, s, before); len(times) != 2 {
		t.Errorf("%d samples of a series whose policy changed", len(times))
	}
	// ClusterCockpit's metrics are a matter of the configuration.
	if ref := write(t, s, one, "m10", []int{0}, testEpoch, 1)[0]; grid(ref) != 10*time.Second {
		t.Errorf("grid %v", grid(ref))
	}
	mustEdit(t, s.DeleteRule(ctx, policy.OfTenant(one), "x"))
	mustEdit(t, s.DeletePolicy(ctx, policy.OfTenant(one), "thirty"))
	if ref := writeNative(t, s, one, "xy", testEpoch+1200*second, 3); grid(ref) != 20*time.Second {
		t.Errorf("grid %v after the rule is gone", grid(ref))
	}
	raw := policy.Retention{Length: time.Hour}
	p, notes, err := s.UpdatePolicy(ctx, policy.OfTenant(one), "ten", policy.Update{Raw: &raw})
	if err != nil || p.Raw != raw || len(notes) != 1 {
		t.Errorf("%+v, %q, %v", p, notes, err)
	}
	r, err := s.UpdateRule(ctx, policy.Service, "all", func(r *policy.Rule) { r.Pattern = "m*" })
	if err != nil || r.Pattern != "m*" {
		t.Errorf("%+v, %v", r, err)
	}
	want := seenBy(s, one, two)
	for _, stop := range []func(){s.crash, func() { mustEdit(t, s.Snapshot()); mustEdit(t, s.Close()) }} {
		stop()
		s = openTest(t, o)
		if d := cmp.Diff(want, seenBy(s, one, two)); d != "" {
			t.Error(d)
		}
	}
	// The next revision goes on from there.
	if _, err := s.CreatePolicy(ctx, policy.OfTenant(one), gridded("more", time.Second)); err != nil {
		t.Error(err)
	}
	if _, ok := s.Policies.For(one).ByName("more"); !ok {
		t.Error("a policy behind a restart is not there")
	}
	if err := s.DeletePolicy(ctx, policy.Service, "ten"); err == nil {
		t.Error("a policy was deleted that a rule names")
	}
	if err := s.CreateRule(ctx, policy.OfTenant(99), policy.Rule{Name: "x", Pattern: "x", Policy: "ten"}); err == nil {
		t.Error("a rule of no tenant")
	}
	mustEdit(t, s.Close())
}

// TestPolicyInUse: what definitions name is not deleted, and another tenant's policy cannot be named.
func TestPolicyInUse(t *testing.T) {
	ctx := context.Background()
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	one := setup(t, s, policy.Forever)
	two, err := s.EnsureTenant(ctx, "two")
	mustEdit(t, err)
	_, err = s.CreatePolicy(ctx, policy.OfTenant(one), gridded("mine", time.Second))
	mustEdit(t, err)
	_, err = s.CreatePolicy(ctx, policy.Service, gridded("ours", 2*time.Second))
	mustEdit(t, err)
	draft := func(num tenant.Num, name, pol string) metricdef.Draft {
		d := nativeDraft(num, name).Def
		d.Policy = pol
		return d
	}
	made := s.CreateDefinitions(ctx, []metricdef.Draft{draft(one, "a", "mine"), draft(one, "b", "ours"), draft(two, "a", "ours"), draft(two, "b", "mine")})
	for i, want := range []string{"", "", "", "policy-unknown"} {
		var e interface{ Code() string }
		if errors.As(made[i].Err, &e) != (want != "") || want != "" && e.Code() != want {
			t.Errorf("%d: %v", i, made[i].Err)
		}
	}
	use, err := s.PolicyUse(ctx, one)
	if d := cmp.Diff(map[string]int{"mine": 1, "ours": 1}, use); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if ref := writeNative(t, s, one, "a", testEpoch, 1); s.table.at(ref).grid.step != second {
		t.Errorf("grid %d", s.table.at(ref).grid.step)
	}
	used := func(scope policy.Scope, name string, want int) {
		t.Helper()
		var e *policy.InUseError
		if err := s.DeletePolicy(ctx, scope, name); !errors.As(err, &e) || e.Metrics != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	used(policy.OfTenant(one), "mine", 1)
	used(policy.Service, "ours", 2)
	none := ""
	mustEdit(t, s.UpdateDefinition(ctx, made[0].Ref, metricdef.Update{Policy: &none}))
	mustEdit(t, s.DeletePolicy(ctx, policy.OfTenant(one), "mine"))
	if _, err := s.DeleteDefinitions(ctx, []metricdef.Ref{made[2].Ref}); err != nil {
		t.Fatal(err)
	}
	used(policy.Service, "ours", 1)
	// A tenant's own of that name is what its definitions mean.
	_, err = s.CreatePolicy(ctx, policy.OfTenant(one), gridded("ours", 3*time.Second))
	mustEdit(t, err)
	mustEdit(t, s.DeletePolicy(ctx, policy.Service, "ours"))
	if ref := writeNative(t, s, one, "b", testEpoch, 1); s.table.at(ref).grid.step != 3*second {
		t.Errorf("grid %d", s.table.at(ref).grid.step)
	}
	mustEdit(t, s.Close())
}

// TestEditsAtOnce has many callers change one scope at once: nothing is lost, one name is given once, and replay says the same.
func TestEditsAtOnce(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	scope := policy.OfTenant(num)
	var wg sync.WaitGroup
	won := make(chan int, 100)
	for i := range 16 {
		wg.Go(func() {
			name := fmt.Sprintf("p%d", i)
			if _, err := s.CreatePolicy(ctx, scope, gridded(name, time.Duration(i+1)*time.Second)); err != nil {
				t.Error(err)
			}
			if err := s.CreateRule(ctx, scope, policy.Rule{Name: name, Pattern: name, Policy: name}); err != nil {
				t.Error(err)
			}
			if _, err := s.CreatePolicy(ctx, scope, gridded("same", time.Second)); err == nil {
				won <- i
			}
			writeNative(t, s, num, name, testEpoch+int64(i)*second, 1)
			if i%2 == 0 {
				if err := s.DeleteRule(ctx, scope, name); err != nil {
					t.Error(err)
				}
				if err := s.DeletePolicy(ctx, scope, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d callers made the same policy", len(won))
	}
	v := s.Policies.For(num)
	if n := len(v.Policies()) - len(s.Policies.For(0).Policies()); n != 9 {
		t.Errorf("%d policies", n)
	}
	want := seenBy(s, num)
	s.crash()
	s = openTest(t, o)
	if d := cmp.Diff(want, seenBy(s, num)); d != "" {
		t.Error(d)
	}
	mustEdit(t, s.Close())
}

// TestFailedEdits lets the journal refuse changes of policies: nothing of them is seen, and the next change does not stand on
// them.
func TestFailedEdits(t *testing.T) {
	ctx := context.Background()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, policy.Forever)
			scope := policy.OfTenant(num)
			_, err := s.CreatePolicy(ctx, scope, gridded("kept", time.Second))
			mustEdit(t, err)
			want := seenBy(s, num)
			fs.mode.Store(f.mode)
			_, err = s.CreatePolicy(ctx, scope, gridded("lost", time.Second))
			wantUnavailable(t, err)
			wantUnavailable(t, s.CreateRule(ctx, scope, policy.Rule{Name: "r", Pattern: "m", Policy: "kept"}))
			wantUnavailable(t, s.DeletePolicy(ctx, scope, "kept"))
			_, _, err = s.UpdatePolicy(ctx, scope, "kept", policy.Update{Raw: &policy.Retention{Length: time.Hour}})
			wantUnavailable(t, err)
			fs.mode.Store(failNot)
			if d := cmp.Diff(want, seenBy(s, num)); d != "" {
				t.Error(d)
			}
			mustEdit(t, s.CreateRule(ctx, scope, policy.Rule{Name: "r", Pattern: "m", Policy: "kept"}))
			_, err = s.CreatePolicy(ctx, scope, gridded("lost", time.Minute))
			mustEdit(t, err)
			want = seenBy(s, num)
			s.crash()
			s = openTest(t, o)
			if d := cmp.Diff(want, seenBy(s, num)); d != "" {
				t.Error(d)
			}
			mustEdit(t, s.Close())
		})
	}
}

// TestScopesOutliveTheCatalog: the journal names the policies again in each segment, so a lost catalog does not take them along.
func TestScopesOutliveTheCatalog(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	_, err := s.CreatePolicy(ctx, policy.OfTenant(num), gridded("mine", time.Second))
	mustEdit(t, err)
	_, err = s.CreatePolicy(ctx, policy.Service, gridded("ours", time.Second))
	mustEdit(t, err)
	want := s.Policies.For(num).Policies()
	mustEdit(t, s.Snapshot()) // the journal goes, and with it the records
	s.rotate.Store(true)
	writeNative(t, s, num, "m", testEpoch, 1)
	writeNative(t, s, num, "m", testEpoch+second, 1)
	mustEdit(t, s.Snapshot())
	writeNative(t, s, num, "m", testEpoch+2*second, 1)
	s.crash()
	mustEdit(t, os.WriteFile(filepath.Join(o.Dir, "definitions.db"), make([]byte, 8192), 0o600))
	s = openTest(t, o)
	mustEdit(t, s.SetPolicies(ctx, testSet(t, policy.Forever, time.Minute)))
	if d := cmp.Diff(want, s.Policies.For(num).Policies()); d != "" {
		t.Error(d)
	}
	mustEdit(t, s.Close())
}

// TestSeedPolicies seeds once: what an operator takes away stays away, through a stop and a crash, and a store whose configuration had
// the policies before finds them all the time.
func TestSeedPolicies(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	old, err := testSet(t, policy.Forever, time.Minute).With(policy.BuiltIn(), nil)
	mustEdit(t, err)
	mustEdit(t, s.SetPolicies(ctx, old))
	num := setup(t, s, policy.Forever)
	d := nativeDraft(num, "m")
	d.Def.Policy = "medium"
	var b Batch
	b.AddDraft(d, testEpoch, 1)
	mustEdit(t, s.Commit(ctx, &b))
	policies, rules := policy.GnocchiDefaults()
	mustEdit(t, s.SeedPolicies(ctx, nil, nil))
	if s.Policies.Seeded() {
		t.Error("nothing was seeded")
	}
	mustEdit(t, s.SeedPolicies(ctx, policies, rules))
	mustEdit(t, s.SetPolicies(ctx, testSet(t, policy.Forever, time.Minute)))
	if p := s.policyFor(b.Refs[0]); p.Name != "medium" {
		t.Errorf("the metric has %q", p.Name)
	}
	var used *policy.InUseError
	for name, metrics := range map[string]int{"medium": 1, "low": 0} {
		if err := s.DeletePolicy(ctx, policy.Service, name); !errors.As(err, &used) || used.Metrics != metrics || used.Rules != 1-metrics {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustEdit(t, s.DeleteRule(ctx, policy.Service, policy.GnocchiRuleName))
	mustEdit(t, s.DeletePolicy(ctx, policy.Service, "low"))
	for _, end := range []func(){func() { mustEdit(t, s.Close()) }, func() { s.crash() }, func() { mustEdit(t, s.Snapshot()); s.crash() }} {
		want := seenBy(s, num)
		end()
		s = openTest(t, o)
		mustEdit(t, s.SeedPolicies(ctx, policies, rules))
		if d := cmp.Diff(want, seenBy(s, num)); d != "" {
			t.Error(d)
		}
	}
	if _, ok := s.Policies.For(num).ByName("low"); ok {
		t.Error("what was deleted is back")
	}
	mustEdit(t, s.Close())
}

// TestScopeTooLarge refuses more policies than a record can hold, and names the limit.
func TestScopeTooLarge(t *testing.T) {
	ctx := context.Background()
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	p := policy.Policy{Raw: policy.Retention{Length: policy.Forever}, Methods: policy.Methods()}
	for i := range policy.MaxTiers {
		p.Tiers = append(p.Tiers, policy.Tier{Granularity: time.Duration(i+1) * time.Second, Points: 1e6})
	}
	fill := func(n int) error {
		return s.editScope(ctx, policy.OfTenant(num), func(e *policy.Edit) error {
			for i := range n {
				p.Name = fmt.Sprintf("%d-%0250d", n, i)
				if _, err := e.CreatePolicy(p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	mustEdit(t, fill(300))
	var e *policy.LimitError
	if err := fill(301); !errors.As(err, &e) || e.Max != 512<<10 || e.Kind() != "over limit" {
		t.Errorf("%v", err)
	}
	if n := len(s.Policies.For(num).Policies()); n < 300 || n > 310 {
		t.Errorf("%d policies", n)
	}
	_, err := s.CreatePolicy(ctx, policy.OfTenant(num), gridded("one more", time.Second))
	mustEdit(t, err)
	mustEdit(t, s.Close())
}

// TestChangeElsewhere: what a tenant changes does not touch the states of policies that others hold.
func TestChangeElsewhere(t *testing.T) {
	ctx := context.Background()
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	one := setup(t, s, policy.Forever)
	two, err := s.EnsureTenant(ctx, "two")
	mustEdit(t, err)
	a, b := writeNative(t, s, one, "m", testEpoch, 1), writeNative(t, s, two, "m", testEpoch, 1)
	c := writeNative(t, s, two, "n", testEpoch, 1)
	hold := func(ref metricdef.Ref) *policyState { return s.table.at(ref).policy.Load() }
	was, other := hold(a), hold(b)
	if other != hold(c) || was == other {
		t.Error("the series of a tenant, and they alone, share a state")
	}
	_, err = s.CreatePolicy(ctx, policy.OfTenant(one), gridded("mine", time.Second))
	mustEdit(t, err)
	writeNative(t, s, one, "m", testEpoch+second, 1)
	writeNative(t, s, two, "m", testEpoch+second, 1)
	if hold(a) == was || hold(b) != other || other.checked.Load() != s.Policies.Generation() {
		t.Error("states after a change of one tenant")
	}
	mustEdit(t, s.Close())
}
