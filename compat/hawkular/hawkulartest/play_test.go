package hawkulartest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestFilesCanBeRead: a member that is misspelt is an expectation that nobody looks at.
func TestFilesCanBeRead(t *testing.T) {
	for _, name := range []string{"expectations", "contract", "mohawk", "default", "clients"} {
		cases, err := Load("../testdata/" + name + ".json")
		if err != nil {
			t.Error(err)
		}
		seen := map[string]bool{}
		for _, c := range cases {
			if seen[c.Name] {
				t.Errorf("%s: two cases %q", name, c.Name)
			}
			seen[c.Name] = true
		}
	}
}

// TestEveryExpectationIsLookedAt: each kind of it holds for one answer and not for another.
func TestEveryExpectationIsLookedAt(t *testing.T) {
	for _, c := range []struct{ expect, good, bad string }{
		{`"equals": {"a": 1.5, "b": ["x", {}]}`, `{"b":["x",{}],"a":1.5004}`, `{"b":["x",{}],"a":1.502}`},
		{`"equals": [1, 2]`, `[1,2]`, `[2,1]`},
		{`"equals": {"id": "{{T}}", "at": "@now-1000", "text": "{{now}}"}`, `{"id":"me","at":9000,"text":"10000"}`, `{"id":"{{T}}","at":"9000","text":10000}`},
		{`"contains": [{"a": 1}, {"b": {"c": 2}}]`, `[{"b":{"c":2,"d":3}},{"a":1}]`, `[{"b":{"d":3}},{"a":1}]`},
		{`"element": {"a": 1}`, `[{"b":1},{"a":1}]`, `[{"a":1,"b":1}]`},
		{`"shape": [{"a": "<number>", "b": "<text>", "c": "<boolean>"}]`, `[{"a":1,"b":"","c":false,"d":0}]`, `[{"a":1,"b":"","c":true},{"a":"1","b":"","c":true}]`},
		{`"shape": [{"a": 1}]`, `[{"a":1}]`, `[]`},
		{`"shape": []`, `[]`, `[1]`},
		{`"has": ["a"]`, `{"a":null}`, `{"b":1}`},
		{`"lacks": ["a"]`, `{"b":1}`, `{"a":null}`},
		{`"length": 2`, `[1,2]`, `[1]`},
		{`"length": 0`, `[]`, `{}`},
		{`"members": 1`, `{"a":1}`, `[1]`},
		{`"ids": ["b", "a"]`, `[{"id":"a"},{"id":"b"}]`, `[{"id":"a"},{"id":"b"},{"id":"b"}]`},
		{`"idsContain": ["b"]`, `[{"id":"a"},{"id":"b"}]`, `[{"id":"a"}]`},
		{`"set": ["b", "a"]`, `["a","b"]`, `["a"]`},
		{`"sets": {"a": ["2", "1"]}`, `{"a":["1","2"]}`, `{"a":["1","2"],"b":[]}`},
		{`"keys": {"a": ["x", "y"]}`, `{"a":{"y":1,"x":2}}`, `{"a":{"y":1}}`},
		{`"at": {"0.a": 1, "1.b.c": "x"}`, `[{"a":1},{"b":{"c":"x"}}]`, `[{"a":1},{"b":{}}]`},
		{`"absent": {"0": ["a"]}`, `[{"b":1}]`, `[{"a":1}]`},
		{`"absent": {"1": ["a"]}`, `[{},{}]`, `[{}]`},
		{`"rising": "a"`, `[{"a":1},{"a":2}]`, `[{"a":1},{"a":1}]`},
		{`"falling": "a"`, `[{"a":2},{"a":1}]`, `[{"a":1},{"a":2}]`},
		{`"matches": ["^a+$"]`, `aa`, `ab`},
		{`"empty": true`, ``, `[]`},
		{`"has": ["a"]`, `{"a":1}`, `{"a":1`},
	} {
		var s Step
		d := json.NewDecoder(strings.NewReader("{" + c.expect + "}"))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			t.Fatal(c.expect, err)
		}
		s.Status = 200
		w := words{tenant: "me", now: time.UnixMilli(10000)}
		if faults := s.check(w, 200, http.Header{}, []byte(c.good)); len(faults) > 0 {
			t.Errorf("%s: %s: %v", c.expect, c.good, faults)
		}
		if faults := s.check(w, 200, http.Header{}, []byte(c.bad)); len(faults) == 0 {
			t.Errorf("%s: %s passes", c.expect, c.bad)
		}
	}
	s := Step{Status: 201, Location: "/gauges/a%2Fb", Answers: map[string]string{"X": "y"}}
	for at, want := range map[string]int{"http://x/gauges/a%2fb": 0, "/gauges/a/b": 1, "b": 1, "": 1} {
		if faults := s.check(words{}, 201, http.Header{"Location": {at}, "X": {"y"}}, nil); len(faults) != want {
			t.Errorf("%q: %v", at, faults)
		}
	}
	if faults := s.check(words{}, 200, http.Header{}, nil); len(faults) != 1 {
		t.Error(faults)
	}
}

func TestWhatIsSent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s %s %d", r.Method, r.RequestURI, r.Header.Get("Hawkular-Tenant"), r.Header.Get("Content-Type"), len(b))
	}))
	defer srv.Close()
	var c Case
	text := `{"case": "c", "steps": [
		{"method": "GET", "path": "/gauges/a%2Fb", "query": ["start={{now}}", "tags=a:%3A+"], "status": 200, "matches": ["^GET /hawkular/metrics/gauges/a%2Fb\\?start=10000&tags=a%3A%253A%2B me  0$"]},
		{"method": "POST", "path": "/hawkular/alerts?a=b", "tenant": false, "body": [1], "status": 200, "matches": ["^POST /hawkular/alerts\\?a=b  application/json 3$"]},
		{"method": "PUT", "path": "/x", "headers": {"Content-Type": "a/b", "Content-Encoding": "gzip"}, "text": "x{{T}}", "status": 200, "matches": ["^PUT /hawkular/metrics/x me a/b [2-9][0-9]$"]},
		{"method": "GET", "path": "/x", "status": 204}]}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	faults, err := Player{Base: srv.URL + "/hawkular/metrics", JSON: true, Now: time.UnixMilli(10000)}.Play(t.Context(), c, "me")
	if err != nil || len(faults) != 1 || faults[0].Step != 3 {
		t.Errorf("%v %v", faults, err)
	}
}
