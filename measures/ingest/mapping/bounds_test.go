package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/tenant"
)

func TestCompile(t *testing.T) {
	good := func() Rule { return Rule{Name: "out", From: []Match{{Metric: "a"}}} }
	for want, change := range map[string]func(*Rule){
		`mapping rule "1": name: ""`:                                      func(r *Rule) { r.Name = "" },
		`mapping rule "out": from: ""`:                                    func(r *Rule) { r.From = nil },
		`from: "": has 65 entries`:                                        func(r *Rule) { r.From = make([]Match, 65) },
		`mapping rule "out": from[0].metric: ""`:                          func(r *Rule) { r.From[0].Metric = "" },
		`from[0].labels.l: "~(": expected a regular expression (RE2)`:     func(r *Rule) { r.From[0].Labels = map[string]string{"l": "~("} },
		`from[0].labels.l: "!~a)(b": expected a regular expression (RE2)`: func(r *Rule) { r.From[0].Labels = map[string]string{"l": "!~a)(b"} },
		`from[0].labels.l: "~(?=a)": expected a regular expression (RE2)`: func(r *Rule) { r.From[0].Labels = map[string]string{"l": "~(?=a)"} },
		`from[0].labels: "v"`:                                             func(r *Rule) { r.From[0].Labels = map[string]string{"": "v"} },
		`combine: "median": expected one of sum, avg, min, max`:           func(r *Rule) { r.Combine = "median" },
		`by: "host": expected combine beside it`:                          func(r *Rule) { r.By = []string{"host"} },
		`by: "host": expected names of tags, each once`:                   func(r *Rule) { r.Combine, r.By = Sum, []string{"host", "host"} },
		`slot: "1m0s": expected combine beside it`:                        func(r *Rule) { r.Slot = time.Minute },
		`slot: "-1s": expected a duration above zero`:                     func(r *Rule) { r.Combine, r.Slot = Sum, -time.Second },
		`rename.a: ""`: func(r *Rule) { r.Rename = map[string]string{"a": ""} },
		`tags.a: "": expected a tag and its value`:                              func(r *Rule) { r.Tags = map[string]string{"a": ""} },
		`dialects[0]: "": expected the name of a dialect`:                       func(r *Rule) { r.Dialects = []string{""} },
		`unit: "` + strings.Repeat("u", 70000) + `": is longer than 65535 byte`: func(r *Rule) { r.Unit = strings.Repeat("u", 70000) },
	} {
		r := good()
		change(&r)
		_, err := Compile([]Rule{r}, Options{})
		if e := (*RuleError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %.200v", want, err)
		}
	}
	if _, err := Compile(make([]Rule, maxRules+1), Options{}); err == nil {
		t.Error("any number of rules is taken")
	}
	if _, err := Compile(Defaults(), Options{}); err != nil {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		labels string // label=condition, by ";"
		tags   string
		takes  bool
	}{
		{"", "a=1", true},
		{"a=1", "a=1", true}, {"a=1", "a=11", false}, {"a=1", "b=1", false},
		{"a=!1", "a=1", false}, {"a=!1", "b=1", true},
		{"a=~1|2", "a=2", true}, {"a=~1|2", "a=12", false}, {"a=~.*", "b=1", true}, {"a=~1.2", "a=1\n2", true},
		{"a=!~1|2", "a=2", false}, {"a=!~1|2", "a=12", true}, {"a=!~1|2", "b=1", true},
		{"a=", "b=1", true}, {"a=", "a=1", false}, {"a=!", "a=1", true}, {"a=!", "b=1", false},
		{"a=1;b=~2", "a=1,b=2", true}, {"a=1;b=~2", "a=1,b=3", false},
	} {
		labels := map[string]string{}
		for l := range strings.SplitSeq(c.labels, ";") {
			if name, condition, ok := strings.Cut(l, "="); ok {
				labels[name] = condition
			}
		}
		table := mustCompile(t, Options{}, Rule{Name: "out", From: []Match{{Metric: "m", Labels: labels}}})
		if s := table.Source("influx", 1, "m", tags(strings.Split(c.tags, ",")...)); (s != nil) != c.takes {
			t.Errorf("%+v: %v", c, s != nil)
		}
	}
}

func TestNames(t *testing.T) {
	table := mustCompile(t, Options{}, WithDefaults([]Rule{
		{Name: "cpu_load", From: []Match{{Metric: "temp.value"}}, Combine: Max, Dialects: []string{"influx"}, Keep: true},
		{Name: "speed", From: []Match{{Metric: "speed", Scale: 2}}, Keep: true},
	})...)
	tag := tags("cluster=c", "hostname=h")
	for _, c := range []struct {
		dialect, measurement, field string
		takes, keep                 bool
	}{
		{"influx", "temp", "value", true, true}, {"prometheus", "temp", "value", false, false}, {"influx", "system", "load1", false, false},
		{"influx", "mem", "used", true, false}, // what comes out is named mem_used, with the same tags
		{"influx", "mem_used", "value", false, false}, {"clustercockpit", "mem_used", "value", false, false},
		{"clustercockpit", "net", "bytes_recv", true, true}, {"influx", "net_bytes", "recv", true, true}, // by the name that is stored
		{"clustercockpit", "speed", "value", true, false},
	} {
		s := table.SourceOfField(c.dialect, 1, c.measurement, c.field, tag)
		if (s != nil) != c.takes || s != nil && s.Keep() != c.keep {
			t.Errorf("%+v: %+v", c, s)
		}
		if s != nil && (!table.TakesField(c.measurement, c.field) || !table.TakesField(c.measurement, "") || table.SourceOfField(c.dialect, 1, c.measurement, c.field, tag) != s) {
			t.Errorf("%+v: it is not taken, or another one", c)
		}
	}
	if table.Source("prometheus", 1, "node_network_receive_bytes_total", tags("cluster=c", "device=lo", "instance=h:1")) != nil || table.Takes("mem_used") || !table.Takes("node_rapl_package_joules_total") {
		t.Error("lo is taken")
	}
	var none *Table
	if none.Takes("a") || none.TakesField("a", "b") || none.Source("influx", 1, "a", nil) != nil || none.Begin() != nil || (Lines{}).SourceOf("influx", 1, "a", "b", nil) != nil {
		t.Error("no table takes something")
	}
	none.Tidy()
	none.Close()
}

// TestResult: what tags come out.
func TestResult(t *testing.T) {
	for _, c := range []struct {
		dialect string
		rule    Rule
		tags    string
		want    string
	}{
		{"influx", Rule{Rename: map[string]string{"host": "hostname"}}, "host=a,x=1", `out{hostname="a",x="1"}`},
		{"influx", Rule{Rename: map[string]string{"host": "hostname"}}, "host=a,hostname=b", `out{host="a",hostname="b"}`},
		{"prometheus", Rule{Rename: map[string]string{"instance": "hostname"}}, "instance=a.b:9100", `out{hostname="a.b"}`},
		{"prometheus", Rule{Rename: map[string]string{"instance": "hostname"}}, "instance=[::1]:9100", `out{hostname="::1"}`},
		{"prometheus", Rule{Rename: map[string]string{"instance": "hostname"}}, "instance=fe80::1", `out{hostname="fe80::1"}`},
		{"prometheus", Rule{Rename: map[string]string{"instance": "hostname"}}, "instance=:9100", `out`},
		{"influx", Rule{Tags: map[string]string{"cluster": "c", "x": "2"}}, "x=1,type=node", `out{cluster="c",x="1"}`},
		{"clustercockpit", Rule{}, "cluster=c,hostname=h,type=socket,type-id=1,dc=x", `out{cluster="c",hostname="h",type="socket",type-id="1"} dc=x`},
		{"influx", Rule{Combine: Sum, By: []string{"x"}}, "x=1,y=2", `out{x="1"}`},
		{"influx", Rule{Combine: Sum}, "cluster=c,y=2", ``},
	} {
		c.rule.Name, c.rule.From = "out", []Match{{Metric: "m"}}
		s := mustCompile(t, Options{}, c.rule).Source(c.dialect, 1, "m", tags(strings.Split(c.tags, ",")...))
		got := ""
		if s != nil {
			d := s.takes[0].def
			got = string(appendKey(&d))
			for _, p := range d.Plain {
				got += " " + p.Name + "=" + p.Value
			}
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestRoom(t *testing.T) {
	now := time.Unix(1e9, 0)
	counters := &Counters{}
	table := mustCompile(t, Options{MaxSources: 10, Now: func() time.Time { return now }, Counters: counters}, Rule{Name: "out", Combine: Sum, By: []string{"x"}, From: []Match{{Metric: "a", Rate: true}}})
	store := newStore()
	second := int64(0)
	write := func(num tenant.Num, sources int) Counts {
		t.Helper()
		now = now.Add(2 * time.Second)
		second += 10
		in := table.Begin()
		defer in.End()
		for n := range sources {
			in.Add(table.Source("influx", num, "a", tags(fmt.Sprint("x=", n))), second*1e9, float64(second))
		}
		c, err := in.Commit(t.Context(), store, "test")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := write(1, 20); c.Begun != 10 || c.Dropped[NoRoom] != 10 {
		t.Errorf("%+v", c)
	}
	if c := write(1, 20); c.Stored != 10 || counters.Sources.Load() != 10 {
		t.Errorf("%+v, %d", c, counters.Sources.Load())
	}
	// Another tenant gets its share, and not more.
	for range 10 {
		write(2, 20)
	}
	if a, b := len(table.homeOf(1).sources), len(table.homeOf(2).sources); a != 5 || b != 5 || counters.Pushed.Load() != 5 {
		t.Errorf("%d and %d, %d pushed", a, b, counters.Pushed.Load())
	}
	if c := write(2, 5); c.Stored == 0 {
		t.Errorf("%+v", c)
	}
	// What has been idle goes; whoever remembers it can go on.
	s := table.Source("influx", 2, "a", tags("x=0"))
	now = now.Add(time.Hour)
	table.Tidy()
	if counters.Sources.Load() != 0 || len(table.homeOf(2).outputs) != 0 || counters.Idle.Load() != 10 {
		t.Errorf("%d sources, %d idle", counters.Sources.Load(), counters.Idle.Load())
	}
	in := table.Begin()
	in.Add(s, 1e12, 1)
	in.Add(s, 1e12+1e9, 3)
	if c, err := in.Commit(t.Context(), store, ""); err != nil || c.Stored != 1 || counters.Sources.Load() != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	in.End()
}

func TestTenantEnds(t *testing.T) {
	store, counters := newStore(), &Counters{}
	table := mustCompile(t, Options{Gone: store.Gone, Counters: counters}, Rule{Name: "out", Combine: Sum, By: []string{"host"}, From: []Match{{Metric: "a"}}})
	if c, err := body(t, table, store, "a{host=x} 1@10"); err != nil || c.Stored != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	store.gone[1] = true
	if c, err := body(t, table, store, "a{host=x} 1@20"); err != nil || c.Stored != 0 || c.Dropped[Ended] != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if counters.Sources.Load() != 0 || table.homeOf(1) != nil {
		t.Errorf("%d sources are left", counters.Sources.Load())
	}
	table.Source("influx", 1, "a", tags("host=y"))
	table.Tidy()
	if counters.Sources.Load() != 0 {
		t.Error("it is not tidied")
	}
}

// TestRate: a tenant that has sent too much costs the others nothing, and its samples are as if they had not come.
func TestTenantsRate(t *testing.T) {
	store := newStore()
	table := mustCompile(t, Options{}, Rule{Name: "out", From: []Match{{Metric: "a", Rate: true}}})
	refused := true
	var admitted []bool
	store.fail = func(b *measures.Batch) error {
		if admitted = append(admitted, b.Admitted); b.Tenant == 1 && refused {
			return &tenant.RateError{}
		}
		return nil
	}
	write := func(at int64) (Counts, error) {
		in := table.Begin()
		defer in.End()
		for num := range tenant.Num(3) {
			in.Add(table.Source("influx", num+1, "a", tags("x=1")), at*1e9, float64(at))
		}
		in.Admit(2)
		in.Drop(3)
		return in.Commit(t.Context(), store, "")
	}
	if _, err := write(1); err != nil {
		t.Fatal(err)
	}
	if c, err := write(2); !errors.As(err, new(*tenant.RateError)) || c.Stored != 1 || c.Ignored[measures.RateLimit] != 1 || fmt.Sprint(admitted) != "[false true]" {
		t.Errorf("%+v, %v, %v", c, err, admitted)
	}
	refused = false
	if c, err := write(2); err != nil || c.Stored != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if got := store.String(); got != "1:out{x=\"1\"} 1@2\n2:out{x=\"1\"} 1@2\n" {
		t.Error(got)
	}
}

func TestReplaced(t *testing.T) {
	rule := Rule{Name: "out", From: []Match{{Metric: "a"}}}
	counters := &Counters{}
	old, table := mustCompile(t, Options{Counters: counters}, rule), mustCompile(t, Options{Counters: counters}, rule)
	s := old.Source("influx", 1, "a", tags("x=1"))
	if string(Lines{old}.AppendTo(nil)) == string(Lines{table}.AppendTo(nil)) {
		t.Error("two tables are one")
	}
	old.Close()
	in := table.Begin()
	in.Add(s, 1, 1)
	if in.Len() != 0 {
		t.Error("a source of another table is taken")
	}
	in.End()
	if counters.Dropped[Reloaded].Load() != 1 || counters.Sources.Load() != 0 {
		t.Error("it is not counted")
	}
	// A body that began before ends as it can.
	in = old.Begin()
	in.Add(s, 1, 1)
	if _, err := in.Commit(t.Context(), newStore(), ""); err != nil {
		t.Error(err)
	}
	in.End()
}

func TestClusterCockpitLines(t *testing.T) {
	known := map[string]bool{"cpu_load": true}
	m := ClusterCockpit{&line.ClusterCockpit{Known: func(name string) bool { return known[name] }}, Lines{mustCompile(t, Options{}, Defaults()...)}}
	if !m.Takes("system", "") || m.Takes("mem", "") || !m.Takes("system", "load1") || m.Takes("system", "load5") {
		t.Error("what is not configured is taken, or what is is not")
	}
}
