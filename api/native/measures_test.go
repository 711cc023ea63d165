package native

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/tenant"
)

// TestWriteForms: the same two samples in every form that a body can have.
func TestWriteForms(t *testing.T) {
	const a, b = int64(1_700_000_000_000_000_000), int64(1_700_000_060_000_000_000)
	for name, c := range map[string]struct{ body, media string }{
		"object":          {`{"metrics":[{"name":"cpu","tags":{"host":"a"},"samples":[[1700000000,1.5],[1700000060000,2.5]]}]}`, ""},
		"spaces":          {" {\n \"metrics\" : [ { \"name\" : \"cpu\" , \"tags\" : { \"host\" : \"a\" } , \"samples\" : [ [ 1700000000 , 1.5 ] , [ 1700000060000 , 2.5 ] ] } ] }\n", ""},
		"list":            {`[{"name":"cpu","tags":{"host":"a"},"samples":[{"time":1700000000,"value":1.5},{"value":2.5,"time":"2023-11-14T22:14:20Z"}]}]`, "application/json; charset=utf-8"},
		"samples first":   {`[{"samples":[[1700000000,1.5],[1700000060000,2.5]],"tags":{"host":"a"},"type":"gauge","name":"cpu"}]`, ""},
		"escapes":         {`[{"name":"c\u0070u","tags":{"host":"\u0061"},"samples":[["1700000000",1.5],[1.70000006e9,25e-1]]}]`, ""},
		"two items":       {`[{"name":"cpu","tags":{"host":"a"},"samples":[[1700000000,1.5]]},{"name":"cpu","tags":{"host":"a"},"samples":[[1700000060,2.5]]}]`, ""},
		"lines of JSON":   {"{\"name\":\"cpu\",\"tags\":{\"host\":\"a\"},\"samples\":[[1700000000,1.5]]}\n\n {\"name\":\"cpu\",\"tags\":{\"host\":\"a\"},\"samples\":[[1700000060,2.5]]} ", "application/x-ndjson"},
		"line protocol":   {"cpu,host=a value=1.5 1700000000\ncpu,host=a value=2.5 1700000060\n", "text/plain"},
		"line protocol 2": {"cpu,host=a value=1.5 1700000000000000000\ncpu,host=a value=2.5 1700000060000000000", "application/vnd.influx.line-protocol"},
	} {
		s := newStored(t, tenant.Limits{})
		for round := range 3 { // unknown, then known, then known to be what follows
			header := []string{"Tenant", "mine"}
			if c.media != "" {
				header = append(header, "Content-Type", c.media)
			}
			w, got := s.write(t, c.body, header...)
			if w.Code != 200 || got.Stored != 2 || got.Rejected != 0 || len(got.Errors) != 0 {
				t.Fatalf("%s, round %d: %d %s", name, round, w.Code, w.Body)
			}
		}
		times, values := s.read(t, s.ref(t, "mine", metricdef.Gauge, "cpu", metricdef.Tag{Name: "host", Value: "a"}))
		if !slices.Equal(times, []int64{a, b}) || !slices.Equal(values, []float64{1.5, 2.5}) {
			t.Errorf("%s: %v %v", name, times, values)
		}
		if s.store.Definitions.Len() != 1 || s.store.Tenants.Len() != 1 {
			t.Errorf("%s: %d definitions", name, s.store.Definitions.Len())
		}
	}
}

func TestWriteKinds(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `{"metrics":[
		{"name":"g","samples":[[1,"NaN"],[2,"Infinity"],[3,"-Infinity"],[4,-0.0],[5,9007199254740993],[6,1e-320]]},
		{"name":"c","type":"counter","samples":[[1,9007199254740993],[2,"9223372036854775807"],[3,-9223372036854775808],[4,1e3],[5,12.0]]},
		{"name":"s","type":"availability","samples":[[1,"up"],[2,"DOWN"],[3,"unknown"],[4,"admin"]]}]}`
	for range 2 {
		if w, got := s.write(t, body); w.Code != 200 || got.Stored != 15 || got.Rejected != 0 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	_, g := s.read(t, s.ref(t, "_ops", metricdef.Gauge, "g"))
	if !math.IsNaN(g[0]) || g[1] != math.Inf(1) || g[2] != math.Inf(-1) || math.Float64bits(g[3]) != 1<<63 || g[4] != 9007199254740992 || g[5] != 1e-320 {
		t.Errorf("gauge: %v", g)
	}
	_, c := s.read(t, s.ref(t, "_ops", metricdef.Counter, "c"))
	ints := []int64{}
	for _, v := range c {
		ints = append(ints, measures.WordInt(v))
	}
	if !slices.Equal(ints, []int64{9007199254740993, math.MaxInt64, math.MinInt64, 1000, 12}) {
		t.Errorf("counter: %v", ints)
	}
	_, a := s.read(t, s.ref(t, "_ops", metricdef.Availability, "s"))
	if !slices.Equal(a, []float64{1, 0, 2, 3}) {
		t.Errorf("availability: %v", a)
	}
}

// TestWriteRefuses: what is wrong is told with its path, and what is right beside it is stored.
func TestWriteRefuses(t *testing.T) {
	const good = `{"name":"good","samples":[[1700000000,1]]}`
	const unknown = `0af7651c-0000-4000-8000-00000000000a`
	for _, c := range []struct {
		item, path, code string
		rejected         int
	}{
		{`{}`, "", "request-syntax", 1},
		{`7`, "", "request-syntax", 1},
		{`{"name":"x"}`, "", "request-syntax", 1},
		{`{"name":"x","samples":{}}`, "/samples", "request-syntax", 1},
		{`{"name":"x","samples":null}`, "/samples", "request-syntax", 1},
		{`{"name":"","samples":[[1,1]]}`, "/name", "definition-invalid", 1},
		{`{"name":1,"samples":[[1,1],[2,2]]}`, "/name", "request-syntax", 1},
		{`{"name":"x","type":"guage","samples":[[1,1],[2,2]]}`, "/type", "request-syntax", 2},
		{`{"name":"x","tags":{"a":""},"samples":[[1,1]]}`, "/tags", "definition-invalid", 1},
		{`{"name":"x","tags":{"__name__":"y"},"samples":[[1,1]]}`, "/tags", "definition-invalid", 1},
		{`{"name":"x","tags":{"a":1},"samples":[[1,1]]}`, "/tags/a", "request-syntax", 1},
		{`{"name":"x","tags":{"a":"1","a":"2"},"samples":[[1,1]]}`, "/tags/a", "request-syntax", 1},
		{`{"name":"x","name":"y","samples":[[1,1]]}`, "/name", "request-syntax", 1},
		{`{"name":"x","nmae":"y","samples":[[1,1]]}`, "/nmae", "request-syntax", 1},
		{`{"name":"x","samples":[[1,1]],"samples":[[1,1]]}`, "/samples", "request-syntax", 1},
		{`{"name":"x","samples":[[[[[[` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]]]]]]}`, "", "request-syntax", 1},
		{`{"id":"` + unknown + `","samples":[[1,1],[2,2],[3,3]]}`, "/id", "metric-unknown", 3},
		{`{"id":"x","samples":[[1,1]]}`, "/id", "request-syntax", 1},
		{`{"id":"urn:uuid:` + unknown + `","samples":[[1,1]]}`, "/id", "request-syntax", 1},
		{`{"id":"` + unknown + `","name":"x","samples":[[1,1]]}`, "/name", "request-syntax", 1},
		{`{"id":"` + unknown + `","tags":{},"samples":[[1,1]]}`, "/tags", "request-syntax", 1},
		{`{"name":"x","policy":"nope","samples":[[1,1],[2,2]]}`, "/policy", "policy-unknown", 2},
		{`{"name":"x","samples":[1]}`, "/samples/0", "request-syntax", 1},
		{`{"name":"x","samples":[[1]]}`, "/samples/0", "request-syntax", 1},
		{`{"name":"x","samples":[[1,2,3]]}`, "/samples/0", "request-syntax", 1},
		{`{"name":"x","samples":[{"time":1}]}`, "/samples/0", "request-syntax", 1},
		{`{"name":"x","samples":[{"time":1,"value":2,"x":3}]}`, "/samples/0/x", "request-syntax", 1},
		{`{"name":"x","samples":[{"time":1,"value":2,"tags":{"a":""}}]}`, "/samples/0/tags", "request-syntax", 1},
		{`{"name":"x","samples":[["yesterday",1]]}`, "/samples/0/0", "time-invalid", 1},
		{`{"name":"x","samples":[[99999999999999999999,1]]}`, "/samples/0/0", "time-invalid", 1},
		{`{"name":"x","samples":[[true,1]]}`, "/samples/0/0", "request-syntax", 1},
		{`{"name":"x","samples":[[1,null]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","samples":[[1,"1"]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","samples":[[1,"nan"]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","samples":[[1,1e999]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","samples":[{"time":1,"value":[]}]}`, "/samples/0/value", "value-invalid", 1},
		{`{"name":"x","type":"counter","samples":[[1,1.5]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"counter","samples":[[1,9223372036854775808]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"counter","samples":[[1,"+1"]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"counter","samples":[[1,"NaN"]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"availability","samples":[[1,1]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"availability","samples":[[1,"off"]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","type":"string","samples":[[1,1]]}`, "/samples/0/1", "value-invalid", 1},
		{`{"name":"x","samples":[[9223372036854775807,1]]}`, "/samples/0", "sample-refused", 1},
	} {
		s := newStored(t, tenant.Limits{})
		for _, form := range []struct {
			body, media, prefix string
			index               int
		}{
			{`{"metrics":[` + good + `,` + c.item + `,` + good + `]}`, "application/json", "/metrics/1", 1},
			{`[` + c.item + `,` + good + `]`, "application/json", "/0", 0},
			{good + "\n\n" + c.item + "\n" + good, "application/x-ndjson", "", 1},
		} {
			w, got := s.write(t, form.body, "Content-Type", form.media)
			want := strings.Count(form.body, good)
			if w.Code != 200 || got.Stored != want || got.Rejected != c.rejected || len(got.Errors) != 1 {
				t.Errorf("%s: %d %s", form.body, w.Code, w.Body)
				continue
			}
			e := got.Errors[0]
			path := form.prefix + c.path
			if strings.Contains(c.item, "[[[[[[") {
				path = e.Path
			}
			if e.Index != form.index || e.Path != path || e.Code != c.code || e.Detail == "" || len(e.Detail) > 1000 || (e.Line == 3) != (form.prefix == "") {
				t.Errorf("%s: %+v, want the path %s and the code %s", form.body, e, path, c.code)
			}
			n := 0
			for _, v := range got.Reasons {
				n += v
			}
			if n != c.rejected {
				t.Errorf("%s: reasons %v", form.body, got.Reasons)
			}
		}
		// Alone, it is an error.
		w := ask(s, "POST", "/v2/measures", `[`+c.item+`]`)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s alone: %d", c.item, w.Code)
		} else if m := problemOf(t, w); m["code"] != "nothing-stored" || m["rejected"] != float64(c.rejected) || m["errors"] == nil {
			t.Errorf("%s alone: %s", c.item, w.Body)
		}
	}
}

// TestOneBadOfMany: 10,000 items with a bad one are 9,999 samples.
func TestOneBadOfMany(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	var b strings.Builder
	for i := range 10_000 {
		value := "1.25"
		if i == 4711 {
			value = `"x"`
		}
		fmt.Fprintf(&b, `%s{"name":"m","tags":{"host":"h%04d"},"samples":[[1700000000000,%s]]}`, map[bool]string{true: "", false: ","}[i == 0], i, value)
	}
	for range 2 {
		w, got := s.write(t, `{"metrics":[`+b.String()+`]}`)
		if w.Code != 200 || got.Stored != 9999 || got.Rejected != 1 || len(got.Errors) != 1 || got.Errors[0].Index != 4711 || got.Errors[0].Path != "/metrics/4711/samples/0/1" {
			t.Errorf("%d %.500s", w.Code, w.Body)
		}
	}
	if n := s.store.Definitions.Len(); n != 9999 {
		t.Errorf("%d definitions", n)
	}
}

// TestManyErrors: the errors that are named are few, their count is whole.
func TestManyErrors(t *testing.T) {
	s := newStored(t, tenant.Limits{Series: 3})
	items := strings.Repeat(`{"name":"x","samples":[[1,"x"],[2,1]]},`, 500)
	_, got := s.write(t, `[`+strings.TrimSuffix(items, ",")+`]`)
	if got.Stored != 500 || got.Rejected != 500 || len(got.Errors) != 100 || got.Reasons["value-invalid"] != 500 {
		t.Errorf("%d %d %d %v", got.Stored, got.Rejected, len(got.Errors), got.Reasons)
	}
	// Beyond the limit on series.
	_, got = s.write(t, `[{"name":"a","samples":[[1,1]]},{"name":"b","samples":[[1,1]]},{"name":"c","samples":[[1,1],[2,2]]}]`)
	if got.Stored != 2 || got.Rejected != 2 || got.Errors[0].Index != 2 || got.Errors[1].Path != "/2/samples/1" || got.Errors[0].Reason != "series-limit" || got.Reasons["series-limit"] != 2 {
		t.Errorf("%+v", got)
	}
	w := ask(s, "POST", "/v2/measures", `[{"name":"c","samples":[[1,1]]}]`)
	if m := problemOf(t, w); w.Code != 429 || m["code"] != "tenant-limit" || m["setting"] != "granary.limits.series" || w.Header()["Retry-After"] != nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestBrokenBodies: what stands before the fault is stored, and the fault is told.
func TestBrokenBodies(t *testing.T) {
	const good = `{"name":"good","samples":[[1700000000,1]]}`
	s := newStored(t, tenant.Limits{})
	for body, stored := range map[string]int{
		`[` + good + `,` + good: 2, `[` + good + ` ` + good + `]`: 1, `[` + good + `,]`: 1, `[` + good + `]x`: 1, `{"metrics":[` + good + `]`: 1, `{"metrics":[` + good + `],"x":1}`: 1,
		`[` + good + `,{"name":"x","samples":[[1,2]`: 1, `[` + good + `,{"name":"x" "samples":[[1,2]]}]`: 1, `[` + good + `,{"name":"x","samples":[[1,2],]}]`: 1, `[` + good + `,{"name":"x","samples":[[01,2]]}]`: 1,
		`[` + good + `,{"name":"good","samples":[[1,1.]]}]`: 1, `[` + good + `,{"name":"good","samples":[[1,.5]]}]`: 1, `[` + good + `,{"name":"good","samples":[[1,+5]]}]`: 1,
		`[` + good + `,{"name":"good","samples":[[1,1]`: 1, `[` + good + `,{"name":"good","samples":[[1,1]]`: 1,
	} {
		for round := range 2 {
			w, got := s.write(t, body)
			if w.Code != 200 || got.Stored != stored || got.Rejected != 1 || len(got.Errors) != 1 || got.Errors[0].Code != "request-syntax" {
				t.Errorf("%s, round %d: %d %s", body, round, w.Code, w.Body)
			}
		}
	}
	for _, body := range []string{``, ` `, `x`, `7`, `"x"`, `{}`, `{"metrics":{}}`, `{"metrics":7}`, `{"metric":[]}`, `{"metrics"`, `{"metrics":`, `{`, `[`, `{"metrics":[`, `[x]`, `null`} {
		w := ask(s, "POST", "/v2/measures", body, "Content-Type", "application/json")
		if w.Code != 400 || problemOf(t, w)["code"] != "nothing-stored" {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
	for _, body := range []string{`[]`, `{"metrics":[]}`, ` [ ] `, `[{"name":"x","samples":[]}]`} {
		if w, got := s.write(t, body); w.Code != 200 || got.Stored != 0 || got.Rejected != 0 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
	if s.ref(t, "_ops", metricdef.Gauge, "x") != 0 {
		t.Error("an item without samples makes a metric")
	}
}

// TestWhoseMeasures: a tenant writes to its own metrics alone, and comes into being by its first good sample.
func TestWhoseMeasures(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `[{"name":"x","samples":[[1,1]]}]`
	for _, bad := range []string{`[{"name":"x","samples":[[1,"x"]]}]`, `[{"name":"","samples":[[1,1]]}]`, `x`, `[]`} {
		ask(s, "POST", "/v2/measures", bad, "Tenant", "new")
	}
	if w := ask(s, "POST", "/v2/measures?create=false", body, "Tenant", "new"); w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if s.store.Tenants.Len() != 0 {
		t.Error("a tenant was made by nothing")
	}
	s.write(t, body, "Tenant", "a")
	s.write(t, body, "Tenant", "b")
	a, b := s.ref(t, "a", metricdef.Gauge, "x"), s.ref(t, "b", metricdef.Gauge, "x")
	if a == 0 || b == 0 || a == b {
		t.Fatalf("%d %d", a, b)
	}
	d, _ := s.store.Definitions.Get(a)
	byID := fmt.Sprintf(`[{"id":"%s","samples":[[2,2]]}]`, d.ID)
	for _, who := range []string{"b", "nobody"} {
		w := ask(s, "POST", "/v2/measures", byID, "Tenant", who)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "metric-unknown") {
			t.Errorf("%s writes to a: %d %s", who, w.Code, w.Body)
		}
	}
	for range 2 {
		if w, got := s.write(t, byID, "Tenant", "a"); w.Code != 200 || got.Stored != 1 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	// What another has taught about the text of an item is not used.
	if w := ask(s, "POST", "/v2/measures", byID, "Tenant", "b"); w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if times, _ := s.read(t, b); len(times) != 1 {
		t.Errorf("b has %v", times)
	}
	if w, got := s.write(t, body, "Tenant", "a"); w.Code != 200 || got.Stored != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, "POST", "/v2/measures?create=false", "x value=1", "Content-Type", "text/plain"); w.Code != 400 {
		t.Errorf("%d", w.Code)
	}
	if w := ask(s, "POST", "/v2/measures", body, "Content-Type", "text/html"); w.Code != 415 {
		t.Errorf("%d", w.Code)
	}
}

// TestWriteToEnded: a metric that was deleted since its text was learned is made anew.
func TestWriteToEnded(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `[{"name":"x","samples":[[1,1]]},{"name":"c","type":"counter","samples":[[1,7],[2,8]]},{"name":"y","samples":[[1,1]]}]`
	for range 3 {
		s.write(t, body)
	}
	old := []metricdef.Ref{s.ref(t, "_ops", metricdef.Gauge, "x"), s.ref(t, "_ops", metricdef.Counter, "c")}
	for range 2 {
		if _, err := s.store.DeleteDefinitions(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if w, got := s.write(t, body); w.Code != 200 || got.Stored != 4 || got.Rejected != 0 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		x, c := s.ref(t, "_ops", metricdef.Gauge, "x"), s.ref(t, "_ops", metricdef.Counter, "c")
		if x == 0 || c == 0 || x == old[0] || c == old[1] {
			t.Errorf("%d %d", x, c)
		}
		if times, values := s.read(t, c); len(times) != 2 || measures.WordInt(values[1]) != 8 {
			t.Errorf("%v", times)
		}
		old = []metricdef.Ref{x, c}
	}
	d, _ := s.store.Definitions.Get(old[0])
	byID := fmt.Sprintf(`[{"id":"%s","samples":[[2,2]]},{"name":"y","samples":[[5,5]]}]`, d.ID)
	s.write(t, byID)
	if _, err := s.store.DeleteDefinitions(t.Context(), old[:1]); err != nil {
		t.Fatal(err)
	}
	if w, got := s.write(t, byID); w.Code != 200 || got.Stored != 1 || got.Rejected != 1 || got.Errors[0].Code != "metric-unknown" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// removing is a store in which something is removed before each commit, as often as left says.
type removing struct {
	*measures.Store
	remove        func()
	left, commits int
	stale         bool // the next batch meets removals that are on their way
}

func (r *removing) Commit(ctx context.Context, b *measures.Batch) error {
	r.commits++
	if r.left > 0 {
		r.left--
		r.remove()
	}
	if r.stale {
		r.stale, b.Left = false, b.Bytes
		for row := range b.Refs {
			b.Stale, b.Refs[row] = append(b.Stale, row), 0
		}
		return nil
	}
	return r.Store.Commit(ctx, b)
}

// newRemoving makes an API on such a store.
func newRemoving(t *testing.T) (*realStore, *removing) {
	r := &removing{}
	return newStored(t, tenant.Limits{}, func(o *Options) { r.Store = o.Store.(*measures.Store); o.Store = r }), r
}

// TestWriteToRemoved: samples whose metric, or whose tenant, is removed by others while they are written are stored in one that is
// made anew, whatever the order of the members of their items.
func TestWriteToRemoved(t *testing.T) {
	for _, body := range []string{
		`[{"name":"b","samples":[[1,1]]},{"name":"a","tags":{"x":"y"},"samples":[[1,1],[2,2]]}]`,
		`[{"samples":[[1,1]],"name":"b"},{"samples":[[1,1],[2,2]],"name":"a","tags":{"x":"y"}}]`,
	} {
		for _, whole := range []bool{false, true} {
			s, r := newRemoving(t)
			tag := metricdef.Tag{Name: "x", Value: "y"}
			r.remove = func() {
				var err error
				if who, _ := s.store.Tenants.Lookup("t"); whole {
					err = s.store.DeleteTenant(t.Context(), who.Num)
				} else {
					_, err = s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{s.ref(t, "t", metricdef.Gauge, "a", tag)})
				}
				if err != nil {
					t.Error(err)
				}
			}
			for range 3 { // not known, known, known to follow
				s.write(t, body, "Tenant", "t")
				r.left, r.commits = 1, 0
				if w, got := s.write(t, body, "Tenant", "t"); w.Code != 200 || got.Stored != 3 || got.Rejected != 0 || r.commits != 2 || r.left != 0 {
					t.Errorf("%s, whole %v: %d %s after %d commits", body, whole, w.Code, w.Body, r.commits)
				}
				if times, _ := s.read(t, s.ref(t, "t", metricdef.Gauge, "a", tag)); len(times) != 2 {
					t.Errorf("%s, whole %v: there are %d samples", body, whole, len(times))
				}
			}
			// Without the right to make it anew it is not, and neither is its tenant.
			r.left = 1
			w := ask(s, "POST", "/v2/measures?create=false", body, "Tenant", "t")
			if whole {
				if _, there := s.store.Tenants.Lookup("t"); there || w.Code != 400 || !strings.Contains(w.Body.String(), "metric-unknown") {
					t.Errorf("%s: %d %s", body, w.Code, w.Body)
				}
			} else if s.ref(t, "t", metricdef.Gauge, "a", tag) != 0 || w.Code != 200 || !strings.Contains(w.Body.String(), `"stored":1,"rejected":2,"reasons":{"metric-unknown":2}`) {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	}
}

// TestWriteRounds: the removals that a write outlasts are one less than the rounds.
func TestWriteRounds(t *testing.T) {
	const body = `[{"name":"b","samples":[[1,1]]},{"name":"a","samples":[[1,1],[2,2]]}]`
	for _, whole := range []bool{false, true} {
		for _, removals := range []int{ingest.Rounds - 1, ingest.Rounds} {
			s, r := newRemoving(t)
			s.write(t, body)
			// A tenant that is gone takes drafts with it. A draft of a metric finds what there is, or makes it, but for what is on its way
			// out at that moment.
			r.remove = func() {
				if whole {
					who, _ := s.store.Tenants.Lookup("_ops")
					if err := s.store.DeleteTenant(t.Context(), who.Num); err != nil {
						t.Error(err)
					}
					return
				}
				r.stale = true
			}
			r.left, r.commits = removals, 0
			w, got := s.write(t, body)
			if removals < ingest.Rounds && (w.Code != 200 || got.Stored != 3) {
				t.Errorf("whole %v, %d removals: %d %s", whole, removals, w.Code, w.Body)
			}
			if removals == ingest.Rounds && (w.Code != 503 || !strings.Contains(w.Body.String(), "3 samples not stored: their series were removed 8 times while they were being written; send them again") || !strings.Contains(w.Body.String(), "series-unstable")) {
				t.Errorf("whole %v, %d removals: %d %s", whole, removals, w.Code, w.Body)
			}
			if r.commits != ingest.Rounds || r.left != 0 {
				t.Errorf("whole %v, %d removals: %d commits", whole, removals, r.commits)
			}
		}
	}
}

// TestWriteToOtherKind: samples whose metric was deleted, and made anew by others for values of another kind, are turned into these.
func TestWriteToOtherKind(t *testing.T) {
	for _, kinds := range [][2]metricdef.Kind{{metricdef.KindFloat, metricdef.KindInt}, {metricdef.KindInt, metricdef.KindFloat}} {
		s := newStored(t, tenant.Limits{})
		num, err := s.store.EnsureTenant(t.Context(), "_ops")
		if err != nil {
			t.Fatal(err)
		}
		made := func(kind metricdef.Kind) metricdef.Ref {
			t.Helper()
			m := s.store.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "x"}, Kind: kind, Dialect: "influx"}})
			if m[0].Err != nil {
				t.Fatal(m[0].Err)
			}
			return m[0].Ref
		}
		old := made(kinds[0])
		for range 2 {
			s.write(t, `[{"name":"x","samples":[[1,1]]}]`)
		}
		if _, err := s.store.DeleteDefinitions(t.Context(), []metricdef.Ref{old}); err != nil {
			t.Fatal(err)
		}
		ref := made(kinds[1])
		if w, got := s.write(t, `[{"name":"x","samples":[[2,7]]}]`); w.Code != 200 || got.Stored != 1 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		_, values := s.read(t, ref)
		if len(values) == 1 && kinds[1] == metricdef.KindInt {
			values[0] = float64(measures.WordInt(values[0]))
		}
		if len(values) != 1 || values[0] != 7 {
			t.Errorf("of kind %v, then %v: %v", kinds[0], kinds[1], values)
		}
	}
}

func TestWriteLines(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	body := "cpu,host=a,dc=x value=1,idle=2i 1700000000\nbad line\nmem used=5\ns text=\"x\"\n"
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	_, _ = g.Write([]byte(body))
	_ = g.Close()
	w, got := s.write(t, z.String(), "Content-Type", "text/plain; charset=utf-8", "Content-Encoding", "gzip")
	if w.Code != 200 || got.Stored != 4 || got.Reasons["request-syntax"] != 1 || got.Errors[0].Line != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	tags := []metricdef.Tag{{Name: "dc", Value: "x"}, {Name: "host", Value: "a"}}
	for _, name := range []string{"cpu", "cpu_idle"} {
		if times, _ := s.read(t, s.ref(t, "_ops", metricdef.Gauge, name, tags...)); !slices.Equal(times, []int64{1_700_000_000e9}) {
			t.Errorf("%s: %v", name, times)
		}
	}
	if times, _ := s.read(t, s.ref(t, "_ops", metricdef.Gauge, "mem_used")); !slices.Equal(times, []int64{testNow.Unix() * 1e9}) {
		t.Errorf("mem: %v", times)
	}
}

// TestWriteTexts: texts, and the tags of single samples, whatever the order of their names.
func TestWriteTexts(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `[{"name":"version","type":"string","samples":[[1,"a\n"],{"time":2,"value":"b","tags":{"z":"1","a":"\u00e9"}},[3,"c"],{"time":4,"value":"","tags":{}}]},
		{"name":"load","samples":[[1,1],{"time":2,"value":2,"tags":{"cause":"x"}}]}]`
	for range 2 {
		if w, got := s.write(t, body); w.Code != 200 || got.Stored != 6 || got.Rejected != 0 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	var r measures.TextReader
	version, load := s.ref(t, "_ops", metricdef.String, "version"), s.ref(t, "_ops", metricdef.Gauge, "load")
	if err := s.store.ReadText(t.Context(), &r, version, 0, 1<<62); err != nil || !slices.Equal(r.Texts, []string{"a\n", "b", "c", ""}) || r.Times[3] != 4e9 {
		t.Errorf("%q, %v", r.Texts, err)
	}
	if err := s.store.ReadTags(t.Context(), &r, version, 0, 1<<62); err != nil || !slices.Equal(r.Texts, []string{`{"a":"é","z":"1"}`}) || r.Times[0] != 2e9 {
		t.Errorf("%q, %v", r.Texts, err)
	}
	if err := s.store.ReadTags(t.Context(), &r, load, 0, 1<<62); err != nil || !slices.Equal(r.Texts, []string{`{"cause":"x"}`}) {
		t.Errorf("%q, %v", r.Texts, err)
	}
}
