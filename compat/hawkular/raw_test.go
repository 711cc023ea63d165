package hawkular

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant"
)

// stored is a dialect over a store of its own, into which tests write around the dialect.
type stored struct {
	*Dialect
	tb    testing.TB
	store *measures.Store
}

func newStored(tb testing.TB, strict bool, change ...func(*Options)) *stored {
	tb.Helper()
	clock := func() time.Time { return testNow }
	s := openStore(tb, clock)
	o := Options{
		Definitions: s.Definitions, Store: s, Tenants: s.Tenants, Strict: strict, Now: clock, Logger: quiet,
		Queries: query.New(s, query.Options{Definitions: s.Definitions}), Select: edge.Tenants{Default: "_ops"},
	}
	for _, f := range change {
		f(&o)
	}
	return &stored{New(o), tb, s}
}

// sample is what a test writes: a time in milliseconds, a float, a whole number, a state or a text, and tags as JSON.
type sample struct {
	at    int64
	value any
	tags  string
}

// write writes points into the metric of tenant "t" of that type and name, with these plain tags.
func (s *stored) write(typ metricdef.Type, name string, plain []metricdef.Tag, points ...sample) metricdef.Ref {
	return s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: typ, Name: name}, Plain: plain, Dialect: Name}, points...)
}

func (s *stored) writeAs(id tenant.ID, d metricdef.Draft, points ...sample) metricdef.Ref {
	s.tb.Helper()
	var err error
	if d.Tenant, err = s.store.EnsureTenant(s.tb.Context(), id); err != nil {
		s.tb.Fatal(err)
	}
	made := s.store.CreateDefinitions(s.tb.Context(), []metricdef.Draft{d})[0]
	if made.Err != nil {
		s.tb.Fatal(made.Err)
	}
	var b measures.Batch
	for _, p := range points {
		at := p.at * millisecond
		switch v := p.value.(type) {
		case int:
			b.AddInt(made.Ref, at, int64(v))
		case float64:
			b.Add(made.Ref, at, v)
		case metricdef.State:
			b.Add(made.Ref, at, float64(v))
		case string:
			b.AddText(made.Ref, at, v)
		}
		if p.tags != "" {
			b.AddTags(p.tags)
		}
	}
	if len(points) == 0 {
		return made.Ref
	}
	if err := s.store.Commit(s.tb.Context(), &b); err != nil {
		s.tb.Fatal(err)
	}
	if len(b.Stale) > 0 || b.Refused != [measures.NumReasons]int{} {
		s.tb.Fatal(b.Stale, b.Refused)
	}
	return made.Ref
}

// request sends a request for tenant "t".
func (s *stored) request(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	r.Header.Set("Hawkular-Tenant", "t")
	r.Header.Set("Content-Type", typeJSON)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// expect sends a request, "PATH" or "POST PATH BODY", and compares the whole answer. NOW-5 stands for a time before testNow.
func (s *stored) expect(request, answer string) {
	s.tb.Helper()
	method, path, body := http.MethodGet, request, ""
	if rest, ok := strings.CutPrefix(request, "POST "); ok {
		method = http.MethodPost
		path, body, _ = strings.Cut(rest, " ")
	}
	w := s.request(method, times(path), times(body))
	got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String()))
	if want := times(answer); strings.TrimSpace(got) != want {
		s.tb.Errorf("strict %v: %s:\n%s, want\n%s", s.o.Strict, request, got, want)
	}
}

// times puts numbers in the place of NOW-5, and of SOON, which is where a range ends that names no end.
func times(text string) string {
	text = strings.ReplaceAll(text, "SOON", fmt.Sprint(testMilli+slack.Milliseconds()))
	parts := strings.Split(text, "NOW-")
	for i, part := range parts[1:] {
		n := len(part) - len(strings.TrimLeft(part, "0123456789"))
		var before int64
		_, _ = fmt.Sscan(part[:n], &before)
		parts[i+1] = fmt.Sprint(testMilli-before) + part[n:]
	}
	return strings.Join(parts, "")
}

// bothModes runs a test in both modes.
func bothModes(t *testing.T, run func(s *stored)) {
	for _, strict := range []bool{true, false} {
		t.Run(fmt.Sprintf("strict=%v", strict), func(t *testing.T) { run(newStored(t, strict)) })
	}
}

// in is one text in the strict mode and another one in the default mode.
func (s *stored) in(strict, lenient string) string {
	if s.o.Strict {
		return strict
	}
	return lenient
}

const noContent = "204"

// none is an answer without anything.
func (s *stored) none() string { return s.in(noContent, "200 []") }

func pt(before int64, value string) string {
	return fmt.Sprintf(`{"timestamp":%d,"value":%s}`, testMilli-before, value)
}

func list(points ...string) string { return "200 [" + strings.Join(points, ",") + "]" }

func TestRawOrderAndLimit(t *testing.T) {
	bothModes(t, func(s *stored) {
		const minute = 60_000
		var points []sample
		p := map[int]string{}
		for i := 1; i <= 6; i++ {
			before := int64(61-i) * minute
			value := 100.1 * float64(i)
			points = append(points, sample{testMilli - before, value, ""})
			p[i] = pt(before, string(edge.AppendFloat(nil, value)))
		}
		points = append(points, sample{testMilli + 3600_000, 700.7, ""})
		s.write(metricdef.Gauge, "G1", nil, points...)
		newest := list(p[6], p[5], p[4], p[3], p[2], p[1])
		for _, c := range []struct{ request, strict, lenient string }{
			{"/gauges/G1/raw?limit=2", list(p[6], p[5]), ""},
			{"/gauges/G1/raw?limit=2&order=desc", list(p[6], p[5]), ""},
			{"/gauges/G1/raw?limit=3&order=asc", list(p[1], p[2], p[3]), ""},
			{"/gauges/G1/raw?limit=3&start=NOW-3540000", list(p[2], p[3], p[4]), list(p[6], p[5], p[4])},
			{"/gauges/G1/raw?limit=3&end=NOW-3299999", list(p[6], p[5], p[4]), ""},
			{"/gauges/G1/raw?limit=3&start=NOW-3540001&order=desc", list(p[6], p[5], p[4]), ""},
			{"/gauges/G1/raw?limit=-1&order=desc", newest, ""},
			{"/gauges/G1/raw?limit=-100&order=asc", list(p[1], p[2], p[3], p[4], p[5], p[6]), ""},
			{"/gauges/G1/raw?start=NOW-3600000", newest, ""},
			{"/gauges/G1/raw?start=NOW-3600000&end=NOW-3300000&order=ASC", list(p[1], p[2], p[3], p[4], p[5]), ""},
			{"/gauges/G1/raw/?start=-59mn&end=-57mn", list(p[3], p[2]), ""},
			{"/gauges/G1/data?start=-59mn&end=-57mn&order=asc", list(p[2], p[3]), ""},
			{`POST /gauges/raw/query {"ids":["G1"],"limit":2}`, `200 [{"id":"G1","data":[` + p[6] + "," + p[5] + `]}]`, `200 [{"id":"G1","data":[` + p[1] + "," + p[2] + `]}]`},
			{`POST /gauges/raw/query {"ids":["G1"],"limit":2,"order":"DESC"}`, `200 [{"id":"G1","data":[` + p[6] + "," + p[5] + `]}]`, ""},
			{`POST /gauges/raw/query {"ids":["G1"],"start":"-61mn","limit":"1"}`, `200 [{"id":"G1","data":[` + p[1] + `]}]`, ""},
		} {
			want := c.strict
			if !s.o.Strict && c.lenient != "" {
				want = c.lenient
			}
			s.expect(c.request, want)
		}
		for _, path := range []string{"/gauges/G1/raw?order=up", "/gauges/G1/raw?limit=x", "/gauges/G1/raw?start=5mn", "/gauges/test/raw?start=1000&end=500", "/gauges/G1/raw?start=-5min",
			"/gauges/G1/raw?fromEarliest=true&start=1", "/gauges/test/raw?start=abc"} {
			if w := s.request(http.MethodGet, path, ""); w.Code != 400 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// TestRawNow: what was written a moment ago is seen, in both modes.
func TestRawNow(t *testing.T) {
	bothModes(t, func(s *stored) {
		s.write(metricdef.Gauge, "g", nil, sample{testMilli, 1.0, ""}, sample{testMilli + 100, 2.0, ""}, sample{testMilli - 7*3600_000, 3.0, ""}, sample{testMilli - 8*3600_000 - 1, 4.5, ""})
		s.expect("/gauges/g/raw", list(pt(0, s.in("1.0", "1")), pt(7*3600_000, s.in("3.0", "3"))))
		s.expect("/gauges/g/raw?fromEarliest=true&order=asc&limit=2", list(pt(8*3600_000+1, "4.5"), pt(7*3600_000, s.in("3.0", "3"))))
	})
}

func TestRawKinds(t *testing.T) {
	bothModes(t, func(s *stored) {
		s.write(metricdef.Counter, "c", nil, sample{testMilli - 2, 9007199254740993, ""}, sample{testMilli - 1, 100, `{"x":"1","y":"2"}`})
		s.expect("/counters/c/raw", list(`{"timestamp":NOW-1,"value":100,"tags":{"x":"1","y":"2"}}`, pt(2, "9007199254740993")))
		s.write(metricdef.Gauge, "g/1 +;", nil, sample{testMilli - 4, math.NaN(), ""}, sample{testMilli - 3, math.Inf(1), ""}, sample{testMilli - 2, -1e300, `{"a":"\"b"}`}, sample{testMilli - 1, 1e-7, ""})
		s.expect("/gauges/g%2F1%20+%3B/raw?order=asc", list(pt(4, `"NaN"`), pt(3, `"Infinity"`), `{"timestamp":NOW-2,"value":-1e+300,"tags":{"a":"\"b"}}`, pt(1, "1e-7")))
		s.write(metricdef.String, "s", nil, sample{testMilli - 4, "a", ""}, sample{testMilli - 3, "a", `{"k":"v"}`}, sample{testMilli - 2, "b\n<", ""}, sample{testMilli - 1, "a", ""})
		s.expect("/strings/s/raw", list(pt(1, `"a"`), pt(2, `"b\n\u003c"`), `{"timestamp":NOW-3,"value":"a","tags":{"k":"v"}}`, pt(4, `"a"`)))
		s.expect("/strings/s/raw?distinct=true", list(pt(1, `"a"`), pt(2, `"b\n\u003c"`), `{"timestamp":NOW-3,"value":"a","tags":{"k":"v"}}`))
		s.expect("/strings/s/raw?distinct=true&order=asc&limit=2", list(pt(4, `"a"`)))
		s.write(metricdef.Availability, "a", nil, sample{testMilli - 5, metricdef.Up, ""}, sample{testMilli - 4, metricdef.Up, ""}, sample{testMilli - 3, metricdef.Down, ""},
			sample{testMilli - 2, metricdef.Unknown, ""}, sample{testMilli - 1, metricdef.Admin, ""})
		s.expect("/availability/a/raw", list(pt(1, `"admin"`), pt(2, `"unknown"`), pt(3, `"down"`), pt(4, `"up"`), pt(5, `"up"`)))
		s.expect("/availability/a/data?order=asc&limit=1", list(pt(5, `"up"`)))
		s.expect("/availability/a/raw?distinct=true&limit=2&order=asc", list(pt(5, `"up"`), pt(3, `"down"`)))
		s.expect("/availability/a/raw?distinct=true", list(pt(1, `"admin"`), pt(2, `"unknown"`), pt(3, `"down"`), pt(4, `"up"`)))
		// A type does not see the metrics of another.
		s.expect("/gauges/c/raw", s.none())
		s.expect("/strings/a/raw", s.none())
		// What other dialects write keeps its kind.
		s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "whole"}, Kind: metricdef.KindInt, Dialect: "influx"}, sample{testMilli - 1, 7, ""})
		s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "cpu", Tags: []metricdef.Tag{{Name: "host", Value: "a"}}}, Dialect: "native"}, sample{testMilli - 1, 8.5, ""})
		s.expect("/gauges/whole/raw", list(pt(1, "7")))
		s.expect("/gauges/cpu%7Bhost=%22a%22%7D/raw", list(pt(1, "8.5")))
	})
}

func TestRawQuery(t *testing.T) {
	tags := func(list ...string) (out []metricdef.Tag) {
		for i := 0; i < len(list); i += 2 {
			out = append(out, metricdef.Tag{Name: list[i], Value: list[i+1]})
		}
		return out
	}
	bothModes(t, func(s *stored) {
		s.write(metricdef.Gauge, "A1", tags("letter", "A", "number", "1"), sample{testMilli - 2, 1.5, ""}, sample{testMilli - 1, 2.5, ""})
		s.write(metricdef.Gauge, "A2", tags("letter", "A", "number", "2"), sample{testMilli - 2, 3.5, ""}, sample{testMilli - 1, 4.5, ""})
		s.write(metricdef.Gauge, "B1", tags("letter", "B"), sample{testMilli - 2, 5.5, ""})
		s.write(metricdef.Gauge, "A3", tags("letter", "A"))
		s.write(metricdef.Counter, "A1", tags("letter", "A"), sample{testMilli - 1, 7, ""})
		s.writeAs("other", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "A1"}, Plain: tags("letter", "A"), Dialect: Name}, sample{testMilli - 1, 99.0, ""})
		a1, a2 := `{"id":"A1","data":[`+pt(1, "2.5")+`]}`, `{"id":"A2","data":[`+pt(1, "4.5")+`]}`
		for _, c := range []struct{ request, strict, lenient string }{
			{`POST /gauges/raw/query {"ids":["A2","A1","A2","none"],"limit":1,"order":"desc"}`, list(a1, a2), ""},
			{`POST /gauges/raw/query {"tags":"letter:A","limit":1,"order":"desc"}`, list(a1, a2), ""},
			{`POST /gauges/raw/query {"tags":"letter = 'A' AND number = 1","limit":1,"order":"desc"}`, list(a1), ""},
			{`POST /gauges/raw/query {"tags":"letter:A","ids":["B1","A1"],"limit":1,"order":"desc"}`, "", list(a1, a2, `{"id":"B1","data":[`+pt(2, "5.5")+`]}`)},
			{`POST /gauges/raw/query {"ids":["zz1","zz2"]}`, noContent, "200 []"},
			{`POST /gauges/raw/query {"ids":["A3"]}`, noContent, "200 []"},
			{`POST /gauges/raw/query {"tags":"letter:C"}`, noContent, "200 []"},
			{`POST /gauges/raw/query {"ids":[],"start":1}`, "", "200 []"},
			{`POST /gauges/raw/query {}`, `400 {"errorMsg":"Payload is empty"}`, "200 []"},
			{`POST /counters/raw/query {"ids":["A1","A2"]}`, list(`{"id":"A1","data":[` + pt(1, "7") + `]}`), ""},
			{"/gauges/tags/letter:A/raw?limit=1", list(a1, a2), ""},
			{"/gauges/tags/letter:A,number:1/raw?limit=1&order=desc", list(a1), ""},
			{"/gauges/tags/letter:C/raw", noContent, "200 []"},
		} {
			want := c.strict
			if !s.o.Strict && c.lenient != "" {
				want = c.lenient
			}
			if want != "" {
				s.expect(c.request, want)
			} else if method, rest, _ := strings.Cut(c.request, " "); method == http.MethodPost {
				path, body, _ := strings.Cut(rest, " ")
				if w := s.request(method, path, body); w.Code != 400 {
					t.Errorf("%s: %d %s", c.request, w.Code, w.Body)
				}
			}
		}
		// Another tenant has its own.
		if w := s.request(http.MethodGet, "/gauges/A1/raw", "", "Hawkular-Tenant", "other"); w.Body.String() != "["+pt(1, s.in("99.0", "99"))+"]" {
			t.Error(w.Body)
		}
		if w := s.request(http.MethodGet, "/gauges/A1/raw", "", "Hawkular-Tenant", "nobody"); fmt.Sprintf("%d %s", w.Code, w.Body) != s.none() && w.Code != 204 {
			t.Error(w.Code, w.Body)
		}
		for _, body := range []string{`{"ids":["A1"],"start":"5mn"}`, `{"ids":["A1"],"order":"up"}`, `{"ids":"A1"}`, `{"ids":["A1"],"start":1,"fromEarliest":true}`, `{"tags":":x"}`, `{"ids":[`} {
			if w := s.request(http.MethodPost, "/gauges/raw/query", body); w.Code != 400 {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	})
}

func TestStamp(t *testing.T) {
	var s stamp
	for _, ms := range []int64{0, -1, 999_999, 1_000_000, 1_000_001, 1_999_999, testMilli, testMilli + 999, math.MinInt64 / millisecond, lastMilli, 12_000_000, 12_345_678, 11_000_010} {
		if got, want := string(s.append(nil, ms)), fmt.Sprintf(`{"timestamp":%d,"value":`, ms); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
