package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustSet(t testing.TB, c Content) *Set {
	t.Helper()
	s, err := NewSet(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResolve(t *testing.T) {
	pol := func(name string) Policy { return Policy{Name: name, Raw: Retention{Length: time.Hour}} }
	s := mustSet(t, Content{
		Policies: []Policy{pol("exact"), pol("any"), pol("short"), pol("long"), pol("tie")},
		Rules: []Rule{
			{Name: "1", Pattern: "cpu_load", Dialects: []string{ClusterCockpit}, Policy: "exact"},
			{Name: "2", Pattern: "cpu_*", Dialects: []string{ClusterCockpit}, Policy: "short", Glob: true},
			{Name: "3", Pattern: "cpu_us?r", Dialects: []string{"native", ClusterCockpit}, Policy: "long", Glob: true},
			{Name: "4", Pattern: "cpu_use*", Policy: "tie", Glob: true},
			{Name: "5", Pattern: "everywhere", Policy: "any"},
			{Name: "6", Pattern: "cpu_*", Policy: "exact"}, // a name with a star in it, not a glob
		},
	})
	for _, c := range []struct {
		dialect, metric, policy string
		ok                      bool
	}{
		{ClusterCockpit, "cpu_load", "exact", true},
		{"native", "cpu_load", DefaultName, false},
		{ClusterCockpit, "cpu_idle", "short", true},
		{ClusterCockpit, "cpu_user", "long", true}, // as long as rule 4, and first by name
		{"influx", "cpu_user", "tie", true},
		{"influx", "everywhere", "any", true},
		{ClusterCockpit, "everywhere", DefaultName, false}, // its metrics have rules of their own
		{ClusterCockpit, "cpu_usage", "short", true},       // rule 4 is longer, and not for it
		{"influx", "cpu_*", "exact", true},
		{ClusterCockpit, "cpu_*", "short", true},
		{ClusterCockpit, "mem", DefaultName, false},
		{ClusterCockpit, "", DefaultName, false},
	} {
		p, ok := s.Resolve(c.dialect, c.metric)
		if p.Name != c.policy || ok != c.ok {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q, %v", c.dialect, c.metric, p.Name, ok, c.policy, c.ok)
		}
		if got := s.Known(c.dialect, c.metric); got != c.ok {
			t.Errorf("Known(%q, %q) = %v", c.dialect, c.metric, got)
		}
	}
	if got, want := s.Metrics(ClusterCockpit), []string{"cpu_load"}; !cmp.Equal(got, want) {
		t.Errorf("Metrics = %q, want %q", got, want)
	}
	open := mustSet(t, Content{Open: true})
	if p, ok := open.Resolve("x", "y"); !ok || !p.Equal(FallBack(Retention{Length: Forever})) || !p.Equal(open.Default()) {
		t.Errorf("an open set resolves to %+v, %v", p, ok)
	}
	if open.Known("x", "y") {
		t.Error("an open set knows a metric that no rule names")
	}
}

func TestNewSetRefuses(t *testing.T) {
	good := Policy{Name: "p", Raw: Retention{Length: time.Hour}}
	for _, c := range []struct {
		name string
		c    Content
		want string
	}{
		{"no name", Content{Policies: []Policy{{Raw: good.Raw}}}, "name: it is empty"},
		{"twice", Content{Policies: []Policy{good, good}}, "given twice"},
		{"retention zero", Content{Policies: []Policy{{Name: "p"}}}, `policy "p": raw.retention: it is 0s`},
		{"retention below", Content{Policies: []Policy{{Name: "p", Raw: Retention{Length: -3}}}}, "not above zero"},
		{"grid", Content{Policies: []Policy{{Name: "p", Raw: good.Raw, Grid: -1}}}, "grid: it is"},
		{"clock", Content{Policies: []Policy{{Name: "p", Raw: Retention{Length: 1, Clock: 3}}}}, "clock 3"},
		{"duplicates", Content{Policies: []Policy{{Name: "p", Raw: good.Raw, Duplicates: 9}}}, "duplicate rule 9"},
		{"method", Content{Policies: []Policy{{Name: "p", Raw: good.Raw, Across: 9}}}, "method 9"},
		{"rule without name", Content{Rules: []Rule{{Pattern: "a", Policy: DefaultName}}}, "has no name"},
		{"rule twice", Content{Rules: []Rule{{"r", "a", false, nil, DefaultName}, {"r", "b", false, nil, DefaultName}}}, "given twice"},
		{"empty pattern", Content{Rules: []Rule{{"r", "", false, nil, DefaultName}}}, "pattern: it is empty"},
		{"no such policy", Content{Rules: []Rule{{"r", "a", false, nil, "q"}}}, `policy "q"`},
		{"empty dialect", Content{Rules: []Rule{{"r", "a", false, []string{""}, DefaultName}}}, "no name"},
		{"metric twice", Content{Rules: []Rule{{"r", "a", false, nil, DefaultName}, {"s", "a", false, nil, DefaultName}}}, "has a rule already"},
	} {
		if _, err := NewSet(c.c); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ...%s...", c.name, err, c.want)
		}
	}
}

func TestFromClusterCockpit(t *testing.T) {
	raw := Retention{Length: 48 * time.Hour}
	s, err := FromClusterCockpit([]ClusterCockpitMetric{
		{"cpu_load", time.Minute, NoMethod},
		{"flops_any", time.Minute, Sum},
		{"mem_bw", time.Minute, Sum},
		{"temp", 10 * time.Second, Mean},
	}, raw, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Policy{
		{Name: "cc-10s-avg", Raw: raw, Grid: 10 * time.Second, Across: Mean},
		{Name: "cc-60s-none", Raw: raw, Grid: time.Minute},
		{Name: "cc-60s-sum", Raw: raw, Grid: time.Minute, Across: Sum},
		{Name: ClusterCockpitDefaultName, Raw: raw, Grid: time.Minute, Across: Mean},
		{Name: DefaultName, Raw: raw},
	}
	if d := cmp.Diff(want, s.Policies()); d != "" {
		t.Error(d)
	}
	if p, ok := s.Resolve(ClusterCockpit, "mem_bw"); !ok || !p.Equal(want[2]) {
		t.Errorf("mem_bw: %+v, %v", p, ok)
	}
	if p, ok := s.Resolve(ClusterCockpit, "unknown"); ok || s.Known(ClusterCockpit, "unknown") || !p.Equal(want[3]) {
		t.Errorf("a metric that a closed set does not name: %+v, %v", p, ok)
	}
	if p, ok := s.Resolve("influx", "mem_bw"); ok || !p.Equal(want[4]) || !p.Equal(s.Default()) {
		t.Errorf("another dialect: %+v, %v", p, ok)
	}
	if got, want := s.Metrics(ClusterCockpit), []string{"cpu_load", "flops_any", "mem_bw", "temp"}; !cmp.Equal(got, want) {
		t.Errorf("Metrics = %q", got)
	}
	if p, ok := s.ByName("cc-10s-avg"); !ok || !p.Equal(want[0]) {
		t.Errorf("ByName: %+v, %v", p, ok)
	}
	for _, m := range []ClusterCockpitMetric{{"m", 0, Sum}, {"m", -time.Second, Sum}, {"m", 1500 * time.Millisecond, Sum}, {"m", time.Second, Max}} {
		if _, err := FromClusterCockpit([]ClusterCockpitMetric{m}, raw, false); err == nil || !strings.Contains(err.Error(), `metric "m"`) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestFromClusterCockpitOpen(t *testing.T) {
	raw := Retention{Length: 48 * time.Hour}
	s, err := FromClusterCockpit(nil, raw, true)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := s.Resolve(ClusterCockpit, "any"); !ok || !p.Equal(ClusterCockpitDefault(raw)) || s.Known(ClusterCockpit, "any") {
		t.Errorf("any metric: %+v, %v", p, ok)
	}
	if p, ok := s.Resolve("native", "any"); !ok || !p.Equal(FallBack(raw)) || p.Grid != 0 {
		t.Errorf("another dialect: %+v, %v", p, ok)
	}
}

// TestMetricNamedAsOurRule: the rule for all names gives way to metrics that have its name.
func TestMetricNamedAsOurRule(t *testing.T) {
	raw := Retention{Length: Forever}
	s, err := FromClusterCockpit([]ClusterCockpitMetric{
		{ClusterCockpitDefaultName, time.Second, Sum}, {ClusterCockpitDefaultName + "*", time.Second, Sum}, {Everything, time.Second, Sum},
	}, raw, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ClusterCockpitDefaultName, ClusterCockpitDefaultName + "*", Everything} {
		if p, ok := s.Resolve(ClusterCockpit, name); !ok || p.Name != "cc-1s-sum" {
			t.Errorf("%s: %+v, %v", name, p, ok)
		}
	}
	if p, ok := s.Resolve(ClusterCockpit, "other"); ok || !p.Equal(ClusterCockpitDefault(raw)) {
		t.Errorf("other: %+v, %v", p, ok)
	}
}

// TestEverythingIsLast: a rule for all names gives way to any other, and names nothing.
func TestEverythingIsLast(t *testing.T) {
	pol := func(name string) Policy { return Policy{Name: name, Raw: Retention{Length: time.Hour}} }
	s := mustSet(t, Content{Policies: []Policy{pol("one"), pol("all")}, Rules: []Rule{
		{Name: "1", Pattern: Everything, Glob: true, Policy: "all"}, {Name: "2", Pattern: "?", Glob: true, Policy: "one"},
	}})
	for metric, want := range map[string]struct {
		policy string
		known  bool
	}{"a": {"one", true}, "ab": {"all", false}} {
		if p, ok := s.Resolve("any", metric); p.Name != want.policy || ok != want.known {
			t.Errorf("%s: %q, %v", metric, p.Name, ok)
		}
	}
}

func TestMatchGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"a*", "bc", false},
		{"*c", "abc", true}, {"*c", "abcd", false}, {"a*c*e", "abcde", true}, {"a*c*e", "abcdf", false}, {"**", "x", true},
		{"?", "", false}, {"?", "a", true}, {"?", "é", true}, {"a?c", "aéc", true}, {"*?", "a", true}, {"*a*b", "aab", true},
		{"*é", "aé", true}, {"abc", "abd", false}, {"abc", "abcd", false},
	} {
		if got := matchGlob(c.pattern, c.name); got != c.want {
			t.Errorf("matchGlob(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	var metrics []ClusterCockpitMetric
	for i := range 200 {
		metrics = append(metrics, ClusterCockpitMetric{fmt.Sprintf("metric_%d", i), time.Minute, Sum})
	}
	s, err := FromClusterCockpit(metrics, Retention{Length: time.Hour}, false)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := s.Resolve(ClusterCockpit, metrics[i%200].Name); !ok {
			b.Fatal("not found")
		}
	}
}
