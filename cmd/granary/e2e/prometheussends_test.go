//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// serveAt starts a server on a certain address and waits until it is ready.
func serveAt(t *testing.T, address, config, data string) *process {
	t.Helper()
	p := launch(t, "", "serve", "--listen", address, "--config", config, "--data", data)
	p.url = "http://" + address
	p.ready()
	return p
}

// through is the address of a proxy in front of a server that says for which tenant requests are. Prometheus can say so itself (headers
// of remote_write), but Debian's 2.42 does not do it, though it takes the setting.
func through(t *testing.T, server, header, tenant string) string {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Header.Set(header, tenant)
		},
		ErrorLog: log.New(io.Discard, "", 0), // of a server that is not there
	})
	t.Cleanup(s.Close)
	return s.URL
}

// sent is the sum of a metric of Prometheus' own about what it sends, of one queue.
func (s *realServer) sent(metric, queue string) (sum float64) {
	s.t.Helper()
	status, text := s.do(http.MethodGet, "/metrics", nil)
	if status != http.StatusOK {
		s.t.Fatalf("prometheus: %d %s", status, text)
	}
	for _, m := range regexp.MustCompile(`(?m)^`+metric+`\{.*remote_name="`+queue+`".*\} (\S+)$`).FindAllSubmatch(text, -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		must(s.t, err)
		sum += v
	}
	return sum
}

// TestPrometheusSends lets a real Prometheus scrape an exporter and write what it has to four addresses, each for another tenant, while
// the server is killed and comes again. In the end each tenant has all that Prometheus has, bit by bit, and nothing else.
func TestPrometheusSends(t *testing.T) {
	t.Parallel()
	program(t, "prometheus", "prometheus", "GRANARY_E2E_PROMETHEUS")
	dir, address := t.TempDir(), freePort(t)
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0}})
	data := filepath.Join(dir, "data")
	p := serveAt(t, address, config, data)
	e := startExporter(t, 300)

	var queues []object
	tenants := []string{"_ops", "pushed", "below", "received"}
	for i, path := range []string{"/api/v1/write", "/api/v1/push", "/prometheus/api/v1/write", "/receive"} {
		to := "http://" + address
		switch i {
		case 1, 2:
			to = through(t, to, "X-Scope-OrgID", tenants[i])
		case 3:
			to = through(t, to, "Tenant", tenants[i])
		}
		queues = append(queues, remoteWrite(tenants[i], to+path, object{"send_exemplars": i == 3}))
	}
	s := startPrometheus(t, object{"remote_write": queues, "scrape_configs": e.scrape()}, "--enable-feature=exemplar-storage")
	e.elapse(t, 8)
	poll(t, "samples to come", func() bool { return p.metric("granary_samples_total") > 0 })
	e.ended.Store(true)
	p.kill()
	down := time.Now()
	e.elapse(t, 10)
	p = serveAt(t, address, config, data)
	away := time.Since(down)
	e.elapse(t, 8)
	want := e.finish(t, s)
	count := 0
	for _, h := range want {
		count += len(h)
	}
	if len(want) < 320 || count < 20*300 {
		t.Fatalf("prometheus has scraped %d series, %d samples", len(want), count)
	}
	for _, tenant := range tenants {
		o := tenantOf{p: p, tenant: tenant}
		o.await(t, want)
		poll(t, "the series to end", func() bool { return endings(want, o.stored(t)) == len(want) })
		failed := s.sent("prometheus_remote_storage_samples_failed_total", tenant) + s.sent("prometheus_remote_storage_samples_dropped_total", tenant)
		if failed > 0 && tenant != "received" {
			t.Errorf("tenant %s: %v samples were refused or dropped\n%s", tenant, failed, s.log)
		}
	}
	if s.sent("prometheus_remote_storage_samples_retried_total", "_ops") == 0 {
		t.Error("nothing was sent again, though nobody took it for a while")
	}
	if s.sent("prometheus_remote_storage_metadata_total", "_ops") == 0 || s.sent("prometheus_remote_storage_metadata_failed_total", "_ops") > 0 {
		t.Errorf("metadata was not taken\n%s", s.log)
	}
	// Exemplars are refused by name, and Prometheus counts the samples beside them as failed, though they are stored.
	s.log.await(t, regexp.MustCompile(`remote_name=received .*exemplarCount=[1-9].* 400 .*exemplars are not stored`))
	t.Logf("%d series, %d samples for each of %d tenants; the server was away for %v", len(want), count, len(tenants), away.Round(time.Millisecond))
	t.Run("other dialects", func(t *testing.T) { readElsewhere(t, tenantOf{p: p, tenant: "pushed"}, want) })
	s.end()
	p.stop()
}

// endings counts the series that a NaN behind their last sample says to have ended.
func endings(want, got map[string]history) (n int) {
	for key, samples := range want {
		last, end := int64(0), int64(0)
		for at := range samples {
			last = max(last, at)
		}
		for at := range got[key] {
			end = max(end, at)
		}
		if end > last && got[key][end] == "NaN" {
			n++
		}
	}
	return n
}

// readElsewhere reads what Prometheus has sent through Hawkular's API and Gnocchi's.
func readElsewhere(t *testing.T, o tenantOf, want map[string]history) {
	get := func(path string, to any) {
		t.Helper()
		status, body := o.do(http.MethodGet, path, "")
		if err := json.Unmarshal(body, to); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s, %v", path, status, body, err)
		}
	}
	instance := ""
	for key := range want {
		if m := regexp.MustCompile(`^e2e_passing .*instance="([^"]+)"`).FindStringSubmatch(key); m != nil {
			instance = m[1]
		}
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
	}{
		{"e2e_temperature_celsius", map[string]string{"room": "Büro \"Süd\" 東京 🌡", "drive": "C:\\temp\nnext=line,{}"}},
		{"e2e_requests_total", map[string]string{"code": "200", "path": "/a b/0"}},
		{"e2e_size_bytes_bucket", map[string]string{"le": "+Inf"}},
		{"e2e_duration_seconds", map[string]string{"quantile": "0.99"}},
	} {
		c.labels["job"], c.labels["dc"], c.labels["instance"] = "e2e", "east", instance
		samples := want[keyOf(c.name, c.labels)]
		if len(samples) == 0 {
			t.Fatalf("prometheus has no %s of %v", c.name, c.labels)
		}
		first, last, least := int64(1<<62), int64(0), map[int64]float64{} // the least of each minute
		for at, v := range samples {
			f, err := strconv.ParseFloat(v, 64)
			must(t, err)
			first, last = min(first, at), max(last, at)
			if m, ok := least[at/60_000]; !ok || f < m {
				least[at/60_000] = f
			}
		}

		// Hawkular finds it by its tags, and its id is its key.
		var found []struct {
			ID   string
			Tags map[string]string
		}
		get("/hawkular/metrics/metrics?type=gauge&tags="+url.QueryEscape("job:e2e,dc:east"), &found)
		var points []struct {
			Timestamp int64
			Value     any
		}
		for _, f := range found {
			if strings.HasPrefix(f.ID, c.name+"{") && f.Tags["quantile"] == c.labels["quantile"] && f.Tags["le"] == c.labels["le"] && f.Tags["drive"] == c.labels["drive"] && f.Tags["code"] == c.labels["code"] {
				if len(f.Tags) != len(c.labels) || f.Tags["room"] != c.labels["room"] || f.Tags["path"] != c.labels["path"] {
					t.Errorf("hawkular: tags of %s are %v", f.ID, f.Tags)
				}
				get("/hawkular/metrics/gauges/"+url.PathEscape(f.ID)+"/raw?start="+strconv.FormatInt(first, 10), &points)
			}
		}
		have := history{}
		for _, point := range points {
			v, err := strconv.ParseFloat(fmt.Sprint(point.Value), 64) // a text where JSON has no number
			must(t, err)
			have[point.Timestamp] = said(v)
		}
		if faults := differences(map[string]history{c.name: samples}, map[string]history{c.name: have}); len(faults) > 0 {
			t.Errorf("hawkular: %s", strings.Join(faults, "\n"))
		}

		// Gnocchi's name of it has the labels behind an @, sorted, and it has values of minutes.
		var names []string
		for _, label := range []string{"code", "dc", "drive", "instance", "job", "le", "path", "quantile", "room"} {
			if v, ok := c.labels[label]; ok {
				names = append(names, label+"="+v)
			}
		}
		name := strings.ReplaceAll(c.name+"@"+strings.Join(names, ","), "/", "_")
		var metrics []struct{ ID, Name string }
		get("/v1/metric?name="+url.QueryEscape(name), &metrics)
		if len(metrics) != 1 || metrics[0].Name != name {
			t.Errorf("gnocchi: %q is %v", name, metrics)
			continue
		}
		var rows [][3]any
		get("/v1/metric/"+metrics[0].ID+"/measures?aggregation=min&granularity=60&stop="+strconv.FormatInt((last/60_000+1)*60, 10), &rows) // NaN at the end is not the least
		minutes := map[int64]float64{}
		for _, row := range rows {
			text, _ := row[0].(string)
			at, err := time.Parse(time.RFC3339, text)
			must(t, err)
			minutes[at.Unix()/60], _ = row[2].(float64)
		}
		if !maps.Equal(minutes, least) {
			t.Errorf("gnocchi: the least of %q is %v, want %v", name, minutes, least)
		}
	}
}

// TestPrometheusShowsWhoItIs lets a real Prometheus write with a key, with a password and with a key that is wrong at first.
func TestPrometheusShowsWhoItIs(t *testing.T) {
	t.Parallel()
	program(t, "prometheus", "prometheus", "GRANARY_E2E_PROMETHEUS")
	dir := t.TempDir()
	const operator, password = "the-token-of-the-operator", "the-password-of-prometheus"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "users"), []byte("prometheus:"+string(hash)+"\n"), 0o600))
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0, "identity": object{
		"tokens": []object{{"name": "admin", "token": operator, "roles": []string{"operator"}}},
		"basic":  object{"file": filepath.Join(dir, "users"), "users": object{"prometheus": object{"roles": []string{"writer"}, "tenants": []string{"lab"}}}},
		// Who shows a wrong key again and again has to wait else, and passwords of the same address with it.
		"failures": object{"allowed": 1000},
	}}})
	p := serve(t, config, filepath.Join(dir, "data"))
	key := func(tenants ...string) string {
		t.Helper()
		body, err := json.Marshal(object{"name": "prometheus", "subject": "prometheus", "roles": []string{"writer"}, "tenants": tenants})
		must(t, err)
		header := http.Header{"Authorization": {"Bearer " + operator}, "Content-Type": {"application/json"}}
		for _, tenant := range tenants {
			if status, _, answer := p.do(http.MethodPost, "/v2/tenants", header, strings.NewReader(`{"id":"`+tenant+`"}`)); status != http.StatusCreated && status != http.StatusConflict {
				t.Fatalf("tenant: %d %s", status, answer)
			}
		}
		status, _, answer := p.do(http.MethodPost, "/v2/keys", header, strings.NewReader(string(body)))
		var made struct{ Key string }
		if err := json.Unmarshal(answer, &made); status != http.StatusCreated || err != nil {
			t.Fatalf("key: %d %s", status, answer)
		}
		return made.Key
	}
	right, file := key("shop"), filepath.Join(dir, "prometheus.key")
	must(t, os.WriteFile(file, []byte("gk_"+strings.Repeat("0", len(right)-3)), 0o600))
	e := startExporter(t, 1)
	const path = "/api/v1/write"
	address := p.url + path
	west, shop := through(t, p.url, "X-Scope-OrgID", "west")+path, through(t, p.url, "X-Scope-OrgID", "shop")+path
	queues := []object{
		remoteWrite("key", address, object{"authorization": object{"credentials": key("shop")}}),
		remoteWrite("chosen", west, object{"authorization": object{"credentials": key("east", "west")}}),
		remoteWrite("password", address, object{"basic_auth": object{"username": "prometheus", "password": password}}),
		remoteWrite("keypassword", address, object{"basic_auth": object{"username": "prometheus", "password": key("depot")}}),
		remoteWrite("late", shop, object{"authorization": object{"credentials_file": file},
			"write_relabel_configs": []object{{"target_label": "dc", "replacement": "late"}}}),
		remoteWrite("foreign", shop, object{"authorization": object{"credentials": key("depot")}}),
	}
	s := startPrometheus(t, object{"remote_write": queues, "scrape_configs": e.scrape()})
	const failed, held = "prometheus_remote_storage_samples_failed_total", "prometheus_remote_storage_samples_retried_total"
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("prometheus:\n%s\ngranary:\n%s", s.log, p.log)
		}
	})
	poll(t, "the wrong key to be refused", func() bool { return s.sent(failed, "late") > 0 && s.sent(failed, "foreign") > 0 })
	e.elapse(t, 3)
	s.log.await(t, regexp.MustCompile(`remote_name=late .*non-recoverable error.*401`))
	s.log.await(t, regexp.MustCompile(`remote_name=foreign .*non-recoverable error.*403`))
	if again := s.sent(held, "late") + s.sent(held, "foreign"); again > 0 {
		t.Errorf("%v samples that nobody may send were sent again", again)
	}

	// From now on the key is right.
	must(t, os.WriteFile(file+".new", []byte(right), 0o600))
	must(t, os.Rename(file+".new", file))
	changed := time.Now().UnixMilli()
	e.elapse(t, 6)
	want := e.finish(t, s)
	as := http.Header{"Authorization": {"Bearer " + operator}}
	for _, tenant := range []string{"west", "lab", "depot"} {
		tenantOf{p, tenant, as}.await(t, want)
	}
	late, all := map[string]history{}, map[string]history{}
	for key, samples := range want {
		h := history{}
		for at, v := range samples {
			if at > changed+500 {
				h[at] = v
			}
		}
		late[strings.ReplaceAll(key, `dc="east"`, `dc="late"`)] = h
		all[key] = samples
	}
	poll(t, "what is sent with the right key", func() bool {
		got := tenantOf{p, "shop", as}.stored(t)
		for key, samples := range late {
			for at := range samples {
				if _, ok := got[key][at]; !ok {
					return false
				}
			}
			delete(got, key)
		}
		return len(differences(all, got)) == 0
	})
	for _, queue := range []string{"key", "chosen", "password", "keypassword"} {
		if n := s.sent(failed, queue); n > 0 {
			t.Errorf("%v samples of %s were refused\n%s", n, queue, s.log)
		}
	}
	if got := (tenantOf{p, "east", as}).stored(t); len(got) > 0 {
		t.Errorf("a tenant that was not chosen has %d series", len(got))
	}
	t.Log(fmt.Sprint("samples refused with 401: ", s.sent(failed, "late"), ", with 403: ", s.sent(failed, "foreign")))
	s.end()
	p.stop()
}
