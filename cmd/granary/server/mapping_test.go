package server

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/cmd/granary/config"
)

// telegraf is what Telegraf's plugins system, cpu, mem and net send of one host at a time, with the tags of the guide of
// cc-metric-store: hostname in the place of host, a cluster, and type=node.
func telegraf(at time.Time, host string, load, user float64, used, received, sent int64) string {
	const tags = "cluster=mycluster,type=node,hostname="
	ns := at.UnixNano()
	var b strings.Builder
	fmt.Fprintf(&b, "system,%s%s load1=%v,load5=0.4,load15=0.3,n_cpus=8i,n_users=2i %d\n", tags, host, load, ns)
	fmt.Fprintf(&b, "system,%s%s uptime=5000i %d\nsystem,%s%s uptime_format=\"1:23\" %d\n", tags, host, ns, tags, host, ns)
	fmt.Fprintf(&b, "cpu,cpu=cpu0,%s%s usage_user=99.5,usage_system=1 %d\n", tags, host, ns)
	fmt.Fprintf(&b, "cpu,cpu=cpu-total,%s%s usage_user=%v,usage_system=1.5 %d\n", tags, host, user, ns)
	fmt.Fprintf(&b, "mem,%s%s total=16777216i,used=%di,used_percent=12.5 %d\n", tags, host, used, ns)
	for i, device := range []string{"eth0", "ib0", "lo"} {
		fmt.Fprintf(&b, "net,interface=%s,%s%s bytes_recv=%di,bytes_sent=%di,drop_in=0i %d\n", device, tags, host, received*int64(1+i), sent, ns)
	}
	fmt.Fprintf(&b, "net,interface=all,%s%s icmp_inmsgs=7i %d\n", tags, host, ns)
	return b.String()
}

// queried are the values of a metric of node h1 in two slots of a minute.
func queried(t *testing.T, s *Server, metric string, from time.Time) [2]float64 {
	t.Helper()
	q := fmt.Sprintf(`{"cluster": "mycluster", "from": %d, "to": %d, "queries": [{"metric": %q, "host": "h1"}]}`, from.Unix(), from.Unix()+120, metric)
	w := ask(s, here, http.MethodPost, "/api/query/", q)
	var a struct {
		Results [][]struct {
			Error *string
			Data  []*float64
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || len(a.Results) != 1 || len(a.Results[0]) != 1 {
		t.Fatalf("%s: %d %s", metric, w.Code, w.Body)
	}
	out := [2]float64{math.NaN(), math.NaN()}
	for i, v := range a.Results[0][0].Data {
		if v != nil && i < 2 { // the front is padded
			out[i] = *v
		}
	}
	return out
}

// TestTelegrafToClusterCockpit: the lines of the guide's Telegraf become the metrics of its table, without a third program, whichever of its outputs
// sends them.
func TestTelegrafToClusterCockpit(t *testing.T) {
	const listed = `
metrics:
  cpu_load: {frequency: 60, aggregation: avg}
  cpu_user: {frequency: 60, aggregation: avg}
  mem_used: {frequency: 60, aggregation: null}
  net_bw: {frequency: 60, aggregation: sum}
`
	for _, c := range []struct {
		metrics, path string
		status        int
	}{{"", "/api/write/", http.StatusOK}, {listed, "/api/write/", http.StatusOK}, {listed, "/write?db=telegraf", http.StatusNoContent}} {
		s := running(t, configured(t, c.metrics))
		from := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
		bodies := []string{
			telegraf(from, "h1", 0.5, 10, 1<<20, 1000, 100),
			telegraf(from.Add(time.Minute), "h1", 0.75, 20, 3<<20, 7000, 700),
		}
		for _, body := range append(bodies, bodies[1]) { // one is sent again
			if w := ask(s, here, http.MethodPost, c.path, body); w.Code != c.status {
				t.Fatal(c.path, w.Code, w.Body)
			}
		}
		for metric, want := range map[string][2]float64{
			"cpu_load": {0.5, 0.75}, "cpu_user": {10, 20}, "mem_used": {1, 3},
			"net_bw": {math.NaN(), (3*6000 + 2*600) / 60.}, // the first value of a counter gives none
		} {
			got := queried(t, s, metric, from)
			for i := range want {
				if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
					t.Errorf("%s, %s: %v instead of %v", c.path, metric, got, want)
				}
			}
		}
		w := ask(s, here, http.MethodGet, "/metrics", "")
		for _, line := range []string{"granary_mapping_samples_total 7", "granary_mapping_sources 7", `granary_mapping_dropped_total{reason="repeated"} 4`, "granary_mapping_rates_begun_total 4"} {
			if !strings.Contains(w.Body.String(), line+"\n") {
				t.Errorf("no %q in /metrics", line)
			}
		}
	}
}

// TestMappingOfConfiguredMetrics: ClusterCockpit's lines give no metric that is not configured.
func TestMappingOfConfiguredMetrics(t *testing.T) {
	s := running(t, configured(t, "metrics: {cpu_load: {frequency: 60}}"))
	w := ask(s, here, http.MethodPost, "/api/write/", telegraf(time.Now(), "h1", 0.5, 10, 1<<20, 1000, 100))
	if ignored := w.Header().Get("X-Granary-Ignored"); w.Code != http.StatusOK || ignored != "unknown-metric=9, unmapped-field=4" {
		t.Errorf("%d %q", w.Code, ignored)
	}
	if n := s.store.Definitions.Len(); n != 1 {
		t.Errorf("%d series", n)
	}
}

// TestMappingReload: a changed table is in force at once, also for lines whose keys are known.
func TestMappingReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	configure := func(rule string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("granary: {listen: \"127.0.0.1:0\", mapping: {rules: ["+rule+"]}}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("{name: a, from: [{metric: x}], combine: sum}")
	cfg, _, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := running(t, cfg)
	begun := time.Now()
	write := func(at int) {
		t.Helper()
		line := fmt.Sprintf("x,cluster=c,hostname=h value=%d %d\n", at, begun.Unix()-600+60*int64(at))
		if w := ask(s, here, http.MethodPost, "/api/write/", line); w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
	}
	names := func() (list []string) {
		root := s.store.Definitions.Root(1)
		if root == nil {
			return nil
		}
		for name := range root.Child("c").Child("h").AllSeries() {
			list = append(list, name)
		}
		return list
	}
	write(0)
	write(1)
	table := s.rules.Current()
	s.reload(t.Context())
	if s.rules.Current() != table {
		t.Error("a mapping that stays the same is another one")
	}
	configure("{name: b, from: [{metric: x}], combine: sum, keep: true}")
	s.reload(t.Context())
	write(2)
	if got := fmt.Sprint(names()); len(names()) != 3 || !strings.Contains(got, "a") || !strings.Contains(got, "b") || !strings.Contains(got, "x") {
		t.Error(got)
	}
	if err := s.rules.put(config.Mapping{RateGap: time.Minute, MaxSources: 1}); err != nil {
		t.Fatal(err)
	}
	if s.rules.Current().TakesField("system", "load1") {
		t.Error("the defaults are in force")
	}
	if s.rules.counters.Sources.Load() != 0 {
		t.Error("series of the old table are remembered")
	}
}
