package policy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/tenant"
)

func pol(name string) Policy { return Policy{Name: name, Raw: Retention{Length: time.Hour}} }

// edit changes a scope and puts the change into force.
func edit(t testing.TB, r *Registry, s Scope, change func(*Edit) error) {
	t.Helper()
	rec, err := r.Edit(s, change)
	if err == nil {
		err = r.ApplyScope(rec)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func create(policies []Policy, rules ...Rule) func(*Edit) error {
	return func(e *Edit) error {
		for _, p := range policies {
			if _, err := e.CreatePolicy(p); err != nil {
				return err
			}
		}
		for _, r := range rules {
			if err := e.CreateRule(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// configured is a registry with a configuration in force.
func configured(t testing.TB, o Options) *Registry {
	t.Helper()
	r := NewRegistry(o)
	s, err := FromClusterCockpit([]ClusterCockpitMetric{{"load", time.Minute, Mean}}, Retention{Length: time.Hour}, false)
	if err == nil {
		s, err = s.With(append(BuiltIn(), pol("plain")), []Rule{{Name: "app", Pattern: "app.*", Glob: true, Policy: "plain"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(due(t, r, s)); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestViewResolve(t *testing.T) {
	r := configured(t, Options{})
	edit(t, r, Service, create([]Policy{pol("shared"), pol("plain")},
		Rule{Name: "db", Pattern: "db.*", Glob: true, Policy: "shared"}, Rule{Name: "x", Pattern: "db.size", Dialects: []string{"influx"}, Policy: "medium"}))
	edit(t, r, OfTenant(1), create([]Policy{pol("mine"), pol("medium"), {Name: DefaultName, Raw: Retention{Length: 2 * time.Hour}}},
		Rule{Name: "db", Pattern: "db.a*", Glob: true, Policy: "mine"}))
	hour, two := Retention{Length: time.Hour}, Retention{Length: 2 * time.Hour}
	for _, c := range []struct {
		tenant                    tenant.Num
		dialect, metric, explicit string
		name                      string
		scope                     Scope
	}{
		{1, "native", "db.abc", "", "mine", OfTenant(1)},
		{2, "native", "db.abc", "", "shared", Service},
		{1, "native", "db.b", "", "shared", Service},
		{1, "influx", "db.size", "", "medium", OfTenant(1)}, // the service's rule, the tenant's policy of that name
		{2, "influx", "db.size", "", "medium", Configuration},
		{1, "native", "db.size", "", "shared", Service},
		{1, "native", "app.x", "", "plain", Service}, // the configuration's rule, the service's policy
		{1, "native", "other", "", DefaultName, OfTenant(1)},
		{2, "native", "other", "", DefaultName, Configuration},
		{1, "native", "other", "mine", "mine", OfTenant(1)},
		{2, "native", "other", "mine", DefaultName, Configuration}, // another tenant's policy is no policy
		{2, "native", "db.abc", "high", "high", Configuration},
		{1, ClusterCockpit, "db.abc", "", ClusterCockpitDefaultName, Configuration}, // closed to rules
		{1, ClusterCockpit, "load", "", "cc-60s-avg", Configuration},
		{1, ClusterCockpit, "load", "mine", "mine", OfTenant(1)},
	} {
		v := r.For(c.tenant)
		p, ok := v.Resolve(c.dialect, c.metric, c.explicit)
		if want := c.dialect != ClusterCockpit || c.metric == "load"; p.Name != c.name || ok != want {
			t.Errorf("%+v: %q, %v", c, p.Name, ok)
		}
		if s, ok := v.ByName(c.name); !ok || s.Scope != c.scope || !s.Equal(p) {
			t.Errorf("%+v: of %v, %v", c, s.Scope, ok)
		}
	}
	if p, _ := r.For(1).Resolve("native", "q", ""); p.Raw != two {
		t.Errorf("%+v", p)
	}
	if p, _ := r.For(2).Resolve("native", "q", ""); p.Raw != hour {
		t.Errorf("%+v", p)
	}
	long := "db." + strings.Repeat("x", MaxGlobName)
	if p, _ := r.For(2).Resolve("native", long, ""); p.Name != DefaultName {
		t.Errorf("a very long name: %q", p.Name)
	}
	var names []string
	for _, p := range r.For(1).Policies() {
		names = append(names, p.Name+"/"+p.Scope.String())
	}
	if d := cmp.Diff(strings.Fields("bool/configuration cc-60s-avg/configuration cc-default/configuration default/tenant high/configuration "+
		"low/configuration medium/tenant mine/tenant plain/service shared/service"), names); d != "" {
		t.Error(d)
	}
	names = nil
	for _, r := range r.For(1).Rules() {
		names = append(names, r.Name+"/"+r.Scope.String())
	}
	if d := cmp.Diff(strings.Fields("db/tenant db/service x/service app/configuration cc-default/configuration load/configuration"), names); d != "" {
		t.Error(d)
	}
	if rule, ok := r.For(1).RuleByName("db"); !ok || rule.Scope != OfTenant(1) {
		t.Errorf("%+v, %v", rule, ok)
	}
	if _, ok := r.For(1).RuleByName("no"); ok {
		t.Error("a rule that is not there")
	}
	if p, ok := r.For(0).Resolve("native", "db.abc", ""); !ok || p.Name != "shared" || r.For(0).Tenant() != 0 {
		t.Errorf("no tenant: %+v", p)
	}
}

// TestDanglingRule passes over a rule whose policy the configuration has taken away.
func TestDanglingRule(t *testing.T) {
	r := configured(t, Options{})
	edit(t, r, OfTenant(1), create([]Policy{pol("mine")}, Rule{Name: "1", Pattern: "m", Policy: "plain"}, Rule{Name: "2", Pattern: "m*", Glob: true, Policy: "mine"}))
	if p, _ := r.For(1).Resolve("native", "m", ""); p.Name != "plain" {
		t.Errorf("%q", p.Name)
	}
	bare, err := FromClusterCockpit(nil, Retention{Length: time.Hour}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(due(t, r, bare)); err != nil {
		t.Fatal(err)
	}
	if p, _ := r.For(1).Resolve("native", "m", ""); p.Name != "mine" {
		t.Errorf("%q", p.Name)
	}
	if p, _ := r.For(1).Resolve("native", "z", "plain"); p.Name != DefaultName {
		t.Errorf("%q", p.Name)
	}
}

// TestViewsStay: a view is the same until something in it changes.
func TestViewsStay(t *testing.T) {
	r := configured(t, Options{})
	one, two, generation := r.For(1), r.For(2), r.Generation()
	if r.For(1) != one || one.Tenant() != 1 {
		t.Error("another view")
	}
	edit(t, r, OfTenant(1), create([]Policy{pol("mine")}))
	if r.For(1) == one || r.For(1).Revision() <= one.Revision() || r.For(2) != two || r.Generation() == generation {
		t.Error("after a change of tenant 1")
	}
	edit(t, r, Service, create([]Policy{pol("ours")}))
	if r.For(2) == two || r.For(2).Revision() <= two.Revision() {
		t.Error("after a change of the service")
	}
	if n := testing.AllocsPerRun(100, func() { r.For(2) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func TestEdits(t *testing.T) {
	r := configured(t, Options{MaxRecord: 4096})
	mine := Policy{Name: "mine", Raw: Retention{Length: time.Hour}, Grid: time.Second, Tiers: []Tier{{time.Minute, 10}, {time.Hour, 0}}, Methods: []Method{Mean}}
	edit(t, r, OfTenant(1), create([]Policy{mine}, Rule{Name: "r", Pattern: "a", Policy: "mine"}, Rule{Name: "s", Pattern: "s", Policy: "low"}))
	edit(t, r, Service, create([]Policy{pol("ours")}))
	edit(t, r, OfTenant(2), create(nil, Rule{Name: "r", Pattern: "a", Policy: "ours"}))
	edit(t, r, OfTenant(3), create([]Policy{pol("ours")}, Rule{Name: "r", Pattern: "a", Policy: "ours"})) // its own
	five := map[tenant.Num]int{1: 5, 2: 5, 3: 5}
	grid := int64(time.Minute)
	var many []Rule
	for i := range MaxGlobs + 1 {
		many = append(many, Rule{Name: fmt.Sprint(i), Pattern: fmt.Sprint("x*", i), Glob: true, Policy: "low"})
	}
	type coded interface {
		error
		Kind() string
		Code() string
	}
	update := func(name string, u Update) func(*Edit) error {
		return func(e *Edit) error { _, _, err := e.UpdatePolicy(name, u); return err }
	}
	rule := func(name string, change func(*Rule)) func(*Edit) error {
		return func(e *Edit) error { _, err := e.UpdateRule(name, change); return err }
	}
	for _, c := range []struct {
		name   string
		scope  Scope
		change func(*Edit) error
		want   string // kind and code
		text   string
	}{
		{"twice", OfTenant(1), create([]Policy{mine}), "conflict policy-exists", "the tenant has"},
		{"bad policy", OfTenant(1), create([]Policy{{Name: "x"}}), "invalid policy-invalid", "raw.retention"},
		{"reserved", OfTenant(1), create([]Policy{pol("cc-60s-avg")}), "invalid policy-invalid", "ClusterCockpit"},
		{"change what is not there", OfTenant(1), update("nope", Update{}), "not found policy-unknown", "nope"},
		{"change of the configuration", OfTenant(1), update("low", Update{}), "conflict policy-read-only", "configuration file"},
		{"change of the configuration by an operator", Service, update("default", Update{}), "conflict policy-read-only", "configuration file"},
		{"change of the service by a tenant", OfTenant(1), update("ours", Update{}), "conflict policy-read-only", "operators"},
		{"another tenant's", OfTenant(2), update("mine", Update{}), "not found policy-unknown", ""},
		{"grid", OfTenant(1), update("mine", Update{Grid: &grid}), "conflict policy-change", "grid"},
		{"granularity", OfTenant(1), update("mine", Update{Tiers: []Tier{{time.Minute, 10}, {2 * time.Hour, 0}}}), "conflict policy-change", "tiers[1].granularity"},
		{"tier added", OfTenant(1), update("mine", Update{Tiers: []Tier{{time.Second, 1}, {time.Minute, 10}, {time.Hour, 0}}}), "conflict policy-change", "2 and would be 3"},
		{"bad tier", OfTenant(1), update("mine", Update{Tiers: []Tier{{time.Minute, -1}, {time.Hour, 0}}}), "invalid policy-invalid", "tiers[0].points"},
		{"delete in use by a rule", OfTenant(1), func(e *Edit) error { return e.DeletePolicy("mine", nil) }, "conflict policy-in-use", "0 metrics and 1 rules"},
		{"delete in use by metrics", Service, func(e *Edit) error { return e.DeletePolicy("ours", five) }, "conflict policy-in-use", "10 metrics and 1 rules"},
		{"delete of nothing", Service, func(e *Edit) error { return e.DeletePolicy("mine", nil) }, "not found policy-unknown", ""},
		{"rule twice", OfTenant(1), create(nil, Rule{Name: "r", Pattern: "b", Policy: "mine"}), "conflict rule-exists", ""},
		{"rule for the same metric", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "a", Policy: "mine"}), "invalid rule-invalid", "has a rule already"},
		{"rule without policy", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "b", Policy: "nope"}), "invalid rule-invalid", "policy"},
		{"rule for another tenant's policy", OfTenant(2), create(nil, Rule{Name: "q", Pattern: "b", Policy: "mine"}), "invalid rule-invalid", "policy"},
		{"service's rule for a tenant's policy", Service, create(nil, Rule{Name: "q", Pattern: "b", Policy: "mine"}), "invalid rule-invalid", "policy"},
		{"rule for ClusterCockpit", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "b", Policy: "low", Dialects: []string{ClusterCockpit}}), "invalid rule-invalid", "dialects[0]"},
		{"dialect twice", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "b", Policy: "low", Dialects: []string{"a", "a"}}), "invalid rule-invalid", "dialects[1]"},
		{"dialect empty", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "b", Policy: "low", Dialects: []string{""}}), "invalid rule-invalid", "dialects[0]"},
		{"rule without name", OfTenant(1), create(nil, Rule{Pattern: "b", Policy: "low"}), "invalid rule-invalid", "name"},
		{"pattern empty", OfTenant(1), create(nil, Rule{Name: "q", Policy: "low"}), "invalid rule-invalid", "pattern"},
		{"pattern long", OfTenant(1), create(nil, Rule{Name: "q", Pattern: strings.Repeat("x", 256), Policy: "low"}), "invalid rule-invalid", "pattern"},
		{"pattern of no text", OfTenant(1), create(nil, Rule{Name: "q", Pattern: "\xff", Policy: "low"}), "invalid rule-invalid", "pattern"},
		{"too many globs", OfTenant(1), create(nil, many...), "over limit policy-limit", "at most 100"},
		{"too large", OfTenant(1), create(nil, func() (list []Rule) {
			for i := range 100 {
				list = append(list, Rule{Name: fmt.Sprint(i), Pattern: strings.Repeat("x", 60) + fmt.Sprint(i), Policy: "low"})
			}
			return list
		}()...), "over limit policy-limit", "at most 4096"},
		{"rename to another rule's name", OfTenant(1), rule("r", func(r *Rule) { r.Name = "s" }), "conflict rule-exists", ""},
		{"change of no rule", OfTenant(1), rule("nope", func(*Rule) {}), "not found rule-unknown", ""},
		{"change of the configuration's rule", OfTenant(1), rule("app", func(*Rule) {}), "conflict policy-read-only", "rule"},
		{"change to a bad rule", OfTenant(1), rule("r", func(r *Rule) { r.Policy = "nope" }), "invalid rule-invalid", "policy"},
		{"delete no rule", OfTenant(2), func(e *Edit) error { return e.DeleteRule("s") }, "not found rule-unknown", ""},
		{"the configuration itself", Configuration, create(nil), "conflict policy-read-only", ""},
	} {
		rec, err := r.Edit(c.scope, c.change)
		var e coded
		if rec != nil || !errors.As(err, &e) || e.Kind()+" "+e.Code() != c.want || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.want, c.text)
		}
	}
	// None of this counts as sequenced.
	edit(t, r, OfTenant(1), func(e *Edit) error { return e.DeleteRule("r") })
	edit(t, r, OfTenant(1), func(e *Edit) error { return e.DeletePolicy("mine", nil) })
	if _, ok := r.For(1).ByName("mine"); ok {
		t.Error("a deleted policy is there")
	}
	edit(t, r, OfTenant(1), func(e *Edit) error { e.Clear(); return nil })
	if rules := r.For(1).Rules(); rules[0].Scope != Configuration {
		t.Errorf("%+v", rules)
	}
}

func TestUpdateNotes(t *testing.T) {
	r := configured(t, Options{})
	p := Policy{Name: "p", Raw: Retention{Length: time.Hour}, Tiers: []Tier{{time.Minute, 10}, {time.Hour, 0}}, Methods: []Method{Mean, Min}}
	edit(t, r, OfTenant(1), create([]Policy{p}))
	last, window, grid := SmallestThenLater, 3, int64(0)
	for _, c := range []struct {
		u    Update
		want []string
	}{
		{Update{}, nil},
		{Update{Grid: &grid}, nil},
		{Update{Tiers: []Tier{{time.Hour, 0}, {time.Minute, 20}}}, []string{"tier 1m0s: more buckets"}},
		{Update{Tiers: []Tier{{time.Minute, 0}, {time.Hour, 5}}}, []string{"tier 1m0s: more buckets", "tier 1h0m0s: older buckets are hidden"}},
		{Update{Methods: []Method{Max, Mean}}, []string{"methods max: they are kept", "methods min: they cannot"}},
		{Update{Raw: &Retention{Length: Forever}}, []string{"raw samples are kept longer"}},
		{Update{Raw: &Retention{Length: time.Minute, Clock: WriteClock}}, []string{"older raw samples are hidden", "another clock", "count as written at their own time"}},
		{Update{Raw: &Retention{Length: WindowOnly}}, []string{"behind the window"}},
		{Update{Duplicates: &last, BackWindow: &window}, []string{"back window", "equal times"}},
	} {
		_, err := r.Edit(OfTenant(1), func(e *Edit) error {
			_, notes, err := e.UpdatePolicy("p", c.u)
			if len(notes) != len(c.want) {
				t.Errorf("%+v: %q", c.u, notes)
				return err
			}
			for i := range notes {
				if !strings.HasPrefix(notes[i], c.want[i]) && !strings.Contains(notes[i], c.want[i]) {
					t.Errorf("%+v: %q", c.u, notes)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		r.Withdraw()
	}
	_, err := r.Edit(OfTenant(1), func(e *Edit) error {
		notes, err := e.CreatePolicy(pol("medium"))
		if len(notes) != 1 || !strings.Contains(notes[0], "of the configuration") {
			t.Errorf("%q", notes)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestScopeRecord holds the bytes of the record, and that a sink and Restore bring back what was.
func TestScopeRecord(t *testing.T) {
	sink := puts{}
	r := configured(t, Options{Sink: sink})
	tiers, _ := tiered(t).ByName("medium")
	edit(t, r, OfTenant(7), create([]Policy{tiers, pol("a")}, Rule{Name: "cpu", Pattern: "cpu*", Glob: true, Policy: "low", Dialects: []string{"native", "influx"}},
		Rule{Name: "x", Pattern: "x", Policy: "a"}))
	rec := sink["policies/scope\x00\x00\x00\x07"]
	want, err := os.ReadFile("testdata/scope-v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(rec); got != strings.TrimSpace(string(want)) {
		t.Errorf("the record is %s", got)
	}
	if !bytes.Equal(r.AppendScope(nil, OfTenant(7)), rec) || r.AppendScope(nil, Service) != nil {
		t.Error("AppendScope")
	}
	for n := range rec {
		if _, err := parseScope(rec[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	if _, err := parseScope([]byte{3}); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("a newer version: %v", err)
	}
	other := NewRegistry(Options{})
	for key, rec := range r.Records {
		if err := other.Restore(key, rec); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(r.For(7).Policies(), other.For(7).Policies()); d != "" || r.For(7).Revision() != other.For(7).Revision() {
		t.Error(d)
	}
	if d := cmp.Diff(r.For(7).Rules(), other.For(7).Rules()); d != "" {
		t.Error(d)
	}
	if err := other.Restore([]byte("scope\x00\x00\x00\x08"), rec); err == nil {
		t.Error("a record under another key")
	}
	// An older record does not bring back what is gone.
	edit(t, r, OfTenant(7), func(e *Edit) error { e.Clear(); return nil })
	if err := r.ApplyScope(rec); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.For(7).ByName("a"); ok {
		t.Error("an older record was applied")
	}
}

func FuzzParseScope(f *testing.F) {
	for _, file := range []string{"testdata/scope-v1.hex", "testdata/scope-v2.hex"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		rec, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rec)
	}
	f.Add([]byte{1, 0, 1, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, rec []byte) {
		o, err := parseScope(rec)
		if err != nil {
			return
		}
		again := appendScope(nil, o)
		back, err := parseScope(again)
		if err != nil || !bytes.Equal(appendScope(nil, back), again) {
			t.Fatalf("%v: %x became %x", err, rec, again)
		}
	})
}

func BenchmarkViewResolve(b *testing.B) {
	r := configured(b, Options{})
	var rules []Rule
	for i := range MaxGlobs {
		rules = append(rules, Rule{Name: fmt.Sprint(i), Pattern: fmt.Sprint("app.", i, ".*"), Glob: true, Policy: "low"})
	}
	edit(b, r, OfTenant(1), create(nil, rules...))
	b.ReportAllocs()
	for b.Loop() {
		r.For(1).Resolve("native", "app.99.requests.total", "")
	}
}
