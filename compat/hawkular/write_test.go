package hawkular

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"granary/compat/hawkular/points"
	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/tenant"
)

// shown is all that a tenant's metric of that type and name has, as "TIME VALUE TAGS", times in milliseconds.
func (s *stored) shown(id tenant.ID, typ metricdef.Type, name string, tags ...metricdef.Tag) string {
	s.tb.Helper()
	who, ok := s.store.Tenants.Lookup(id)
	if !ok {
		return "no tenant"
	}
	ref, ok := s.store.Definitions.Resolve(who.Num, typ, metricdef.AppendKey(nil, name, tags))
	if _, there := s.store.Definitions.Get(ref); !ok || !there {
		return "none"
	}
	var list []string
	var r measures.Reader
	if err := s.store.Read(s.tb.Context(), &r, ref, math.MinInt64/2+1, math.MaxInt64/2); err != nil {
		s.tb.Fatal(err)
	}
	for i, t := range r.Times {
		v := fmt.Sprint(r.Values[i])
		if s.store.Definitions.Kind(ref) == metricdef.KindInt {
			v = fmt.Sprint(measures.WordInt(r.Values[i]))
		}
		list = append(list, fmt.Sprintf("%d:%s", t/millisecond, v))
	}
	return strings.Join(list, " ")
}

// post sends a body of points, and compares status and body.
func (s *stored) post(path, body string, status int, want string) http.Header {
	s.tb.Helper()
	w := s.request(http.MethodPost, path, body)
	got := strings.TrimSpace(w.Body.String())
	if w.Code != status || got != want && !strings.Contains(got, strings.ReplaceAll(want, `"`, `\"`)) || want == "" && got != "" {
		s.tb.Errorf("strict %v: %s %.300s:\n%d %s, want\n%d %s", s.o.Strict, path, body, w.Code, got, status, want)
	}
	return w.Header()
}

func received(n int) string { return fmt.Sprintf(`{"message":"Received %d data items"}`, n) }

// limit sets limits of tenant "t", which is made by it.
func (s *stored) limit(l tenant.Limits) {
	s.tb.Helper()
	num, err := s.store.EnsureTenant(s.tb.Context(), "t")
	if err == nil {
		err = s.store.UpdateTenant(s.tb.Context(), num, tenant.Settings{Limits: l})
	}
	if err != nil {
		s.tb.Fatal(err)
	}
}

func TestWriteForms(t *testing.T) {
	bothModes(t, func(s *stored) {
		done := func(n int) string { return s.in("", received(n)) }
		s.post("/gauges/raw", `[{"id":"a","data":[{"timestamp":1,"value":1.5},{"timestamp":2,"value":2}]},{"id":"b","data":[]},{"id":"a","data":[{"timestamp":3,"value":3}]}]`, 200, done(3))
		s.post("/gauges/a%2Fb%20c+d/raw", `[{"timestamp":1,"value":7}]`, 200, done(1))
		s.post("/counters/raw/", `[{"id":"a","data":[{"timestamp":1,"value":9007199254740993}]}]`, 200, done(1))
		s.post("/counters/a/data", `[{"timestamp":2,"value":100.0}]`, 200, done(1))
		s.post("/availability/data", `[{"id":"v","data":[{"timestamp":1,"value":"UP"}]}]`, 200, done(1))
		s.post("/availability/v/data", `[{"timestamp":2,"value":"down"}]`, 200, done(1))
		s.post("/gauges/data", `[{"id":"c","data":[{"timestamp":2,"value":1}]}]`, 200, done(1))
		s.post("/m/raw", `{"gauges":[{"id":"m","data":[{"timestamp":1,"value":1}]}],"counters":[{"id":"m","data":[{"timestamp":1,"value":2}]}],"availabilities":[{"id":"m","data":[{"timestamp":1,"value":"admin"}]}],"strings":[{"id":"m","data":[{"timestamp":1,"value":"x"}]}]}`, 200, done(4))
		s.post("/metrics/data", `{"gauges":[{"id":"m","data":[{"timestamp":2,"value":5}]}]}`, 200, done(1))
		for _, c := range []struct {
			typ        metricdef.Type
			name, want string
		}{
			{metricdef.Gauge, "a", "1:1.5 2:2 3:3"}, {metricdef.Gauge, "a/b c+d", "1:7"}, {metricdef.Counter, "a", "1:9007199254740993 2:100"},
			{metricdef.Availability, "v", "1:1 2:0"}, {metricdef.Gauge, "c", "2:1"}, {metricdef.Gauge, "m", "1:1 2:5"}, {metricdef.Counter, "m", "1:2"},
			{metricdef.Availability, "m", "1:3"}, {metricdef.Gauge, "b", "none"},
		} {
			if got := s.shown("t", c.typ, c.name); got != c.want {
				t.Errorf("%v %s has %s, want %s", c.typ, c.name, got, c.want)
			}
		}
		s.expect("/strings/m/raw?start=0", `200 [{"timestamp":1,"value":"x"}]`)
		s.post("/strings/m/data", `[{"timestamp":2,"value":"x"}]`, 404, `there is nothing at "/hawkular/metrics/strings/m/data"`)
	})
}

func TestWriteNothing(t *testing.T) {
	bothModes(t, func(s *stored) {
		for _, path := range []string{"/gauges/raw", "/gauges/x/raw", "/metrics/raw"} {
			s.post(path, "", 400, "Payload is empty")
			bodies := []string{"[]", "null"}
			if path == "/metrics/raw" {
				bodies = append(bodies, "{}", `{"gauges":[],"note":"no list"}`)
			}
			for _, body := range bodies {
				if s.o.Strict {
					s.post(path, body, 400, `{"errorMsg":"Payload is empty"}`)
				} else {
					s.post(path, body, 200, received(0))
				}
			}
		}
		if _, ok := s.store.Tenants.Lookup("t"); ok {
			t.Error("a body without points makes a tenant")
		}
		s.post("/gauges/raw", `[{"id":"x","data":[]}]`, 200, s.in("", received(1)))
	})
}

// TestWriteWrong: of a body with anything wrong in it nothing is stored, and no tenant made.
func TestWriteWrong(t *testing.T) {
	many := strings.Repeat(`{"timestamp":1,"value":1},`, maxRows+1)
	bothModes(t, func(s *stored) {
		s.post("/gauges/raw", `[{"id":"a","data":[{"timestamp":1,"value":1}]},{"id":"b","data":[{"timestamp":1,"value":1},{"timestamp":2,"value":1e400}]}]`, 400,
			`[1].data[1].value: 1e400 is beyond what a float of 64 bits holds`)
		s.post("/gauges/x/raw", `[`+many+`{"timestamp":2}]`, 400, fmt.Sprintf(`[%d].value: is missing`, maxRows+1))
		s.post("/counters/raw", `[{"id":"a","data":[{"timestamp":1,"value":1.5}]}]`, 400, `[0].data[0].value: 1.5 is not a whole number of 64 bits, which the value of a counter is`)
		for _, name := range []string{"gauge", "availability", "Gauges"} {
			s.post("/m/raw", `{"`+name+`":[{"id":"a","data":[{"timestamp":1,"value":1}]}]}`, 400, `"`+name+`" is none of the members of this body, which are gauges, counters, availabilities, strings`)
		}
		s.post("/metrics/raw", `{"gauges":[{"id":"a","data":[{"timestamp":1,"value":1}]}],"strings":[{"id":"a","data":[{"timestamp":1}]}]}`, 400, `strings[0].data[0].value: is missing`)
		s.post("/gauges/raw", `{"id":"a"}`, 400, `the body is not a list of metrics`)
		if _, ok := s.store.Tenants.Lookup("t"); ok {
			t.Error("a body that is refused makes a tenant")
		}
		c := s.o.Counters.Dialect(Name)
		if c.Bodies.Load() != 8 || c.Stored.Load() != 0 || c.Malformed.Load() != 3+maxRows+2+1+2+1+3 || c.Failed.Load() != 0 {
			t.Error(c.Bodies.Load(), c.Stored.Load(), c.Malformed.Load(), c.Failed.Load())
		}
	})
}

func TestWriteTags(t *testing.T) {
	s := newStored(t, true)
	s.post("/gauges/x/raw", `[{"timestamp":NOW,"value":1.1,"tags":{"x":1,"y":2}},{"timestamp":2,"value":2.2,"tags":{"y":3,"z":5}},{"timestamp":3,"value":33.3}]`, 400, "[0].timestamp: NOW is not a time")
	s.post("/gauges/x/raw", `[{"timestamp":1,"value":1.1,"tags":{"x":1,"y":2}},{"timestamp":2,"value":2.2,"tags":{"z":5,"y":3}},{"timestamp":3,"value":33.3,"tags":{}}]`, 200, "")
	s.expect("/gauges/x/raw?start=0&order=asc", `200 [{"timestamp":1,"value":1.1,"tags":{"x":"1","y":"2"}},{"timestamp":2,"value":2.2,"tags":{"y":"3","z":"5"}},{"timestamp":3,"value":33.3}]`)
}

// TestWriteManyRows: points of one metric in several commits, with tags, are all stored, and their bytes counted once.
func TestWriteManyRows(t *testing.T) {
	s := newStored(t, false)
	var b strings.Builder
	b.WriteString(`[{"id":"first","data":[{"timestamp":1,"value":1}]},{"id":"big","data":[`)
	n := 2*maxRows + 100
	for i := range n {
		fmt.Fprintf(&b, `{"timestamp":%d,"value":%d,"tags":{"i":%d}},`, i, i, i)
	}
	b.WriteString(`{"timestamp":999999,"value":0}]},{"id":"last","data":[{"timestamp":1,"value":1}]}]`)
	for range 2 {
		s.post("/counters/raw", b.String(), 200, received(3))
	}
	if got := len(strings.Fields(s.shown("t", metricdef.Counter, "big"))); got != n+1 {
		t.Errorf("%d points", got)
	}
	if got := s.shown("t", metricdef.Counter, "last"); got != "1:1" {
		t.Error(got)
	}
	s.expect(fmt.Sprintf("/counters/big/raw?start=%d&end=%d", maxRows+5, maxRows+6), fmt.Sprintf(`200 [{"timestamp":%d,"value":%d,"tags":{"i":"%d"}}]`, maxRows+5, maxRows+5, maxRows+5))
	used := s.store.Usage.Totals()
	if used.Samples != uint64(2*(n+3)) || used.Created != 3 {
		t.Errorf("%+v", used)
	}
	// The brackets and commas between metrics belong to nobody.
	if most := uint64(2 * b.Len()); used.Bytes > most || used.Bytes < most-20 {
		t.Errorf("%d bytes of %d", used.Bytes, most)
	}
}

// TestWriteIDs: an id that is the key text of a series is that series, now or as soon as there is one; else it is a name.
func TestWriteIDs(t *testing.T) {
	s := newStored(t, false)
	host := metricdef.Tag{Name: "host", Value: "h"}
	const id = `cpu{host=\"h\"}`
	write := func(at int) {
		t.Helper()
		s.post("/gauges/raw", fmt.Sprintf(`[{"id":"plain","data":[{"timestamp":%d,"value":1}]},{"id":"%s","data":[{"timestamp":%d,"value":1}]}]`, at, id, at), 200, received(2))
	}
	write(1)
	write(2)
	if got := s.shown("t", metricdef.Gauge, `cpu{host="h"}`); got != "1:1 2:1" {
		t.Error(got)
	}
	ref := s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "cpu", Tags: []metricdef.Tag{host}}, Dialect: "native"})
	write(3)
	write(4)
	if got := s.shown("t", metricdef.Gauge, "cpu", host); got != "3:1 4:1" {
		t.Error(got)
	}
	if _, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
		t.Fatal(err)
	}
	write(5)
	if got := s.shown("t", metricdef.Gauge, `cpu{host="h"}`); got != "1:1 2:1 5:1" {
		t.Error(got)
	}
	if got := s.shown("t", metricdef.Gauge, "plain"); got != "1:1 2:1 3:1 4:1 5:1" {
		t.Error(got)
	}
}

// TestWriteEnded: metrics and tenants that end while they are remembered are made anew.
func TestWriteEnded(t *testing.T) {
	for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter, metricdef.Availability, metricdef.String} {
		s := newStored(t, false)
		path := map[metricdef.Type]string{1: "/gauges", 2: "/counters", 3: "/availability", 4: "/strings"}[typ] + "/raw"
		value := map[metricdef.Type]string{1: "1", 2: "1", 3: `"up"`, 4: `"x"`}[typ]
		body := func(at int) string {
			var b strings.Builder
			for i, id := range []string{"a", "b", "c", "b"} {
				fmt.Fprintf(&b, `,{"id":"%s","data":[{"timestamp":%d,"value":%s,"tags":{"i":%d}},{"timestamp":%d,"value":%s}]}`, id, at+4*i, value, i, at+4*i+1, value)
			}
			return "[" + b.String()[1:] + "]"
		}
		s.post(path, body(0), 200, received(4))
		s.post(path, body(100), 200, received(4))
		who, _ := s.store.Tenants.Lookup("t")
		ref, _ := s.store.Definitions.Resolve(who.Num, typ, []byte("b"))
		if _, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
			t.Fatal(err)
		}
		s.post(path, body(200), 200, received(4))
		for id, want := range map[string]int{"a": 6, "b": 4, "c": 6} {
			if got := s.count(typ, id); got != want {
				t.Errorf("%v %s: %d points, want %d", typ, id, got, want)
			}
		}
		if err := s.store.DeleteTenant(t.Context(), who.Num); err != nil {
			t.Fatal(err)
		}
		s.post(path, body(300), 200, received(4))
		for id, want := range map[string]int{"a": 2, "b": 4, "c": 2} {
			if got := s.count(typ, id); got != want {
				t.Errorf("%v %s: %d points after the tenant, want %d", typ, id, got, want)
			}
		}
		c := s.o.Counters.Dialect(Name)
		if c.Stale.Load() != 4 || c.Stored.Load() != 32 {
			t.Errorf("%v: %d stale, %d stored", typ, c.Stale.Load(), c.Stored.Load())
		}
	}
}

// removing is a store in which somebody removes a metric of tenant "t" before each commit, as often as left says.
type removing struct {
	*measures.Store
	tb            testing.TB
	left, commits int
}

func (r *removing) Commit(ctx context.Context, b *measures.Batch) error {
	r.commits++
	if r.left > 0 {
		r.left--
		// Who writes has looked the metric up; it is made anew, and gone again when the batch comes.
		num, err := r.EnsureTenant(ctx, "t")
		if err != nil {
			r.tb.Error(err)
		}
		ref, ok := r.Definitions.Resolve(num, metricdef.Gauge, metricdef.AppendKey(nil, "a", nil))
		if !ok {
			r.tb.Error("the metric is gone already")
		}
		if n, err := r.DeleteDefinitions(ctx, []metricdef.Ref{ref}); n != 1 || err != nil {
			r.tb.Error(n, err)
		}
		made := r.CreateDefinitions(ctx, []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "a"}, Dialect: Name}})
		if made[0].Err != nil {
			r.tb.Error(made[0].Err)
		}
	}
	return r.Store.Commit(ctx, b)
}

// TestWriteToRemoved: points whose metric is removed by others while they are written are stored in one that is made anew, and given
// up when all rounds have met a removal.
func TestWriteToRemoved(t *testing.T) {
	const body = `[{"id":"b","data":[{"timestamp":1,"value":1}]},{"id":"a","data":[{"timestamp":1,"value":1},{"timestamp":2,"value":2}]}]`
	for _, removals := range []int{1, ingest.Rounds - 1, ingest.Rounds} {
		r := &removing{tb: t}
		s := newStored(t, false, func(o *Options) { r.Store = o.Store.(*measures.Store); o.Store = r })
		s.post("/gauges/raw", body, 200, received(2))
		r.left, r.commits = removals, 0
		status, answer, points := 200, received(2), 2
		if removals == ingest.Rounds {
			status, points = 503, 0
			answer = `2 samples not stored: their series were removed 8 times while they were being written; send them again; 1 points of the body were stored, 2 were not`
		}
		s.post("/gauges/raw", body, status, answer)
		if rounds := min(removals+1, ingest.Rounds); r.commits != rounds || r.left != 0 {
			t.Errorf("%d removals: %d commits, want %d", removals, r.commits, rounds)
		}
		if got := s.count(metricdef.Gauge, "a"); got != points {
			t.Errorf("%d removals: %d points, want %d", removals, got, points)
		}
	}
}

// count is how many points a metric of tenant "t" has, as the dialect answers.
func (s *stored) count(typ metricdef.Type, id string) int {
	path := map[metricdef.Type]string{1: "/gauges/", 2: "/counters/", 3: "/availability/", 4: "/strings/"}[typ]
	w := s.request(http.MethodGet, path+id+"/raw?start=0", "")
	return strings.Count(w.Body.String(), `"timestamp"`)
}

// TestWriteWhole: a gauge that keeps whole numbers refuses others before anything is stored.
func TestWriteWhole(t *testing.T) {
	s := newStored(t, false)
	s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "whole"}, Kind: metricdef.KindInt, Dialect: "influx"})
	s.post("/gauges/raw", `[{"id":"a","data":[{"timestamp":1,"value":1}]},{"id":"whole","data":[{"timestamp":1,"value":2},{"timestamp":2,"value":2.5}]}]`, 400,
		`[1].data[1].value: 2.5 is not a whole number of 64 bits, which its metric keeps`)
	if got := s.shown("t", metricdef.Gauge, "a"); got != "none" {
		t.Error(got)
	}
	s.post("/gauges/whole/raw", `[{"timestamp":1,"value":2},{"timestamp":2,"value":3e3}]`, 200, received(1))
	if got := s.shown("t", metricdef.Gauge, "whole"); got != "1:2 2:3000" {
		t.Error(got)
	}
	// When it has ended, the next one of the name keeps what it gets.
	who, _ := s.store.Tenants.Lookup("t")
	ref, _ := s.store.Definitions.Resolve(who.Num, metricdef.Gauge, metricdef.AppendKey(nil, "whole", nil))
	if _, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
		t.Fatal(err)
	}
	s.post("/gauges/whole/raw", `[{"timestamp":3,"value":2.5}]`, 200, received(1))
	s.post("/gauges/whole/raw", `[{"timestamp":4,"value":3.5}]`, 200, received(1))
	if got := s.shown("t", metricdef.Gauge, "whole"); got != "3:2.5 4:3.5" {
		t.Error(got)
	}
}

func TestWriteSeriesLimit(t *testing.T) {
	two := `[{"id":"a","data":[{"timestamp":1,"value":1}]},{"id":"b","data":[{"timestamp":1,"value":1},{"timestamp":2,"value":1}]},{"id":"a","data":[{"timestamp":2,"value":1}]}]`
	for _, c := range []struct{ setting, status int }{{0, 429}, {400, 400}, {429, 429}} {
		s := newStored(t, false, func(o *Options) { o.SeriesStatus = c.setting })
		s.limit(tenant.Limits{Series: 1})
		h := s.post("/gauges/raw", two, c.status, `tenant "t": the limit of 1 series is reached (setting granary.limits.series): none of the 4 points was stored, since they would make 2 more series`)
		if h.Get(ErrorHeader) != "tenant-limit" || h.Get("Retry-After") != "" {
			t.Error(h)
		}
		if got := s.shown("t", metricdef.Gauge, "a"); got != "none" {
			t.Error(got)
		}
		s.limit(tenant.Limits{Series: 2})
		s.post("/gauges/raw", two, 200, received(3))
		s.post("/gauges/raw", two, 200, received(3)) // no more series, no more limit
		if n := s.o.Counters.Dialect(Name).Ignored[measures.SeriesLimit].Load(); n != 4 {
			t.Errorf("%d points counted", n)
		}
	}
	s := newStored(t, false, func(o *Options) { o.SeriesStatus = 200 })
	s.limit(tenant.Limits{Series: 1})
	if h := s.post("/gauges/raw", two, 200, received(3)); h.Get("X-Granary-Ignored") != "series-limit=2" {
		t.Error(h)
	}
	if h := s.post("/gauges/b/raw", `[{"timestamp":1,"value":1}]`, 200, received(1)); h.Get("X-Granary-Ignored") != "series-limit=1" {
		t.Error(h)
	}
	if got := s.shown("t", metricdef.Gauge, "a"); got != "1:1 2:1" {
		t.Error(got)
	}
}

func TestWriteRefused(t *testing.T) {
	s := newStored(t, false)
	s.limit(tenant.Limits{Past: time.Hour, Future: time.Minute})
	body := func(before ...int64) string {
		var list []string
		for _, b := range before {
			list = append(list, pt(b, "1"))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	if h := s.post("/gauges/x/raw", body(0, 3_700_000, -120_000, 10), 200, received(1)); h.Get("X-Granary-Ignored") != "past-limit=1, future-limit=1" {
		t.Error(h)
	}
	h := s.post("/gauges/x/raw", body(3_700_000, 3_800_000), 400, `nothing was stored: [0]: it is too old; the limit of tenant "t" is 1h (setting granary.limits.past); 2 points were refused: past-limit=2`)
	if h.Get("X-Granary-Ignored") != "past-limit=2" || h.Get(ErrorHeader) != "nothing-stored" {
		t.Error(h)
	}
	// A point at the end of time is taken, whatever else holds.
	s = newStored(t, false)
	s.post("/gauges/x/raw", fmt.Sprintf(`[{"timestamp":%d,"value":1},{"timestamp":0,"value":1}]`, int64(points.MaxTime)), 200, received(1))
	if got := s.shown("t", metricdef.Gauge, "x"); got != fmt.Sprintf("0:1 %d:1", int64(points.MaxTime)) {
		t.Error(got)
	}
}

func TestWriteRate(t *testing.T) {
	s := newStored(t, false)
	s.limit(tenant.Limits{SamplesPerSecond: 1, SamplesBurst: 1})
	var b strings.Builder
	for i := range maxRows + 10 {
		fmt.Fprintf(&b, `,{"timestamp":%d,"value":1}`, i)
	}
	s.post("/gauges/x/raw", "["+b.String()[1:]+"]", 200, received(1)) // what was let in is let in to its end
	h := s.post("/gauges/x/raw", `[{"timestamp":1,"value":2}]`, 429, `tenant "t" has sent more than its limit of 1 samples a second`)
	if h.Get("Retry-After") == "" || h.Get(ErrorHeader) != "rate-limit" {
		t.Error(h)
	}
}

func TestWriteDuplicates(t *testing.T) {
	s := newStored(t, false)
	s.post("/gauges/x/raw", `[{"timestamp":1,"value":1},{"timestamp":1,"value":2}]`, 200, received(1))
	s.post("/gauges/x/raw", `[{"timestamp":2,"value":1}]`, 200, received(1))
	s.post("/gauges/x/raw", `[{"timestamp":2,"value":3}]`, 200, received(1))
	if got := s.shown("t", metricdef.Gauge, "x"); got != "1:2 2:3" {
		t.Error(got)
	}
}
