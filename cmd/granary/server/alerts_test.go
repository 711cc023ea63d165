package server

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// receiver takes alerts.
type receiver struct {
	*httptest.Server
	got chan map[string]any
}

func newReceiver(t *testing.T, secure bool) *receiver {
	t.Helper()
	r := &receiver{got: make(chan map[string]any, 100)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var alert map[string]any
		if err := json.NewDecoder(req.Body).Decode(&alert); err != nil {
			t.Error(err)
		}
		alert["agent"] = req.Header.Get("User-Agent")
		r.got <- alert
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if secure {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case alert := <-r.got:
		return alert
	case <-time.After(30 * time.Second):
		t.Fatal("no alert came")
		return nil
	}
}

func alertConfig(server, more string) string {
	return fmt.Sprintf(`
granary:
  compat:
    hawkular:
      alerts: {interval: 100ms, server: "%s"%s, rules: [{id: full, metrics: [disk], alert-if-higher-than: 90}]}
`, server, more)
}

// TestAlertsFromWriteToReceiver writes through the dialect and waits for what the receiver is told.
func TestAlertsFromWriteToReceiver(t *testing.T) {
	r := newReceiver(t, false)
	s := running(t, configured(t, alertConfig(r.URL, "")))
	put := func(v string, ahead time.Duration) {
		t.Helper()
		w := ask(s, here, http.MethodPost, "/hawkular/metrics/gauges/raw", fmt.Sprintf(`[{"id":"disk","data":[{"timestamp":%d,"value":%s}]}]`, time.Now().Add(ahead).UnixMilli(), v), "Content-Type", "application/json")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	put("95.5", -time.Minute)
	if a := r.next(t); a["ID"] != "full" || a["Tenant"] != "_ops" || a["agent"] != "granary/test" || a["Status"] != "firing" || a["State"] != true || a["TrigerMetric"] != "disk" || a["TrigerValue"] != 95.5 {
		t.Errorf("%v", a)
	}
	w := ask(s, here, http.MethodGet, "/hawkular/alerts/raw?state=T", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"ID":"full"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = ask(s, here, http.MethodGet, "/hawkular/alerts/status", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"STARTED"`) || !strings.Contains(w.Body.String(), r.URL) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	put("12", -time.Second)
	if a := r.next(t); a["Status"] != "ok" || a["TrigerValue"] != 95.5 {
		t.Errorf("%v", a)
	}
	text := ask(s, here, http.MethodGet, "/metrics", "").Body.String()
	for _, want := range []string{
		`granary_alerts{status="ok"} 1`, `granary_alerts{status="firing"} 0`, `granary_alerts_changes_total{status="firing"} 1`, `granary_alerts_lost_total{reason="queue"} 0`,
		`granary_alerts_attempts_failed_total 0`, `granary_alerts_failures_total 0`, `granary_alerts_waiting 0`, `granary_alerts_untold 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// TestAlertsOverTLS trusts the authorities that the configuration names, and none if it does not.
func TestAlertsOverTLS(t *testing.T) {
	r := newReceiver(t, true)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	running(t, configured(t, alertConfig(r.URL, ", window: 1s, ca: "+ca)))
	if a := r.next(t); a["Status"] != "missing" || a["State"] != false {
		t.Errorf("%v", a)
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "none"), "alerts_test.go"} {
		cfg := configured(t, alertConfig(r.URL, ", ca: "+file))
		cfg.Data, cfg.Listen = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
		if _, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "granary.compat.hawkular.alerts.ca") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
