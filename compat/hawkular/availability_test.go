package hawkular

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"granary/measures/query"
	"granary/metricdef"
)

func TestAvailabilityStats(t *testing.T) {
	bothModes(t, func(s *stored) {
		s.write(metricdef.Availability, "a", nil, sample{1100, metricdef.Down, ""}, sample{1300, metricdef.Up, ""}, sample{1600, metricdef.Unknown, ""}, sample{1900, metricdef.Up, ""})
		const empty = `{"start":2000,"end":3000,"empty":true},{"start":3000,"end":4000,"empty":true}`
		whole := `{"start":1000,"end":2000,"durationMap":{"down":300,"up":400,"unknown":300},"lastNotUptime":1900,"uptimeRatio":0.4,"notUpCount":2,"samples":4,"notUpDuration":600,` +
			`"upCount":2,"adminDuration":0,"downDuration":300,"unknownDuration":300,"upDuration":400,"empty":false}`
		for _, c := range []struct{ request, answer string }{
			{"/availability/a/stats?start=1000&end=2000&buckets=1", list(whole)},
			{"/availability/a/data?start=1000&end=2000&buckets=1", list(whole)},
			{"/availability/a/stats?start=1000&end=4000&bucketDuration=1s", list(whole, empty)},
			{"/availability/none/stats?start=2000&end=4000&bucketDuration=1s", list(empty)},
			{"/availability/a/stats?start=1000&end=2000&buckets=2", list(
				`{"start":1000,"end":1500,"durationMap":{"down":300,"up":200},"lastNotUptime":1300,"uptimeRatio":0.4,"notUpCount":1,"samples":2,"notUpDuration":300,"upCount":1,`+
					`"adminDuration":0,"downDuration":300,"unknownDuration":0,"upDuration":200,"empty":false}`,
				`{"start":1500,"end":2000,"durationMap":{"up":100,"unknown":400},"lastNotUptime":1900,"uptimeRatio":0.2,"notUpCount":1,"samples":2,"notUpDuration":400,"upCount":1,`+
					`"adminDuration":0,"downDuration":0,"unknownDuration":400,"upDuration":100,"empty":false}`)},
			{"/availability/a/stats?start=1000&end=1700&buckets=1", list(`{"start":1000,"end":1700,"durationMap":{"down":300,"up":300,"unknown":100},"lastNotUptime":1700,` +
				`"uptimeRatio":0.42857142857142855,"notUpCount":2,"samples":3,"notUpDuration":400,"upCount":1,"adminDuration":0,"downDuration":300,"unknownDuration":100,"upDuration":300,"empty":false}`)},
			{"/availability/a/stats?start=1850&end=2000&buckets=1", list(`{"start":1850,"end":2000,"durationMap":{"up":150},"lastNotUptime":0,"uptimeRatio":` + s.in("1.0", "1") + `,"notUpCount":0,"samples":1,` +
				`"notUpDuration":0,"upCount":1,"adminDuration":0,"downDuration":0,"unknownDuration":0,"upDuration":150,"empty":false}`)},
			{"/availability/none/stats?fromEarliest=true&buckets=3", s.none()},
		} {
			s.expect(c.request, c.answer)
		}
		for _, path := range []string{"/availability/a/stats", "/availability/a/stats?buckets=1&bucketDuration=1d", "/availability/a/stats?buckets=0", "/availability/a/data?buckets=1&limit=1",
			"/availability/a/stats?buckets=1&start=5&end=4"} {
			if w := s.request("GET", path, ""); w.Code != 400 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// TestAvailabilityRuns: a change from one state of not being up to another is no new time of it, and what is left out before the first
// point is nothing else.
func TestAvailabilityRuns(t *testing.T) {
	f := &query.Frame{Kind: metricdef.KindState, Times: []int64{35 * millisecond, 36 * millisecond, 36*millisecond + 5, 38 * millisecond}, Values: []float64{0, 3, 2, 1}}
	var o output
	b := &buckets{start: 10, end: 50, step: 10, count: 4}
	want := `[{"start":30,"end":40,"durationMap":{"down":6,"up":2,"unknown":2,"admin":0},"lastNotUptime":38,"uptimeRatio":0.2,"notUpCount":1,"samples":4,"notUpDuration":8,"upCount":3,` +
		`"adminDuration":0,"downDuration":6,"unknownDuration":2,"upDuration":2,"empty":false},{"start":40,"end":50,"empty":true}]`
	if got := string(appendStates(nil, b, f, true, &o)); got != want {
		t.Error(got)
	}
}

// TestAvailabilityModel compares with the plainest way to say the same: a state for each millisecond.
func TestAvailabilityModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		b := &buckets{start: r.Int64N(1000), step: 1 + r.Int64N(50), count: 1 + r.Int64N(8)}
		b.end = b.edge(b.count)
		f := &query.Frame{Kind: metricdef.KindState}
		for at := b.start; at < b.end; at++ {
			if r.IntN(10) == 0 {
				f.Times, f.Values = append(f.Times, at*millisecond), append(f.Values, float64(r.IntN(int(metricdef.NumStates))))
			}
		}
		var o output
		got := string(appendStates(nil, b, f, false, &o))
		want := "["
		for k := range b.count {
			if k > 0 {
				want += ","
			}
			want += plainBucket(b.edge(k), b.edge(k+1), f)
		}
		if want += "]"; got != want {
			t.Fatalf("round %d:\n%s, want\n%s", round, got, want)
		}
	}
}

func plainBucket(start, end int64, f *query.Frame) string {
	state := make([]int, end-start)
	samples, first := 0, -1
	seen := map[int]bool{}
	for i, t := range f.Times {
		if t /= millisecond; t >= start && t < end {
			s := int(f.Values[i])
			if first < 0 {
				first = s
			}
			for k := t - start; k < end-start; k++ {
				state[k] = s + 10 // later points overwrite
			}
			seen[s] = true
			samples++
		}
	}
	if samples == 0 {
		return fmt.Sprintf(`{"start":%d,"end":%d,"empty":true}`, start, end)
	}
	var lasted [4]int
	last := int64(0)
	for k, s := range state {
		if s == 0 {
			s = first + 10
		}
		lasted[s-10]++
		if s-10 != int(metricdef.Up) {
			last = start + int64(k) + 1
		}
	}
	runs, before := 0, int(metricdef.Up)
	for i, t := range f.Times {
		if t /= millisecond; t >= start && t < end {
			s := int(f.Values[i])
			if s != int(metricdef.Up) && before == int(metricdef.Up) {
				runs++
			}
			before = s
		}
	}
	if first != int(metricdef.Up) && last == 0 {
		last = start // its only point is the first one, and the next comes in the same millisecond
	}
	durations := ""
	for s, name := range []string{"down", "up", "unknown", "admin"} {
		if seen[s] {
			if durations != "" {
				durations += ","
			}
			durations += fmt.Sprintf(`"%s":%d`, name, lasted[s])
		}
	}
	up := lasted[1]
	return fmt.Sprintf(`{"start":%d,"end":%d,"durationMap":{%s},"lastNotUptime":%d,"uptimeRatio":%s,"notUpCount":%d,"samples":%d,"notUpDuration":%d,"upCount":%d,`+
		`"adminDuration":%d,"downDuration":%d,"unknownDuration":%d,"upDuration":%d,"empty":false}`, start, end, durations, last,
		fmt.Sprint(float64(up)/float64(end-start)), runs, samples, lasted[0]+lasted[2]+lasted[3], samples-runs, lasted[3], lasted[0], lasted[2], up)
}

func TestPeriods(t *testing.T) {
	bothModes(t, func(s *stored) {
		s.write(metricdef.Gauge, "p", nil, sample{1000, 1.0, ""}, sample{2000, 5.0, ""}, sample{3000, 6.0, ""}, sample{4000, 2.0, ""}, sample{5000, 7.0, ""})
		for op, want := range map[string]string{
			"threshold=4&op=gt": "[2000,3000],[5000,5000]", "threshold=2&op=lte": "[1000,1000],[4000,4000]", "threshold=5&op=eq": "[2000,2000]",
			"threshold=5&op=neq": "[1000,1000],[3000,5000]", "threshold=5.5&op=lt": "[1000,2000],[4000,4000]", "threshold=-1&op=gte": "[1000,5000]",
		} {
			s.expect("/gauges/p/periods?start=0&end=9000&"+op, list(want))
		}
		s.expect("/gauges/p/periods?start=0&end=9000&threshold=99&op=gte", s.none())
		s.expect("/gauges/none/periods?threshold=99&op=gte", s.none())
		for _, query := range []string{"threshold=4&op=over", "threshold=x&op=gt", "op=gt", "threshold=4", "threshold=NaN&op=gt", "threshold=1&op=gt&start=2&end=1"} {
			if w := s.request("GET", "/gauges/p/periods?"+query, ""); w.Code != 400 {
				t.Errorf("%s: %d %s", query, w.Code, w.Body)
			}
		}
		if w := s.request("GET", "/gauges/p/periods?op=gt", ""); !strings.Contains(w.Body.String(), "threshold: is missing") {
			t.Errorf("no threshold: %s", w.Body)
		}
		if w := s.request("GET", "/counters/p/periods?threshold=1&op=gt", ""); w.Code != 404 {
			t.Errorf("counters have periods: %d", w.Code)
		}
	})
}
