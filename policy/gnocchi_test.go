package policy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/tenant"
)

// seed does what a new store does.
func seed(t testing.TB, r *Registry) {
	t.Helper()
	policies, rules := GnocchiDefaults()
	edit(t, r, Service, func(e *Edit) error { return e.Seed(policies, rules) })
}

// bare is a registry whose configuration says nothing of the built-in policies.
func bare(t testing.TB, policies ...Policy) *Registry {
	t.Helper()
	r := NewRegistry(Options{})
	configure(t, r, policies, nil)
	return r
}

func configure(t testing.TB, r *Registry, policies []Policy, rules []Rule) {
	t.Helper()
	s, err := FromClusterCockpit(nil, Retention{Length: time.Hour}, true)
	if err == nil {
		s, err = s.With(policies, rules)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(due(t, r, s)); err != nil {
		t.Fatal(err)
	}
}

func TestGnocchiOrder(t *testing.T) {
	r := bare(t)
	seed(t, r)
	edit(t, r, Service, create([]Policy{pol("ap1")},
		GnocchiRule("r1", "disk.*", "ap1"), GnocchiRule("r0", "disk.*", "low"), GnocchiRule("r4", "disk.io.*", "medium"),
		GnocchiRule("r5", "net.?x[ab]", "medium"), GnocchiRule("r6", "", "high")))
	for metric, want := range map[string]string{"disk.io.rate": "medium", "disk.x": "low", "disk": "low", "net.1xa": "medium", "net.1xc": "low",
		"Disk.io.rate": "low", "other": "low", "": "low"} {
		if p, ok := r.For(1).Choice(Gnocchi, metric); !ok || p.Name != want {
			t.Errorf("%q: %q, %v, want %q", metric, p.Name, ok, want)
		}
		if p, _ := r.For(1).Resolve("native", metric, ""); p.Name != DefaultName {
			t.Errorf("%q of another dialect: %q", metric, p.Name)
		}
	}
	edit(t, r, Service, func(e *Edit) error { return e.DeleteRule(GnocchiRuleName) })
	for metric, want := range map[string]string{"zzz": "", "": "high", "disk.x": "low"} {
		if p, ok := r.For(1).Choice(Gnocchi, metric); ok != (want != "") || p.Name != want {
			t.Errorf("%q without the default: %q, %v, want %q", metric, p.Name, ok, want)
		}
	}
	if p, ok := r.For(1).Resolve(Gnocchi, "zzz", ""); !ok || p.Name != DefaultName {
		t.Errorf("%q, %v", p.Name, ok)
	}
}

// TestGnocchiAndOthers: rules for all dialects take part in Gnocchi's order, with globs of their own kind; the very name comes first,
// and the nearest scope.
func TestGnocchiAndOthers(t *testing.T) {
	r := bare(t, pol("file"))
	seed(t, r)
	edit(t, r, Service, create([]Policy{pol("a"), pol("b"), pol("c")}, GnocchiRule("g", "cpu.[ab]*", "a"),
		Rule{Name: "n", Pattern: "cpu*", Glob: true, Policy: "b"}, Rule{Name: "x", Pattern: "cpu.ax", Policy: "c"},
		Rule{Name: "w", Pattern: "[m]*", Glob: true, Policy: "c"}, Rule{Name: "i", Pattern: "z*", Glob: true, Dialects: []string{"influx"}, Policy: "c"}))
	edit(t, r, OfTenant(1), create(nil, Rule{Name: "t", Pattern: "mine*", Glob: true, Policy: "file"}))
	for _, c := range []struct {
		tenant          tenant.Num
		dialect, metric string
		want            string
	}{
		{2, Gnocchi, "cpu.ay", "a"}, {2, Gnocchi, "cpu.x", "b"}, {2, Gnocchi, "cpu.ax", "c"}, {2, Gnocchi, "[m]y", "c"}, {2, Gnocchi, "m", "low"},
		{2, Gnocchi, "zz", "low"}, {1, Gnocchi, "mine.x", "file"}, {2, Gnocchi, "mine.x", "low"},
		{2, "native", "cpu.ay", "b"}, {2, "native", "q", DefaultName}, {2, "influx", "zz", "c"},
	} {
		if p, _ := r.For(c.tenant).Resolve(c.dialect, c.metric, ""); p.Name != c.want {
			t.Errorf("%+v: %q", c, p.Name)
		}
	}
	var many []Rule
	for i := range MaxGlobs {
		many = append(many, GnocchiRule(fmt.Sprint(i), fmt.Sprint("x*", i), "low"))
	}
	var full *LimitError
	if _, err := r.Edit(Service, create(nil, many...)); !errors.As(err, &full) {
		t.Errorf("%d rules more: %v", len(many), err)
	}
	if _, err := r.Edit(OfTenant(1), create(nil, Rule{Name: "e", Policy: "low", Dialects: []string{Gnocchi, "native"}})); err == nil {
		t.Error("an empty pattern for others than Gnocchi")
	}
}

// TestSeed: what was seeded can be changed and deleted, does not come back, and gives way to the file as long as nobody has changed it.
func TestSeed(t *testing.T) {
	r := bare(t)
	edit(t, r, Service, create([]Policy{{Name: "high", Raw: Retention{Length: time.Hour}}}))
	seed(t, r)
	scopeOf := func(name string) string {
		p, ok := r.For(1).ByName(name)
		if i := slices.IndexFunc(r.For(1).Policies(), func(o ScopedPolicy) bool { return o.Name == name && o.Scope == p.Scope && o.Equal(p.Policy) }); ok != (i >= 0) {
			t.Errorf("%q is in one of list and look-up alone", name)
		}
		if !ok {
			return ""
		}
		return p.Scope.String()
	}
	if p, _ := r.For(1).ByName("high"); p.Raw.Length != time.Hour || scopeOf("low") != "service" || scopeOf("bool") != "service" {
		t.Errorf("after the seed: %+v", r.For(1).Policies())
	}
	edit(t, r, Service, func(e *Edit) error { return e.DeleteRule(GnocchiRuleName) })
	edit(t, r, Service, func(e *Edit) error { return e.DeletePolicy("bool", nil) })
	window := 7
	edit(t, r, Service, func(e *Edit) error {
		_, _, err := e.UpdatePolicy("medium", Update{BackWindow: &window, Tiers: []Tier{{time.Hour, 10}, {time.Minute, 10}}})
		return err
	})
	again := NewRegistry(Options{})
	for key, rec := range r.Records {
		if err := again.Restore(key, rec); err != nil {
			t.Fatal(err)
		}
	}
	r = again
	seed(t, r)
	if _, ok := r.For(1).RuleByName(GnocchiRuleName); ok || scopeOf("bool") != "" {
		t.Error("what was deleted is back")
	}
	if p, _ := r.For(1).ByName("medium"); p.BackWindow != 7 || !slices.Equal(p.Given(), []Tier{{time.Hour, 10}, {time.Minute, 10}}) || p.Tiers[0].Granularity != time.Minute {
		t.Errorf("%+v", p)
	}

	// The file's wins over what nobody has changed, and is hidden by what somebody has.
	ofFile := func(name string) Policy { p := pol(name); p.Raw.Length = 48 * time.Hour; return p }
	configure(t, r, []Policy{ofFile("low"), ofFile("medium"), ofFile("bool")}, []Rule{{Name: "f", Pattern: "f", Policy: "high"}}[:0])
	if low, medium, file := scopeOf("low"), scopeOf("medium"), scopeOf("bool"); low != "configuration" || medium != "service" || file != "configuration" {
		t.Errorf("low of the %s, medium of the %s, bool of the %s", low, medium, file)
	}
	var owner *ReadOnlyError
	if _, err := r.Edit(Service, func(e *Edit) error { return e.DeletePolicy("low", nil) }); !errors.As(err, &owner) || owner.Owner != Configuration {
		t.Errorf("%v", err)
	}
	edit(t, r, Service, create([]Policy{pol("low")}))
	if p, _ := r.For(1).ByName("low"); p.Scope != Service || p.Raw.Length != time.Hour {
		t.Errorf("%+v", p)
	}
	edit(t, r, Service, func(e *Edit) error { return e.DeletePolicy("low", nil) })
	if p, _ := r.For(1).ByName("low"); p.Scope != Configuration {
		t.Errorf("%+v", p)
	}
	// A rule of the file keeps what it names.
	configure(t, r, []Policy{pol("high")}, []Rule{{Name: "f", Pattern: "f", Policy: "high"}})
	var used *InUseError
	if _, err := r.Edit(Service, func(e *Edit) error { return e.DeletePolicy("high", nil) }); !errors.As(err, &used) || used.Rules != 1 {
		t.Errorf("%v", err)
	}
}

// TestSeededRecord holds the bytes of a scope with a seed and an order.
func TestSeededRecord(t *testing.T) {
	r := bare(t)
	seed(t, r)
	edit(t, r, Service, create([]Policy{GnocchiPolicy("short", 1, []Method{Mean, Percentile(95).Rate()},
		Tier{time.Hour, 168}, Tier{time.Second, 3600}, Tier{30 * time.Minute, 48})}, GnocchiRule("r6", "", "short"), GnocchiRule("r5", "net.?x[ab]", "medium")))
	rec := r.AppendScope(nil, Service)
	want, err := os.ReadFile("testdata/scope-v2.hex")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(rec); got != strings.TrimSpace(string(want)) {
		t.Errorf("the record is %s", got)
	}
	for n := range rec {
		if _, err := parseScope(rec[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	other := NewRegistry(Options{})
	if err := other.ApplyScope(rec); err != nil || !bytes.Equal(other.AppendScope(nil, Service), rec) {
		t.Fatalf("%v", err)
	}
	if p, _ := other.For(1).ByName("short"); !slices.Equal(p.Order, []uint8{2, 0, 1}) {
		t.Errorf("%+v", p)
	}
	bad := GnocchiPolicy("x", 0, []Method{Mean}, Tier{time.Second, 1}, Tier{time.Minute, 1})
	for _, order := range [][]uint8{{0}, {0, 0}, {0, 2}, {1, 0, 2}} {
		bad.Order = order
		if err := bad.Validate(); err == nil {
			t.Errorf("order %v", order)
		}
	}
}

func TestGnocchiMethods(t *testing.T) {
	if n := len(GnocchiMethods()); n != 216 {
		t.Errorf("%d methods", n)
	}
	for list, want := range map[string]string{"": "sum mean min max count std", "+95pct -mean": "sum min max count std 95pct", "mean +last": "mean last", "mean -mean max": "max"} {
		var names []string
		methods, err := MethodList(strings.Fields(list), DefaultMethods(), GnocchiMethods())
		for _, m := range methods {
			names = append(names, m.String())
		}
		if d := cmp.Diff(want, strings.Join(names, " ")); d != "" || err != nil {
			t.Errorf("%s: %v %s", list, err, d)
		}
	}
	if all, err := MethodList([]string{"*", "-mean"}, nil, GnocchiMethods()); err != nil || len(all) != 215 {
		t.Errorf("%d, %v", len(all), err)
	}
}
