package hawkular

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		strict       bool
		method, path string
		status       int
		body         string
	}{
		{false, "GET", "/hawkular/metrics/status", 200, `{"MetricsService":"STARTED","Implementation-Version":"0.32.0.Final","Built-From-Git-SHA1":"v1","MohawkVersion":"0.33.3","MohawkStorage":"Storage-Granary"}` + "\n"},
		{true, "GET", "/hawkular/metrics/status/", 200, `{"MetricsService":"STARTED","Implementation-Version":"0.32.0.Final","Built-From-Git-SHA1":"v1","Cassandra":"up"}` + "\n"},
		{true, "GET", "/hawkular/metrics/", 200, `{"name":"Hawkular-Metrics","Implementation-Version":"0.32.0.Final","Built-From-Git-SHA1":"v1"}`},
		{true, "DELETE", "/hawkular/metrics/status", 405, `{"errorMsg":"DELETE is not possible here, only GET, HEAD, OPTIONS"}`},
		{false, "GET", "/hawkular/metrics/nothing", 404, `{"errorMsg":"there is nothing at \"/hawkular/metrics/nothing\"","code":404,"message":"there is nothing at \"/hawkular/metrics/nothing\""}`},
		{true, "GET", "/hawkular/metrics/gauges/web1/cpu/raw", 404, `{"errorMsg":"there is nothing at \"/hawkular/metrics/gauges/web1/cpu/raw\"; a \"/\" in an id is written as %2F"}`},
		{true, "GET", "/hawkular/metrics/gauges/web1%2Fcpu/nothing", 404, `{"errorMsg":"there is nothing at \"/hawkular/metrics/gauges/web1/cpu/nothing\""}`},
		{true, "GET", "/hawkular/metrics/gauge/raw", 404, `{"errorMsg":"there is nothing at \"/hawkular/metrics/gauge/raw\""}`},
	} {
		d := New(Options{Strict: c.strict, Version: "v1"})
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(c.method, c.path, http.NoBody))
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s %s, strict %v: %d %s", c.method, c.path, c.strict, w.Code, w.Body)
		}
	}
}
