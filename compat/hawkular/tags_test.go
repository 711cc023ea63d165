package hawkular

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"granary/metricdef"
)

// tagsOf prints the tags of a metric, "" if there is none.
func (w *world) tagsOf(t *testing.T, path string) string {
	t.Helper()
	out := w.ask(t, "GET", path, "")
	if out.Code == 204 {
		return ""
	}
	var b []string
	for name, value := range read[metric](t, out).Tags {
		b = append(b, name+"="+value)
	}
	slices.Sort(b)
	return "{" + strings.Join(b, " ") + "}"
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	w.put(t, "t1", gauge("seen"), testNow, 1.5)
	w.put(t, "t1", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "cpu", Tags: []metricdef.Tag{{Name: "host", Value: "n1"}, {Name: "zone", Value: "z"}}},
		Plain: []metricdef.Tag{{Name: "rack", Value: "r1"}}, Dialect: "native"}, testNow, 2.5)
	const cpu = `/gauges/cpu%7Bhost=%22n1%22,zone=%22z%22%7D`
	for i, c := range []struct {
		method, path, body string
		status             int
		answer             string // part of it
		of, tags           string // a metric and its tags afterwards
	}{
		{"PUT", "/gauges/new/tags", `{"a": 1, "b": true, "c": "x", "d": 1e3}`, 200, "Updated tags for t1@new", "/gauges/new", "{a=1 b=true c=x d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"a": 2, "b": "", "nosuch": ""}`, 200, "", "/gauges/new", "{a=2 c=x d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"a": "4"}`, 200, "", "/gauges/new", "{a=4 c=x d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"a": "3", "a": "5"}`, 400, "/a: is given twice", "/gauges/new", "{a=4 c=x d=1e3}"},
		{"PUT", "/gauges/new/tags", `{}`, 200, "", "/gauges/new", "{a=4 c=x d=1e3}"},
		{"PUT", "/gauges/other/tags", `{}`, 200, "", "/gauges/other", ""},
		{"PUT", "/gauges/other/tags", `{"x": ""}`, 200, "", "/gauges/other", "{}"},
		{"POST", "/gauges", `{"id": "new"}`, 409, "", "/gauges/new", "{a=4 c=x d=1e3}"},
		{"PUT", "/gauges/seen/tags", `{"k": "v"}`, 200, "", "/gauges/seen", "{k=v}"},
		{"POST", "/gauges", `{"id": "seen"}`, 409, "", "/gauges/seen", "{k=v}"},
		{"PUT", "/counters/seen/tags", `{"k": "w"}`, 200, "", "/counters/seen", "{k=w}"},
		{"DELETE", "/gauges/new/tags/a,c:whatever,nosuch", ``, 200, "Deleted tags for t1@new", "/gauges/new", "{d=1e3}"},
		{"DELETE", "/gauges/none/tags/a", ``, 200, "", "/gauges/none", ""},
		// As the client for Go escapes names, and an older one of it names and values.
		{"PUT", "/gauges/escaped/tags", `{"a,b": "1", "a": "2", "b": "3", "c:d": "4", "c": "5", "why": "Restarts, a:2, ,b", "e": "f,g"}`, 200, "", "/gauges/escaped", "{a,b=1 a=2 b=3 c:d=4 c=5 e=f,g why=Restarts, a:2, ,b}"},
		{"DELETE", "/gauges/escaped/tags/a%2Cb,c%3Ad", ``, 200, "", "/gauges/escaped", "{a=2 b=3 c=5 e=f,g why=Restarts, a:2, ,b}"},
		{"DELETE", "/gauges/escaped/tags/why:Restarts%2C%20a%3A2%2C%20%2Cb", ``, 200, "", "/gauges/escaped", "{a=2 b=3 c=5 e=f,g}"},
		{"DELETE", "/gauges/escaped/tags/e:f%2Cg", ``, 200, "", "/gauges/escaped", "{a=2 b=3 c=5}"},
		{"DELETE", "/gauges/escaped/tags/a%2Cb%3Aother", ``, 200, "", "/gauges/escaped", "{c=5}"}, // a list as a whole
		{"DELETE", "/gauges/escaped/tags/c,%2C", ``, 400, "nothing stands between the commas", "/gauges/escaped", "{c=5}"},
		{"DELETE", "/gauges/new/tags/,", ``, 400, "tag query", "/gauges/new", "{d=1e3}"},
		{"DELETE", "/gauges/new/tags/:5", ``, 400, "the name is blank", "/gauges/new", "{d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"x": null}`, 400, `the tag \"x\" has the value null`, "/gauges/new", "{d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"x": {}}`, 400, `the tag \"x\": an object cannot stand here`, "/gauges/new", "{d=1e3}"},
		{"PUT", "/gauges/new/tags", `{"": "x"}`, 400, "the name of a tag is blank", "/gauges/new", "{d=1e3}"},
		{"PUT", "/gauges/new/tags", `["x"]`, 400, "the body: expected an object of tags", "/gauges/new", "{d=1e3}"},
		{"PUT", "/gauges/new/tags", `{'__name__': 'x', e: 'f'}`, 200, "", "/gauges/new", "{__name__=x d=1e3 e=f}"}, // as Hawkular reads it
		{"GET", "/gauges/tags/__name__:x", ``, 200, `{"__name__":["x"]}`, "/gauges/new", "{__name__=x d=1e3 e=f}"},
		{"GET", "/metrics/tags?filter=__.*", ``, 200, `["__name__"]`, "/gauges/new", "{__name__=x d=1e3 e=f}"},
		{"GET", "/gauges?tags=__name__%20=%20x", ``, 200, `"id":"new"`, "/gauges/new", "{__name__=x d=1e3 e=f}"},
		{"DELETE", "/gauges/new/tags/__name__,e", ``, 200, "", "/gauges/new", "{d=1e3}"},
		{"PUT", cpu + "/tags", `{"rack": "r2", "host": "n1"}`, 200, "", cpu, "{host=n1 rack=r2 zone=z}"},
		{"PUT", cpu + "/tags", `{"rack": "r3", "host": "n2"}`, 409, `tag \"host\" is part of the identity`, cpu, "{host=n1 rack=r2 zone=z}"},
		{"PUT", cpu + "/tags", `{"rack": "r3", "zone": ""}`, 409, `tag \"zone\" is part of the identity`, cpu, "{host=n1 rack=r2 zone=z}"},
		{"DELETE", cpu + "/tags/rack,zone", ``, 409, `tag \"zone\" is part of the identity`, cpu, "{host=n1 rack=r2 zone=z}"},
		{"DELETE", cpu + "/tags/rack", ``, 200, "", cpu, "{host=n1 zone=z}"},

		{"PUT", "/gauges/tags", `[{"id": "m1", "tags": {"x": 1}}, {"id": "new", "tags": {"x": 2}}, {"id": "m1", "tags": {"y": 3, "x": 4}}]`, 200, "Updated tags for 3 items", "/gauges/m1", "{x=4 y=3}"},
		{"PUT", "/gauges/tags", `[{"id": "m1"}, {"id": "m2", "tags": null}, {"id": "m3", "tags": {}}]`, 200, "", "/gauges/m3", ""},
		{"PUT", "/counters/tags", `[{"id": "many", "tags": {"x": 1}}]`, 200, "Updated tags for 1 items", "/counters/many", "{x=1}"},
		{"PUT", "/availability/tags", `[{"id": "many", "tags": {"x": 2}}]`, 200, "", "/availability/many", "{x=2}"},
		{"PUT", "/strings/tags", `[{"id": "many", "tags": {"x": 3}}]`, 200, "", "/strings/many", "{x=3}"},
		{"PUT", "/gauges/tags", `[]`, 200, "", "/gauges/new", "{d=1e3 x=2}"},
		{"PUT", "/gauges/tags", `[{"id": "m4", "tags": {"x": 1}}, {"id": "new", "tags": {"x": null}}]`, 400, `/1/tags`, "/gauges/m4", ""},
		{"PUT", "/gauges/tags", `[{"id": "m4", "tags": {"x": 1}}, {"id": " ", "tags": {"x": 1}}]`, 400, `element 1, metric \" \": the id of the metric is missing`, "/gauges/m4", ""},
		{"PUT", "/gauges/tags", `[{"id": "m4", "tags": {"x": 1}}, {"id": "cpu{host=\"n1\",zone=\"z\"}", "tags": {"host": "n2"}}]`, 409, `element 1, metric \"cpu{host=\\\"n1\\\",zone=\\\"z\\\"}\": tag \"host\"`, "/gauges/m4", ""},
		{"PUT", "/gauges/tags", `[{"id": "m4", "tags": {"x": 1}}, {"id": "cpu{host=\"n1\",zone=\"z\"}", "tags": {"zone": ""}}]`, 409, `tag \"zone\"`, "/gauges/m4", ""},
		{"PUT", "/gauges/tags", `[{"id": "m4", "tags": {"x": 1}}, {"id": "m5", "tags": {"` + strings.Repeat("x", 70_000) + `": 1}}]`, 400, "element 1", "/gauges/m4", ""},
		{"PUT", "/gauges/tags", `{"id": "m4"}`, 400, "cannot stand here", "/gauges/m4", ""},
		{"PUT", "/strings/tags", `[{"id": "m1", "tags": {"x": "5"}}]`, 200, "", "/strings/m1", "{x=5}"},
	} {
		out := w.ask(t, c.method, c.path, c.body)
		if out.Code != c.status || !strings.Contains(out.Body.String(), c.answer) {
			t.Errorf("%d: %s %s %.100s: %d %s", i, c.method, c.path, c.body, out.Code, out.Body)
		}
		if got := w.tagsOf(t, c.of); got != c.tags {
			t.Errorf("%d: %s %s %.100s: the tags are %s, want %s", i, c.method, c.path, c.body, got, c.tags)
		}
	}
	w.put(t, "t1", gauge("a{b"), testNow, 1.0) // whose key text is a\{b
	w.must(t, 200, "PUT", "/gauges/tags", `[{"id": "a{b", "tags": {"x": "1", "z": "1"}}, {"id": "a\\{b", "tags": {"y": "2", "z": "2"}}]`)
	if got := w.tagsOf(t, "/gauges/a%7Bb"); got != "{x=1 y=2 z=2}" {
		t.Error(got)
	}
}

// TestTagsInStrictMode: the words are Hawkular's, and what only Mohawk has is not there.
func TestTagsInStrictMode(t *testing.T) {
	w := newWorld(t, strict)
	for _, body := range []string{"", "{}", "null", "[]"} {
		if out := w.must(t, 400, "PUT", "/gauges/a/tags", body); out.Body.String() != `{"errorMsg":"Payload is empty"}` {
			t.Errorf("%q: %s", body, out.Body)
		}
	}
	if out := w.must(t, 200, "PUT", "/gauges/a/tags", `{"x": "y"}`); out.Body.Len() > 0 {
		t.Error(out.Body)
	}
	w.must(t, 405, "PUT", "/gauges/tags", `[{"id": "a", "tags": {"x": "z"}}]`)
	w.must(t, 404, "GET", "/exports", "")
	w.must(t, 204, "GET", "/gauges/tags/nosuch:*", "")
	w.must(t, 204, "GET", "/metrics/tags?filter=nosuch", "")
	w.must(t, 204, "GET", "/gauges/none/tags", "")
	if out := w.must(t, 200, "GET", "/gauges?tags=x:y", ""); out.Body.String() != `[{"id":"a","tags":{"x":"y"},"dataRetention":7,"type":"gauge","tenantId":"t1"}]` {
		t.Error(out.Body)
	}
}

// TestManyTags tags many metrics in one request.
func TestManyTags(t *testing.T) {
	w := newWorld(t)
	var list []map[string]any
	for i := range 2000 {
		list = append(list, map[string]any{"id": fmt.Sprint("m", i), "tags": map[string]string{"n": fmt.Sprint(i % 7)}})
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // they are made, then changed
		w.must(t, 200, "PUT", "/gauges/tags", string(body))
		if n := len(read[[]metric](t, w.must(t, 200, "GET", "/gauges?tags=n:3", ""))); n != 286 {
			t.Errorf("%d metrics", n)
		}
	}
}

// TestTooManyTags: what nobody needs is refused before it takes time or memory.
func TestTooManyTags(t *testing.T) {
	w := newWorld(t)
	object := func(from, n int, value string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `%c"t%06d":%q`, "{,"[min(i, 1)], from+n-i, value)
		}
		return b.String() + "}"
	}
	for _, c := range []struct{ path, body, answer string }{
		{"/gauges/m/tags", object(0, 50_000, "x"), "more than 255 tags"},
		{"/gauges/m/tags", object(0, 50_000, ""), "more than 255 tags"},
		{"/gauges/tags", `[{"id":"m","tags":` + object(0, 200, "x") + `},{"id":"m","tags":` + object(200, 200, "") + `}]`, `element 1, metric \"m\": more than 255 tags`},
		{"/gauges/tags", "[" + strings.Repeat(`{"id":"m"},`, maxTagged) + `{"id":"m"}]`, "more than 20000 metrics"},
		{"/gauges/tags", strings.Repeat(`[`, 100_000), ""},
	} {
		if out := w.must(t, 400, "PUT", c.path, c.body); !strings.Contains(out.Body.String(), c.answer) {
			t.Errorf("%.50s: %s", c.body, out.Body)
		}
	}
	w.must(t, 200, "PUT", "/gauges/m/tags", object(0, 255, "x"))
	w.must(t, 200, "DELETE", "/gauges/m/tags/"+strings.Repeat("nosuch,", 20_000)+"t000001", "")
	if n := len(read[metric](t, w.ask(t, "GET", "/gauges/m", "")).Tags); n != 254 {
		t.Errorf("%d tags", n)
	}
}

// FuzzTagSet: no body panics, and what is read are tags that a metric may have but for their lengths.
func FuzzTagSet(f *testing.F) {
	for _, s := range []string{`{"a": 1, "b": "", "a": "x"}`, `{"": 1}`, `{"a": null}`, `{"a": [`, `{"\ud800": "\u0000"}`, `[]`, `{"a": {"b": 1}, "c"`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var tags tagSet
		if unmarshal(body, &tags) != nil {
			return
		}
		for i, tag := range tags.set {
			if strings.TrimSpace(tag.Name) == "" || tag.Value == "" || i > 0 && tags.set[i-1].Name >= tag.Name || slices.Contains(tags.drop, tag.Name) {
				t.Fatalf("%q: %q and %q", body, tags.set, tags.drop)
			}
		}
	})
}
