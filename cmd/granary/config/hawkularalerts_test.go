package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"granary/compat/hawkular/alerts"
	"granary/metricdef"
)

func TestAlerts(t *testing.T) {
	c, _, err := load(t, files{"config.yaml": `
granary:
  compat:
    hawkular:
      alerts:
        interval: 5
        window: 90s
        timeout: 0.5
        server: https://user:hush@hook.example.org/append
        ca: /ca.pem
        rules:
          - id: free_memory is too low or too high
            metrics: ["free_memory", "other/free_memory"]
            tenant: _ops
            alert-if-lower-than: 20
            alert-if-higher-than: 1e9
            annotations: {summary: "look at it", "": "", severity: 1, page: true}
          - {id: by tags, tags: "hostname:.*,type:node", alert-if-higher-than: -2.5, type: counter, missing-when: any}
          - {id: by expression, tags: "a1 = 'x' OR NOT b1", alert-if-lower-than: 0, missing-when: never}
`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	want := defaultAlerts()
	want.Window, want.Timeout, want.Server, want.CA = 90*time.Second, 500*time.Millisecond, "https://user:hush@hook.example.org/append", "/ca.pem"
	want.Rules = []alerts.Rule{
		{ID: "free_memory is too low or too high", Tenant: "_ops", Type: metricdef.Gauge, Metrics: []string{"free_memory", "other/free_memory"}, Lower: new(20.0), Higher: new(1e9),
			Annotations: map[string]string{"summary": "look at it", "": "", "severity": "1", "page": "true"}},
		{ID: "by tags", Type: metricdef.Counter, Tags: "hostname:.*,type:node", Higher: new(-2.5), Missing: alerts.MissingAny},
		{ID: "by expression", Type: metricdef.Gauge, Tags: "a1 = 'x' OR NOT b1", Lower: new(0.0), Missing: alerts.MissingNever},
	}
	if d := cmp.Diff(want, c.Hawkular.Alerts, cmpopts.IgnoreFields(alerts.Rule{}, "Selector")); d != "" {
		t.Error(d)
	}
	for i, r := range c.Hawkular.Alerts.Rules {
		if (r.Selector != nil) != (r.Tags != "") {
			t.Errorf("rule %d: %v", i, r.Selector)
		}
	}
	var again [2]*Config
	for i := range again {
		if again[i], _, err = load(t, files{"config.yaml": `granary: {compat: {hawkular: {alerts: {rules: [{id: a, tags: "n:(a|b)+c,m:\\bx\\b", alert-if-lower-than: 1}]}}}}`}, Overrides{}); err != nil {
			t.Fatal(err)
		}
	}
	if !sameButMetrics(again[0], again[1]) || sameButMetrics(again[0], c) {
		t.Error("what is the same is not, or what is not is")
	}
}

func TestRefusedAlerts(t *testing.T) {
	for text, want := range map[string]string{
		`interval: 1ms`:               "alerts.interval: expected a duration",
		`interval: 0.001`:             "alerts.interval: expected a duration",
		`interval: 1e300`:             "alerts.interval: expected a duration",
		`window: 0s`:                  "alerts.window: expected a duration",
		`method: GET`:                 "alerts.method: expected one of POST, PUT",
		`server: "ftp://u:hush@h"`:    "alerts.server: expected the URL of a receiver",
		`server: "http://u:hush@h h"`: "alerts.server: expected the URL of a receiver",
		`server: "http://u:hush/@h"`:  "alerts.server: expected the URL of a receiver: http:// or https:// and a host",
		`server: "127.0.0.1:9099/x"`:  "alerts.server: expected the URL of a receiver: http:// or https:// and a host",
		`server: 7`:                   "alerts.server: expected a text",
		`retries: -1`:                 "alerts.retries: expected a whole number",
		`queue: 0`:                    "alerts.queue: expected a whole number",
		`nonsense: 1`:                 "alerts.nonsense: unknown key",
		`rules: {}`:                   "alerts.rules: expected a list of objects",
		`rules: [null]`:               "alerts.rules[0]: expected an object",
		`rules: [7]`:                  "alerts.rules[0]: expected an object",
		`rules: [{metrics: [m], alert-if-lower-than: 1}]`:                                                      "alerts.rules[0].id: must not be empty",
		`rules: [{id: a, alert-if-lower-than: 1}]`:                                                             "alerts.rules[0].metrics: names no metric",
		`rules: [{id: a, metrics: [m]}]`:                                                                       "alerts.rules[0].alert-if-lower-than: there is no limit",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: "1"}]`:                                             "alerts.rules[0].alert-if-lower-than: expected a finite number",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 2, alert-if-higher-than: 1}]`:                      "alerts.rules[0].alert-if-lower-than: is above",
		`rules: [{id: a, metrics: m, alert-if-lower-than: 1}]`:                                                 "alerts.rules[0].metrics: expected a list of texts",
		`rules: [{id: a, tags: "n:(", alert-if-lower-than: 1}]`:                                                "alerts.rules[0].tags: tag query",
		`rules: [{id: a, tags: ":", alert-if-lower-than: 1}]`:                                                  "alerts.rules[0].tags: tag query",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1, type: string}]`:                                 "alerts.rules[0].type: expected one of gauge, counter",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1, missing-when: often}]`:                          "alerts.rules[0].missing-when: expected one of any, all, never",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1, tenant: a/b}]`:                                  "alerts.rules[0].tenant: expected a tenant id",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1, annotations: [x]}]`:                             "alerts.rules[0].annotations: expected an object of texts",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1, annotations: {x: [1]}}]`:                        "alerts.rules[0].annotations.x: expected a text",
		`rules: [{id: a, metrics: [m, n, m], alert-if-lower-than: 1}]`:                                         "alerts.rules[0].metrics: names \"m\" twice",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1e999}]`:                                           "alerts.rules[0].alert-if-lower-than: expected a finite number",
		`rules: [{id: a, metrics: [m], alert-if-lower-than: 1}, {id: a, tags: "n:x", alert-if-lower-than: 1}]`: "alerts.rules[1].id: another rule",
		`rules: [{id: a, metrics: [m], alert-if-lower-then: 1, alert-if-higher-than: 1}]`:                      "did you mean alert-if-lower-than?",
		`at-start: none`:             "alerts.at-start: expected one of all, firing",
		`alerts-server: "http://h"`:  "alerts.alerts-server: unknown key; did you mean server?",
		`alerts-server-method: POST`: "did you mean method?",
	} {
		_, _, err := load(t, files{"config.yaml": "granary: {compat: {hawkular: {alerts: {" + text + "}}}}"}, Overrides{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestFaultsOfAlerts are said once each, by line, and do not make others up.
func TestFaultsOfAlerts(t *testing.T) {
	_, _, err := load(t, files{"config.yaml": `
granary:
  compat:
    hawkular:
      alerts:
        sever: "http://h"
        far-away: 1
        rules:
          - {id: a, metrics: [m], alert-if-lower-then: 1}
          - {id: b, metrics: [m], alert-if-lower-than: "1"}
        interval: 1ms
`}, Overrides{})
	const want = `config.yaml:6: granary.compat.hawkular.alerts.sever: unknown key; did you mean server?
config.yaml:7: granary.compat.hawkular.alerts.far-away: unknown key; expected one of interval, window, at-start, server, method, insecure, ca, timeout, retries, queue, rules
config.yaml:9: granary.compat.hawkular.alerts.rules[0].alert-if-lower-then: unknown key; did you mean alert-if-lower-than?
config.yaml:10: granary.compat.hawkular.alerts.rules[1].alert-if-lower-than: expected a finite number, found "1"
config.yaml:11: granary.compat.hawkular.alerts.interval: expected a duration such as "90s", "48h" or "7d", 100ms or more, found "1ms"`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// TestDoubtfulAlerts warns of alerts that nobody would hear of.
func TestDoubtfulAlerts(t *testing.T) {
	const rule = "rules: [{id: a, metrics: [m], alert-if-lower-than: 1}]"
	for text, want := range map[string]string{
		"alerts: {" + rule + "}":                                              "",
		"alerts: {interval: 300, " + rule + "}":                               "",
		"alerts: {interval: 1h, window: 1h, " + rule + "}":                    "",
		"enabled: false":                                                      "",
		"enabled: false, alerts: {" + rule + "}":                              "config.yaml:1: granary.compat.hawkular.alerts: enabled is false, so nothing is watched and nobody is told",
		"alerts: {server: 'http://h'}":                                        "config.yaml:1: granary.compat.hawkular.alerts.rules: there are none, so nothing is watched and nobody is told",
		"alerts: {server: 'http://h', rules: []}":                             "config.yaml:1: granary.compat.hawkular.alerts.rules: there are none, so nothing is watched and nobody is told",
		"alerts: {interval: 10m, " + rule + "}":                               "config.yaml:1: granary.compat.hawkular.alerts.window: 5m0s is shorter than interval, 10m0s: a value that is older when it is looked for counts as missing",
		"alerts: {window: 2s, interval: 5, server: 'http://h', " + rule + "}": "config.yaml:1: granary.compat.hawkular.alerts.window: 2s is shorter than interval, 5s: a value that is older when it is looked for counts as missing",
	} {
		_, warns, err := load(t, files{"config.yaml": "granary: {compat: {hawkular: {" + text + "}}}"}, Overrides{})
		got := ""
		for _, w := range warns {
			got += w.String()
		}
		if err != nil || got != want {
			t.Errorf("%s: %v, %q, want %q", text, err, got, want)
		}
	}
}
