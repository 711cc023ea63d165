package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/cmd/granary/config"
	"granary/tenant"
)

// limited is a server whose clock stands until it is moved.
type limited struct {
	*Server
	t     *testing.T
	clock atomic.Int64
}

func newLimited(t *testing.T, yaml string, files ...string) *limited {
	t.Helper()
	l := &limited{t: t}
	l.clock.Store(time.Now().UnixNano())
	cfg := configured(t, yaml, files...)
	cfg.Data = filepath.Join(t.TempDir(), "data")
	cfg.Listen = "127.0.0.1:0"
	s, err := New(cfg, Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(0, l.clock.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	l.Server = s
	serve(t, s)
	return l
}

// at is a time so long before the clock, in seconds since 1970.
func (l *limited) at(before time.Duration) int64 {
	return time.Unix(0, l.clock.Load()).Add(-before).Unix()
}

func (l *limited) do(method, path, contentType, body string, headers ...string) *httptest.ResponseRecorder {
	l.t.Helper()
	if contentType != "" {
		headers = append(headers, "Content-Type", contentType)
	}
	return ask(l.Server, here, method, path, body, headers...)
}

// limitReport is an answer of /v2/measures, or the problem that takes its place.
type limitReport struct {
	Stored, Rejected      int
	Reasons               map[string]int
	Code, Detail, Setting string
	Errors                []struct{ Code, Reason, Path, Detail string }
}

func (l *limited) report(w *httptest.ResponseRecorder, status int) (r limitReport) {
	l.t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != status {
		l.t.Fatalf("%d, want %d: %s", w.Code, status, w.Body)
	}
	return r
}

func (l *limited) patch(id, limits string) {
	l.t.Helper()
	if w := l.do("PATCH", "/v2/tenants/"+id, "", `{"limits":`+limits+`}`); w.Code != http.StatusOK {
		l.t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// TestLimitsOfWrites meets every limit of a write through the handlers, in the three forms of the native API and in
// ClusterCockpit's. What is good is stored; the refusal names the limit, the tenant, the value and the setting.
func TestLimitsOfWrites(t *testing.T) {
	l := newLimited(t, "granary: {tenants: {default: dept}}")
	l.do("POST", "/v2/tenants", "", `{"id":"dept"}`)
	l.patch("dept", `{"series":5,"tags":3,"tag_name":8,"tag_value":12,"past":"1h","future":"2m","line":256,"body":4096}`)
	for _, c := range []struct {
		name, limit          string
		tags                 map[string]string
		at                   time.Duration
		reason, text, member string
	}{
		{"tags", "3", map[string]string{"cluster": "c", "hostname": "h", "x": "1", "y": "2"}, 0, "tags-limit", "has too many tags", "tags"},
		{"names", "8 bytes", map[string]string{"cluster": "c", "hostname": "h", "averylongname": "1"}, 0, "tag-name-limit", "the name of a tag", "tag-name"},
		{"values", "12 bytes", map[string]string{"cluster": "c", "hostname": strings.Repeat("h", 13)}, 0, "tag-value-limit", "the value of a tag", "tag-value"},
		{"old", "1h", map[string]string{"cluster": "c", "hostname": "h"}, 2 * time.Hour, "past-limit", "it is too old", "past"},
		{"new", "2m", map[string]string{"cluster": "c", "hostname": "h"}, -3 * time.Minute, "future-limit", "too far in the future", "future"},
	} {
		tags, _ := json.Marshal(c.tags)
		bad := fmt.Sprintf(`{"name":"bad","tags":%s,"samples":[[%d,1]]}`, tags, l.at(c.at))
		good := fmt.Sprintf(`{"name":"good","tags":{"cluster":"c"},"samples":[[%d,1]]}`, l.at(0))
		line := "bad"
		for _, name := range slices.Sorted(maps.Keys(c.tags)) {
			line += "," + name + "=" + c.tags[name]
		}
		line += fmt.Sprintf(" value=1 %d\n", l.at(c.at))
		goodLine := fmt.Sprintf("good,cluster=c,hostname=h value=1 %d\n", l.at(0))
		want := fmt.Sprintf("%s; the limit of tenant %q is %s (setting granary.limits.%s)", "", "dept", c.limit, c.member)
		check := func(form string, r limitReport) {
			t.Helper()
			if r.Stored != 1 || r.Rejected != 1 || r.Reasons[c.reason] != 1 || len(r.Errors) != 1 || r.Errors[0].Reason != c.reason || r.Errors[0].Code != "sample-refused" ||
				!strings.Contains(r.Errors[0].Detail, c.text) || !strings.HasSuffix(r.Errors[0].Detail, want) {
				t.Errorf("%s of %s: %+v", c.name, form, r)
			}
		}
		check("JSON", l.report(l.do("POST", "/v2/measures", "application/json", "["+bad+","+good+"]"), 200))
		check("NDJSON", l.report(l.do("POST", "/v2/measures", "application/x-ndjson", good+"\n"+bad+"\n"), 200))
		check("lines", l.report(l.do("POST", "/v2/measures", "text/plain", line+goodLine), 200))
		w := l.do("POST", "/api/write", "", goodLine+line)
		ignored := c.reason + "=1"
		if len(c.tags) > 2 {
			ignored = "" // ClusterCockpit's series have the tags that it knows, whatever a line has
		}
		if got := w.Header().Get("X-Granary-Ignored"); w.Code != 200 || got != ignored {
			t.Errorf("%s of ClusterCockpit: %d %q %s", c.name, w.Code, got, w.Body)
		}
		// Alone it is an error of the native API.
		if r := l.report(l.do("POST", "/v2/measures", "application/json", "["+bad+"]"), 400); r.Code != "nothing-stored" || !strings.Contains(r.Detail, want) {
			t.Errorf("%s alone: %+v", c.name, r)
		}
	}
	num, _ := l.store.Tenants.Resolve("dept")
	if st := l.store.Tenants.Standing(num); st.Refused(tenant.LimitTags) != 4 || st.Refused(tenant.LimitPast) != 5 {
		t.Errorf("%d and %d are counted", st.Refused(tenant.LimitTags), st.Refused(tenant.LimitPast))
	}

	long := fmt.Sprintf("good,cluster=c,hostname=h value=1%s %d\n", strings.Repeat("0", 250), l.at(0))
	good := fmt.Sprintf("good,cluster=c,hostname=h value=2 %d\n", l.at(0))
	r := l.report(l.do("POST", "/v2/measures", "text/plain", good+long), 200)
	if r.Stored != 1 || r.Reasons["line-limit"] != 1 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Detail, `its line is too long; the limit of tenant "dept" is 256 bytes (setting granary.limits.line)`) {
		t.Errorf("%+v", r)
	}
	if w := l.do("POST", "/api/write", "", long+good); w.Code != 200 || w.Header().Get("X-Granary-Ignored") != "line-limit=1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for path, contentType := range map[string]string{"/v2/measures": "text/plain", "/api/write": ""} {
		w := l.do("POST", path, contentType, strings.Repeat(good, 200))
		if !strings.Contains(w.Body.String(), "request body exceeds the limit of 4096 bytes of tenant ") || !strings.Contains(w.Body.String(), "(setting granary.limits.body)") || w.Code != 413 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if l.store.Tenants.Standing(num).Refused(tenant.LimitBody) != 2 || l.store.Tenants.Standing(num).Refused(tenant.LimitLine) != 2 {
		t.Error("bodies and lines are not counted")
	}

	// Metrics that a call makes have the same limits.
	w := l.do("POST", "/v2/metrics", "", `{"name":"made","tags":{"a":"1","b":"2","c":"3","d":"4"}}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), `4 is beyond the limit of 3 tags of a series (setting granary.limits.tags)`) || !strings.Contains(w.Body.String(), "tenant-limit") {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// Three series are there: of an item, of lines, and the one of which ClusterCockpit knows two tags. Two more are let in.
	three := ""
	for _, name := range []string{"s1", "s2", "s3"} {
		three += fmt.Sprintf(`{"name":%q,"samples":[[%d,1]]}`+"\n", name, l.at(0))
	}
	r = l.report(l.do("POST", "/v2/measures", "application/x-ndjson", three), 200)
	if r.Stored != 2 || r.Reasons["series-limit"] != 1 || !strings.Contains(r.Errors[0].Detail, `the limit of tenant "dept" is 5 (setting granary.limits.series)`) {
		t.Errorf("%+v", r)
	}
	fresh := fmt.Sprintf("s4,cluster=c,hostname=h value=1 %d\n", l.at(0))
	if w := l.do("POST", "/api/write", "", good+fresh); w.Code != 200 || w.Header().Get("X-Granary-Ignored") != "series-limit=1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if r := l.report(l.do("POST", "/v2/measures", "text/plain", fresh), 429); r.Code != "tenant-limit" || r.Setting != "granary.limits.series" {
		t.Errorf("%+v", r)
	}
}

// TestLimitsAsTheFileHasThem: sizes may have units over REST as in the file, a name that is not there is answered with the one that was
// meant, and more than the service allows is refused, where the file is cut with a warning.
func TestLimitsAsTheFileHasThem(t *testing.T) {
	l := newLimited(t, "granary: {tenants: {default: dept}, limits: {body: 1MiB, query-series: 50}}")
	l.do("POST", "/v2/tenants", "", `{"id":"dept"}`)
	for _, c := range []struct {
		limits string
		status int
		want   string
	}{
		{`{"body":"200KiB","memory":"50MB","line":300}`, 200, `"limits":{"body":204800,"line":300,"memory":50000000}`},
		{`{"body":"1MiB","memory":null}`, 200, `"limits":{"body":1048576,"line":300}`},
		{`{"body":"none"}`, 200, `"body":"none"`},
		{`{"body":"2MiB"}`, 400, "body: 2MiB is more than the service allows, 1MiB (setting granary.limits.body)"},
		{`{"query_series":51}`, 400, "51 is more than the service allows, 50 (setting granary.limits.query-series)"},
		{`{"body":"2 boxes"}`, 400, `is no size such as 65536`},
		{`{"series":"5"}`, 400, "expected a whole number"},
		{`{"serie":5}`, 400, "did you mean series?"},
		{`{"query-samples":5}`, 400, "did you mean query_samples?"},
		{`{"nonsense":5}`, 400, "there is no limit of this name"},
	} {
		w := l.do("PATCH", "/v2/tenants/dept", "application/json", `{"limits":`+c.limits+`}`)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.limits, w.Code, w.Body)
		}
	}
	var log strings.Builder
	(&Server{cfg: l.cfg, o: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}}).warnCapped(tenant.Overrides{All: tenant.Limits{Body: 1 << 20}, Tenants: map[tenant.ID]tenant.Limits{"dept": {Body: 2 << 20}}})
	if !strings.Contains(log.String(), "tenant=dept limit=body") || !strings.Contains(log.String(), "2MiB is more than the service allows, 1MiB") || strings.Count(log.String(), "\n") != 1 {
		t.Error(log.String())
	}
}

// TestSeriesStatus: the setting decides what a write answers that met the limit on series.
func TestSeriesStatus(t *testing.T) {
	for status, want := range map[string][2]int{"auto": {429, 200}, "200": {200, 200}, "400": {400, 400}, "429": {429, 429}} {
		l := newLimited(t, "granary: {tenants: {default: dept}, limits: {series: 1, series-status: "+status+"}}")
		good, fresh := fmt.Sprintf("good,cluster=c,hostname=h value=1 %d\n", l.at(0)), fmt.Sprintf("fresh,cluster=c,hostname=h value=1 %d\n", l.at(0))
		if w := l.do("POST", "/api/write", "", good+fresh); w.Code != want[1] || w.Header().Get("X-Granary-Ignored") != "series-limit=1" ||
			w.Code != 200 && !strings.Contains(w.Body.String(), "limit on series is reached (setting granary.limits.series); 1 were stored") {
			t.Errorf("%s: %d %s", status, w.Code, w.Body)
		}
		w := l.do("POST", "/v2/measures", "text/plain", fresh)
		if w.Header()["Retry-After"] != nil {
			t.Errorf("%s: it says when to come again, which is in vain", status)
		}
		r := l.report(w, want[0])
		if r.Rejected != 1 || r.Reasons["series-limit"] != 1 || len(r.Errors) != 1 {
			t.Errorf("%s: %+v", status, r)
		}
		if r := l.report(l.do("POST", "/v2/measures", "text/plain", fresh+good), 200); r.Stored != 1 {
			t.Errorf("%s: %+v", status, r)
		}
	}
}

// TestRateOfATenant: a tenant in debt is refused before its body is read and learns when to come again; others are not concerned.
func TestRateOfATenant(t *testing.T) {
	l := newLimited(t, `granary: {tenants: {default: dept}, limits: {samples-per-second: 10, samples-burst: 20}, compat: {clustercockpit: {cluster-tenants: {lab: lab}}}}`)
	lines := func(cluster string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "m,cluster=%s,hostname=h%d value=1 %d\n", cluster, i, l.at(0))
		}
		return b.String()
	}
	// A body that is larger than the burst is let in whole: 20 - 70 = 50 are owed.
	if r := l.report(l.do("POST", "/v2/measures", "text/plain", lines("c", 70)), 200); r.Stored != 70 {
		t.Fatalf("%+v", r)
	}
	for path, contentType := range map[string]string{"/v2/measures": "application/json", "/api/write": ""} {
		w := l.do("POST", path, contentType, lines("c", 1))
		if path == "/v2/measures" {
			w = l.do("POST", path, contentType, "rubbish that nobody reads")
		}
		if w.Code != 429 || w.Header().Get("Retry-After") != "5" || !strings.Contains(w.Body.String(), "rate-limit") ||
			!strings.Contains(w.Body.String(), "of 10 samples a second, 20 at once; it may send again in 5s (settings granary.limits.samples-per-second") {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	// Lines of another tenant in the same body are stored.
	w := l.do("POST", "/api/write", "", lines("lab", 5)+lines("c", 3))
	lab, _ := l.store.Tenants.Resolve("lab")
	if w.Code != 429 || w.Header().Get("X-Granary-Ignored") != "rate-limit=3" || l.store.Definitions.Count(lab) != 5 {
		t.Errorf("%d %v: %d series of the other", w.Code, w.Header(), l.store.Definitions.Count(lab))
	}
	l.clock.Add(int64(5 * time.Second))
	if r := l.report(l.do("POST", "/v2/measures", "text/plain", lines("c", 3)), 200); r.Stored != 3 {
		t.Errorf("%+v", r)
	}
	// A change of the limit lets it in at once.
	if w := l.do("POST", "/v2/measures", "text/plain", lines("c", 3)); w.Code != 429 {
		t.Error(w.Code)
	}
	l.patch("dept", `{"samples_per_second":"none"}`)
	if w := l.do("POST", "/v2/measures", "text/plain", lines("c", 300)); w.Code != 200 {
		t.Error(w.Code)
	}
}

// TestRateAtTheCommit: of bodies that come at the same moment only as many are stored as the rate allows, and one more.
func TestRateAtTheCommit(t *testing.T) {
	l := newLimited(t, "granary: {tenants: {default: dept}, limits: {samples-per-second: 1, samples-burst: 100}}")
	body := strings.Repeat(fmt.Sprintf("m,cluster=c,hostname=h value=1 %d\n", l.at(0)), 40)
	var stored, refused atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			switch w := l.do("POST", "/v2/measures", "text/plain", body); w.Code {
			case 200:
				stored.Add(40)
			case 429:
				refused.Add(1)
			default:
				t.Error(w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if n := stored.Load(); n != 120 || refused.Load() != 29 { // 100, 60, 20, -20
		t.Errorf("%d stored, %d bodies refused", n, refused.Load())
	}
}

// TestTenantMadeAgainHasNoLimits: what was set for a tenant ends with it.
func TestTenantMadeAgainHasNoLimits(t *testing.T) {
	l := newLimited(t, "granary: {}")
	l.do("POST", "/v2/tenants", "", `{"id":"a","limits":{"series":1,"samples_per_second":1,"samples_burst":1,"past":"1h"}}`)
	body := fmt.Sprintf(`[{"name":"x","samples":[[%d,1]]},{"name":"y","samples":[[%d,1]]}]`, l.at(0), l.at(2*time.Hour))
	send := func(status int) limitReport {
		t.Helper()
		return l.report(l.do("POST", "/v2/measures", "", body, "Tenant", "a"), status)
	}
	if r := send(200); r.Stored != 1 || r.Reasons["past-limit"] != 1 {
		t.Errorf("%+v", r)
	}
	l.patch("a", `{"past":null}`)
	if r := send(200); r.Stored != 1 || r.Reasons["series-limit"] != 1 { // nothing is owed yet
		t.Errorf("%+v", r)
	}
	send(429)
	if w := l.do("DELETE", "/v2/tenants/a", "", ""); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	if r := send(200); r.Stored != 2 {
		t.Errorf("%+v", r)
	}
	if w := l.do("GET", "/v2/tenants/a", "", ""); !strings.Contains(w.Body.String(), `"limits":{}`) {
		t.Error(w.Body)
	}
}

// TestOverridesReread changes the file of overrides under load: what is read is in force, and a fault changes nothing.
func TestOverridesReread(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a: {series: 1}\n")
	l := newLimited(t, "granary: {}")
	l.cfg.Limits.Overrides = file
	l.reloadOverrides()
	body := func(n int) string {
		return fmt.Sprintf("m%d,cluster=c,hostname=h value=1 %d\nm%d,cluster=c,hostname=h value=1 %d\n", n, l.at(0), n+1, l.at(0))
	}
	if r := l.report(l.do("POST", "/v2/measures", "text/plain", body(0), "Tenant", "a"), 200); r.Stored != 1 {
		t.Errorf("%+v", r)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for n := 0; ; n = (n + 1) % 50 {
				select {
				case <-stop:
					return
				default:
				}
				if w := l.do("POST", "/v2/measures", "text/plain", body(n), "Tenant", "a"); w.Code != 200 && w.Code != 429 {
					t.Error(w.Code, w.Body)
					return
				}
			}
		})
	}
	for i := range 100 {
		put(fmt.Sprintf("\"*\": {tags: %d}\na: {series: %d, past: 1d}\n", i+3, i%7+1))
		l.reloadOverrides()
	}
	close(stop)
	wg.Wait()
	num, _ := l.store.Tenants.Resolve("a")
	want := tenant.Limits{Series: 2, Past: 24 * time.Hour, Tags: 102}
	inForce := func() tenant.Limits {
		got := l.store.Tenants.Limits(num)
		return tenant.Limits{Series: got.Series, Past: got.Past, Tags: got.Tags}
	}
	if got := inForce(); got != want {
		t.Errorf("%+v", got)
	}
	put("a: {series: 9}\nb: {serie: 9}\n")
	if _, err := l.cfg.ReadOverrides(config.Options{}); err == nil || !strings.Contains(err.Error(), "limits.yaml:2: b.serie: unknown key") {
		t.Error(err)
	}
	l.reloadOverrides()
	if got := inForce(); got != want {
		t.Errorf("a file with a fault is in force: %+v", got)
	}
	l.do("PATCH", "/v2/tenants/a", "", `{"name":"A","limits":{"series":7}}`)
	l.do("PATCH", "/v2/tenants/a", "", `{"limits":{"series":"none"}}`)
	b, err := os.ReadFile(auditOptions(l.cfg, l.o).File)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"source":"internal","action":"limits.reload","target":"` + file + `","outcome":"ok","detail":{"tenants":["*","a"]}`,
		`"action":"tenant.change","target":"/v2/tenants/a","tenant":"_ops","outcome":"ok","detail":{"limits.series":{"new":7,"old":null},"name":{"new":"A","old":null}}`,
		`"detail":{"limits.series":{"new":"none","old":7}}`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
}

// TestLimitsOfQueries: a tenant may be allowed less than the service, in one query and in all of a request.
func TestLimitsOfQueries(t *testing.T) {
	l := newLimited(t, "granary: {tenants: {default: dept}}")
	l.do("POST", "/v2/tenants", "", `{"id":"dept","limits":{"query_series":2,"query_samples":5}}`)
	for _, name := range []string{"a", "b", "c"} {
		for _, id := range []string{"dept", "other"} {
			l.report(l.do("POST", "/v2/measures", "", fmt.Sprintf(`[{"name":%q,"samples":[[%d,1],[%d,1]]}]`, name, l.at(9*time.Second), l.at(5*time.Second)), "Tenant", id), 200)
		}
	}
	for _, c := range []struct {
		query, text string
		status      int
	}{
		{`{"names":["a","b"],"start":"-1h"}`, "", 200},
		{`{"names":["a","b","c"],"start":"-1h"}`, "read 3 series, the limit is 2 (setting granary.limits.query-series)", 413},
		{`{"queries":{"x":{"names":["a","b"],"start":"-1h"},"y":{"names":["a"],"start":"-1h"}}}`, "read 3 series, the limit is 2", 413},
	} {
		w := l.do("POST", "/v2/query", "", c.query)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: %d %s", c.query, w.Code, w.Body)
		}
		if w := l.do("POST", "/v2/query", "", c.query, "Tenant", "other"); w.Code != 200 {
			t.Errorf("%s of another: %d %s", c.query, w.Code, w.Body)
		}
	}
	l.patch("dept", `{"query_series":null,"query_samples":5}`)
	if w := l.do("POST", "/v2/query", "", `{"names":["a","b","c"],"start":"-1h"}`); w.Code != 413 || !strings.Contains(w.Body.String(), "query-samples") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := l.do("GET", "/v2/limits", "", ""); !strings.Contains(w.Body.String(), `"setting":"granary.limits.query-series","refused":2`) || !strings.Contains(w.Body.String(), `"setting":"granary.limits.query-samples","refused":1`) {
		t.Errorf("%s", w.Body)
	}
}

// TestLimitMetrics: /metrics tells limits, their use and refusals of tenants that exist.
func TestLimitMetrics(t *testing.T) {
	l := newLimited(t, "granary: {limits: {series: 1, past: 1h}, tenants: {max: 2}}")
	body := fmt.Sprintf(`[{"name":"a","samples":[[%d,1]]},{"name":"b","samples":[[%d,1]]},{"name":"a","samples":[[%d,1]]}]`, l.at(0), l.at(0), l.at(2*time.Hour))
	for _, id := range []string{"x", "y", "z"} {
		l.do("POST", "/v2/measures", "", body, "Tenant", id)
	}
	text := l.do("GET", "/metrics", "", "").Body.String()
	for _, want := range []string{
		`granary_tenant_limit{limit="series",tenant="x"} 1`, `granary_tenant_limit{limit="past",tenant="y"} 3600`, `granary_tenant_limit_use{limit="series",tenant="x"} 1`,
		`granary_tenant_refused_total{limit="series",tenant="x"} 1`, `granary_tenant_refused_total{limit="past",tenant="y"} 1`, `granary_tenants_refused_total{reason="count"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, `tenant="z"`) || strings.Contains(text, `granary_tenant_limit{limit="tags"`) {
		t.Error("tenants or limits that there are not")
	}
}
