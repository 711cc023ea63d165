package gnocchi

import (
	"net/http"
	"strings"
	"testing"
)

// TestNamesThatNoAddressHas: what could be made and never be reached is not made, whatever it is.
func TestNamesThatNoAddressHas(t *testing.T) {
	b := seeded(t)
	const nul, dots = "the character U+0000 is not supported in a name", "' is not supported in a name: no address leads to it"
	for _, name := range []string{".", "..", "a\\u0000b"} {
		why := "'" + name + dots
		if strings.Contains(name, "u0000") {
			why = nul
		}
		for path, body := range map[string]string{
			"/metric":                    `{"name": "NAME"}`,
			"/resource/generic":          `{"id": "NAME"}`,
			"/resource_type":             `{"name": "NAME"}`,
			"/archive_policy":            `{"name": "NAME", "definition": [{"granularity": 1}]}`,
			"/archive_policy_rule":       `{"name": "NAME", "metric_pattern": "*", "archive_policy_name": "low"}`,
			"/resource/generic/":         `{"id": "named", "metrics": {"NAME": {}}}`,
			"/resource/generic/x/metric": `{"NAME": {}}`,
			"/batch/resources/metrics/measures?create_metrics=true": `{"x": {"NAME": []}}`,
		} {
			b.ask(http.MethodPost, "/v1/resource/generic", `{"id": "x"}`)
			w := b.ask(http.MethodPost, "/v1"+path, strings.ReplaceAll(body, "NAME", name), "Accept", "application/json")
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), why) {
				t.Errorf("%s with %q: %d %s", path, name, w.Code, w.Body)
			}
		}
	}
	b.check([]askedFor{
		{"POST", "/metric", `{"name": "a", "unit": "\u0000"}`, 400, "~the character U+0000 is not supported in a unit", nil},
		{"POST", "/influxdb/query?q=create%20database%20..", "", 400, "~'..' is not supported in a name", nil},
		{"POST", "/influxdb/query?q=create%20database%20%22a%2Fb%22", "", 400, "~'/' is not supported in a name", nil},
		{"POST", "/metric", `{"name": "..."}`, 201, "~", nil},
	})
}

// TestLargeNumbersOfParameters: what is larger than a number of 64 bits is as large numbers are.
func TestLargeNumbersOfParameters(t *testing.T) {
	b := seeded(t)
	both := "/aggregation/metric?metric=" + b.made(`{"name": "a"}`) + "&metric=" + b.made(`{"name": "b"}`)
	const overlap = `~"detail": "needed_overlap", "reason": "Must be a percentage, from 0 to 100"`
	b.check([]askedFor{
		{"GET", "/metric?limit=99999999999999999999", "", 200, "~", nil},
		{"GET", "/resource/generic?limit=99999999999999999999", "", 200, "~", nil},
		{"GET", "/metric?limit=-99999999999999999999", "", 400, "~value must be at least 1", nil},
		{"GET", both + "&needed_overlap=1e300", "", 400, overlap, nil},
		{"GET", both + "&needed_overlap=inf", "", 400, overlap, nil},
		{"GET", both + "&needed_overlap=-1", "", 400, overlap, nil},
		{"GET", both + "&needed_overlap=0", "", 200, "~", nil},
		{"POST", "/archive_policy", `{"name": "x", "definition": [{"granularity": 1}], "aggregation_methods": ["mean"` + strings.Repeat(`, "mean"`, 1000) + `]}`,
			400, "~policy: methods: there are 1001 entries, at most 1000 are possible", nil},
	})
}
