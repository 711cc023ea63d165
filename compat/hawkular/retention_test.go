package hawkular

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/measures/query"
	"granary/policy"
)

// kept is a dialect on a store that is closed and opened again, with a clock that the test moves.
type kept struct {
	world
	dir string
	set *policy.Set
}

func newKept(t *testing.T, strict bool) *kept {
	t.Helper()
	set, err := policy.NewSet(policy.Content{Open: true, Rules: []policy.Rule{policy.HawkularRule()},
		Policies: []policy.Policy{policy.FallBack(policy.Retention{Length: policy.Forever}), policy.HawkularDefault(policy.HawkularRetention)}})
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{dir: t.TempDir(), set: set}
	k.clock.Store(testNow.UnixNano())
	k.open(t, strict)
	return k
}

func (k *kept) open(t *testing.T, strict bool) {
	t.Helper()
	now := func() time.Time { return time.Unix(0, k.clock.Load()) }
	s, err := measures.Open(measures.Options{Dir: k.dir, Sync: journal.Never, Now: now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicies(t.Context(), k.set); err != nil {
		t.Fatal(err)
	}
	o := Options{Definitions: s.Definitions, Store: s, Tenants: s.Tenants, Strict: strict, Now: now, Logger: quiet,
		Queries: query.New(s, query.Options{Definitions: s.Definitions})}
	k.Dialect, k.store = New(o), s
}

// again stops the service and starts it. A way in which it goes on without a stop is to make a snapshot and to drop what has expired.
func (k *kept) again(t *testing.T, way string) {
	t.Helper()
	if way == "snapshot" {
		if err := k.store.Snapshot(); err != nil {
			t.Fatal(err)
		}
		k.store.Expire(t.Context())
		return
	}
	if err := k.store.Close(); err != nil {
		t.Fatal(err)
	}
	k.open(t, k.o.Strict)
}

// shows is how many days a metric says that it keeps points, and the times of those that all routes agree to show, in days before and behind
// testNow.
func (k *kept) shows(t *testing.T, path string) string {
	t.Helper()
	kind, id, _ := strings.Cut(path, "/")
	def := k.ask(t, "GET", "/"+path, "")
	if def.Code == 204 {
		return "none"
	}
	m := read[metric](t, def)
	const all = "?start=1&end=4000000000000&order=asc"
	times := func(points []struct{ Timestamp int64 }) (list []float64) {
		for _, p := range points {
			list = append(list, float64(p.Timestamp-testNow.UnixMilli())/float64(day.Milliseconds()))
		}
		return list
	}
	var points []struct{ Timestamp int64 }
	if out := k.ask(t, "GET", "/"+path+"/raw"+all, ""); out.Code == 200 {
		points = read[[]struct{ Timestamp int64 }](t, out)
	}
	said := fmt.Sprint(*m.Retention, " days:")
	for _, at := range times(points) {
		said += fmt.Sprintf(" %g", at)
	}

	// What else tells of points tells of the same ones.
	if n := len(points); n == 0 {
		if m.Min != nil || m.Max != nil || len(m.Data) > 0 {
			t.Errorf("%s: %s, and the definition is %s", path, said, def.Body)
		}
	} else if m.Min == nil || *m.Min != points[0].Timestamp || *m.Max != points[n-1].Timestamp {
		t.Errorf("%s: %s, and the definition is %s", path, said, def.Body)
	}
	var several []struct{ Data []struct{ Timestamp int64 } }
	if out := k.ask(t, "POST", "/"+kind+"/raw/query", `{"ids":["`+id+`"],"start":1,"end":4000000000000,"order":"asc"}`); out.Code == 200 {
		several = read[[]struct{ Data []struct{ Timestamp int64 } }](t, out)
	}
	if len(several) != min(len(points), 1) || len(several) > 0 && !slices.Equal(several[0].Data, points) {
		t.Errorf("%s: %s, and raw/query has %v", path, said, several)
	}
	if kind != "strings" {
		var buckets []struct{ Samples int }
		if out := k.ask(t, "GET", "/"+path+"/stats?buckets=1&start=1&end=4000000000000", ""); out.Code == 200 {
			buckets = read[[]struct{ Samples int }](t, out)
		}
		if len(buckets) != 1 || buckets[0].Samples != len(points) {
			t.Errorf("%s: %s, and stats has %v", path, said, buckets)
		}
	}
	return said
}

// TestRetention: points stay for the days of their metric, or else of their tenant and type, or else for seven, counted from when they were
// written. That stands in definitions, holds for all that reads points, follows what a client changes, and outlives the service.
func TestRetention(t *testing.T) {
	for _, c := range []struct {
		strict bool
		way    string
	}{{false, "restart"}, {true, "snapshot"}} {
		t.Run(fmt.Sprintf("strict %v, %s", c.strict, c.way), func(t *testing.T) {
			k, way := newKept(t, c.strict), c.way
			at := func(days float64) string {
				return fmt.Sprint(testNow.Add(time.Duration(days * float64(day))).UnixMilli())
			}
			points := func(value string, days ...float64) string {
				var list []string
				for _, d := range days {
					list = append(list, `{"timestamp":`+at(d)+`,"value":`+value+`}`)
				}
				return "[" + strings.Join(list, ",") + "]"
			}
			do := func(status int, method, path, body string) { t.Helper(); k.must(t, status, method, path, body) }
			type world = map[string]string
			check := func(days float64, want world) {
				t.Helper()
				k.clock.Store(testNow.Add(time.Duration(days * float64(day))).UnixNano())
				k.again(t, way)
				for path, shows := range want {
					if got := k.shows(t, path); got != shows {
						t.Errorf("day %g, %s: %s, want %s", days, path, got, shows)
					}
				}
			}
			// A metric that nobody but points has made ends with them.
			gone := func(empty string) string {
				if way == "snapshot" {
					return "none"
				}
				return empty
			}
			do(201, "POST", "/tenants", `{"id":"t1","retentions":{"gauge":3,"string":1}}`)
			do(201, "POST", "/gauges", `{"id":"own","dataRetention":10}`)
			do(201, "POST", "/counters", `{"id":"own","dataRetention":2}`)
			// A year ago, now, and in half a day.
			for path, value := range map[string]string{"gauges/own": "1.5", "gauges/g": "1", "counters/own": "1", "counters/c": "2", "availability/a": `"up"`, "strings/s": `"x"`} {
				do(200, "POST", "/"+path+"/raw", points(value, -365, 0, 0.5))
			}
			everything := " days: -365 0 0.5"
			check(0.9, world{"gauges/own": "10" + everything, "gauges/g": "3" + everything, "counters/own": "2" + everything,
				"counters/c": "7" + everything, "availability/a": "7" + everything, "strings/s": "1" + everything})
			check(1.2, world{"strings/s": "1 days: 0.5", "counters/own": "2" + everything, "gauges/g": "3" + everything})
			check(2.2, world{"strings/s": gone("1 days:"), "counters/own": "2 days: 0.5", "gauges/g": "3" + everything})

			// What is written again begins again.
			do(200, "POST", "/gauges/g/raw", points("2", -365))
			check(3.2, world{"gauges/g": "3 days: -365 0.5", "counters/own": "2 days:", "counters/c": "7" + everything})
			// Tags do not touch the retention, and neither do points. Who sets tags of a metric has it stay.
			do(200, "PUT", "/gauges/own/tags", `{"a":"b"}`)
			do(200, "POST", "/gauges/tagged/raw", points("1", 3))
			do(200, "PUT", "/gauges/tagged/tags", `{"a":"b"}`)
			do(200, "POST", "/gauges/own/raw", points("3", 3))
			check(5.1, world{"gauges/g": "3 days: -365", "gauges/own": "10" + everything + " 3"})
			check(5.5, world{"gauges/g": gone("3 days:"), "counters/c": "7" + everything})

			// A retention that a client changes holds for what there is, at once.
			do(201, "POST", "/gauges?overwrite=true", `{"id":"own","dataRetention":4}`)
			check(5.6, world{"gauges/own": "4 days: 3", "counters/c": "7" + everything})
			do(201, "POST", "/gauges?overwrite=true", `{"id":"own"}`)
			check(5.7, world{"gauges/own": "3 days: 3"})
			do(201, "POST", "/tenants?overwrite=true", `{"id":"t1","retentions":{"gauge":3,"availability":6}}`)
			check(5.8, world{"gauges/own": "3 days: 3", "availability/a": "6" + everything})
			check(6.8, world{"availability/a": gone("6 days:"), "counters/c": "7" + everything, "gauges/own": "3 days:"})
			check(7.8, world{"counters/c": gone("7 days:")})
			check(99, world{"gauges/own": "3 days:", "counters/own": "2 days:", "gauges/tagged": "3 days:", "gauges/none": "none"})
			if err := k.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
