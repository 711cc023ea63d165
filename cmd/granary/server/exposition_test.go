package server

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"granary/tenant"
)

// TestExposition: metrics of many tenants can be read by a scraper, compressed or not, and what is zero is left out.
func TestExposition(t *testing.T) {
	s := running(t, configured(t, "granary: {auth: none, limits: {series: 10, past: 90m}}"))
	const tenants = 300
	for i := range tenants {
		num, err := s.store.EnsureTenant(t.Context(), tenant.ID(fmt.Sprintf("t%03d", i)))
		if err != nil {
			t.Fatal(err)
		}
		s.store.Tenants.Standing(num).Refuse(tenant.LimitSeries, i)
		s.writes.Queue(tenant.ID(fmt.Sprintf("t%03d", i)))
	}
	for _, encoding := range []string{"", "gzip"} {
		w := ask(s, here, http.MethodGet, "/metrics", "", "Accept-Encoding", encoding)
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != encoding || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Fatal(w.Code, w.Header())
		}
		body := io.Reader(w.Body)
		if encoding != "" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		p := expfmt.NewTextParser(model.LegacyValidation)
		families, err := p.TextToMetricFamilies(body)
		if err != nil {
			t.Fatal(err)
		}
		limits := families["granary_tenant_limit"].GetMetric()
		if n := len(limits); n < 2*tenants || n%tenants != 0 {
			t.Errorf("%d limits", n)
		}
		seen := make(map[string]float64)
		for _, m := range limits {
			seen[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
		}
		if seen["past t299"] != 5400 || seen["series t000"] != 10 {
			t.Errorf("%v", seen)
		}
		if n := len(families["granary_tenant_refused_total"].GetMetric()); n != tenants-1 {
			t.Errorf("%d refusals", n)
		}
		if f := families["granary_tenant_queue_held"]; f != nil {
			t.Errorf("queues without work: %v", f)
		}
		if families["granary_ready"] == nil || families["go_goroutines"] == nil {
			t.Error("nothing of the service")
		}
	}
}
