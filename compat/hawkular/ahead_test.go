package hawkular

import (
	"strconv"
	"strings"
	"testing"

	"granary/metricdef"
)

// TestPointsAhead: a point in the future does not hide the newest one up to now from lists and exports.
func TestPointsAhead(t *testing.T) {
	s := newStored(t, false)
	const ahead = testMilli + 86_400_000
	s.write(metricdef.Gauge, "g", nil, sample{testMilli - 2000, 1.5, ""}, sample{testMilli - 1000, 2.5, ""}, sample{ahead, 9.5, ""})
	s.write(metricdef.Gauge, "now", nil, sample{testMilli, 3.5, ""}, sample{ahead, 9.5, ""})
	s.write(metricdef.Gauge, "only", nil, sample{ahead, 9.5, ""})
	s.write(metricdef.Counter, "c", nil, sample{testMilli - 1000, 7, ""}, sample{ahead, 9, ""})
	s.write(metricdef.Availability, "a", nil, sample{testMilli - 1000, metricdef.Down, ""}, sample{ahead, metricdef.Up, ""})
	s.write(metricdef.String, "s", nil, sample{testMilli - 1000, "old", ""}, sample{ahead, "new", ""})
	s.write(metricdef.String, "s only", nil, sample{ahead, "new", ""})
	var many []sample
	for i := range int64(2000) {
		many = append(many, sample{testMilli - 1_000_000 + i*1000, "text", ""})
	}
	s.write(metricdef.String, "s many", nil, many...)
	for path, want := range map[string]string{
		"/gauges/g":         `"data":[{"timestamp":` + stampOf(-1000) + `,"value":2.5}]`,
		"/gauges/now":       `"data":[{"timestamp":` + stampOf(0) + `,"value":3.5}]`,
		"/gauges/only":      `"data":[]`,
		"/counters/c":       `"data":[{"timestamp":` + stampOf(-1000) + `,"value":7}]`,
		"/availability/a":   `"data":[{"timestamp":` + stampOf(-1000) + `,"value":"down"}]`,
		"/strings/s":        `"data":[{"timestamp":` + stampOf(-1000) + `,"value":"old"}]`,
		"/strings/s%20only": `"data":[]`,
		"/strings/s%20many": `"data":[{"timestamp":` + stampOf(0) + `,"value":"text"}]`,
		"/gauges/g/raw?fromEarliest=true&limit=1": `[{"timestamp":` + stampOf(-1000) + `,"value":2.5}]`,
		"/gauges/g/raw?limit=1":                   `[{"timestamp":` + stampOf(-1000) + `,"value":2.5}]`,
		"/exports":                                "# TYPE c counter\nc 7\n# TYPE g gauge\ng 2.5\n# TYPE now gauge\nnow 3.5\n",
	} {
		w := s.request("GET", path, "")
		if got := w.Body.String(); w.Code != 200 || !strings.Contains(got, want) || path == "/exports" && got != want {
			t.Errorf("%s: %d %s, want %s", path, w.Code, got, want)
		}
	}
}

func stampOf(offset int64) string { return strconv.FormatInt(testMilli+offset, 10) }
