package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/policy"
)

func TestOwnPolicies(t *testing.T) {
	c, _, err := load(t, files{"config.yaml": `
metrics: {load: {frequency: 10}}
metric-store: {retention-in-memory: 2d}
granary:
  policies:
    default: {raw: {retention: 9d}}
    low: {tiers: [{granularity: 10m}]}
    ring: {raw: {retention: window, clock: newest}, tiers: [{granularity: 1h, timespan: 1d}, {granularity: 1s, points: 60}], methods: ["*", "-mean"], duplicates: smallest}
  rules:
    - {name: app, pattern: app.*, policy: ring}
    - {name: fine, pattern: fine.*, policy: high}
`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	set, _ := c.Policies()
	var names []string
	for _, p := range set.Policies() {
		names = append(names, p.Name)
	}
	if d := cmp.Diff(strings.Fields("cc-10s-none cc-default default hawkular high low prometheus ring"), names); d != "" {
		t.Error(d)
	}
	if p, _ := set.Resolve("native", "app.x"); p.Name != "ring" || p.Raw != (policy.Retention{Length: policy.WindowOnly, Clock: policy.NewestClock}) ||
		p.Tiers[1] != (policy.Tier{Granularity: time.Hour, Points: 24}) || len(p.Methods) != len(policy.Methods())-1 || p.Duplicates != policy.SmallestThenLater {
		t.Errorf("%+v", p)
	}
	if p, _ := set.Resolve("native", "other"); p.Raw.Length != 9*24*time.Hour {
		t.Errorf("%+v", p)
	}
	if p, ok := set.Resolve(policy.ClusterCockpit, "app.x"); ok || p.Raw.Length != 48*time.Hour {
		t.Errorf("%+v", p)
	}
	if p, _ := set.Resolve(policy.Hawkular, "other"); p.Name != policy.Hawkular || p.Raw != (policy.Retention{Length: policy.HawkularRetention, Clock: policy.WriteClock}) {
		t.Errorf("%+v", p)
	}
	if p, _ := set.Resolve(policy.Hawkular, "app.x"); p.Name != "ring" {
		t.Errorf("%+v", p)
	}
	if p, _ := set.ByName("low"); p.Raw.Length != 48*time.Hour || p.Tiers[0].Granularity != 10*time.Minute || len(p.Methods) != 6 {
		t.Errorf("%+v", p)
	}
}

func TestOwnPoliciesRefused(t *testing.T) {
	for text, want := range map[string]string{
		"policies: []":                                                    "granary.policies: expected an object",
		"policies: {p: }":                                                 "granary.policies.p: expected an object, found null",
		"policies: {p: 5}":                                                "granary.policies.p: expected an object",
		"policies: {cc-x: {}}":                                            "granary.policies.cc-x: names that begin",
		"policies: {p: {raw: {retention: 0s}}}":                           "granary.policies.p.raw.retention: expected a duration",
		"policies: {p: {raw: {retention: window}}}":                       "granary.policies.p: raw.retention: raw samples live only",
		"policies: {p: {raw: {clock: wall}}}":                             "granary.policies.p.raw.clock: expected one of sample, write, newest",
		"policies: {p: {duplicates: no}}":                                 "granary.policies.p.duplicates",
		"policies: {p: {gird: 1s}}":                                       "did you mean grid",
		"policies: {p: {grid: -1s}}":                                      "granary.policies.p.grid",
		"policies: {p: {tiers: {}}}":                                      "granary.policies.p.tiers: expected a list",
		"policies: {p: {tiers: [null]}}":                                  "granary.policies.p.tiers[0]: expected an object",
		"policies: {p: {tiers: [{points: 5}]}}":                           "granary.policies.p.tiers[0]: at least two of",
		"policies: {p: {tiers: [{points: 7, timespan: 1h}]}}":             "granary.policies.p.tiers[0]: timespan / points is no whole",
		"policies: {p: {tiers: [{granularity: 1h, points: 0}]}}":          "granary.policies.p.tiers[0].points",
		"policies: {p: {tiers: [{granularity: 1h}, {granularity: 60m}]}}": "more than one tier",
		"policies: {p: {tiers: [{granularity: 1h}], methods: [avg]}}":     "granary.policies.p.methods: aggregation method",
		"policies: {p: {tiers: [{granularity: 1h}], methods: [mean, 5]}}": "granary.policies.p.methods[1]: expected a text",
		"policies: {p: {tiers: [{granularity: 1h}], methods: mean}}":      "granary.policies.p.methods: expected a list",
		"policies: {p: {methods: [mean]}}":                                "granary.policies.p: methods: there are methods and no tiers",
		"policies: {p: {back-window: 3}}":                                 "granary.policies.p: back-window: there are no tiers",
		"policies: {p: {back-window: -3}}":                                "granary.policies.p.back-window",
		"rules: {}":                                                       "granary.rules: expected a list",
		"rules: [null]":                                                   "granary.rules[0]: expected an object",
		"rules: [{name: a, pattern: b}]":                                  "granary.rules[0]: expected name, pattern and policy",
		"rules: [{name: a, pattern: b, policy: nope}]":                    `the policy "nope" does not exist`,
		"rules: [{name: a, pattern: b, policy: low}]\n  compat: {gnocchi: {default-policies: false}}": `the policy "low" does not exist`,
		"rules: [{name: load, pattern: b, policy: low}]":                                              `rule "load": name: it is given twice`,
		"rules: [{name: a, pattern: b, policy: low, dialects: [clustercockpit]}]":                     "granary.rules[0].dialects",
		"rules: [{name: a, pattern: b, policy: low, x: 1}]":                                           "granary.rules[0].x",
	} {
		_, _, err := load(t, files{"config.yaml": "metrics: {load: {frequency: 10}}\ngranary:\n  " + text + "\n"}, Overrides{})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", text, err, want)
		}
	}
}

// TestHawkularRule gives Hawkular's metrics their policy unless the file says otherwise, whatever names are taken.
func TestHawkularRule(t *testing.T) {
	for _, c := range []struct{ text, policy string }{
		{"granary: {compat: {hawkular: {retention: 3d}}}", "hawkular 72h0m0s"},
		{"granary: {compat: {hawkular: {retention: forever}}}", "hawkular -1ns"},
		{"granary: {policies: {hawkular: {raw: {retention: 5h}}}}", "hawkular 5h0m0s"},
		{"metrics: {hawkular: {frequency: 10}}", "hawkular 168h0m0s"},
		{"granary: {rules: [{name: hawkular, pattern: o*, policy: low}]}", "hawkular 168h0m0s"},
		{"granary: {policies: {mine: {raw: {retention: 9h}}}, rules: [{name: all, pattern: '*', policy: mine}]}", "mine 9h0m0s"},
		{"granary: {policies: {mine: {raw: {retention: 9h}}}, rules: [{name: all, pattern: '*', policy: mine, dialects: [hawkular]}]}", "mine 9h0m0s"},
		{"granary: {policies: {mine: {raw: {retention: 9h}}}, rules: [{name: all, pattern: '*', policy: mine, dialects: [native]}]}", "hawkular 168h0m0s"},
		{"granary: {policies: {mine: {raw: {retention: 9h}}}, rules: [{name: all, pattern: '*', glob: false, policy: mine}]}", "hawkular 168h0m0s"},
	} {
		cfg, _, err := load(t, files{"config.yaml": c.text}, Overrides{})
		if err != nil {
			t.Fatal(c.text, err)
		}
		set, _ := cfg.Policies()
		p, _ := set.Resolve(policy.Hawkular, "some metric")
		if got := p.Name + " " + p.Raw.Length.String(); got != c.policy {
			t.Errorf("%s: %s, want %s", c.text, got, c.policy)
		}
		if p, _ := set.Resolve("native", "hawkular"); p.Name == policy.Hawkular {
			t.Errorf("%s: a native metric has it", c.text)
		}
	}
	_, _, err := load(t, files{"config.yaml": "granary: {compat: {hawkular: {retention: 0s}}}"}, Overrides{})
	if err == nil || !strings.Contains(err.Error(), "granary.compat.hawkular.retention") {
		t.Error(err)
	}
}
