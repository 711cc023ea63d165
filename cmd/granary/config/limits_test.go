package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/tenant"
)

func TestTenantLimits(t *testing.T) {
	c, _, err := load(t, files{"config.yaml": `
granary:
  tenants: {create-rate: 7, create-burst: 8}
  limits: {series: 1, samples-per-second: 2, samples-burst: 3, body: 4KiB, line: 500, tag-name: 6, tag-value: 7kB, tags: 8, past: 9d, future: 10s, query-samples: none,
    query-series: 0, concurrent-queries: 13, queue: 14MiB, queue-length: 15, queue-wait: 16s, weight: 17, retention: 18w, memory: 19MB, series-status: 400, overrides: o.yaml}
`, "o.yaml": `
"*": {tags: 5, series: none}
a b: {past: 7d, body: none}
later: {}
`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tenant.Limits{
		Series: 1, SamplesPerSecond: 2, SamplesBurst: 3, Body: 4096, Line: 500, TagName: 6, TagValue: 7000, Tags: 8, Past: 9 * 24 * time.Hour, Future: 10 * time.Second,
		ConcurrentQueries: 13, Queue: 14 << 20, QueueLength: 15, QueueWait: 16 * time.Second, Weight: 17, Retention: 18 * 7 * 24 * time.Hour, Memory: 19_000_000,
	}, c.Limits.Limits); d != "" {
		t.Error(d)
	}
	if c.Limits.SeriesStatus != 400 || c.Tenants.CreateRate != 7 || c.Tenants.CreateBurst != 8 {
		t.Errorf("%+v, %+v", c.Limits, c.Tenants)
	}
	if d := cmp.Diff(tenant.Overrides{All: tenant.Limits{Tags: 5, Series: tenant.NoLimit}, Tenants: map[tenant.ID]tenant.Limits{
		"a b": {Past: 7 * 24 * time.Hour, Body: tenant.NoLimit}, "later": {},
	}}, c.Overrides()); d != "" {
		t.Error(d)
	}
	// A change of the overrides alone is no change of the configuration.
	other := *c
	other.tenantOverrides = tenant.Overrides{}
	if !sameButMetrics(c, &other) {
		t.Error("other overrides count as another configuration")
	}
}

func TestOverridesFaults(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"a/b: {series: 1}", "o.yaml:1: a/b: expected the id of a tenant"},
		{"a:\n  serie: 1", "o.yaml:2: a.serie: unknown key; did you mean series?"},
		{"a: {series: 1}\nb:\n  series: 0", `o.yaml:3: b.series: expected "none" or a whole number, 1 or more, found 0`},
		{"a: {series: -1}", "found -1"},
		{"a: {series: 1e99}", "found 1e99"},
		{"a: {series: \"5\"}", `found "5"`},
		{"a: {past: 7}", `o.yaml:1: a.past: expected "none" or a duration such as "90s", "48h" or "7d", 1s or more, found 7`},
		{"a: {past: -7d}", `found "-7d"`},
		{"a: {body: 1}", `a.body: expected "none" or a size such as 65536, "64KiB" or "8GB", from 1KiB to 1GiB, found 1`},
		{"a: {body: [1]}", "found a list"},
		{"a: 7", "o.yaml:1: a: expected an object, found 7"},
		{"[a]", "o.yaml:1: expected an object"},
		{"a: {series: 1}\na: {series: 2}", "o.yaml:2: a: is given twice"},
		{"a: [", "o.yaml: not valid YAML"},
	} {
		_, _, err := load(t, files{"config.yaml": "granary: {limits: {overrides: o.yaml}}", "o.yaml": c.file}, Overrides{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v\nwant ...%s...", c.file, err, c.want)
		}
	}
	if _, _, err := load(t, files{"config.yaml": "granary: {limits: {overrides: o.yaml}}"}, Overrides{}); err == nil || !strings.Contains(err.Error(), "o.yaml: expected a file that can be read") {
		t.Error(err)
	}
	for file, want := range map[string]string{
		"series-status: 500": "granary.limits.series-status: expected one of auto, 200, 400, 429, found 500",
		"body: none":         `granary.limits.body: expected a size`,
		"weight: 2000":       `granary.limits.weight: expected 0, "none" or a whole number from 1 to 1000, found 2000`,
		"past: 1ms":          `granary.limits.past: expected "none" or a duration`,
	} {
		_, _, err := load(t, files{"config.yaml": "granary: {limits: {" + file + "}}"}, Overrides{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestMemoryPart gives tenants a part of the memory cap.
func TestMemoryPart(t *testing.T) {
	for text, want := range map[string]int64{
		"granary: {memory-cap: 100MB, limits: {memory: 10%}}":               10_000_000,
		"granary: {memory-cap: 100MB, limits: {memory: 2.5%}}":              2_500_000,
		"granary: {memory-cap: 1MiB, limits: {memory: 1%}}":                 1 << 20,
		"{metric-store: {memory-cap: 2}, granary: {limits: {memory: 50%}}}": 1_000_000_000,
		"granary: {memory-cap: 100MB, limits: {memory: 3MB}}":               3_000_000,
	} {
		c, _, err := load(t, files{"config.yaml": text}, Overrides{})
		if err != nil || c.Limits.Memory != want {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{
		"granary: {limits: {memory: 10%}}":                      "there is no granary.memory-cap",
		"granary: {memory-cap: 100MB, limits: {memory: 0%}}":    `found "0%"`,
		"granary: {memory-cap: 100MB, limits: {memory: NaN%}}":  `found "NaN%"`,
		"granary: {memory-cap: 100MB, limits: {memory: 101%}}":  `found "101%"`,
		"granary: {memory-cap: 100MB, limits: {memory: many%}}": "a part of granary.memory-cap",
	} {
		if _, _, err := load(t, files{"config.yaml": text}, Overrides{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
