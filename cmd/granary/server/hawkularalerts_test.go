package server

import (
	"net/http"
	"strings"
	"testing"

	"granary/compat/hawkular"
)

// TestHawkularReceiver: the path of a receiver may be its secret, which is no business of tenants.
func TestHawkularReceiver(t *testing.T) {
	s := running(t, configured(t, gated+`  compat:
    hawkular:
      alerts: {interval: 1h, server: "https://jack:hush@127.0.0.1:1/hooks/hush?key=hush", rules: [{id: a, metrics: [m], alert-if-lower-than: 1}]}
`))
	for who, want := range map[string]string{
		"the-operator-of-all":  `"ServerURL":"https://127.0.0.1:1/hooks/hush"}`,
		"the-admin-of-shop-x":  `"ServerURL":"https://127.0.0.1:1"}`,
		"the-reader-of-two-xy": `"ServerURL":"https://127.0.0.1:1"}`,
	} {
		if w := ask(s, here, http.MethodGet, hawkular.PrefixAlerts+"/status", "", bearer(who)...); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
}
