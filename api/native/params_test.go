package native

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
)

func TestParams(t *testing.T) {
	a := bare()
	get := func(query string) *params { return a.params(httptest.NewRequest(http.MethodGet, "/v2/x?"+query, nil)) }
	p := get("a=1&n=7&b&c=false&t=now-1h&d=5m&times=ns&l=1&l=2")
	if p.text("a", "") != "1" || p.integer("n", 0, 0, 10) != 7 || !p.bool("b", false) || p.bool("c", true) || p.time("t", 0) != testNow.Add(-time.Hour).UnixNano() ||
		p.duration("d", 0) != 5*time.Minute || p.format() != edge.Nanoseconds || len(p.list("l")) != 2 || p.text("absent", "def") != "def" || p.end() != nil {
		t.Error(p.end())
	}
	if p := get("t=now+1h&u=2026-01-01T00:00:00+02:00"); p.time("t", 0) != testNow.Add(time.Hour).UnixNano() || p.time("u", 0) != time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC).UnixNano() || p.end() != nil {
		t.Error("a plus in a time:", p.end())
	}
	for query, want := range map[string]string{
		"a=1&a=2": `parameter "a": is given 2 times`, "n=x": `parameter "n"`, "n=11": `from 0 to 10`, "b=maybe": `neither true nor false`,
		"t=yesterday": "is not a time", "d=-5m": "is not a duration", "times=days": "not a form of times", "time_format=x": "not a form of times",
		"times=s&time_format=s": `parameter "times": is given beside time_format`, "zzz=1": `parameter "zzz": is not one of this request`, "x=%zz": "not a query that can be read", "k=c": `not one of ["a" "b"]`,
	} {
		p := get(query)
		p.text("a", "")
		p.integer("n", 0, 0, 10)
		p.bool("b", false)
		p.time("t", 0)
		p.duration("d", 0)
		p.choice("k", "a", "b")
		p.format()
		err := p.end()
		if err == nil || !strings.Contains(err.Error(), want) || edge.CodeOf(err) != "parameter-invalid" {
			t.Errorf("%s: %v", query, err)
		}
	}
	if err := get(url.QueryEscape(strings.Repeat("x", 5000))).end(); err == nil || len(err.Error()) > 500 {
		t.Error(err)
	}
}
