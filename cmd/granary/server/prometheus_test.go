package server

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"granary/cmd/granary/config"
	"granary/measures/ingest/remote"
	"granary/measures/ingest/remoteout"
)

// remoteWrite is a request of remote write as a text.
func remoteWrite(list ...remoteout.Series) string {
	return string(snappy.Encode(nil, remoteout.AppendV1(nil, list)))
}

// TestStalenessElsewhere: the mark of the end of a series is a sample, which no aggregate has and which makes no answer of any dialect
// invalid JSON.
func TestStalenessElsewhere(t *testing.T) {
	s := running(t, configured(t, "metrics: {up: {frequency: 60, aggregation: avg}}"))
	now := time.Now().Truncate(time.Hour)
	labels := []string{"__name__", "up", "cluster", "c", "hostname", "h"}
	samples := []remoteout.Sample{{Time: now.UnixMilli() - 60_000, Value: 4}, {Time: now.UnixMilli() - 30_000, Value: math.Float64frombits(remote.Stale)}, {Time: now.UnixMilli(), Value: math.Float64frombits(remote.Stale)}}
	if w := ask(s, here, http.MethodPost, "/api/v1/push", remoteWrite(remoteout.Series{Labels: labels, Samples: samples})); w.Code != http.StatusNoContent {
		t.Fatal(w.Code, w.Body)
	}
	from, to := now.Unix()-120, now.Unix()+120
	id := `up{cluster="c",hostname="h"}`
	escaped := strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", "=", "%3D", ",", "%2C").Replace(id)
	for _, c := range []struct {
		name, method, path, body string
		has, not                 string
	}{
		{"native points", "POST", "/v2/query", fmt.Sprintf(`{"names":"up","start":%d,"end":%d}`, from, to), `"NaN"`, ""},
		{"native mean", "POST", "/v2/query", fmt.Sprintf(`{"names":"up","start":%d,"end":%d,"bucket":"5m","method":"mean"}`, from, to), "4", "NaN"},
		{"native buckets", "POST", "/v2/query", fmt.Sprintf(`{"names":"up","start":%d,"end":%d,"bucket":"1m","method":"max","fill":"null"}`, from, to), "4", "NaN"},
		{"Hawkular points", "GET", "/hawkular/metrics/gauges/" + escaped + "/raw?start=0", "", `"NaN"`, ""},
		{"Hawkular statistics", "GET", fmt.Sprintf("/hawkular/metrics/gauges/%s/stats?buckets=1&start=%d000&end=%d000", escaped, from, to), "", `"avg":4`, "NaN"},
		{"native rate", "POST", "/v2/query", fmt.Sprintf(`{"names":"up","start":%d,"end":%d,"rate":true}`, from, to), "", "NaN"},
		{"Gnocchi", "GET", "/v1/metric/" + idOf(t, s) + "/measures?aggregation=mean", "", "4", "NaN"},
		{"Gnocchi count", "GET", "/v1/metric/" + idOf(t, s) + "/measures?aggregation=count", "", "1.0", "2.0"},
		{"ClusterCockpit", "POST", "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"with-data":true,"with-stats":true,"queries":[{"metric":"up","host":"h"}]}`, from, to), "null", "NaN"},
	} {
		w := ask(s, here, c.method, c.path, c.body, "Content-Type", "application/json", "Authorization", "Basic YWRtaW46")
		body := w.Body.String()
		if !json.Valid(w.Body.Bytes()) && w.Body.Len() > 0 {
			t.Errorf("%s: %d, no JSON: %s", c.name, w.Code, body)
		}
		if c.has != "" && (w.Code != http.StatusOK || !strings.Contains(body, c.has)) || c.not != "" && strings.Contains(body, c.not) {
			t.Errorf("%s: %d %s", c.name, w.Code, body)
		}
	}
}

// idOf is the id of the metric up.
func idOf(t *testing.T, s *Server) string {
	t.Helper()
	var found struct {
		Metrics []struct {
			ID string `json:"id"`
		} `json:"metrics"`
	}
	w := ask(s, here, http.MethodGet, "/v2/metrics?name=up", "")
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || len(found.Metrics) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return found.Metrics[0].ID
}

// TestRemoteWriteIsMapped: what node_exporter calls a metric is also stored as ClusterCockpit does, a known series like a new one, and
// under rules that change too.
func TestRemoteWriteIsMapped(t *testing.T) {
	s := running(t, configured(t, ""))
	now := time.Now().Truncate(time.Minute).UnixMilli()
	send := func(ms int64, v float64) {
		t.Helper()
		w := ask(s, here, http.MethodPost, "/receive", remoteWrite(remoteout.Series{
			Labels:  []string{"__name__", "node_load1", "cluster", "alex", "instance", "n1:9100", "job", "node"},
			Samples: []remoteout.Sample{{Time: now + ms, Value: v}},
		}))
		if w.Code != http.StatusNoContent || w.Header().Get("X-Prometheus-Remote-Write-Samples-Written") != "1" {
			t.Fatal(w.Code, w.Header(), w.Body)
		}
	}
	for i := range int64(3) {
		send(-60_000*i, float64(i+1))
	}
	for _, c := range []struct{ name, tags string }{{"cpu_load", `"tags":{"cluster":"alex","hostname":"n1"}`}, {"node_load1", `"instance":"n1:9100"`}} {
		if w := ask(s, here, http.MethodGet, "/v2/metrics?name="+c.name, ""); strings.Count(w.Body.String(), `"id"`) != 1 || !strings.Contains(w.Body.String(), c.tags) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		w := ask(s, here, http.MethodPost, "/v2/query", fmt.Sprintf(`{"names":%q,"start":%d,"end":%d}`, c.name, now/1000-600, now/1000+1))
		if !strings.Contains(w.Body.String(), `"values":[3,2,1]`) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	if err := s.rules.put(config.Mapping{RateGap: time.Minute, MaxSources: 10}); err != nil {
		t.Fatal(err)
	}
	send(1000, 9)
	if w := ask(s, here, http.MethodPost, "/v2/query", fmt.Sprintf(`{"names":"cpu_load","start":%d,"end":%d}`, now/1000-600, now/1000+2)); !strings.Contains(w.Body.String(), `"values":[3,2,1]`) {
		t.Errorf("a rule that is gone has made %s", w.Body)
	}
}
